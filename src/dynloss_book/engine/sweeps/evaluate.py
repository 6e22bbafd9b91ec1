"""Ways to compute batches of points: vectorised over the local devices, or in threads.

Each takes a batch, of at most ``size`` points, with ``submit``, which gives a future of its results; ``limit`` says how
many at once. A point that ran out of time raises ``OutOfTime``; its unfinished run is kept. ``layout`` says what a
point's results look like, where that is known before anything is computed.
"""

import math
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss_book.engine.deadline import OutOfTime
from dynloss_book.engine.provenance import cores
from dynloss_book.engine.sweeps.contract import check_outputs, place
from dynloss_book.engine.sweeps.grid import SEED, Layout, Points
from dynloss_book.engine.sweeps.store import SweepError

Outputs = dict[str, np.ndarray]

_SHARE_OF_MEMORY = 0.5  # for a batch; the rest is for what the estimate leaves out


@dataclass
class Local:
    """Batches computed by this process, each in a thread of its own: who waits inside JAX does not hear Ctrl-C.

    Attributes:
        begin: points -> a function without arguments that computes them; called in the main thread.
        size: points in a batch.
        limit: batches at once.
        layout: of a point's results; None where it is not known before.
        leave: an interrupted program ends without waiting for its batches. JAX has to be waited for: leaving it in the
            middle ends in a crash.
    """

    begin: Callable[[Points], Callable[[], Outputs]]
    size: int
    limit: int
    layout: Layout | None = None
    leave: bool = False

    def submit(self, points: Points) -> Future[Outputs]:
        future: Future[Outputs] = Future()
        arguments = self.begin(points), future
        future.set_running_or_notify_cancel()
        threading.Thread(target=_settle, args=arguments, daemon=self.leave).start()
        return future


def _settle(compute: Callable[[], Outputs], future: Future[Outputs]) -> None:
    try:
        future.set_result(compute())
    except BaseException as error:
        future.set_exception(error)


def vectorised(
    function: Callable, constants: Mapping[str, Any], names: list[str], size: int | None, most: int
) -> Local:
    """A traceable function, vmapped over a batch; with several local devices each gets its share.

    Args:
        function, constants, names: as of ``contract.check_function``.
        size: points in a batch; None chooses as many as cores and memory allow.
        most: points that are left, so that no batch is larger.

    Raises:
        TypeError, jax.errors.JAXTypeError: JAX cannot trace it.
        ValueError: what it gives cannot be kept, see ``contract.check_outputs``.
    """
    devices, sharding = jax.local_devices(), None
    if len(devices) > 1:
        mesh = jax.sharding.Mesh(np.array(devices), ("points",))
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("points"))

    on_cpu = devices[0].platform == "cpu"
    wanted = min(most, size or (8 * (os.cpu_count() or 1) if on_cpu else 4096))
    batch = len(devices) * -(-wanted // len(devices))
    program, layout = _compiled(function, constants, names, sharding, batch)
    free = _SHARE_OF_MEMORY * _bytes_free(devices[0])
    while size is None and batch > len(devices) and _bytes_needed(program) >= free:
        batch = len(devices) * max(1, batch // 2 // len(devices))
        program, layout = _compiled(function, constants, names, sharding, batch)

    def begin(points: Points) -> Callable[[], Outputs]:
        count = len(points[SEED])
        # Repeat the last point: every batch has one shape, so nothing is compiled again or rounded differently.
        full = {name: np.pad(values, (0, batch - count), mode="edge") for name, values in points.items()}
        arrays = {name: jax.device_put(np.asarray(v, argument_type(name)), sharding) for name, v in full.items()}
        return lambda: {name: np.asarray(values)[:count] for name, values in program(arrays).items()}

    # An accelerator computes the next batch while this one is written.
    return Local(begin, batch, 1 if on_cpu else 2, layout)


def _compiled(
    function: Callable, constants: Mapping[str, Any], names: list[str], sharding: Any, size: int
) -> tuple[Any, Layout]:
    """The program for so many points at once, and the shapes and types of a point's results."""
    batched: Callable = jax.vmap(lambda point: function(**point, **constants))
    if sharding:
        along = sharding.spec
        batched = jax.shard_map(batched, mesh=sharding.mesh, in_specs=along, out_specs=along, check_vma=False)
    shapes = {name: jax.ShapeDtypeStruct((size,), argument_type(name), sharding=sharding) for name in names}
    try:
        found = jax.jit(batched).trace(shapes)
    except (TypeError, jax.errors.JAXTypeError) as error:
        error.add_note(f"{function.__name__} cannot be traced by JAX; vectorize=False calls it point by point")
        raise
    check_outputs(function, found.out_info, names)
    layout = {name: (each.shape[1:], np.dtype(each.dtype)) for name, each in found.out_info.items()}
    return found.lower().compile(), layout  # traced once: with a deep function, that takes longer than to compile it


def argument_type(name: str):
    """Seeds are integers; every other axis is of the default floating-point type, so that 1 and 1.0 agree."""
    return jnp.dtype(jnp.int32) if name == SEED else jnp.result_type(float)


def pointwise(
    function: Callable, constants: Mapping[str, Any], checkpoint: Callable[[Points], Path] | None = None
) -> Local:
    """Any Python function, point by point, one thread a core on a CPU; a batch is a point.

    One that takes a ``checkpoint`` is given the file that ``checkpoint`` names for its point.

    Args:
        function, constants: as of ``contract.check_function``.
        checkpoint: a point -> the file for its unfinished run.
    """
    asks = "checkpoint" in signature(function).parameters and "checkpoint" not in constants
    begin = partial(partial, _one_point, function, dict(constants), checkpoint if asks else None)
    return Local(begin, 1, cores() if jax.default_backend() == "cpu" else 1, leave=True)


def _one_point(function, constants, checkpoint, point) -> Outputs:
    file = {"checkpoint": checkpoint(point)} if checkpoint else {}
    try:
        outputs = function(**{name: values.item() for name, values in point.items()}, **constants, **file)
    except OutOfTime:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise SweepError(f"{function.__name__} failed at {place(point)}: {reason}") from error
    check_outputs(function, outputs, list(point))
    return {name: np.asarray(value)[np.newaxis] for name, value in outputs.items()}


def _bytes_needed(program) -> int:
    analysis = program.memory_analysis()
    if analysis is None:  # not every backend tells
        return 0
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes + analysis.argument_size_in_bytes


def _bytes_free(device) -> float:
    """As far as that is known; else infinitely many."""
    if stats := device.memory_stats():
        return stats["bytes_limit"] - stats["bytes_in_use"]
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return math.inf
