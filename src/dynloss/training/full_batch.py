"""Full-batch training on a dynamical loss, by gradient descent or any optimiser of optax: one scan over the steps.

Step t is recorded *before* its update: the parameters W_t under the weights Γ(t). So the first row of a trajectory is
the untrained network, and F(t) - F(t-1) compares the losses of eq. (1) at consecutive steps.
"""

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynloss import losses
from dynloss.checks import check_arrays, check_count, check_function, check_number, check_parameters, check_shaped_as
from dynloss.datasets.base import Dataset, check_data
from dynloss.schedules import Schedule, weights_at
from dynloss.training import checkpoints

Gradient = Callable[[Any, Any], Any]  # (params, weights) -> gradient, shaped as params


class Snapshot(NamedTuple):
    """What a recorder sees of one step, before its update.

    Attributes:
        step: t.
        params: W_t.
        weights: Γ(t), (C,).
        gradient: W -> ∇F(W; Γ(t)), shaped as W.
    """

    step: Any
    params: Any
    weights: Any
    gradient: Callable[[Any], Any]


@dataclass(frozen=True)
class Recorder:
    """Something to record at every ``every``-th step, step 0 included.

    Attributes:
        measure: Snapshot -> {name: array}, traceable.
        variables: {name: (dimensions after the step, attributes such as long_name and units)}.
        every: the cadence, in steps, at least 1.
    """

    measure: Callable[[Snapshot], dict[str, Any]]
    variables: dict[str, tuple[tuple[str, ...], dict[str, str]]]
    every: int = 1

    def __post_init__(self) -> None:
        check_count("every", self.every, at_least=1)


class Run(NamedTuple):
    """The end of training: the parameters after the last step, and the trajectory as an ``xarray.Dataset``."""

    params: Any
    trajectory: Any


def loss_gradient(
    apply: Callable[..., Any], data: Dataset, loss: Callable[..., Any] = losses.cross_entropy
) -> Gradient:
    """The gradient of eq. (1) by automatic differentiation: (params, weights) -> gradient, shaped as params.

    Args:
        apply: (params, inputs) -> outputs, (P, C).
        data: the training set.
        loss: (outputs, labels) -> one loss per sample, (P,).

    Raises:
        ValueError: when it is first called: outputs, losses or weights that do not fit the data's samples and classes.
    """
    check_task(apply, data)
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)

    def objective(params: Any, weights: Any) -> Any:
        outputs = apply(params, inputs)
        _check_fits(outputs, weights, data)
        return losses.class_weighted_mean(loss(outputs, labels), labels, weights)

    gradient: Gradient = jax.grad(objective)
    vars(gradient)["data"] = data  # by which ``train`` sees that it is given the same
    return gradient


def _check_fits(outputs: Any, weights: Any, data: Dataset) -> None:
    check_arrays(outputs=outputs, weights=weights)
    wanted = len(data), data.num_classes
    if outputs.shape != wanted:
        raise ValueError(f"the model gives outputs {outputs.shape} for {wanted[0]} samples of {wanted[1]} classes")
    if weights.shape != wanted[1:]:
        raise ValueError(f"the schedule gives weights {weights.shape} for {wanted[1]} classes")


def descend(
    params: Any,
    gradient: Gradient,
    schedule: Schedule,
    learning_rate: Any,
    first: Any,
    steps: int,
    recorders: Sequence[Recorder] = (),
) -> tuple[Any, list[dict[str, Any]]]:
    """``steps`` steps of gradient descent from step ``first``, W ← W - η ∇F(W; Γ(t)); see ``optimize``.

    Args:
        params: W at step ``first``, of one floating-point type.
        gradient: (params, weights) -> gradient, shaped as params.
        schedule: step -> Γ, (C,).
        learning_rate: η.
        first: the number of the first step.
        steps: how many; not traced.
        recorders: evaluated where the step is a multiple of their cadence, zero elsewhere.

    Returns:
        The parameters after the last step and, for each recorder, {name: (steps, …) array}.

    Raises:
        ValueError: for parameters besides flax's ``params``, or a gradient that is not shaped as they are.
    """
    rule = _plain(learning_rate)
    state, records = optimize((params, rule.init(params)), gradient, schedule, rule, first, steps, recorders)
    return state[0], records


