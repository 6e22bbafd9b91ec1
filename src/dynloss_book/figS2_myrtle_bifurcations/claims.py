"""Figure S2: bifurcations of a convolutional network that learns photographs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss.dynamics import Instability
from dynloss_book.analysis import cascades as reading
from dynloss_book.engine.findings import Claim, Findings
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import AS_A_RULE, RULE, exists

TIMES = 5  # more change of the accuracy a step inside the cascades than outside


def judge(run: xr.Dataset, cascades: Sequence[Instability], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S2.

    Args:
        run: ``accuracy`` and ``loss`` at every step, ``hessian_eigenvalues`` at a cadence.
        cascades: read from the loss alone.
        settings: of the experiment.
    """
    rate = settings["learning_rate"]
    preceded = sum(each.curvature_at_start > 2 / rate for each in cascades)
    real = settings["images"] == "cifar10"
    inside, outside = accuracy_changes(run, cascades)
    above_inside, above_outside = shares_above(run, cascades, 2 / rate)
    marks = reading.marks(run, cascades, settings["period"])
    spread = reading.spread_of_marks(cascades)
    where = "Supplement II, Figure S2"
    claims = (
        Claim("Bifurcations are clearly present in the accuracy", where,
              f"it changes at least {TIMES} times as much a step inside the cascades",
              f"{inside:.4f} inside, {outside:.4f} outside", exists(inside > TIMES * outside, testable=real),
              f"{TIMES} times: clear to the eye"),
        Claim("They occur when the largest eigenvalue of the Hessian crosses a threshold", where,
              "λ₁ is above 2/η at the last look before a cascade", f"{preceded} of {len(cascades)}",
              exists(bool(cascades) and preceded >= RULE * len(cascades), testable=real), AS_A_RULE),
        Claim("… λ₁ is above 2/η more often inside the cascades than outside", where, "yes",
              f"{above_inside:.0%} of the measurements inside, {above_outside:.0%} outside",
              exists(above_inside > 2 * above_outside, testable=real), "twice as often inside"),
        Claim("… and the threshold is one, at starts and ends alike", where, "a threshold",
              f"spread of the marks {spread:.0%}".replace("nan%", "–"),
              exists(spread < reading.SPREAD, testable=real and bool(np.isfinite(spread))),
              f"a spread below {reading.SPREAD:.0%}, as in Figure 4; λ₁ is measured every few steps"),
    )  # fmt: skip
    words = "images" if real else "generated images"
    return Findings(
        "figS2_myrtle_bifurcations",
        "Does a convolutional network bifurcate too?",
        f"It goes through {len(cascades)} cascades, {preceded} of them with the largest Hessian eigenvalue above "
        rf"$2/\eta$ at the last look before; where they start and end, $\eta\lambda_1$ is "
        f"{interval(rate * marks, over='mark')}.",
        f"{settings['size']:,} {words}, {settings['channels']} channels, 1 seed, {settings['steps']:,} steps, "
        f"T = {settings['period']}; the paper: 3,000 images, 64 channels",
        claims,
    )


def accuracy_changes(run: xr.Dataset, cascades: Sequence[Instability]) -> tuple[float, float]:
    """The mean change of the accuracy a step, inside the cascades and outside."""
    change, bouncing = np.abs(np.diff(run.accuracy)), reading.inside(run.step.values[1:], cascades)
    return _mean(change[bouncing]), _mean(change[~bouncing])


def shares_above(run: xr.Dataset, cascades: Sequence[Instability], edge: float) -> tuple[float, float]:
    """The share of measurements of λ₁ above the edge, inside the cascades and outside."""
    curvature = run.hessian_eigenvalues[:, 0]
    above, seen = curvature.values > edge, reading.inside(curvature[curvature.dims[0]].values, cascades)
    return _mean(above[seen]), _mean(above[~seen])


def numbers(run: xr.Dataset, cascades: Sequence[Instability], settings: Mapping[str, Any]) -> pd.Series:
    """What the figure does not show: threshold, accuracy, the residual of λ₁, and whether the run diverged."""
    curvature = run.hessian_eigenvalues[:, 0]
    return pd.Series(
        {
            "threshold λ_th": interval(reading.marks(run, cascades, settings["period"]), over="mark"),
            "2/η": f"{2 / settings['learning_rate']:.1f}",
            "training accuracy at the end": f"{float(run.accuracy[-1]):.3f}",
            "median residual of λ₁, relative": f"{float((run.hessian_residuals[:, 0] / curvature).median()):.1e}",
            "first step that is not finite (-1: none)": run.attrs["diverged_at"],
        }
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
