"""What a cascade does: each second half of a period twice, with its bounces and without, from the same weights."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Integer

from dynloss import losses, schedules
from dynloss.checks import check_arrays
from dynloss.models import mlp
from dynloss.schedules import Schedule
from dynloss.spectral.hessian import hessian_eigenvalues
from dynloss.spectral.lanczos import extreme_eigenvalues
from dynloss.training import compiled, full_batch
from dynloss_book.tasks import spiral
from dynloss_book.tasks.spiral import SpiralTask

# The variables of sweeps over `branches` and `whole_runs`.
SCORES = {
    "accuracy": "training accuracy",
    "validation_accuracy": "validation accuracy",
    "loss": "static training loss",
    "alignment": "kernel-target alignment",
    "sharpness": "largest Hessian eigenvalue of the static loss",
}
WAYS = ("before", "bouncing", "calm")
BRANCHES = {
    **{name: (("turn", "way"), {"long_name": text, "units": "1"}) for name, text in SCORES.items()},
    "bounces": (("turn", "way"), {"long_name": "steps at which the loss bounces", "units": "steps"}),
    "cosine": (("turn", "moment", "class"), {"long_name": "cosine of a class's gradient with u", "units": "1"}),
    "share": (("turn", "moment", "class"), {"long_name": "share of a class in uᵀHu", "units": "1"}),
    "curvature": (("turn", "moment", "rank"), {"long_name": "largest Hessian eigenvalues", "units": "1"}),
}
RUNS = ("oscillating", "oscillating, calm", "static", "static, calm")
WHOLE = {name: (("run",), {"long_name": text, "units": "1"}) for name, text in SCORES.items()}


def branches(
    seed, learning_rate, *, width: int, period: int, amplitude: float, turns: int, parts: int, every: int,
    num_matvecs: int, precision: str, bounce: float,
) -> dict[str, Any]:  # fmt: skip
    """From the middle of each period to the middle of the next, by η and by η/parts in as many more steps.

    Both follow the same moving loss for the same time, η times the steps. The bouncing branch leads on to the next
    turn. In the middle of a period a network names the emphasised class, so each is scored after a period with all
    weights 1.

    Args:
        seed: of the initial weights.
        learning_rate: η.
        width: hidden units.
        period, amplitude: T and A; T is even.
        turns: how many periods.
        parts: into how many a step of the calm branch is cut.
        every: the landscape is looked at in every so many steps of the bouncing branch.
        num_matvecs: products with the Hessian in Lanczos's method.
        bounce: the loss bounces where it alternates between two values so far apart, in nats.

    Returns:
        See ``BRANCHES``; ``way`` as in ``WAYS``.
    """
    task = spiral.task(width, precision, seed)
    weights = schedules.oscillating(period, amplitude, spiral.CLASSES)
    start = task.descend(weights, learning_rate, period // 2)

    def turn(params, number):
        first = period // 2 + period * number
        after, seen = _watched(task, weights, learning_rate, params, first, period, every, num_matvecs)
        calm, calm_loss = _calm(task, weights, learning_rate, params, first, period, parts)
        scores = [
            _scores(task, _settled(task, each, learning_rate, period, parts), num_matvecs)
            for each in (params, after, calm)
        ]
        counts = [jnp.zeros((), seen["loss"].dtype), _bounces(seen.pop("loss"), bounce), _bounces(calm_loss, bounce)]
        stacked = {name: jnp.stack([each[name] for each in scores]) for name in SCORES}
        return after, stacked | seen | {"bounces": jnp.stack(counts)}

    return jax.lax.scan(turn, start, jnp.arange(turns))[1]


def whole_runs(
    seed, learning_rate, *, width: int, period: int, amplitude: float, turns: int, parts: int, num_matvecs: int,
    precision: str,
) -> dict[str, Any]:  # fmt: skip
    """The ends of four whole runs from the same start: oscillating and static, by η and by η/parts; see ``RUNS``.

    The last period is without oscillations, as in the paper's Figure 3.

    Args:
        seed, learning_rate, width, period, amplitude, parts, num_matvecs, precision: as in ``branches``.
        turns: of how many periods a run is.

    Returns:
        See ``WHOLE``; ``run`` as in ``RUNS``.
    """
    task = spiral.task(width, precision, seed)
    steps = period * turns
    oscillating = schedules.oscillating(period, amplitude, spiral.CLASSES, stop=steps - period)
    static = schedules.static(spiral.CLASSES)
    ends = [
        task.descend(*how)
        for weights in (oscillating, static)
        for how in (
            (weights, learning_rate, steps),
            (_slower(weights, 0, parts), learning_rate / parts, steps * parts),
        )
    ]
    scores = [_scores(task, each, num_matvecs) for each in ends]
    return {name: jnp.stack([each[name] for each in scores]) for name in SCORES}


def class_gradients(task: SpiralTask, params) -> Any:
    """∂/∂W of each class's part of the static loss, flattened, (C, n)."""
    each = jnp.eye(spiral.CLASSES, dtype=task.inputs.dtype)
    return jnp.stack([ravel_pytree(task.gradient(params, row))[0] for row in each])


