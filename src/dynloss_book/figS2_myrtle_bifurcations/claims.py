"""Figure S2: bifurcations of a convolutional network on CIFAR-10 images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss.dynamics import Instability
from dynloss_book import paper
from dynloss_book.analysis.cascades import SPREAD, inside, marks, spread_of_marks
from dynloss_book.engine.findings import Claim, Findings
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import AS_A_RULE, RULE, by_run, exists

TIMES = 5  # more change of the accuracy a step inside the cascades than outside


def judge(runs: Sequence[tuple[xr.Dataset, Sequence[Instability]]], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S2.

    Args:
        runs: ``accuracy`` and ``loss`` at every step, ``hessian_eigenvalues`` at a cadence; and cascades, read from
            the loss alone.
        settings: of the experiment.
    """
    real, rate = settings["images"] == "cifar10", settings["learning_rate"]
    pairs = [(run, while_moving(cascades, settings)) for run, cascades in runs]
    reduced = not real or any(settings.get(name) != value for name, value in paper.FIGURE_S2.items())
    curvatures = xr.concat([marks(run, cascades, settings["period"]) for run, cascades in pairs], "mark")
    found = [each for _, cascades in pairs for each in cascades]
    return Findings(
        "figS2_myrtle_bifurcations",
        "Does a convolutional network bifurcate too?",
        f"{'In this one run, yes' if len(runs) == 1 else 'Yes'}: it goes through the same cascades; "
        f"{preceded(found, rate)} of {len(found)} begin after λ₁ has passed 2/η."
        if found
        else "No cascade in these runs.",
        f"It goes through {len(found)} cascades while the class weights oscillate. Before {preceded(found, rate)} of "
        rf"them the last measurement of the largest Hessian eigenvalue is above $2/\eta$; where they start and end, "
        rf"$\eta\lambda_1$ is {interval(rate * curvatures, over='mark')}.",
        f"{settings['size']:,} {'images' if real else 'generated images'}, {settings['channels']} channels, "
        f"{len(runs)} seed{'s' * (len(runs) > 1)}, {settings['steps']:,} steps, "
        f"T = {settings['period']}; the paper: 3,000 images, 64 channels",
        tuple(
            claim._replace(reduced=reduced)
            for claim in by_run([_of_run(run, cascades, settings, real) for run, cascades in pairs])
        ),
    )


def _of_run(
    run: xr.Dataset, cascades: Sequence[Instability], settings: Mapping[str, Any], real: bool
) -> tuple[Claim, ...]:
    """What one run says by itself."""
    within, outside = accuracy_changes(run, cascades)
    before, spread = preceded(cascades, settings["learning_rate"]), spread_of_marks(cascades)
    return (
        Claim("Bifurcations are clearly present in the accuracy", paper.SAYS["myrtle bifurcates"],
              f"≥ {TIMES} times as much change per step",
              f"{within:.3f} inside, {outside:.3f} outside", exists(within > TIMES * outside, testable=real),
              f"{TIMES} times: clear to the eye"),
        Claim("They occur when the largest eigenvalue of the Hessian crosses a threshold",
              paper.SAYS["myrtle bifurcates"],
              "λ₁ is above 2/η at the last measurement before a cascade", f"{before} of {len(cascades)}",
              exists(bool(cascades) and before >= RULE * len(cascades), testable=real),
              f"{AS_A_RULE}; λ₁ is measured every few steps, and a bounce is visible in the loss some steps after it "
              "has begun, so that the measurement may fall into it"),
        Claim("… and the threshold is the same at starts and ends", paper.SAYS["myrtle bifurcates"], "a threshold",
              f"spread of the onsets and ends {spread:.0%}".replace("nan%", "–"),
              exists(spread < SPREAD, testable=real and bool(np.isfinite(spread))),
              f"a spread below {SPREAD:.0%}, as in Figure 4; λ₁ is measured every few steps"),
    )  # fmt: skip


def while_moving(cascades: Sequence[Instability], settings: Mapping[str, Any]) -> list[Instability]:
    """Those that begin before the class weights stop, for the last period."""
    return [each for each in cascades if each.start < settings["steps"] - settings["period"]]


def preceded(cascades: Sequence[Instability], rate: float) -> int:
    """How many begin with λ₁ above 2/η at the last measurement before."""
    return sum(each.curvature_at_start > 2 / rate for each in cascades)


def accuracy_changes(run: xr.Dataset, cascades: Sequence[Instability]) -> tuple[float, float]:
    """The mean change of the accuracy a step, inside the cascades and outside."""
    change, bouncing = abs(run.accuracy.diff("step")), inside(run.step.values[1:], cascades)
    return float(change[bouncing].mean()), float(change[~bouncing].mean())


def numbers(run: xr.Dataset, cascades: Sequence[Instability], settings: Mapping[str, Any]) -> pd.Series:
    """What the figure does not show: threshold, accuracy, the residual of λ₁, and whether the run diverged.

    Args:
        run: ``accuracy`` at every step, ``hessian_eigenvalues`` and ``hessian_residuals`` at a cadence.
        cascades: of the run.
        settings: ``period`` and ``learning_rate``.
    """
    curvature = run.hessian_eigenvalues[:, 0]
    return pd.Series(
        {
            "threshold λ_th": interval(marks(run, cascades, settings["period"]), over="mark"),
            "2/η": f"{2 / settings['learning_rate']:.1f}",
            "training accuracy at the end": f"{float(run.accuracy[-1]):.3f}",
            "median residual of λ₁, relative": f"{float((run.hessian_residuals[:, 0] / curvature).median()):.1e}",
            "first step that is not finite (-1: none)": run.attrs["diverged_at"],
        }
    )
