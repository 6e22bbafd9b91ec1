"""The central flow beside gradient descent, through a cascade of the spiral."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from dynloss import schedules
from dynloss.schedules import Schedule
from dynloss.training import full_batch
from dynloss_book.central_flow import flow as theory
from dynloss_book.tasks import spiral

_STEPS = {"units": "steps"}
# The variables of a sweep over `follow`.
VARIABLES = {
    "measured_at": (("moment",), {"long_name": "minimisation step", **_STEPS}),
    "curvature": (("moment", "rank"), {"long_name": "largest Hessian eigenvalues at the mean", "units": "1"}),
    "predicted": (("moment",), {"long_name": "variance of the bounces by the formula at the mean", "units": "1"}),
    "measured": (("moment",), {"long_name": "square of the displacement along u", "units": "1"}),
    "all_directions": (("moment",), {"long_name": "square of the whole displacement", "units": "1"}),
    "drift": (("moment",), {"long_name": "sharpening by the descent", "units": "1"}),
    "motion": (("moment",), {"long_name": "rise of the sharpness by the time-dependent loss over the learning "
                                          "rate", "units": "1"}),
    "loss": (("step",), {"long_name": "dynamical loss F", "units": "nats"}),
    "flow_variance": (("step",), {"long_name": "variance of the bounces in the central flow", "units": "1"}),
    "flow_curvature": (("step", "rank_flow"), {"long_name": "largest eigenvalues in the central flow", "units": "1"}),
    "flow_loss": (("step",), {"long_name": "mean loss of the central flow", "units": "nats"}),
}


def follow(
    seed, learning_rate, *, width: int, period: int, amplitude: float, first: int, steps: int, every: int,
    num_matvecs: int, precision: str,
) -> dict[str, Any]:  # fmt: skip
    """Train to step ``first``, then go on by gradient descent and, from the same weights, by the central flow.

    Args:
        seed: of the initial weights.
        learning_rate: η.
        width: hidden units.
        period, amplitude: T and A.
        first, steps: the window that both go through.
        every: gradient descent is compared with the formula at every so many steps.
        num_matvecs: products with the Hessian in Lanczos's method.
        precision: "float64" for numbers as small as these.

    Returns:
        See ``VARIABLES``.
    """
    task = spiral.task(width, precision, seed)
    gradient = full_batch.loss_gradient(task.model.apply, task.training)
    weights = schedules.oscillating(period, amplitude, spiral.CLASSES)
    start = task.descend(weights, learning_rate, first)
    flat, unravel = ravel_pytree(start)

    def loss(params, step):
        return task.loss(params, weights(step, flat.dtype))

    path, losses_on_path = _path(gradient, weights, learning_rate, start, first, steps, loss)
    at = jnp.arange(1, steps - 1, every)

    def compare(i):
        three = path[i - 1], path[i], path[i + 1]
        return _compare(gradient, weights, learning_rate, unravel, first + i, *three, num_matvecs)

    compared = jax.lax.map(compare, at)
    mean, variance, curvature = theory.flow(
        gradient, start, weights, learning_rate, first, steps, num_matvecs=num_matvecs
    )
    moments = first + jnp.arange(steps)
    mean_loss = jax.lax.map(lambda pair: loss(unravel(pair[0]), pair[1]), (mean, moments))
    return compared | {
        "measured_at": first + at,
        "loss": losses_on_path,
        "flow_variance": variance,
        "flow_curvature": curvature,
        "flow_loss": mean_loss + variance * curvature[:, 0] / 2,
    }


def _path(gradient, weights: Schedule, learning_rate, start, first, steps: int, loss):
    """The parameters, flattened, and the loss before each step of gradient descent."""

    def measure(at: full_batch.Snapshot):
        return {"params": ravel_pytree(at.params)[0], "loss": loss(at.params, at.step)}

    recorder = full_batch.Recorder(measure, {})
    _, (records,) = full_batch.descend(start, gradient, weights, learning_rate, first, steps, [recorder])
    return records["params"], records["loss"]


def _compare(gradient, weights: Schedule, learning_rate, unravel, step, before, here, after, num_matvecs: int):
    """The formula at the mean of three steps, and the displacement from it."""
    mean = theory.centre(before, here, after)
    gammas = weights(step, here.dtype)
    change = weights(step + 1, here.dtype) - gammas
    at = theory.edge(gradient, unravel(mean), gammas, change, learning_rate, k=3, num_matvecs=num_matvecs)
    displacement = here - mean
    return {
        "curvature": at.eigenvalues,
        "predicted": at.variance,
        "measured": (displacement @ at.direction) ** 2,
        "all_directions": displacement @ displacement,
        "drift": at.drift,
        "motion": at.motion / learning_rate,
    }
