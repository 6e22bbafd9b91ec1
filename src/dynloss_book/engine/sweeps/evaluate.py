"""Ways to compute batches of points: vectorised over the local devices, in threads, or on a dask cluster.

Each takes batches with ``submit`` as long as there is ``room``, hands out finished ones with ``wait`` (or None, if
nothing finishes in so many seconds), and with ``close`` what has finished when nothing more is wanted. A point that ran
out of time has no outputs; its unfinished run is kept. ``layout`` says what a point's results look like, where that is
known before anything is computed.
"""

import contextlib
import os
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dynloss.checks import check_count
from dynloss_book.engine.deadline import OutOfTime
from dynloss_book.engine.sweeps.contract import (
    argument_type,
    called,
    check_outputs,
    layout_of,
    place,
    takes_checkpoint,
    traced,
    tracing,
)
from dynloss_book.engine.sweeps.grid import SEED, Layout, Points, select
from dynloss_book.engine.sweeps.store import SweepError

Outputs = dict[str, np.ndarray]
Batch = tuple[Points, Outputs]

_SHARE_OF_MEMORY = 0.5  # for a batch; the rest is for what the estimate leaves out


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

    def __init__(
        self,
        begin: Callable[[Points], Callable[[], Outputs]],
        size: int,
        limit: int,
        layout: Layout | None = None,
        leave: bool = False,
    ):
        self.begin, self.size, self.limit, self.layout, self.leave = begin, size, limit, layout, leave
        self.running = 0
        self.finished: queue.SimpleQueue[tuple[Points, Any]] = queue.SimpleQueue()

    @property
    def room(self) -> bool:
        return self.running < self.limit

    @property
    def busy(self) -> bool:
        return self.running > 0

    def submit(self, points: Points) -> None:
        compute = self.begin(points)
        self.running += 1
        threading.Thread(target=self._compute, args=(points, compute), daemon=self.leave).start()

    def _compute(self, points: Points, compute: Callable[[], Outputs]) -> None:
        try:
            self.finished.put((points, compute()))
        except BaseException as error:
            self.finished.put((points, error))

    def wait(self, seconds: float | None = None) -> Batch | None:
        try:
            points, outputs = self.finished.get(timeout=seconds)
        except queue.Empty:
            return None
        self.running -= 1
        if isinstance(outputs, OutOfTime):
            return points, {}
        if isinstance(outputs, BaseException):
            raise outputs
        return points, outputs

    def close(self) -> list[Batch]:
        ready: list[Batch] = []
        while not self.finished.empty():
            with contextlib.suppress(BaseException):
                ready += filter(None, [self.wait(0)])
        return ready


