"""Full-batch gradient descent of many small networks on a CPU: ``full_batch.descend`` for an ``MLP``, but faster.

XLA moves every array of a network this small through memory at each operation. Here a kernel compiled by numba
(``compiled.kernel``) keeps them in registers and takes many steps in one go; a traced program calls it as any other
operation, and under ``vmap`` it gets the whole batch and trains the networks on all cores. The physics has one source:
Γ comes from the same schedules, as a table of the steps to come, and the tests hold the descent equal to automatic
differentiation.
"""

import importlib.util
import platform
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss.checks import check_choice, check_count, check_number
from dynloss.datasets.base import Dataset, check_data
from dynloss.models import written_out
from dynloss.schedules import Schedule, weights_at
from dynloss.training import full_batch
from dynloss.training.compiled import foreign

# Steps in one call of the kernel. The table of Γ grows with it, the share of the calls in the time shrinks.
SEGMENT = 1024
# With more inputs or classes than this allows, matrix products are faster than the kernel, which takes long to compile.
MOST_SUMS = 64

# Vector code is made for the processor at hand; on others it has never been run, so there it has to be asked for.
_TESTED = ("x86_64", "amd64")
_NAME = "dynloss_descend"
_METHODS = ("auto", "compiled", "xla")
_LAYERS = (("hidden", "kernel"), ("hidden", "bias"), ("output", "kernel"), ("output", "bias"))


def descend(
    params: Any, data: Dataset, schedule: Schedule, learning_rate, first, steps: int, *, method: str = "auto"
) -> Any:
    """``steps`` steps of an ``MLP`` on eq. (1) with the cross-entropy, from step ``first`` on.

    Traceable, and vmappable in ``params``, ``learning_rate``, ``first`` and whatever the schedule closes over; not
    differentiable with the compiled method. From the same numbers a network's result is the same to the last bit alone
    and in a batch. One that diverges ends in NaN. Over several devices use ``jax.shard_map``, as the book's
    sweeps do: with a plain sharded ``jit`` each device would train the whole batch.

    Args:
        params: of an ``MLP`` at step ``first``, float32 or float64.
        data: the training set, (P, D) inputs; no tracer.
        schedule: step -> Γ, (C,).
        learning_rate: η.
        first: the number of the first step.
        steps: how many; not traced.
        method: ``"compiled"``: the numba kernel, for a CPU; as many threads as ``NUMBA_NUM_THREADS`` says, by default
            all cores. ``"xla"``: ``full_batch.descend`` with ``mlp.cross_entropy_gradient``, on any device. ``"auto"``:
            compiled where ``compiled_fits`` and the program is lowered for a CPU, else XLA. Where Python runs does not
            matter: a program lowered for a GPU on a machine without one is the one that a GPU runs.

    Returns:
        The parameters after the last step.

    Raises:
        ValueError: for a learning rate not above 0, parameters, data and weights that do not fit each other, or the
            compiled method where it does not fit. The compiled method cannot be lowered for other devices.

    >>> from dynloss import datasets, models, schedules
    >>> data = datasets.spiral(points_per_class=10).astype("float32")
    >>> params = models.MLP(width=5).init(jax.random.key(0), jnp.asarray(data.inputs))
    >>> schedule = schedules.oscillating(20, 10, 3)
    >>> trained = descend(params, data, schedule, 0.5, 0, 100, method="xla")
    >>> trained["params"]["hidden"]["kernel"].shape
    (2, 5)
    """
    check_choice("method", method, _METHODS)
    check_number("learning_rate", learning_rate, above=0)
    check_count("steps", steps, at_least=0)
    _check_shapes(params, data, schedule)
    _check_fast(method)
    if method == "compiled" and (reason := _obstacle(data)):
        raise ValueError(f'method "compiled" {reason}; use "xla" or "auto"')

    def by_kernel(params, learning_rate, first):
        return _descend(params, data, schedule, learning_rate, first, steps)

    def by_xla(params, learning_rate, first):
        arrays = jnp.asarray(data.inputs).astype(_dtype(params)), jnp.asarray(data.labels)
        gradient = lambda w, weights: written_out.cross_entropy_gradient(w, *arrays, weights)  # noqa: E731
        return full_batch.descend(gradient, schedule, learning_rate, params, first, steps)[0]

    params = jax.tree.map(jnp.asarray, params)  # float64 of NumPy is float32 where JAX has no other
    start = params, jnp.asarray(learning_rate), jnp.asarray(first)
    if method == "auto" and compiled_fits(data):
        return jax.lax.platform_dependent(*start, cpu=by_kernel, default=by_xla)
    return by_kernel(*start) if method == "compiled" else by_xla(*start)


def compiled_fits(data: Dataset) -> bool:
    """Whether ``descend`` has its compiled method here: with an x86-64 CPU, numba, and few inputs and classes."""
    return platform.machine().lower() in _TESTED and _obstacle(data) is None


