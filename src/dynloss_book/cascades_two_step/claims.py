"""What breaks the bounce of a cascade: the paper's further eigenvalue, or the period doubling of Zhu et al.?"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book import paper
from dynloss_book.analysis.period_doubling import DOUBLED, crossing
from dynloss_book.engine.findings import Claim, Findings, Kind
from dynloss_book.engine.verdicts import exists

# What is in a row of `cascades`, as it stands over a table.
COLUMNS = {
    "starts": "bouncing starts",
    "second_crosses": "λ₂ crosses 2/η",
    "lowest_crosses": "μ crosses −1",
    "breaks": "breaks",
    "lowest": "lowest μ",
    "imaginary": "its imaginary part",
    "residual": "its residual",
    "alternating": "highest alternating μ",
    "both_sides": "(1 − ηλ₂)(1 − ηλ₂′)",  # the multiplier of λ₂'s direction, if it keeps to itself
    "spacing": "points apart (steps)",
    "held_before": "quarter-frequency share, weights frozen before",
    "held_after": "… and after",
    "verdict": "what breaks it",
}
NEAR = 0.1  # how near ±1 a multiplier must be where the bounce breaks
MOST = 0.5  # the share of cascades from which on something happens as a rule
DOUBLING, DIRECTION, NEITHER, BOTH, WHOLE, UNRESOLVED = (
    "its period doubles", "a second mode becomes unstable", "neither", "both", "never breaks",
    "too soon to be resolved",
)  # fmt: skip


def judge(result: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The claims of the supplement, and the answer of the test.

    Args:
        result: of `analysis.period_doubling.examine`.
        settings: of the experiment.
    """
    rows = cascades(result, settings["learning_rate"])
    broken = [row for row in rows if np.isfinite(row["breaks"]) and row["verdict"] != UNRESOLVED]
    count = Counter(row["verdict"] for row in rows)
    crossed = [row for row in rows if np.isfinite(row["second_crosses"])]
    late = [row["breaks"] - row["second_crosses"] for row in broken if np.isfinite(row["second_crosses"])]
    whole = [row for row in crossed if not np.isfinite(row["breaks"])]
    reduced = any(settings[name] != value for name, value in paper.FIGURE_4.items())
    further, doubled = count[DIRECTION] + count[BOTH], count[DOUBLING] + count[BOTH]
    as_a_rule = f"in more than {MOST:.0%} of them, of all networks together"
    found = recognised(result, settings["learning_rate"])
    claims = (
        Claim("Does the period of the bounce double where it breaks?", paper.SAYS["further"], "a further eigenvalue",
              f"{doubled} of {len(broken)} broken cascades; a second mode is seen to become unstable in {further}",
              exists(doubled > MOST * len(broken), testable=bool(broken)),
              f"{as_a_rule}; a second mode may be missed: by its eigenvector, that of the first bounce is recognised "
              f"at {found}", Kind.QUESTION),
        Claim("The second eigenvalue crosses the threshold in the cascades", paper.SAYS["further"], "in the cascades",
              f"in {len(crossed)} of {len(rows)}, on one side of the bounce",
              exists(len(crossed) > MOST * len(rows), testable=bool(rows)), as_a_rule),
        Claim("The second bifurcation begins when a second eigenvalue crosses the threshold", paper.SAYS["further"],
              "at once",
              _steps(late) + (f"; in {len(whole)} more it crossed and the bounce never broke" if whole else ""),
              exists(bool(late) and bool(np.median(np.abs(late)) <= 2 * np.mean([row["spacing"] for row in broken])),
                     testable=bool(broken)),
              "a median of at most two measurements apart"),
    )  # fmt: skip
    lowest, beside, held = ([row[name] for row in broken] for name in ("lowest", "both_sides", "held_after"))
    return Findings(
        "cascades_two_step",
        "What breaks the bounce: a further eigenvalue, or a doubled period?",
        f"{'Mostly a' if doubled > MOST * len(broken) else 'A'} period doubling, in {doubled} of {len(broken)} broken "
        f"bounces; a second unstable mode is seen in {further}, by a test that can miss it.",
        f"Of {len(rows)} cascades {len(broken)} break slowly enough to be resolved: {count[DOUBLING]} by period "
        f"doubling alone, {count[DIRECTION]} by a second unstable mode alone, {count[BOTH]} by both, and "
        f"{count[NEITHER]} by neither."
        + (f" {count[UNRESOLVED]} more break too soon to be resolved." if count[UNRESOLVED] else "")
        + (f" Period doubling means a Floquet multiplier of −1 for two steps: where bounces break, the lowest is "
           f"{_mean(lowest)}. The second eigenvalue exceeds 2/η in {len(crossed)} cascades before the break, but only "
           f"on one side of the bounce; over both the multiplier of its mode alone is {_mean(beside)}. With the class "
           f"weights frozen after the break, the network goes on repeating every four steps in "
           f"{sum(np.asarray(held) > DOUBLED)} of {len(held)} cascades."
           if broken else ""),
        f"{settings['width']} hidden units, {settings['seeds']} seeds of {settings['steps']:,} steps, "
        f"T = {settings['period']}, A = {settings['amplitude']:g}; {paper.FIGURE_4_SEED}",
        tuple(claim._replace(reduced=reduced) for claim in claims),
    )  # fmt: skip


