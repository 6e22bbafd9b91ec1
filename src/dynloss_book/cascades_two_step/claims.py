"""What breaks the bounce of a cascade: the paper's further eigenvalue, or the period doubling of Zhu et al.?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book.analysis.period_doubling import DOUBLED, crossing
from dynloss_book.engine.findings import Claim, Findings
from dynloss_book.engine.verdicts import exists

BOTH_SIDES = "(1 − ηλ₂)(1 − ηλ₂′)"  # the multiplier of the second eigenvalue's direction, if it keeps to itself
NEAR = 0.1  # how near ±1 a multiplier must be where the bounce breaks
MOST = 0.5  # the share of cascades from which on something happens as a rule
DOUBLING, DIRECTION, NEITHER, BOTH, WHOLE, UNRESOLVED = (
    "its period doubles", "a further direction bounces", "neither", "both", "never breaks", "too soon to be looked at",
)  # fmt: skip


def judge(result: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The claims of the supplement, and the answer of the test.

    Args:
        result: of `analysis.period_doubling.examine`.
        settings: of the experiment.
    """
    rows = cascades(result, settings["learning_rate"])
    broken = [row for row in rows if np.isfinite(row["breaks"]) and row["what breaks it"] != UNRESOLVED]
    count = {name: sum(row["what breaks it"] == name for row in rows) for name in (DOUBLING, DIRECTION, NEITHER, BOTH)}
    crossed = [row for row in rows if np.isfinite(row["λ₂ crosses 2/η"])]
    late = [row["breaks"] - row["λ₂ crosses 2/η"] for row in broken if np.isfinite(row["λ₂ crosses 2/η"])]
    whole = [row for row in crossed if not np.isfinite(row["breaks"])]
    where = "Supplement I, Figure S1"
    further, doubled = count[DIRECTION] + count[BOTH], count[DOUBLING] + count[BOTH]
    unresolved = sum(row["what breaks it"] == UNRESOLVED for row in rows)
    as_a_rule = f"in more than {MOST:.0%} of them, of all networks together"
    claims = (
        Claim("The second bifurcation is a further eigenvalue: in our terms, a further direction begins to bounce",
              where, "seem to occur so", f"{further} of {len(broken)} broken cascades",
              exists(further > MOST * len(broken), testable=bool(broken)),
              f"{as_a_rule}; by its eigenvector, the first bounce's own direction is recognised at "
              f"{recognised(result, settings['learning_rate'])}, and a further one counts by its eigenvalue as well"),
        Claim("The second eigenvalue crosses the threshold in the cascades", where, "in the cascades",
              f"{len(crossed)} of {len(rows)}, on one side of the bounce",
              exists(len(crossed) > MOST * len(rows), testable=bool(rows)), as_a_rule),
        Claim("… and where it does, the second bifurcation begins", where, "at once",
              _steps(late) + (f"; {len(whole)} crossed and never broke" if whole else ""),
              exists(bool(late) and float(np.median(np.abs(late))) <= 2 * _spacing(broken), testable=bool(broken)),
              "a median of at most two measurements apart"),
    )  # fmt: skip
    lowest, beside = ([row[name] for row in broken] for name in ("lowest μ", BOTH_SIDES))
    held = [row["… and after"] for row in broken]
    return Findings(
        "cascades_two_step",
        "What breaks the bounce: a further eigenvalue, or a doubled period?",
        f"Of {len(rows)} cascades {len(broken)} break, {doubled} of them by period doubling and {further} by a further "
        f"direction ({count[BOTH]} by both, {count[NEITHER]} by neither)."
        + (f" {unresolved} more break too soon to be looked at." if unresolved else "")
        + (f" Where they break the lowest multiplier of the two-step map is {_mean(lowest)}, and that of the second "
           f"eigenvalue, if it had a direction to itself, {_mean(beside)}; a further bounce asks for +1. With the "
           f"class weights held after it, the period stays four in {sum(np.asarray(held) > DOUBLED)} of {len(held)}."
           if broken else ""),
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


def recognised(result: xr.Dataset, learning_rate: float) -> str:
    """At how many points the direction of the first bounce is found among those that turn, in words.

    Where both sides of the bounce have ηλ₁ > 1 this direction turns at each step, with a multiplier near
    (1 − ηλ₁)(1 − ηλ₁′): so often the test, looking for a further one, would have seen it.
    """
    factors = 1 - learning_rate * result.curvature.isel(rank=0)
    turning = (factors < 0).all("side")
    product = factors.isel(side=0) * factors.isel(side=1)
    seen = (abs(result.alternating - product) < NEAR) & turning
    return f"{int(seen.sum())} of {int(turning.sum())} points"


def _row(one: xr.Dataset, learning_rate: float) -> dict[str, Any]:
    """What there is to see of one cascade, the columns of the table."""
    steps, lowest, broken = one.step.values, one.lowest.values, bool(np.isfinite(one.broken))
    second = one.curvature.isel(rank=1)
    # Where a cascade never breaks, its end is the start played backwards: then the extremes in between count.
    inner = slice(-1, None) if broken else slice(len(steps) // 4, 3 * len(steps) // 4)
    alternating = one.alternating.values[inner]
    highest = float(np.nanmax(alternating)) if np.isfinite(alternating).any() else float("nan")
    at = int(np.nanargmin(lowest[inner]))
    least, turning = float(lowest[inner][at]), float(one.imaginary.values[inner][at])
    factors = (1 - learning_rate * second).transpose("point", "side").values[inner]
    beside = factors.prod(axis=1)
    bouncing = beside[(factors < 0).all(axis=1)]
    return {
        "bouncing starts": float(one.start),
        "λ₂ crosses 2/η": crossing(steps, -second.max("side").values, -2 / learning_rate),
        "μ crosses −1": crossing(steps, lowest, -1.0),
        "breaks": float(one.broken),
        "lowest μ": least,
        "its imaginary part": turning,
        "its residual": float(one.residual.values[inner][at]),
        "highest alternating μ": highest,
        BOTH_SIDES: float(beside.max()),
        "points apart (steps)": float(np.ptp(steps) / max(1, len(steps) - 1)),
        "quarter share, tilt held before": float(one.held_before),
        "… and after": float(one.held_after),
        "what breaks it": _what(one, least, float(np.nanmax([highest, *bouncing, -1.0])), turning),
    }


def _what(one: xr.Dataset, lowest: float, alternating: float, imaginary: float) -> str:
    """What breaks a cascade; where all its points are one, it breaks before anything can be seen."""
    if not np.isfinite(one.broken):
        return WHOLE
    return verdict(lowest, alternating, imaginary) if np.ptp(one.step.values) > 0 else UNRESOLVED


def verdict(lowest: float, alternating: float, imaginary: float = 0.0) -> str:
    """Of a cascade that breaks: what its multipliers say. A complex pair does not double the period.

    >>> verdict(-1.05, 0.3), verdict(-0.4, 0.97), verdict(-0.4, float("nan"))
    ('its period doubles', 'a further direction bounces', 'neither')
    """
    doubles, bounces = lowest <= -1 + NEAR and imaginary <= NEAR, alternating >= 1 - NEAR
    if doubles and bounces:
        return BOTH
    return DOUBLING if doubles else DIRECTION if bounces else NEITHER


def _spacing(rows: list[dict[str, Any]]) -> float:
    """The steps between two points, in the mean over cascades."""
    return float(np.mean([row["points apart (steps)"] for row in rows]))


def _steps(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.median(values):+.0f} steps (median of {len(values)}; {min(values):+.0f} … {max(values):+.0f})"


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} … {max(values):.2f})".replace("-", "−")