def _watched(
    task: SpiralTask, weights: Schedule, learning_rate, params, first, steps: int, every: int, num_matvecs: int
):
    """Gradient descent, with the loss at each step and the landscape at every so many."""

    def landscape(at: full_batch.Snapshot):
        flat, unravel = ravel_pytree(at.params)
        by_class, product = jax.linearize(lambda w: class_gradients(task, unravel(w)), flat)
        found = extreme_eigenvalues(
            lambda v: at.weights @ product(v), flat.size, 3, num_matvecs=num_matvecs, dtype=flat.dtype
        )
        u = found.vectors[0]
        return {
            "cosine": cosines(by_class, u),
            "share": at.weights * (product(u) @ u) / found.eigenvalues[0],
            "curvature": found.eigenvalues,
        }

    def loss(at: full_batch.Snapshot):
        return {"loss": task.loss(at.params, at.weights)}

    recorders = [full_batch.Recorder(landscape, {}, every), full_batch.Recorder(loss, {})]
    after, (seen, path) = full_batch.descend(params, task.gradient, weights, learning_rate, first, steps, recorders)
    return after, path | {
        # The cadence counts from step 0, the branch from `first`.
        name: jnp.take(values, (-first) % every + every * jnp.arange(steps // every), axis=0)
        for name, values in seen.items()
    }


def _calm(task: SpiralTask, weights: Schedule, learning_rate, params, first, steps: int, parts: int):
    """The same stretch of time in ``parts`` times as many steps; the parameters and the loss at the whole steps."""

    def step(params, number):
        loss = task.loss(params, weights(first + number, task.inputs.dtype))
        slow = _slower(weights, first + number, parts)
        return compiled.descend(params, task.training, slow, learning_rate / parts, 0, parts), loss

    return jax.lax.scan(step, params, jnp.arange(steps))


def _settled(task: SpiralTask, params, learning_rate, steps: int, parts: int):
    """After as long with all weights 1, in small steps: what the weights are worth when no class is emphasised."""
    static = schedules.static(spiral.CLASSES)
    return compiled.descend(params, task.training, static, learning_rate / parts, 0, steps * parts)


def _slower(weights: Schedule, first, parts: int) -> Schedule:
    """The weights at steps that are cut into so many parts."""
    return lambda step, dtype=None: weights(first + step / parts, dtype)


def _bounces(loss, least: float):
    """Steps at which the second difference of the loss shows that it alternates."""
    second = jnp.abs(jnp.diff(loss, 2)) / 4
    return jnp.sum((second > least).astype(loss.dtype))


def _scores(task: SpiralTask, params, num_matvecs: int):
    """See ``SCORES``."""
    ones = jnp.ones(spiral.CLASSES, task.inputs.dtype)
    found = hessian_eigenvalues(lambda w: task.gradient(w, ones), params, num_matvecs=num_matvecs)
    fit = kernel_target_alignment(mlp.output_averaged_ntk(params, task.inputs), task.labels, spiral.CLASSES)
    return task.outcome(params) | {"alignment": fit, "sharpness": found.eigenvalues[0]}


def kernel_target_alignment(
    kernel: Float[Array, "P P"], labels: Integer[Array, " P"], num_classes: int
) -> Float[Array, ""]:
    r"""The cosine between a kernel K and the ideal one, with both centred (Cortes et al. 2012),

    .. math:: \frac{\langle K_c, Y_c Y_c^\top \rangle}{\lVert K_c \rVert \lVert Y_c Y_c^\top \rVert},

    where Y holds the one-hot labels and c means that rows and columns have a mean of 0. It is 1 for a kernel that only
    knows the classes, and 0 for one that knows nothing of them.

    Args:
        kernel: K, (P, P), symmetric.
        labels: (P,), from 0 to C - 1.
        num_classes: C.

    >>> labels = jnp.array([0, 0, 1, 1])
    >>> ideal = (labels[:, None] == labels[None, :]).astype(float)
    >>> round(float(kernel_target_alignment(ideal, labels, 2)), 3)
    1.0
    """
    check_arrays(kernel=kernel)
    onehot = losses.one_hot(labels, num_classes).astype(kernel.dtype)
    ideal, centred = _centred(onehot @ onehot.T), _centred(kernel)
    return jnp.sum(centred * ideal) / (jnp.linalg.norm(centred) * jnp.linalg.norm(ideal))


def cosines(rows: Float[Array, "k n"], direction: Float[Array, " n"]) -> Float[Array, " k"]:
    """The cosine of each row with a unit vector; 0 for a row of zeros.

    >>> cosines(jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([1.0, 0.0])).round(3).tolist()
    [0.6000000238418579, 0.0]
    """
    check_arrays(rows=rows, direction=direction)
    norms = jnp.linalg.norm(rows, axis=1)
    return jnp.where(norms > 0, rows @ direction / jnp.where(norms > 0, norms, 1), 0)


def _centred(matrix):
    rows = matrix - jnp.mean(matrix, axis=0)[None, :]
    return rows - jnp.mean(rows, axis=1)[:, None]
