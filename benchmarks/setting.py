"""What the benchmarks share: the network and data of Figure 4, and how they time and report."""

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


def seconds(run: Callable) -> float:
    """How long a call takes, with all its results ready."""
    started = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - started


def in_turn(runs: dict[str, Callable], rounds: int) -> dict[str, float]:
    """The median seconds of each, measured in turn, so that a drift of the machine meets all of them; one warm-up."""
    for run in runs.values():
        jax.block_until_ready(run())
    times = [{name: seconds(run) for name, run in runs.items()} for _ in range(rounds)]
    return {name: statistics.median(each[name] for each in times) for name in runs}


def machine() -> str:
    """The device, as far as it says."""
    return f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores, {platform.machine()}, JAX {jax.__version__}"