def cascades(result: xr.Dataset, learning_rate: float) -> list[dict[str, Any]]:
    """One row a cascade: the events in steps, the multipliers where it breaks, and the verdict; see ``COLUMNS``."""
    return [
        {"seed": seed, "cascade": number + 1, **_row(result.isel(seed=seed, cascade=number), learning_rate)}
        for seed, number in np.argwhere(np.isfinite(result.start.transpose("seed", "cascade").values)).tolist()
    ]


def recognised(result: xr.Dataset, learning_rate: float) -> str:
    """The number of points at which the mode of the first bounce is found among those that alternate, in words.

    Where both sides of the bounce have ηλ₁ > 1 this direction turns at each step, with a multiplier near
    (1 − ηλ₁)(1 − ηλ₁′): so often the test, looking for a further one, would have seen it.
    """
    factors = 1 - learning_rate * result.curvature.isel(rank=0)
    turning = (factors < 0).all("side")
    seen = (abs(result.alternating - factors.prod("side")) < NEAR) & turning
    return f"{int(seen.sum())} of {int(turning.sum())} points"


def _row(one: xr.Dataset, learning_rate: float) -> dict[str, Any]:
    """What is measured of one cascade, the columns of the table."""
    steps, points, second = one.step.values, one.sizes["point"], one.curvature.isel(rank=1)
    # Where a cascade never breaks, its end is the start played backwards: then the extremes in between count.
    inner = one.isel(point=slice(-1, None) if np.isfinite(one.broken) else slice(points // 4, 3 * points // 4))
    extreme = inner.isel(point=int(inner.lowest.argmin("point")))
    highest, least, turning = (float(each) for each in (inner.alternating.max(), extreme.lowest, extreme.imaginary))
    factors = 1 - learning_rate * inner.curvature.isel(rank=1)
    beside = factors.prod("side", skipna=False)
    bouncing = beside.where((factors < 0).all("side")).max()
    return {
        "starts": float(one.start),
        "second_crosses": crossing(steps, -second.max("side").values, -2 / learning_rate),
        "lowest_crosses": crossing(steps, one.lowest.values, -1.0),
        "breaks": float(one.broken),
        "lowest": least,
        "imaginary": turning,
        "residual": float(extreme.residual),
        "alternating": highest,
        "both_sides": float(beside.max(skipna=False)),
        "spacing": float(np.ptp(steps) / max(1, points - 1)),
        "held_before": float(one.held_before),
        "held_after": float(one.held_after),
        "verdict": _what(one, least, float(np.nanmax([highest, bouncing, -1.0])), turning),
    }


def _what(one: xr.Dataset, lowest: float, alternating: float, imaginary: float) -> str:
    """What breaks a cascade; where all its points are one, it breaks before anything can be seen."""
    if not np.isfinite(one.broken):
        return WHOLE
    return _verdict(lowest, alternating, imaginary) if np.ptp(one.step.values) > 0 else UNRESOLVED


def _verdict(lowest: float, alternating: float, imaginary: float = 0.0) -> str:
    """What breaks a cascade, by its Floquet multipliers. A complex pair does not double the period.

    >>> _verdict(-1.05, 0.3), _verdict(-0.4, 0.97), _verdict(-0.4, float("nan"))
    ('its period doubles', 'a second mode becomes unstable', 'neither')
    """
    doubles, bounces = lowest <= -1 + NEAR and imaginary <= NEAR, alternating >= 1 - NEAR
    if doubles and bounces:
        return BOTH
    return DOUBLING if doubles else DIRECTION if bounces else NEITHER


def _steps(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.median(values):+.0f} steps (median of {len(values)}; {min(values):+.0f} … {max(values):+.0f})"


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} … {max(values):.2f})".replace("-", "−")