def _obstacle(data: Dataset) -> str | None:
    dimensions = np.shape(data.inputs)[1]
    if (dimensions + 1) * (data.num_classes - 1) > MOST_SUMS:
        return f"is for (D + 1) (C - 1) up to {MOST_SUMS}, got D = {dimensions} and C = {data.num_classes}"
    try:
        importlib.import_module("numba")
    except ImportError as error:
        return f"needs numba (pip install numba): {error}"
    return None


def _dtype(params):
    return jax.tree.leaves(params)[0].dtype


def _check_fast(method: str) -> None:
    """Say once what a processor without numba loses."""
    if method == "auto" and platform.machine().lower() in _TESTED and not importlib.util.find_spec("numba"):
        warnings.warn("without numba networks train several times as slowly: pip install 'dynloss[fast]'", stacklevel=3)


def _check_shapes(params, data: Dataset, schedule: Schedule) -> None:
    check_data(data)
    try:
        leaves = [params["params"][layer][part] for layer, part in _LAYERS]
    except (KeyError, TypeError, IndexError):
        leaves = []
    if not leaves or len(jax.tree.leaves(params)) != len(leaves):
        raise ValueError('params must be those of an MLP: {"params": {"hidden": …, "output": …}}')
    dtypes = {str(leaf.dtype) for leaf in leaves}
    if dtypes not in ({"float32"}, {"float64"}):
        raise ValueError(f"params must be all float32 or all float64, got {', '.join(sorted(dtypes))}")
    if np.ndim(data.inputs) != 2:
        raise ValueError(f"inputs must be (P, D), got {np.shape(data.inputs)}")
    width = jnp.shape(leaves[1])[-1:]
    inputs, classes = np.shape(data.inputs)[1], data.num_classes
    expected = [(inputs, *width), width, (*width, classes), (classes,)]
    if (shapes := [jnp.shape(leaf) for leaf in leaves]) != expected:
        raise ValueError(f"params of shapes {shapes} do not fit {inputs} inputs and {classes} classes")
    full_batch.check_schedule(schedule, classes)


def _descend(params, data, schedule, learning_rate, first, steps):
    from dynloss.training.compiled import vectors

    foreign.register(_NAME, _train)
    dtype = _dtype(params)
    samples, lanes = len(data), vectors.lanes(dtype)
    fill = [(0, 0), (0, -samples % lanes)]
    onehot = np.arange(data.num_classes)[:, None] == np.asarray(data.labels)[None, :]
    arrays = [np.pad(each.astype(dtype), fill) for each in (np.asarray(data.inputs).T, onehot)]
    rate = learning_rate.astype(dtype)

    def segment(leaves, start, length):
        steps = start + jnp.arange(length, dtype=start.dtype)
        weights = jax.vmap(lambda step: weights_at(schedule, step, dtype))(steps)
        shapes = [jax.ShapeDtypeStruct(leaf.shape, dtype) for leaf in leaves]
        # Dimensions of size 1 stand for a vmap that an operand has no part in.
        call = jax.ffi.ffi_call(_NAME, shapes, vmap_method="expand_dims")
        return call(*arrays, np.int32(samples), weights, rate, *leaves)

    leaves = [params["params"][layer][part] for layer, part in _LAYERS]
    whole, rest = divmod(steps, SEGMENT)
    starts = first + SEGMENT * jnp.arange(whole, dtype=first.dtype)
    leaves, _ = jax.lax.scan(lambda leaves, start: (segment(leaves, start, SEGMENT), None), leaves, starts)
    if rest:
        leaves = segment(leaves, first + SEGMENT * whole, rest)
    new: dict[str, dict] = {"hidden": {}, "output": {}}
    for (layer, part), leaf in zip(_LAYERS, leaves, strict=True):
        new[layer][part] = leaf
    return {"params": new}


def _train(operands, results) -> None:
    """What XLA calls: train a batch, its networks shared out among threads."""
    from numba.core.config import NUMBA_NUM_THREADS  # type: ignore[attr-defined]

    from dynloss.training.compiled.kernel import train

    inputs, onehot, samples, *own = operands
    batch = results[-1].shape[:-1]
    count = int(np.prod(batch))
    table, rate, *leaves = (
        np.ascontiguousarray(np.broadcast_to(each, (*batch, *each.shape[len(batch) :]))).reshape(
            count, *each.shape[len(batch) :]
        )
        for each in own
    )
    outputs = [each.reshape(count, *each.shape[len(batch) :]) for each in results]
    for output, leaf in zip(outputs, leaves, strict=True):
        output[...] = leaf
    rows = [tuple(each.reshape(each.shape[-2:])) for each in (inputs, onehot)]
    number = samples.item()
    table = table / table.dtype.type(number)

    def some(start, stop):
        train(*rows, number, table[start:stop], rate[start:stop], *(each[start:stop] for each in outputs))

    threads = min(count, NUMBA_NUM_THREADS)
    if threads == 1:
        return some(0, count)
    # A few pieces a thread, so that all end together; threads of the call's own, so that no two calls wait in turn.
    edges = np.linspace(0, count, min(count, 8 * threads) + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(some, edges[:-1], edges[1:]):
            pass
