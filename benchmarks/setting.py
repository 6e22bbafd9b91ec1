"""What the benchmarks share: the network and data of Figure 4, and how they time and report."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from dynloss import datasets, schedules
from dynloss.models import mlp

PERIOD, AMPLITUDE, LEARNING_RATE = 5000.0, 70.0, 1.0


def figure4(dtype: str):
    """The model, its first parameters, the training set and the schedule of Figure 4."""
    data = datasets.spiral().astype(dtype)
    model = mlp.MLP(width=100, num_classes=3, param_dtype=dtype)
    params = model.init(jax.random.key(0), jnp.asarray(data.inputs))
    return model, params, data, schedules.oscillating(PERIOD, AMPLITUDE, 3, stop=65_000)


def arguments(text: str, least: dict, **usual) -> argparse.Namespace:
    """A benchmark's options, of these usual values; ``--smallest`` takes the least ones, to see that it works."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smallest", action="store_true", help="a run whose numbers say nothing")
    for name, value in usual.items():
        kind, many = (type(value[0]), "+") if isinstance(value, list) else (type(value), None)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=kind, nargs=many, default=value, help=f"usually {value}")
    if parser.parse_known_args()[0].smallest:
        parser.set_defaults(**least)
    return parser.parse_args()


def seconds(run: Callable, clock: Callable[[], float] = time.perf_counter) -> float:
    """How long a call takes, with all its results ready."""
    started = clock()
    jax.block_until_ready(run())
    return clock() - started


def in_turn(runs: dict[str, Callable], rounds: int, measure: Callable[[Callable], float] = seconds) -> dict[str, float]:
    """The median seconds of each, measured in turn, so that a drift of the machine meets all of them; one warm-up."""
    for run in runs.values():
        measure(run)
    times = [{name: measure(run) for name, run in runs.items()} for _ in range(rounds)]
    return {name: statistics.median(each[name] for each in times) for name in runs}


def machine() -> str:
    """The device, as far as it says."""
    return f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores, {platform.machine()}, JAX {jax.__version__}"
