"""Figure 5: the curvature threshold against the learning rate, and the static loss beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss.claims.findings import Claim, Findings, Verdict
from dynloss.claims.verdicts import exists, within
from dynloss.dynamics import PowerLaw
from dynloss.figures.curvature_threshold import PAPER_EXPONENT

SAME = 0.1  # relative: how near the thresholds of two widths must be to count as the same
MOST = 0.9  # "always above", and below
NEAR = 0.05  # the paper gives its exponent to one digit: -0.92 is -0.9
CLOSE = 0.1  # "remarkably close" to the exponent of eq. (7): the distance of the paper's own
WHERE = "Section III.C, Figure 5"
SECOND_HALF = f"{MOST:.0%} of the second half of the run: the transient is left out"

Laws = Mapping[str, Mapping[str, PowerLaw]]


def judge(
    networks: Mapping[str, xr.Dataset],
    laws: Laws,
    static: Mapping[str, xr.Dataset],
    settings: Mapping[str, Any],
) -> Findings:
    """The claims of Figure 5.

    Args:
        networks: {label: ``threshold``, ``scaled_threshold`` and more over learning_rate and seed}, narrow and wide.
        laws: {mark: {label: the power law}}, with the marks "0.1" and "0.1/η".
        static: {label: the run with the static loss at η = 1}.
        settings: ``period`` and ``steps`` at η = 1, and ``static_steps``.
    """
    narrow, wide = networks
    testable = (settings["period"], settings["steps"], settings["static_steps"]) == (5000, 70_000, 70_000)
    exponents = tuple(_exponent(label, laws, testable) for label in networks)
    ratio = _ratio(networks[wide].threshold, networks[narrow].threshold)
    above = {label: share_above(label, run, laws) for label, run in static.items()}
    learnt = {label: float(run.accuracy[-1]) for label, run in static.items()}
    claims = (
        *exponents,
        Claim("The threshold does not depend on the width", f"{WHERE} (a)", "the same",
              f"wide over narrow: {ratio:.2f}", exists(abs(ratio - 1) <= SAME, testable=bool(np.isfinite(ratio))),
              f"within {SAME:.0%}, the spread of the marks"),
        Claim("Without oscillations the narrow network's curvature is always above the threshold", f"{WHERE} (b)",
              "always", f"{above[narrow]:.0%} of the second half", _above(above[narrow], testable), SECOND_HALF),
        Claim("… and it does not learn", f"{WHERE} (b)", "poor",
              f"training accuracy {learnt[narrow]:.2f}", exists(learnt[narrow] < 0.8, testable=testable),
              "below 0.8; the paper gives no number"),
        Claim("The wide network's falls below the threshold after a transient", f"{WHERE} (c)", "always",
              f"{1 - above[wide]:.0%} of the second half", _above(1 - above[wide], testable), SECOND_HALF),
        Claim("… and it learns", f"{WHERE} (c)", "≈ 1",
              f"training accuracy {learnt[wide]:.2f}", exists(learnt[wide] >= 0.95, testable=testable),
              "0.95 or more"),
        _prediction(laws, testable),
    )  # fmt: skip
    fitted = [f"$\\eta^{{{law.exponent:.2f}}}$ ({label})" for label, law in laws["0.1"].items()]
    scaled = [f"{law.exponent:.2f}" for law in laws["0.1/η"].values()]
    return Findings(
        "fig05_curvature_threshold",
        "How does the threshold depend on the learning rate?",
        (
            f"It falls as {' and '.join(fitted)} where an instability is marked by the paper's jump of 0.1, and with "
            f"the exponent {' and '.join(scaled)} where the mark keeps its proportion to the threshold, 0.1/η."
            if fitted
            else "Too few runs for a power law yet."
        ),
        "; ".join(f"{label}: {network.attrs['scale']}" for label, network in networks.items())
        + f"; T = {settings['period']}/η, {settings['steps']:,}/η steps; the paper: 5000/η and 70,000/η",
        claims,
    )


def share_above(label: str, run: xr.Dataset, laws: Laws) -> float:
    """In the second half of a run: how often λ_max is above the threshold that the mark 0.1 gives at η = 1."""
    values = run.hessian_eigenvalues[len(run.hessian_eigenvalues) // 2 :, 0]
    level = float(laws["0.1"][label].at(1.0)) if label in laws["0.1"] else float("nan")
    return float((values > level).mean()) if np.isfinite(level) else float("nan")


def _above(share: float, testable: bool) -> Verdict:
    return exists(share >= MOST, testable=testable and bool(np.isfinite(share)))


def _exponent(label: str, laws: Laws, testable: bool) -> Claim:
    statement = f"The threshold falls as η^−0.9 ({label})"
    if label not in laws["0.1"]:
        return Claim(statement, f"{WHERE} (a)", "−0.9", "too few runs", Verdict.NOT_COMPUTED)
    law = laws["0.1"][label]
    here = f"{law.exponent:.2f} ({law.low:.2f} … {law.high:.2f})"
    if label in laws["0.1/η"]:
        here += f"; with the mark in proportion {laws['0.1/η'][label].exponent:.2f}"
    verdict = exists(law.low - NEAR <= PAPER_EXPONENT <= law.high + NEAR, testable=testable)
    return Claim(statement, f"{WHERE} (a)", "−0.9", here, verdict, within(NEAR, "the paper gives one digit"))


def _prediction(laws: Laws, testable: bool) -> Claim:
    """Eq. (7), by the mark in proportion, which leaves the exponent of a quadratic alone."""
    statement = "The first- and second-order terms of eq. (6) are alike at a threshold that falls as 1/η, eq. (7)"
    found = laws["0.1/η"]
    here = ", ".join(f"{law.exponent:.2f} ({label})" for label, law in found.items())
    near = bool(found) and all(abs(law.exponent + 1) <= CLOSE for law in found.values())
    verdict = exists(near, testable=testable) if found else Verdict.NOT_COMPUTED
    why = f"± {CLOSE:g}, what the paper calls remarkably close; with the mark in proportion, 0.1/η"
    return Claim(statement, "Section III.C, eqs. (6) and (7)", "−1", here or "too few runs", verdict, why)


def _ratio(upper: xr.DataArray, lower: xr.DataArray) -> float:
    """The geometric mean of a ratio over the learning rates that both have."""
    both = np.log(upper.mean("seed")) - np.log(lower.mean("seed"))
    return float(np.exp(both.mean()))


def exponents(laws: Laws) -> list[dict[str, Any]]:
    """Rows of a table: the exponent, its interval, and the threshold at η = 1, for each mark and network."""

    def holds(law: PowerLaw, exponent: float) -> str:
        return "yes" if law.low <= exponent <= law.high else "no"

    return [
        {
            "mark": mark,
            "network": label,
            "exponent": f"{law.exponent:.2f}",
            "95 % interval": f"{law.low:.2f} … {law.high:.2f}",
            "holds −0.9": holds(law, PAPER_EXPONENT),
            "holds −1": holds(law, -1),
            "λ_th at η = 1": f"{law.prefactor:.2f}",
            "runs": law.points,
        }
        for mark, found in laws.items()
        for label, law in found.items()
    ]


def by_rate(network: xr.Dataset) -> dict[str, Any]:
    """Columns of a table over the learning rates, means over seeds."""
    rate = network.learning_rate
    return {
        "ηλ_th, mark 0.1": (network.threshold * rate).mean("seed").to_series().map("{:.2f}".format),
        "ηλ_th, mark 0.1/η": (network.scaled_threshold * rate).mean("seed").to_series().map("{:.2f}".format),
        "seeds": network.scaled_threshold.notnull().sum("seed").to_series(),
        "marks a run": network.marks.mean("seed").to_series().map("{:.0f}".format),
        "training accuracy": network.accuracy.mean("seed").to_series().map("{:.3f}".format),
    }
