"""What breaks the bounce of a cascade: the paper's further eigenvalue, or the period doubling of Zhu et al.?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss.claims.findings import Claim, Findings
from dynloss.claims.verdicts import exists
from dynloss.experiments.period_doubling import crossing

NEAR = 0.1  # how near ±1 a multiplier must be where the bounce breaks
MOST = 0.5  # the share of cascades from which on something happens as a rule
DOUBLING, DIRECTION, NEITHER, BOTH, WHOLE = (
    "its period doubles", "a further direction bounces", "neither", "both", "never breaks",
)  # fmt: skip


def judge(result: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The claims of the supplement, and the answer of the test.

    Args:
        result: of `experiments.period_doubling.examine`.
        settings: of the experiment.
    """
    rows = cascades(result, settings["learning_rate"])
    broken = [row for row in rows if np.isfinite(row["breaks"])]
    count = {name: sum(row["what breaks it"] == name for row in rows) for name in (DOUBLING, DIRECTION, NEITHER, BOTH)}
    crossed = [row for row in rows if np.isfinite(row["λ₂ crosses 2/η"])]
    late = [row["breaks"] - row["λ₂ crosses 2/η"] for row in broken if np.isfinite(row["λ₂ crosses 2/η"])]
    whole = [row for row in crossed if not np.isfinite(row["breaks"])]
    where = "Supplement I, Figure S1"
    further = count[DIRECTION] + count[BOTH]
    claims = (
        Claim("The second bifurcation is a further direction that begins to bounce: a multiplier of +1", where,
              "in the cascades", f"{further} of {len(broken)} broken cascades",
              exists(further > MOST * len(broken), testable=bool(broken)), f"in more than {MOST:.0%} of them"),
        Claim("The second eigenvalue crosses the threshold in the cascades", where, "in the cascades",
              f"{len(crossed)} of {len(rows)}, on one side of the bounce",
              exists(len(crossed) > MOST * len(rows), testable=bool(rows)), f"in more than {MOST:.0%} of them"),
        Claim("… and where it does, the second bifurcation begins", where, "at once",
              _steps(late) + (f"; {len(whole)} crossed and never broke" if whole else ""),
              exists(bool(late) and float(np.median(np.abs(late))) <= 2 * _spacing(result), testable=bool(broken)),
              "a median of at most two measurements apart"),
    )  # fmt: skip
    lowest = [row["lowest μ"] for row in broken]
    return Findings(
        "cascades_two_step",
        "What breaks the bounce: a further eigenvalue, or a doubled period?",
        f"Of {len(rows)} cascades {len(broken)} break, {count[DOUBLING]} of them by period doubling and "
        f"{further} by a further direction ({count[NEITHER]} by neither)."
        + (f" Where they break the lowest multiplier of the two-step map is {_mean(lowest)}; the test asks for −1 or "
           f"below." if broken else ""),
        f"{settings['width']} hidden units, {settings['seeds']} seeds of {settings['steps']:,} steps, "
        f"T = {settings['period']}, A = {settings['amplitude']:g}; the paper: 1 seed of 70,000 steps, T = 5000",
        claims,
    )  # fmt: skip


def cascades(result: xr.Dataset, learning_rate: float) -> list[dict[str, Any]]:
    """One row a cascade: the events in steps, the multipliers where it breaks, and the verdict."""
    rows = []
    for seed in range(result.sizes["seed"]):
        for number in range(result.sizes["cascade"]):
            one = result.isel(seed=seed, cascade=number)
            if np.isfinite(one.start):
                rows.append({"seed": seed, "cascade": number + 1, **_row(one, learning_rate)})
    return rows


def _row(one: xr.Dataset, learning_rate: float) -> dict[str, Any]:
    steps, lowest, broken = one.step.values, one.lowest.values, bool(np.isfinite(one.broken))
    second = one.curvature.isel(rank=1)
    # Where a cascade never breaks, its end is the start played backwards: then the extremes in between count.
    inner = slice(-1, None) if broken else slice(len(steps) // 4, 3 * len(steps) // 4)
    alternating = one.alternating.values[inner]
    highest = float(np.nanmax(alternating)) if np.isfinite(alternating).any() else float("nan")
    at = int(np.nanargmin(lowest[inner]))
    least, turning = float(lowest[inner][at]), float(one.imaginary.values[inner][at])
    return {
        "bouncing starts": float(one.start),
        "λ₂ crosses 2/η": crossing(steps, -second.max("side").values, -2 / learning_rate),
        "μ crosses −1": crossing(steps, lowest, -1.0),
        "breaks": float(one.broken),
        "lowest μ": least,
        "its imaginary part": turning,
        "its residual": float(one.residual.values[inner][at]),
        "highest alternating μ": highest,
        "mean ηλ₂ of both sides": float(learning_rate * second.mean("side").values[inner].max()),
        "quarter share, tilt held before": float(one.held_before),
        "… and after": float(one.held_after),
        "what breaks it": verdict(least, highest, turning) if broken else WHOLE,
    }


def verdict(lowest: float, alternating: float, imaginary: float = 0.0) -> str:
    """Of a cascade that breaks: what its multipliers say. A complex pair does not double the period.

    >>> verdict(-1.05, 0.3), verdict(-0.4, 0.97), verdict(-0.4, float("nan"))
    ('its period doubles', 'a further direction bounces', 'neither')
    """
    doubles, bounces = lowest <= -1 + NEAR and imaginary <= NEAR, alternating >= 1 - NEAR
    if doubles and bounces:
        return BOTH
    return DOUBLING if doubles else DIRECTION if bounces else NEITHER


def _spacing(result: xr.Dataset) -> float:
    """The steps between two points, in the mean."""
    return float(result.step.diff("point").mean())


def _steps(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.median(values):+.0f} steps (median of {len(values)}; {min(values):+.0f} … {max(values):+.0f})"


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} … {max(values):.2f})".replace("-", "−")
