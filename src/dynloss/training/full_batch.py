"""Full-batch gradient descent on a dynamical loss, W ← W - η ∇F(W; Γ(t)), compiled as a scan over the steps.

Step t is recorded *before* its update: the parameters W_t under the weights Γ(t). So the first row of a trajectory is
the untrained network, and F(t) - F(t-1) compares the losses of eq. (1) at consecutive steps.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynloss import losses
from dynloss.checks import check_arrays, check_count, check_function, check_number, check_parameters, check_shaped_as
from dynloss.datasets.base import Dataset, check_data
from dynloss.schedules import Schedule, weights_at
from dynloss.training import checkpoints

_ANY = "any"  # who names a checkpoint says whose run it is


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


class Recorder(NamedTuple):
    """Something to record at every ``every``-th step, step 0 included.

    Attributes:
        measure: Snapshot -> {name: array}, traceable.
        variables: {name: (dimensions after the step, attributes such as long_name and units)}.
        every: the cadence, in steps.
    """

    measure: Callable[[Snapshot], dict[str, Any]]
    variables: dict[str, tuple[tuple[str, ...], dict[str, str]]]
    every: int = 1


class Run(NamedTuple):
    """The end of training: the parameters after the last step, and the trajectory as an ``xarray.Dataset``."""

    params: Any
    trajectory: Any


def loss_gradient(apply: Callable, data: Dataset, loss: Callable = losses.cross_entropy) -> Callable:
    """The gradient of eq. (1) by automatic differentiation: (params, weights) -> gradient, shaped as params.

    Args:
        apply: (params, inputs) -> outputs, (P, C).
        data: the training set.
        loss: (outputs, labels) -> one loss a sample, (P,).

    Raises:
        ValueError: when it is first called: outputs, losses or weights that do not fit the data's samples and classes.
    """
    check_task(apply, data)
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)

    def objective(params, weights):
        outputs = apply(params, inputs)
        _check_fits(outputs, weights, data)
        return losses.class_weighted_mean(loss(outputs, labels), labels, weights)

    return jax.grad(objective)


def _check_fits(outputs, weights, data: Dataset) -> None:
    check_arrays(outputs=outputs, weights=weights)
    wanted = len(data), data.num_classes
    if outputs.shape != wanted:
        raise ValueError(f"the model gives outputs {outputs.shape} for {wanted[0]} samples of {wanted[1]} classes")
    if weights.shape != wanted[1:]:
        raise ValueError(f"the schedule gives weights {weights.shape} for {wanted[1]} classes")


def descend(gradient: Callable, schedule: Schedule, learning_rate, params, first, steps: int, recorders=()):
    """``steps`` steps from step ``first``: one ``lax.scan``, traceable and vmappable in everything but their number.

    Args:
        gradient: (params, weights) -> gradient, shaped as params.
        schedule: step -> Γ, (C,).
        learning_rate: η.
        params: W at step ``first``, of one floating-point type.
        first: the number of the first step.
        recorders: evaluated where the step is a multiple of their cadence, zero elsewhere.

    Returns:
        The parameters after the last step and, for each recorder, {name: (steps, …) array}.
    """
    check_parameters(params)
    dtype = jax.tree.leaves(params)[0].dtype
    rate = jnp.asarray(learning_rate).astype(dtype)

    def advance(params, step):
        weights = weights_at(schedule, step, dtype)
        snapshot = Snapshot(step, params, weights, lambda w: gradient(w, weights))
        records = [_record(recorder, snapshot) for recorder in recorders]
        slope = gradient(params, weights)
        check_shaped_as("gradient", slope, params)
        return jax.tree.map(lambda w, g: w - rate * g, params, slope), records

    return jax.lax.scan(advance, params, first + jnp.arange(steps))


def _record(recorder: Recorder, snapshot: Snapshot):
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
    gradient: Callable,
    learning_rate: float,
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
        data: the training set, for its checks; ``gradient`` holds the arrays.
        schedule: step -> Γ, (C,).
        gradient: (params, weights) -> gradient; see ``loss_gradient``.
        learning_rate: η, above 0.
        steps: how many.
        recorders: see ``dynloss.training.recorders``.
        progress: the label of a progress bar with the time left; ``None`` shows none.
        checkpoint: a file that holds the run so far; removed when the run is complete. It must belong to these
            arguments: whoever names it says so. See ``files.after_checkpoint``.
        segments: into how many to cut the run; by default 1, or up to 100 with progress or checkpoint.

    Returns:
        The final parameters and the trajectory. Variables recorded every step have the dimension ``step``, those
        recorded every n steps ``step_n``, both with the steps as coordinates. The attribute ``diverged_at`` is the
        first step recorded with a value that is not finite, ``steps`` if only the final parameters are not, or -1.

    Raises:
        ValueError: for parameters besides flax's ``params``, a learning rate not above 0, no steps, weights that do not
            fit the classes, or two recorders of the same variable.
    """
    check_number("learning_rate", learning_rate, above=0)
    check_count("steps", steps, at_least=1)
    check_setting(params, data, schedule, gradient, recorders)
    if segments is None:
        segments = 100 if progress or checkpoint else 1
    check_count("segments", segments, at_least=1)
    length = _segment_length(steps, segments)
    run = jax.jit(
        lambda params, first, count: descend(gradient, schedule, learning_rate, params, first, count, recorders),
        static_argnums=2,
    )
    first, pieces = 0, []
    if checkpoint is not None:
        first, params, pieces = _resume(Path(checkpoint), params, recorders, steps)

    with progress_bar(progress, steps, first) as bar:
        while first < steps:
            count = min(length, steps - first)
            params, records = run(params, jnp.asarray(first), count)
            pieces.append(_kept(records, recorders, first, count))
            first += count
            if checkpoint is not None and first < steps:
                so_far = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
                checkpoints.save(Path(checkpoint), _ANY, first, params, so_far)
            bar.update(count)

    trajectory = _as_dataset(pieces, recorders, steps, params)
    if checkpoint is not None:
        checkpoints.remove(Path(checkpoint))
    return Run(params, trajectory)