def optimize(
    state: Any,
    gradient: Gradient,
    schedule: Schedule,
    optimizer: optax.GradientTransformation,
    first: Any,
    steps: int,
    recorders: Sequence[Recorder] = (),
) -> tuple[Any, list[dict[str, Any]]]:
    """``steps`` steps from step ``first``: one ``lax.scan``, traceable and vmappable in everything but their number.

    Args:
        state: the parameters and the optimiser's memory at step ``first``: at the beginning
            ``(params, optimizer.init(params))``.
        gradient, schedule, first, steps, recorders: as of ``descend``.
        optimizer: of optax, with its learning rate and sign, such as ``optax.adam(0.01)``.

    Returns:
        The state after the last step and, for each recorder, {name: (steps, …) array}.

    Raises:
        ValueError: as ``descend``.
    """
    check_parameters(state[0])
    dtype = jax.tree.leaves(state[0])[0].dtype

    def advance(state: Any, step: Any) -> tuple[Any, list[dict[str, Any]]]:
        params, memory = state
        weights = weights_at(schedule, step, dtype)
        snapshot = Snapshot(step, params, weights, lambda w: gradient(w, weights))
        records = [_record(recorder, snapshot) for recorder in recorders]
        found = gradient(params, weights)
        check_shaped_as("gradient", found, params)
        change, memory = optimizer.update(found, memory, params)
        return (optax.apply_updates(params, change), memory), records

    return jax.lax.scan(advance, state, first + jnp.arange(steps))


def _plain(learning_rate: Any) -> optax.GradientTransformation:
    """Gradient descent in the parameters' type, whatever that of the learning rate."""
    rate = jnp.asarray(learning_rate)
    return optax.stateless(lambda gradient, _: jax.tree.map(lambda leaf: -rate.astype(leaf.dtype) * leaf, gradient))


def _record(recorder: Recorder, snapshot: Snapshot) -> Any:
    if recorder.every == 1:
        return recorder.measure(snapshot)
    shapes = jax.eval_shape(lambda: recorder.measure(snapshot))
    blank = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    return jax.lax.cond(snapshot.step % recorder.every == 0, lambda: recorder.measure(snapshot), lambda: blank)


def train(
    params: Any,
    data: Dataset,
    schedule: Schedule,
    *,
    gradient: Gradient,
    learning_rate: float | None = None,
    optimizer: optax.GradientTransformation | None = None,
    steps: int,
    recorders: Sequence[Recorder] = (),
    progress: str | None = None,
    checkpoint: Path | str | None = None,
    segments: int | None = None,
) -> Run:
    """Train, record, and return the trajectory as a data set; a diverged run is recorded as diverged, not raised.

    The whole run is one compiled scan. With ``progress`` or ``checkpoint`` the same program runs it in segments, with
    the same numbers to the last bit: the bar advances, and a killed run goes on from its last segment.

    Args:
        params: W at step 0.
        data: the training set, for its checks; ``gradient`` holds the arrays, of the same samples.
        schedule: step -> Γ, (C,).
        gradient: (params, weights) -> gradient; see ``loss_gradient``.
        learning_rate: η, above 0, of plain gradient descent.
        optimizer: instead, any of optax that needs no more than the gradient, with its learning rate and sign, such as
            ``optax.adam(0.01)``.
        steps: how many.
        recorders: see ``dynloss.training.recorders``.
        progress: the label of a progress bar with the time left; ``None`` shows none.
        checkpoint: a file that holds the run so far; removed when the run is complete. It knows the parameters
            at the start, the data, the optimizer by its ``first_changes``, weights and recorders, and starts again
            where they differ; model and loss must be the same. See ``files.after_checkpoint``.
        segments: into how many to cut the run; by default 1, or up to 100 with progress or checkpoint.

    Returns:
        The final parameters and the trajectory. Variables recorded every step have the dimension ``step``, those
        recorded every n steps ``step_n``, both with the steps as coordinates. The attribute ``diverged_at`` is the
        first step recorded with a value that is not finite, ``steps`` if only the final parameters are not, or -1.

    Raises:
        ValueError: for parameters besides flax's ``params``, a learning rate not above 0, both it and an optimiser or
            neither, an optimiser that goes uphill or needs the loss too (such as L-BFGS), no steps, weights that do not
            fit the classes, two recorders of the same variable, or a ``loss_gradient`` of other data.
    """
    check_count("steps", steps, at_least=1)
    _check_setting(params, data, schedule, gradient, recorders)
    check_rule(learning_rate, optimizer, params)
    if optimizer is None:
        check_number("learning_rate", learning_rate, above=0)
        optimizer = _plain(learning_rate)
    if segments is None:
        segments = 100 if progress or checkpoint else 1
    check_count("segments", segments, at_least=1)
    length = _segment_length(steps, segments)

    @functools.partial(jax.jit, static_argnums=2)
    def run(state: Any, first: Any, count: int) -> Any:
        return optimize(state, gradient, schedule, optimizer, first, count, recorders)

    state, first, known = (params, optimizer.init(params)), 0, ""
    cadence = {name: recorder.every for recorder in recorders for name in recorder.variables}
    records: dict[str, Any] = {name: [] for name in cadence}
    if checkpoint is not None:
        some = jax.vmap(schedule)(jnp.arange(0, steps, math.ceil(steps / 1000)))
        rule = first_changes(optimizer, params)
        known = checkpoints.identity(params, data.inputs, data.labels, rule, some, steps, cadence, sorted(cadence))
    if found := checkpoints.load(checkpoint, known, state, cadence):
        first, state, kept = found
        records = {name: [values] for name, values in kept.items()}

    with progress_bar(progress, steps, first) as bar:
        while first < steps:
            count = min(length, steps - first)
            state, seen = run(state, jnp.asarray(first), count)
            for name, values in _kept(seen, recorders, first, count).items():
                records[name].append(values)
            first += count
            if checkpoint is not None and first < steps:
                so_far = {name: np.concatenate(pieces) for name, pieces in records.items()}
                checkpoints.save(checkpoint, known, first, state, so_far)
            bar.update(count)

    trajectory = _as_dataset(records, recorders, steps, state[0])
    checkpoints.remove(checkpoint)
    return Run(state[0], trajectory)


