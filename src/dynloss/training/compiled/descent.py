"""Full-batch gradient descent of many small networks on a CPU: ``full_batch.descend`` for an ``MLP``, but faster.

XLA moves every array of a network this small through memory at each operation. Here a kernel compiled by numba
(``compiled.kernel``) keeps them in registers and takes many steps in one go; a traced program calls it as any other
operation, and under ``vmap`` it gets the whole batch and trains the networks on all cores. The physics has one source:
Γ comes from the same schedules, as a table of the steps to come, and the tests hold the descent equal to automatic
differentiation.
"""

import importlib
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
_TESTED = ("x86_64", "amd64", "aarch64", "arm64")
_NAME = "dynloss_descend"
_METHODS = ("auto", "compiled", "xla")
_LAYER = {"bias": 0, "kernel": 0}
_NETWORK = jax.tree.structure({"params": {"hidden": _LAYER, "output": _LAYER}})


def descend(
    params: Any, data: Dataset, schedule: Schedule, learning_rate: Any, first: Any, steps: int, *, method: str = "auto"
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
    obstacle = _obstacle(data) if method == "compiled" or (method == "auto" and _tested()) else ""
    if method == "compiled" and obstacle:
        raise ValueError(f'method "compiled" {obstacle}; use "xla" or "auto"')
    if method == "auto" and "numba" in obstacle:
        warnings.warn("without numba networks train several times as slowly: pip install 'dynloss[fast]'", stacklevel=2)

    def by_kernel(params: Any, learning_rate: Any, first: Any) -> Any:
        return _descend(params, data, schedule, learning_rate, first, steps)

    def by_xla(params: Any, learning_rate: Any, first: Any) -> Any:
        arrays = jnp.asarray(data.inputs).astype(_dtype(params)), jnp.asarray(data.labels)
        gradient = lambda w, weights: written_out.cross_entropy_gradient(w, *arrays, weights)  # noqa: E731
        return full_batch.descend(params, gradient, schedule, learning_rate, first, steps)[0]

    params = jax.tree.map(jnp.asarray, params)  # float64 of NumPy is float32 where JAX has no other
    start = params, jnp.asarray(learning_rate), jnp.asarray(first)
    if method == "auto" and _tested() and not obstacle:
        return jax.lax.platform_dependent(*start, cpu=by_kernel, default=by_xla)
    return by_kernel(*start) if method == "compiled" else by_xla(*start)


def compiled_fits(data: Dataset) -> bool:
    """Whether ``descend`` has its compiled method here: with an x86-64 or ARM CPU, numba, few inputs and classes."""
    return _tested() and not _obstacle(data)


def _tested() -> bool:
    return platform.machine().lower() in _TESTED


def _obstacle(data: Dataset) -> str:
    """What stands in the way of the compiled method, if anything."""
    dimensions = np.shape(data.inputs)[1]
    if (dimensions + 1) * (data.num_classes - 1) > MOST_SUMS:
        return f"is for (D + 1) (C - 1) up to {MOST_SUMS}, got D = {dimensions} and C = {data.num_classes}"
    try:
        importlib.import_module("numba")
    except ImportError as error:
        return f"needs numba (pip install numba): {error}"
    return ""


def _dtype(params: Any) -> Any:
    return jax.tree.leaves(params)[0].dtype


def _check_shapes(params: Any, data: Any, schedule: Any) -> None:
    check_data(data)
    leaves = jax.tree.leaves(params)
    tree: Any = jax.tree.structure(params)
    if tree != _NETWORK:
        raise ValueError('params must be those of an MLP: {"params": {"hidden": …, "output": …}}')
    dtypes = {str(leaf.dtype) for leaf in leaves}
    if dtypes not in ({"float32"}, {"float64"}):
        raise ValueError(f"params must be all float32 or all float64, got {', '.join(sorted(dtypes))}")
    if np.ndim(data.inputs) != 2:
        raise ValueError(f"inputs must be (P, D), got {np.shape(data.inputs)}")
    width, inputs, classes = leaves[0].shape[-1:], np.shape(data.inputs)[1], data.num_classes
    if (shapes := [leaf.shape for leaf in leaves]) != [width, (inputs, *width), (classes,), (*width, classes)]:
        raise ValueError(f"params of shapes {shapes} do not fit {inputs} inputs and {classes} classes")
    full_batch.check_schedule(schedule, classes)


def _descend(params: Any, data: Dataset, schedule: Schedule, learning_rate: Any, first: Any, steps: int) -> Any:
    from dynloss.training.compiled import kernel

    foreign.register(_NAME, _train)
    dtype = _dtype(params)
    onehot = np.arange(data.num_classes)[:, None] == np.asarray(data.labels)
    fill = [(0, 0), (0, -len(data) % kernel.lanes(dtype))]
    arrays = [np.pad(each.astype(dtype), fill) for each in (np.asarray(data.inputs).T, onehot)]
    rate = learning_rate.astype(dtype)
    leaves, tree = jax.tree.flatten(params)
    # Dimensions of size 1 stand for a vmap that an operand has no part in.
    call = jax.ffi.ffi_call(_NAME, [jax.typeof(leaf) for leaf in leaves], vmap_method="expand_dims")

    def segment(leaves: Any, start: Any, length: int) -> Any:
        steps = start + jnp.arange(length, dtype=start.dtype)
        weights = jax.vmap(lambda step: weights_at(schedule, step, dtype))(steps)
        return call(*arrays, weights, rate, *leaves)

    whole, rest = divmod(steps, SEGMENT)
    starts = first + SEGMENT * jnp.arange(whole, dtype=first.dtype)
    leaves, _ = jax.lax.scan(lambda leaves, start: (segment(leaves, start, SEGMENT), None), leaves, starts)
    if rest:
        leaves = segment(leaves, first + SEGMENT * whole, rest)
    return jax.tree.unflatten(tree, leaves)


def _train(operands: list[np.ndarray], results: list[np.ndarray]) -> None:
    """What XLA calls: train a batch, its networks shared out among threads."""
    from numba.core.config import NUMBA_NUM_THREADS  # type: ignore[attr-defined]

    from dynloss.training.compiled import kernel

    inputs, onehot, table, rate, hidden_bias, hidden, output_bias, output = operands
    inputs, onehot = (each.reshape(each.shape[-2:]) for each in (inputs, onehot))
    *batch, dimensions, width = results[1].shape
    samples, classes, lanes = np.count_nonzero(onehot), len(onehot), kernel.lanes(table.dtype)

    # What ``kernel.train`` changes in place; and views of it.
    weights, bias = np.zeros((*batch, dimensions + 2 * classes, width + -width % lanes), table.dtype), results[2]
    first, second, less = np.split(weights[..., :width], (dimensions + 1, dimensions + 1 + classes), axis=-2)
    with np.errstate(invalid="ignore", over="ignore"):  # of a network that diverges
        first[..., :-1, :] = hidden
        first[..., -1, :] = hidden_bias
        second[...] = np.swapaxes(output, -1, -2)
        less[...] = second[..., :-1, :] - second[..., -1:, :]
        bias[...] = output_bias

    def by_network(array: np.ndarray) -> np.ndarray:
        """In one row of networks, and repeated where they share it."""
        own = array.shape[len(batch) :]
        return np.array(np.broadcast_to(array, (*batch, *own)), order="C").reshape(-1, *own)

    table, rate = by_network(table / table.dtype.type(samples)), by_network(rate)
    networks = (table, rate, weights.reshape(-1, *weights.shape[-2:]), bias.reshape(-1, classes))
    count = len(rate)

    def some(start: int, stop: int) -> None:
        own = (each[start:stop] for each in networks)
        kernel.train(tuple(inputs), tuple(onehot), samples, width, lanes, *own)

    threads = min(count, NUMBA_NUM_THREADS)
    if threads == 1:
        some(0, count)
    else:
        # A few pieces a thread, so that all end together; threads of the call's own, so that no two calls wait in turn.
        edges = np.linspace(0, count, min(count, 8 * threads) + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, edges[:-1], edges[1:]))

    results[0][...] = first[..., -1, :]
    results[1][...] = first[..., :-1, :]
    with np.errstate(invalid="ignore"):
        # The plain formula multiplies errors by units: one that is NaN spreads to idle units too.
        results[3][...] = np.swapaxes(second + 0 * bias[..., None], -1, -2)