def check_task(apply: Any, data: Any) -> None:
    """Raise ``ValueError`` unless these are a model's function and a data set."""
    check_function("apply", apply, "(parameters, inputs) -> outputs")
    check_data(data)


def check_setting(params: Any, data: Any, schedule: Any, gradient: Any, recorders: Any) -> None:
    """Raise ``ValueError`` unless a run can be made of these; warn of a class without samples."""
    check_parameters(params)
    check_data(data)
    check_function("gradient", gradient, "(parameters, weights) -> gradient")
    check_schedule(schedule, data.num_classes)
    warn_of_empty_classes(data, stacklevel=4)
    listed = isinstance(recorders, Sequence) and not isinstance(recorders, Recorder)
    if not listed or not all(isinstance(each, Recorder) for each in recorders):
        raise ValueError(f"recorders must be a list of what functions of training.recorders return, got {recorders!r}")
    names = [name for recorder in recorders for name in recorder.variables]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two recorders give the same variable: {', '.join(repeated)}")


def check_schedule(schedule: Any, num_classes: int) -> None:
    """Raise ``ValueError`` unless a schedule gives one weight a class."""
    check_function("schedule", schedule, "step -> class weights")
    if (shape := jax.eval_shape(schedule, 0).shape) != (num_classes,):
        raise ValueError(f"the schedule gives weights {shape} for {num_classes} classes")


def warn_of_empty_classes(data: Dataset, stacklevel: int) -> None:
    """Say which classes have no samples."""
    for empty in np.flatnonzero(data.counts == 0):
        said = f"class {empty} has no samples: its turn of the schedule emphasises nothing"
        warnings.warn(said, stacklevel=stacklevel)


def is_finite(tree: Any) -> bool:
    """Whether every number of a tree of arrays is."""
    return all(np.isfinite(np.asarray(leaf, float)).all() for leaf in jax.tree.leaves(tree))


def _segment_length(steps: int, segments: int) -> int:
    """A length that divides ``steps`` into about ``segments`` if there is one: another length compiles anew."""
    for count in range(min(segments, steps), max(1, segments // 2) - 1, -1):
        if steps % count == 0:
            return steps // count
    return math.ceil(steps / segments)


def progress_bar(label: str | None, steps: int, first: int) -> Any:
    """Of steps, with the time left, beginning at ``first``; without a label it shows nothing."""
    from tqdm import tqdm

    return tqdm(total=steps, initial=first, desc=label, unit=" steps", disable=label is None, mininterval=1)


def _kept(records, recorders, first, count) -> dict[str, np.ndarray]:
    """The rows of a segment at each recorder's cadence."""
    steps = np.arange(first, first + count)
    return {
        name: np.asarray(values)[steps % recorder.every == 0]
        for recorder, named in zip(recorders, records, strict=True)
        for name, values in named.items()
    }


def _as_dataset(pieces, recorders, steps, params):
    import xarray as xr

    variables: dict[str, tuple] = {}
    bad: list[int] = []
    for recorder in recorders:
        dim = "step" if recorder.every == 1 else f"step_{recorder.every}"
        recorded = np.arange(0, steps, recorder.every)
        for name, (dims, attributes) in recorder.variables.items():
            values = np.concatenate([piece[name] for piece in pieces])
            variables[name] = ((dim, *dims), values, attributes)
            finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            bad.extend(recorded[~finite][:1])
        variables[dim] = (dim, recorded, {"long_name": "minimisation step", "units": "steps"})
    if not is_finite(params):
        bad.append(steps)  # at the latest
    return xr.Dataset(variables, attrs={"steps": steps, "diverged_at": int(min(bad, default=-1))})


def _resume(path: Path, params, recorders, steps):
    """What a checkpoint holds: steps done, parameters, and records so far; one that does not fit is left aside."""
    cadence = {name: recorder.every for recorder in recorders for name in recorder.variables}
    if (found := checkpoints.load(path, _ANY, params, cadence)) is None:
        return 0, params, []
    first, restored, records = found
    whole = all(len(records[name]) == len(range(0, first, every)) for name, every in cadence.items())
    if not (whole and 0 < first < steps):
        warnings.warn(f"checkpoint {path.name} is of another run: starting again", stacklevel=3)
        return 0, params, []
    return first, restored, [records]