def check_task(apply: Any, data: Any) -> None:
    """Raise ``ValueError`` unless these are a model's function and a data set."""
    check_function("apply", apply, "(parameters, inputs) -> outputs")
    check_data(data)


def _check_setting(params: Any, data: Any, schedule: Any, gradient: Any, recorders: Any) -> None:
    """Raise ``ValueError`` unless a run can be made of these; warn of a class without samples."""
    check_parameters(params)
    check_data(data)
    check_function("gradient", gradient, "(parameters, weights) -> gradient")
    own = getattr(gradient, "data", data)
    own = own if isinstance(own, Dataset) else data  # a gradient of one's own may have another attribute of this name
    alike = (len(own), own.num_classes) == (len(data), data.num_classes) and (own.labels == data.labels).all()
    if not alike or not _same_inputs(own.inputs, data.inputs):
        raise ValueError("gradient and data must be of the same samples: give train the data of loss_gradient")
    check_schedule(schedule, data.num_classes)
    warn_of_empty_classes(data, stacklevel=4)
    if not isinstance(recorders, Sequence) or not all(isinstance(each, Recorder) for each in recorders):
        raise ValueError(f"recorders must be a list of what functions of training.recorders return, got {recorders!r}")
    names = [name for recorder in recorders for name in recorder.variables]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two recorders give the same variable: {', '.join(repeated)}")


def _same_inputs(one: Any, other: Any) -> bool:
    """Whether they are equal, but for the rounding of one of them to another type."""
    if one is other:
        return True
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape or np.array_equal(a, b):
        return a.shape == b.shape
    return bool(np.allclose(a.astype(np.float32), b.astype(np.float32), rtol=0.01, equal_nan=True))


def check_rule(learning_rate: Any, optimizer: Any, params: Any) -> None:
    """Raise ``ValueError`` unless one of them is given, and only one; or if the optimiser does not go down.

    Args:
        learning_rate, optimizer: as of ``train``, None where it is not given.
        params: W, on which the optimiser is tried.
    """
    if (optimizer is None) == (learning_rate is None):
        raise ValueError("give either an optimizer, which has its learning rate, or a learning_rate")
    if optimizer is not None:
        check_goes_down(optimizer, params)


