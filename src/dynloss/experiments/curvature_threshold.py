"""Figure 5: λ_max on both sides of single steps, and the threshold that its jumps mark."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss import dynamics
from dynloss.experiments.spiral import SpiralTask
from dynloss.models import mlp
from dynloss.schedules import Schedule
from dynloss.spectral.hessian import hessian_eigenvalues
from dynloss.training import full_batch, recorders

# The marks, and the variable of each: jumps of λ_max of 0.1, the paper's, or in proportion to the threshold.
READINGS = {
    "0.1": "threshold",
    "0.1/η": "scaled_threshold",
    "0.05/η": "scaled_threshold_half",
    "0.2/η": "scaled_threshold_twice",
}
# The variables of a sweep over `thresholds`.
VARIABLES = {
    **{
        name: ((), {"long_name": f"λ_th, marks where λ_max jumps by {jump}", "units": "1"})
        for jump, name in READINGS.items()
    },
    "marks": ((), {"long_name": "starts and ends of instabilities", "units": "1"}),
    "accuracy": ((), {"long_name": "training accuracy at the end", "units": "1"}),
}


def both_sides(learning_rate: float, order: int, every: int) -> full_batch.Recorder:
    """λ_max before and after one step of gradient descent on the loss of that moment, ``curvature`` (side)."""

    def measure(at: full_batch.Snapshot) -> dict[str, Any]:
        after = jax.tree.map(lambda w, g: w - learning_rate * g, at.params, at.gradient(at.params))
        both = jax.tree.map(lambda *sides: jnp.stack(sides), at.params, after)

        def largest(params):
            return hessian_eigenvalues(at.gradient, params, order=order).eigenvalues[0]

        return {"curvature": jax.lax.map(largest, both)}  # one after the other, in one compiled piece of code

    return recorders.recorder(measure, {"curvature": (("side",), {"long_name": "largest Hessian eigenvalue"})}, every)


def pairs(
    task: SpiralTask,
    weights: Schedule,
    learning_rate: float,
    steps: int,
    every: int,
    order: int,
    checkpoint: Path | None = None,
) -> Any:
    """A run that measures λ_max on both sides of every ``every``-th step; its trajectory."""
    observe = [
        both_sides(learning_rate, order, every),
        recorders.training_state(task.model.apply, task.training, every=every),
    ]
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)
    run = full_batch.train(
        task.start,
        task.training,
        weights,
        gradient=lambda params, gammas: mlp.cross_entropy_gradient(params, inputs, labels, gammas),
        learning_rate=learning_rate,
        steps=steps,
        recorders=observe,
        checkpoint=checkpoint,
    )
    return run.trajectory


def thresholds(run: Any, period: int, learning_rate: float) -> dict[str, float]:
    """λ_th of a run for each mark, the number of marks at 0.1/η, and the accuracy at the last pair; see ``READINGS``.

    - A jump counts in a row of three pairs. A single sample that crosses a kink of a ReLU moves λ_max by as much, far
      below the threshold, but not pair after pair.
    - The first half of the first period is left out: there the initial weights settle, without any cascade.
    - λ_th is the median over the marks, not the mean, so that a single step cannot shift it.
    """
    step = run[run.curvature.dims[0]].values
    settled = step >= period // 2
    before, after = run.curvature.values[settled].T

    def marks(jump: float) -> np.ndarray:
        cascades = dynamics.instabilities_of_pairs(
            step[settled], before, after, jump=jump, quiet=max(1, period // 10), lasting=3
        )
        return np.asarray(dynamics.curvature_at_marks(cascades))

    def threshold(jump: float) -> float:
        found = marks(jump)
        return float(np.median(found)) if len(found) else float("nan")

    return {
        "threshold": threshold(0.1),
        "scaled_threshold": threshold(0.1 / learning_rate),
        "scaled_threshold_half": threshold(0.05 / learning_rate),
        "scaled_threshold_twice": threshold(0.2 / learning_rate),
        "marks": float(len(marks(0.1 / learning_rate))),
        "accuracy": float(run.accuracy[-1]),
    }


def power_laws(networks: Mapping[str, Any]) -> dict[str, dict[str, dynamics.PowerLaw]]:
    """{mark: {label: power law}} through all learning rates and seeds; none with fewer than three thresholds.

    Args:
        networks: {label: the thresholds over learning_rate and seed}.
    """
    laws: dict[str, dict[str, dynamics.PowerLaw]] = {}
    for mark, reading in READINGS.items():
        laws[mark] = {}
        for label, network in networks.items():
            values = network[reading].stack(point=("learning_rate", "seed")).dropna("point")
            if len(np.unique(values.learning_rate)) > 1 and len(values) > 2:
                laws[mark][label] = dynamics.power_law(values.learning_rate.values, values.values)
    return laws
