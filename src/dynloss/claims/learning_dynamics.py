"""Figure 4: cascades of instabilities while a small network learns with a dynamical loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynloss import dynamics
from dynloss.claims.findings import Claim, Findings
from dynloss.claims.verdicts import exists
from dynloss.dynamics import Instability

PAPER = {"width": 100, "period": 5000, "amplitude": 70.0, "learning_rate": 1.0, "steps": 70_000}
ABOUT_TEN = (7, 13)
MOST = 0.8  # the share of cases from which on something happens as a rule
NEARLY_PERFECT = 0.95


def judge(run: xr.Dataset, cascades: Sequence[Instability], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure 4, from one run.

    Args:
        run: ``hessian_eigenvalues``, ``ntk_eigenvalues`` and ``accuracy`` at every step.
        cascades: of the run.
        settings: of the experiment.
    """
    testable = all(settings[name] == value for name, value in PAPER.items())
    period, steps, rate = settings["period"], settings["steps"], settings["learning_rate"]
    last = cascades[-1].end if cascades else 0
    quiet = (steps - last) / period
    where = "Section III.B, Figure 4"
    widens, narrows = valley(run, period, last)
    rises, falls = kernel(run, cascades, period)
    marks = dynamics.curvature_at_marks(list(cascades))
    threshold = dynamics.threshold(list(cascades))
    spread = float(np.std(marks) / np.mean(marks)) if len(marks) else float("nan")
    accuracy = float(run.accuracy[-1])
    claims = (
        Claim("About ten cascades of instabilities, and then none", where, "≈ 10",
              f"{len(cascades)}, the last {quiet:.1f} periods before the end",
              exists(ABOUT_TEN[0] <= len(cascades) <= ABOUT_TEN[1] and quiet > 2, testable=testable)),
        Claim("A cascade starts and ends where the largest Hessian eigenvalue crosses a threshold", "Figure 4 (e)",
              "one threshold", f"{threshold.value:.2f}, spread of the marks {100 * spread:.0f} %",
              exists(bool(cascades) and spread < 0.25)),
        Claim("The valley widens in the first half of a period (λ_max falls)", where, "always", **_share(widens)),
        Claim("… and narrows in the second half (λ_max rises)", where, "always", **_share(narrows)),
        Claim("The NTK's largest eigenvalue rises until a cascade starts", "Section III.D, Figure 4 (f)",
              "each of the first ten", **_share(rises)),
        Claim("… and falls in it", "Section III.D, Figure 4 (f)", "each of the first ten", **_share(falls)),
        Claim("In the end the training accuracy is nearly perfect", where, f"≥ {NEARLY_PERFECT:g}",
              f"{accuracy:.3f}", exists(accuracy >= NEARLY_PERFECT, testable=testable)),
    )  # fmt: skip
    return Findings(
        "fig04_learning_dynamics",
        "What happens while the loss oscillates?",
        f"The network goes through {len(cascades)} cascades of instabilities, each where the valley has become too "
        rf"narrow: at $\eta\lambda_{{\max}} = {rate * threshold.value:.2f}$, where gradient descent on a quadratic has "
        f"its edge at 2. It ends with a training accuracy of {accuracy:.3f}."
        if cascades
        else f"No cascade in this run, which ends with a training accuracy of {accuracy:.3f}.",
        f"{run.attrs['scale']}; the paper: 70,000 steps, T = 5000",
        claims,
    )


def valley(run: xr.Dataset, period: int, until: int) -> tuple[list[bool], list[bool]]:
    """Of each whole period up to a step: whether λ_max falls in its first half, and rises in its second.

    Medians over tenths of the period are compared: the first, the fifth, and the last.
    """
    curvature = run.hessian_eigenvalues.values[:, 0]
    widens, narrows = [], []
    for start in range(0, until - period + 1, period):
        tenths = [np.median(part) for part in np.array_split(curvature[start : start + period], 10)]
        widens.append(bool(tenths[4] < tenths[0]))
        narrows.append(bool(tenths[9] > tenths[4]))
    return widens, narrows


def kernel(run: xr.Dataset, cascades: Sequence[Instability], period: int) -> tuple[list[bool], list[bool]]:
    """Of each cascade: whether the NTK's λ_max rises in the quarter of a period before it, and falls from start to end.

    Means over a hundredth of a period are compared, so that a single bounce decides nothing.
    """
    values, near = run.ntk_eigenvalues.values[:, 0], max(1, period // 100)
    rises, falls = [], []
    for cascade in cascades:
        before = values[max(0, cascade.start - period // 4) :][:near].mean()
        start = values[max(0, cascade.start - near) : cascade.start + 1].mean()
        end = values[cascade.end : cascade.end + near].mean()
        rises.append(bool(start > before))
        falls.append(bool(end < start))
    return rises, falls


def _share(cases: Sequence[bool]) -> dict[str, Any]:
    there = bool(cases) and float(np.mean(cases)) >= MOST
    return {"here": f"{sum(cases)} of {len(cases)}", "verdict": exists(there, testable=bool(cases))}
