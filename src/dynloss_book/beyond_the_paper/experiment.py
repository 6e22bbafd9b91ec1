"""Questions that the paper leaves open, each a small sweep on the spiral: waveforms of Γ(t), losses and optimisers."""

from typing import Any

import jax
import optax

from dynloss import losses, schedules, waveforms
from dynloss.checks import check_choice
from dynloss.schedules import Schedule
from dynloss.training import full_batch
from dynloss_book.tasks import spiral

WAVEFORMS = {
    "static": "static (Γ = 1)",
    "triangle": "triangle, the paper's",
    "sine": "sine",
    "square": "square",
    "one at a time": "one class at a time (A → ∞)",
    "random order": "triangles, classes in random order",
    "random, held": "the triangles' weights at random, held for T steps",
    "random, each step": "the triangles' weights at random, new at each step",
}
# (loss, optimiser): in words.
WAYS = {
    ("cross-entropy", "gradient descent"): "gradient descent",
    ("cross-entropy", "momentum"): "momentum 0.9",
    ("cross-entropy", "Adam"): "Adam",
    ("squared error", "gradient descent"): "gradient descent on the squared error",
}
RATES = {
    ("cross-entropy", "gradient descent"): (0.3, 1.0, 2.0, 3.0, 5.0, 10.0),
    ("cross-entropy", "momentum"): (0.03, 0.1, 0.2, 0.3, 0.5, 1.0),
    ("cross-entropy", "Adam"): (0.003, 0.01, 0.02, 0.03, 0.05, 0.1),
    ("squared error", "gradient descent"): (0.1, 0.2, 0.4, 0.8, 1.2, 1.6),
}


def weights(shape: str, period, amplitude, seed) -> Schedule:
    """Γ(t) of one of ``WAVEFORMS``; where it is random, ``seed`` says how, apart from the network's own randomness.

    Args:
        shape: of the waveform, one of ``WAVEFORMS``.
        period, amplitude: T, in steps, and A; may be traced.
        seed: from 0 on; may be traced.

    Raises:
        ValueError: there is no such waveform.
    """
    check_choice("shape", shape, tuple(WAVEFORMS))
    classes, key = spiral.CLASSES, jax.random.fold_in(jax.random.key(2021), seed)
    triangles = waveforms.pulses("triangle", period, amplitude, classes)
    if shape == "static":
        return schedules.static(classes)
    if shape == "one at a time":
        return waveforms.one_at_a_time(period, classes)
    if shape == "random order":
        return waveforms.pulses("triangle", period, amplitude, classes, key=key)
    if shape.startswith("random"):
        hold = period if shape == "random, held" else 1
        return waveforms.without_period(triangles, classes * period, hold, key)
    return waveforms.pulses(shape, period, amplitude, classes)


def by_optimiser(
    learning_rate, amplitude, seed, *, loss: str, optimiser: str, width: int, period: float, steps: int, precision: str
) -> dict[str, Any]:
    """Train one network on a loss by an optimiser, with the paper's weights; A = 1 is the static loss.

    Args:
        learning_rate, amplitude, seed: η, A, and of the initial weights; may be traced.
        loss, optimiser: a pair of ``WAYS``.
        width: hidden units.
        period: T, in steps.
        steps: how many, the last period of them without oscillations.
        precision: "float32" or "float64".

    Returns:
        Training and validation accuracy at the end, see ``spiral.OUTCOME``.
    """
    check_choice("loss", loss, ("cross-entropy", "squared error"))
    check_choice("optimiser", optimiser, ("gradient descent", "momentum", "Adam"))
    task = spiral.task(width, precision, seed)
    # Written out for the cross-entropy, which is faster; by automatic differentiation for the squared error.
    by_differentiation = full_batch.loss_gradient(task.model.apply, task.training, losses.squared_error)
    gradient = task.gradient if loss == "cross-entropy" else by_differentiation
    gammas = schedules.oscillating(period, amplitude, spiral.CLASSES, stop=steps - period)
    update = {
        "gradient descent": optax.sgd(learning_rate),
        "momentum": optax.sgd(learning_rate, momentum=0.9),
        "Adam": optax.adam(learning_rate),
    }[optimiser]
    start = task.start, update.init(task.start)
    (params, _), _ = full_batch.optimize(start, gradient, gammas, update, 0, steps)
    return task.outcome(params)