def check_goes_down(optimizer: optax.GradientTransformation, params: Any) -> None:
    """Raise ``ValueError`` if the optimiser's first step goes uphill, or if it needs more than a gradient.

    A transformation without a learning rate and its sign, such as ``optax.trace``, is no optimiser yet. One that does
    not move at first, as in a warm-up, passes.
    """
    try:
        change = first_changes(optimizer, params)[0]
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"the optimiser cannot take a step from a gradient and parameters alone ({error}); those that also need "
            "the loss, such as optax.lbfgs and optax.polyak_sgd, do not fit a loss that changes at every step"
        ) from error
    if sum(np.asarray(leaf, float).sum() for leaf in jax.tree.leaves(change)) > 0:
        raise ValueError(
            "the optimiser goes uphill: its update for a gradient of ones is positive. optax's optimisers, such as "
            "optax.sgd(0.1), hold a learning rate and its sign; bare transformations such as optax.trace(0.9) do not"
        )


@functools.partial(jax.jit, static_argnums=0)
def first_changes(optimizer: optax.GradientTransformation, params: Any) -> tuple[Any, Any]:
    """What an optimiser makes of two gradients, one of ones and one of twos, which tells it from most others."""
    ones = jax.tree.map(jnp.ones_like, params)
    first, memory = optimizer.update(ones, optimizer.init(params), params)
    second, _ = optimizer.update(jax.tree.map(jnp.add, ones, ones), memory, params)
    return first, second


def check_schedule(schedule: Any, num_classes: int) -> None:
    """Raise ``ValueError`` unless a schedule gives one weight per class."""
    check_function("schedule", schedule, "step -> class weights")
    if (shape := jax.eval_shape(schedule, 0).shape) != (num_classes,):
        raise ValueError(f"the schedule gives weights {shape} for {num_classes} classes")


def warn_of_empty_classes(data: Dataset, stacklevel: int) -> None:
    """Say which classes have no samples."""
    for empty in np.flatnonzero(data.counts == 0):
        said = f"class {empty} has no samples: its turn of the schedule emphasises nothing"
        warnings.warn(said, stacklevel=stacklevel)


def with_divergence(trajectory: Any, final: Any, end: int) -> Any:
    """A trajectory with the attribute ``diverged_at``: where a value is not finite for the first time; or -1.

    Args:
        trajectory: an ``xarray.Dataset``, whose variables begin with the dimension of time.
        final: a tree of arrays, at the end of training.
        end: the time that counts if only these are not finite.
    """
    bad = [] if all(np.isfinite(np.asarray(leaf, float)).all() for leaf in jax.tree.leaves(final)) else [end]
    for variable in trajectory.data_vars.values():
        finite = np.isfinite(variable.values.reshape(len(variable), -1)).all(axis=1)
        bad.extend(trajectory[variable.dims[0]].values[~finite][:1].tolist())
    return trajectory.assign_attrs(diverged_at=min(bad, default=-1))


def _segment_length(steps: int, segments: int) -> int:
    """A length that divides ``steps`` into about ``segments`` if there is one: another length compiles anew."""
    for count in range(min(segments, steps), max(1, segments // 2) - 1, -1):
        if steps % count == 0:
            return steps // count
    return math.ceil(steps / segments)


def progress_bar(label: str | None, steps: int, first: int) -> Any:
    """A progress bar over steps, with the time left, from ``first`` on; without a label it shows nothing.

    Args:
        label: in front of the bar, or None.
        steps: of the whole run.
        first: steps that were done before.
    """
    from tqdm import tqdm

    return tqdm(total=steps, initial=first, desc=label, unit=" steps", disable=label is None, mininterval=1)


def _kept(records: Any, recorders: Sequence[Recorder], first: int, count: int) -> dict[str, np.ndarray]:
    """The rows of a segment at each recorder's cadence."""
    steps = np.arange(first, first + count)
    return {
        name: np.asarray(values)[steps % recorder.every == 0]
        for recorder, named in zip(recorders, records, strict=True)
        for name, values in named.items()
    }


def _as_dataset(records: Any, recorders: Any, steps: int, params: Any) -> Any:
    import xarray as xr

    variables: dict[str, Any] = {}
    for recorder in recorders:
        dim = "step" if recorder.every == 1 else f"step_{recorder.every}"
        for name, (dims, attributes) in recorder.variables.items():
            variables[name] = ((dim, *dims), np.concatenate(records[name]), attributes)
        about = {"long_name": "minimisation step", "units": "steps"}
        variables[dim] = (dim, np.arange(0, steps, recorder.every), about)
    return with_divergence(xr.Dataset(variables, attrs={"steps": steps}), params, steps)
