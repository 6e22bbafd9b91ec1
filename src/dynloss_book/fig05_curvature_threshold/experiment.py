"""Figure 5: λ_max on both sides of single steps, and the threshold that its jumps mark."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from dynloss import dynamics, schedules
from dynloss.training import checkpoints, compiled, full_batch
from dynloss_book.analysis import onsets
from dynloss_book.fig05_curvature_threshold import mlp_hessian, tracking
from dynloss_book.tasks import spiral

# Criteria of an onset, {variable of λ_th: jump of λ_max}: the paper's 0.1, or in proportion to the threshold.
CRITERIA = {
    "threshold": "0.1",
    "scaled_threshold": "0.1/η",
    "scaled_threshold_half": "0.05/η",
    "scaled_threshold_twice": "0.2/η",
}
ONE_STEP_LATER = 4  # products at least, after a single step; see ``tracking``
MOST = 0.9  # of the second half of a run: "always"
TOLERANCE = 0.01  # of λ_max, for its residual; λ_max itself is off by about its square over the gap, far below any mark
CHUNK = 500  # pairs from one checkpoint to the next
FEW = 1000  # units times steps up to which calling the compiled kernel takes longer than it saves
MEASURED, SIDES = ("curvature", "products"), ("before", "after")
RECORDS = (*(f"{name}_{side}" for name in MEASURED for side in SIDES), "accuracy")
# The variables of a sweep over `thresholds`.
VARIABLES = {
    **{
        name: ((), {"long_name": f"λ_th, marks where λ_max jumps by {jump}", "units": "1"})
        for name, jump in CRITERIA.items()
    },
    "marks": ((), {"long_name": "starts and ends of instabilities", "units": "1"}),
    "accuracy": ((), {"long_name": "training accuracy at the end", "units": "1"}),
}
# The variables of a sweep over `second_half`.
SECOND_HALF = {
    **{
        name: ((), {"long_name": f"the {share} % quantile of λ_max in the second half", "units": "1"})
        for name, share in (("lower", 10), ("middle", 50), ("upper", 90))
    },
    "accuracy": VARIABLES["accuracy"],
}


def pairs(
    width: int,
    precision: str,
    seed: int,
    oscillation: tuple[float, float, float],
    learning_rate: float,
    steps: int,
    every: int,
    num_matvecs: int,
    checkpoint: Path | None = None,
) -> xr.Dataset:
    """A run on the spiral, with λ_max before and after every ``every``-th step, of the loss of that moment.

    Args:
        width, precision, seed: the network, see ``spiral.task``.
        oscillation: period, amplitude and stop of ``schedules.oscillating``.
        learning_rate: η.
        steps: of the whole run.
        every: steps from one pair to the next.
        num_matvecs: at most so many products with the Hessian for each λ_max; see ``tracking``.
        checkpoint: a file for the unfinished run.

    Returns:
        ``curvature`` and ``products`` over (step, side), ``accuracy`` on the training points over step.
    """
    task = spiral.task(width, precision, seed)
    count = len(range(0, steps, every))
    how = jnp.asarray(learning_rate, precision), *(jnp.asarray(each, precision) for each in oscillation)
    state = task.start, tracking.cold_start(sum(leaf.size for leaf in jax.tree.leaves(task.start)), precision)
    run = checkpoints.identity(state, how, steps, every, num_matvecs)
    first = 0
    records: dict[str, list[float]] = {name: [] for name in RECORDS}
    if checkpoint is not None and (kept := checkpoints.load(checkpoint, run, state, RECORDS)):
        first, state, found = kept
        records = {name: values.tolist() for name, values in found.items()}
    while first < count:
        number = min(CHUNK, count - first)
        state, found = _program(precision, every, number, num_matvecs)(*state, jnp.asarray(first * every), *how)
        for name, values in found.items():
            records[name] += np.asarray(values, float).tolist()
        first += number
        if checkpoint is not None and first < count:
            checkpoints.save(checkpoint, run, first, state, records)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    curvature, products = (np.stack([records[f"{name}_{side}"] for side in SIDES], axis=1) for name in MEASURED)
    return xr.Dataset(
        {
            "curvature": (("step", "side"), curvature, {"long_name": "largest Hessian eigenvalue", "units": "1"}),
            "products": (("step", "side"), products, {"long_name": "products with the Hessian", "units": "1"}),
            "accuracy": ("step", records["accuracy"], {"long_name": "training accuracy", "units": "1"}),
        },
        coords={"step": np.arange(count) * every, "side": list(SIDES)},
    )


@functools.cache
def _program(precision: str, every: int, number: int, num_matvecs: int):
    """``number`` pairs and the steps between them, compiled: once for all networks, rates and oscillations."""
    data = spiral.task(1, precision, 0).training
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)

    def measure(at, weights, start, fewest=tracking.FEWEST):
        """λ_max at a point, the products that it took, where to start next, and the loss around the point."""
        local = mlp_hessian.derivatives(at, inputs, labels, weights)
        _, unravel = ravel_pytree(at)
        product = lambda v: ravel_pytree(local.product(unravel(v)))[0]  # noqa: E731
        return tracking.largest(product, start, num_matvecs=num_matvecs, tolerance=TOLERANCE, fewest=fewest), local

    def between(at, weights_at, learning_rate, first):
        """The steps to the next pair."""
        if len(at.output) * (every - 1) <= FEW:
            gradient = lambda w, weights: mlp_hessian.derivatives(w, inputs, labels, weights).gradient  # noqa: E731
            return full_batch.descend(at, gradient, weights_at, learning_rate, first, every - 1)[0]
        params = mlp_hessian.to_params(at)
        return mlp_hessian.from_params(compiled.descend(params, data, weights_at, learning_rate, first, every - 1))

    def run(params, start, first, learning_rate, period, amplitude, stop):
        weights_at = schedules.oscillating(period, amplitude, spiral.CLASSES, stop=stop)

        def pair(carry, step):
            params, start = carry
            weights = weights_at(step, precision)
            at = mlp_hessian.from_params(params)
            before, local = measure(at, weights, start)
            following = jax.tree.map(lambda w, g: w - learning_rate * g, at, local.gradient)
            after, _ = measure(following, weights, before.start, ONE_STEP_LATER)
            params = mlp_hessian.to_params(between(following, weights_at, learning_rate, step + 1))
            records = {
                "curvature_before": before.eigenvalue,
                "curvature_after": after.eigenvalue,
                "products_before": before.products,
                "products_after": after.products,
                "accuracy": jnp.mean(jnp.argmax(local.outputs, axis=0) == labels),
            }
            return (params, after.start), records

        return jax.lax.scan(pair, (params, start), first + every * jnp.arange(number))

    return jax.jit(run)


def thresholds(run: Any, period: int, learning_rate: float) -> dict[str, float]:
    """λ_th of a run by each of ``CRITERIA``, the number of marks at 0.1/η, and the accuracy at the last pair.

    - Jumps count as in `analysis.onsets.marked`: in a row of three pairs, and from half a period on. A single sample
      that crosses a kink of a ReLU moves λ_max by as much, far below the threshold, but not pair after pair.
    - λ_th is the median over the marks, not the mean, so that a single step cannot shift it.

    Args:
        run: ``curvature`` (step, side) and ``accuracy`` (step), as of ``pairs``.
        period: T, in steps.
        learning_rate: η.
    """

    def marks(jump: float) -> np.ndarray:
        return dynamics.curvature_at_marks(onsets.marked(run.step.values, run.curvature.values, period, jump))

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


def second_half(run: Any) -> dict[str, float]:
    """Where λ_max lies in the second half of a run with one loss (NaN if that diverged), and the accuracy at its end.

    >>> run = xr.Dataset({"hessian_eigenvalues": (("step", "rank"), np.ones((4, 1))), "accuracy": ("step", np.ones(4))})
    >>> second_half(run)
    {'lower': 1.0, 'middle': 1.0, 'upper': 1.0, 'accuracy': 1.0}
    """
    values = run.hessian_eigenvalues[len(run.hessian_eigenvalues) // 2 :, 0]
    quantiles = (float(each) for each in np.quantile(values, [1 - MOST, 0.5, MOST]))
    return dict(zip(SECOND_HALF, (*quantiles, float(run.accuracy[-1])), strict=True))


def power_laws(networks: Mapping[str, Any]) -> dict[str, dict[str, dynamics.PowerLaw]]:
    """{criterion: {label: power law}} through all learning rates and seeds; none with fewer than three thresholds.

    Args:
        networks: {label: the thresholds over learning_rate and seed}.
    """
    points = {
        label: network[list(CRITERIA)].stack(point=("learning_rate", "seed")) for label, network in networks.items()
    }
    known = {name: {label: each[name].dropna("point") for label, each in points.items()} for name in CRITERIA}
    return {
        name: {
            label: dynamics.power_law(each.learning_rate.values, each.values)
            for label, each in found.items()
            if len(np.unique(each.learning_rate)) > 1 and len(each) > 2
        }
        for name, found in known.items()
    }