def vectorised(
    function: Callable, constants: Mapping[str, Any], names: list[str], size: int | None, most: int
) -> Local:
    """A traceable function, vmapped over a batch; with several local devices each gets its share."""
    batched: Callable = jax.vmap(lambda point: function(**point, **constants))
    devices, sharding = jax.local_devices(), None
    if len(devices) > 1:
        mesh = jax.sharding.Mesh(np.array(devices), ("points",))
        along = jax.sharding.PartitionSpec("points")
        sharding = jax.sharding.NamedSharding(mesh, along)
        batched = jax.shard_map(batched, mesh=mesh, in_specs=along, out_specs=along, check_vma=False)

    on_cpu = devices[0].platform == "cpu"
    wanted = min(most, size or (8 * (os.cpu_count() or 1) if on_cpu else 4096))

    def trace(size: int) -> tuple[Any, Layout]:
        shapes = {name: jax.ShapeDtypeStruct((size,), argument_type(name), sharding=sharding) for name in names}
        with tracing(function):
            found = jax.jit(batched).trace(shapes)
        return found, traced(function, found.out_info, names, batched=True)

    program, layout, size = _compiled(trace, len(devices) * -(-wanted // len(devices)), size is None)

    def begin(points: Points) -> Callable[[], Outputs]:
        count = len(points[SEED])
        # Repeat the last point: every batch has one shape, so nothing is compiled again or rounded differently.
        full = {name: np.pad(values, (0, size - count), mode="edge") for name, values in points.items()}
        arrays = {name: jax.device_put(np.asarray(v, argument_type(name)), sharding) for name, v in full.items()}
        return lambda: {name: np.asarray(values)[:count] for name, values in program(arrays).items()}

    # An accelerator computes the next batch while this one is written.
    return Local(begin, size, 1 if on_cpu else 2, layout)


def _compiled(trace: Callable, size: int, shrink: bool) -> tuple[Any, Layout, int]:
    """The program for a batch, half as large as long as it does not fit the memory at hand; a point's layout; the size.

    Traced once for all of it: with a deep function, that takes longer than to compile it.
    """
    devices = jax.local_devices()
    while True:
        found, layout = trace(size)
        program = found.lower().compile()
        need, free = _bytes_needed(program), _bytes_free(devices[0])
        if not shrink or size <= len(devices) or need is None or free is None or need < _SHARE_OF_MEMORY * free:
            return program, layout, size
        size = len(devices) * max(1, size // 2 // len(devices))


def pointwise(
    function: Callable,
    constants: Mapping[str, Any],
    checkpoint: Callable[[Points], Path] | None = None,
    workers: int | None = None,
) -> Local:
    """Any Python function, point by point, one thread a core on a CPU; a batch is a point.

    One that takes a ``checkpoint`` is given the file that ``checkpoint`` names for its point.
    """
    files = checkpoint if takes_checkpoint(function, constants) else None
    workers = workers or (_cores() if jax.default_backend() == "cpu" else 1)
    begin = partial(partial, _point_by_point, function, dict(constants), files)
    return Local(begin, 1, workers, leave=True)


class Dask:
    """Batches on the workers of a dask cluster: local, SSH, SLURM. dask repeats what a lost worker was computing."""

    def __init__(self, client: Any, function: Callable, constants: Mapping[str, Any], names: list[str],
                 vectorise: bool, size: int | None, most: int):  # fmt: skip
        from distributed import as_completed

        self.client = client
        self.layout = layout_of(function, constants, names) if vectorise else None
        # Every worker must take batches of one size, which one without devices of its own cannot know: a plain choice.
        self.size = min(most, size or 64) if vectorise else 1
        self.task = partial(_on_worker, uuid.uuid4().hex, function, dict(constants), names, self.size, vectorise,
                            jax.numpy.result_type(float) == np.float64)  # fmt: skip
        self.running: dict[Any, Points] = {}
        self.finished = as_completed()

    @property
    def room(self) -> bool:
        workers = max(1, len(self.client.nthreads()))
        return len(self.running) < 2 * workers

    @property
    def busy(self) -> bool:
        return bool(self.running)

    def submit(self, points: Points) -> None:
        future = self.client.submit(self.task, points, pure=False, retries=2)
        self.running[future] = points
        self.finished.add(future)

    def wait(self, seconds: float | None = None) -> Batch:
        future = next(self.finished)  # which knows no time limit
        return self.running.pop(future), future.result()

    def close(self) -> list[Batch]:
        ready = []
        for future, points in self.running.items():
            with contextlib.suppress(Exception):  # failed, or the cluster is gone
                if future.done():
                    ready.append((points, future.result(timeout=10)))
        with contextlib.suppress(Exception):
            self.client.cancel(list(self.running))
        return ready


_programs: dict[str, Local] = {}  # by sweep
_compiling = threading.Lock()


def _on_worker(sweep, function, constants, names, size, vectorise, x64, points) -> Outputs:
    """Compute a batch on a worker, which keeps the program that it has compiled for the batches to come."""
    jax.config.update("jax_enable_x64", x64)
    if not vectorise:
        return _point_by_point(function, constants, None, points)  # no disk that all workers see
    with _compiling:
        if sweep not in _programs:
            while len(_programs) >= 4:
                del _programs[next(iter(_programs))]
            _programs[sweep] = vectorised(function, constants, names, size, size)
        return _programs[sweep].begin(points)()


def _point_by_point(function, constants, checkpoint, points) -> Outputs:
    results = []
    for row in range(len(points[SEED])):
        one = select(points, slice(row, row + 1))
        file = {"checkpoint": checkpoint(one)} if checkpoint else {}
        try:
            outputs = function(**{name: values.item() for name, values in one.items()}, **constants, **file)
        except OutOfTime:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise SweepError(f"{called(function)} failed at {place(one)}: {reason}") from error
        check_outputs(function, outputs, list(points))
        results.append({name: np.asarray(value) for name, value in outputs.items()})
    return {name: np.stack([each[name] for each in results]) for name in results[0]}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bytes_needed(program) -> int | None:
    analysis = program.memory_analysis()
    if analysis is None:
        return None
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes + analysis.argument_size_in_bytes


def _bytes_free(device) -> int | None:
    if stats := device.memory_stats():
        return stats["bytes_limit"] - stats["bytes_in_use"]
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def check_size(chunk: int | None) -> None:
    """Raise ``ValueError`` unless it is None or a whole number from 1 on."""
    if chunk is not None:
        check_count("chunk", chunk, at_least=1)
