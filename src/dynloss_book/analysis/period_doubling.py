"""What breaks the bounce of a cascade: its period doubles, or one more direction begins to bounce?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from dynloss.schedules import Schedule
from dynloss_book.analysis import paths, two_step
from dynloss_book.analysis.paths import Landscape, Path

BOUNCING = 0.25  # of `paths.return_ratio`: below, the network comes back every second step
DOUBLED = 0.05  # of `paths.quarter_share`: above, every second return misses
LASTING = 8  # steps over which the median of either is taken
AHEAD = 16  # steps: half the window of `paths.quarter_share`, which sees a break so much before it is there
ZOOM = 2000  # steps kept around one cascade, for the picture

_MULTIPLIER = {"units": "1"}
_POINT = ("seed", "cascade", "point")
ABOUT = {
    "step": (_POINT, {"long_name": "minimisation step", "units": "steps"}),
    "lowest": (_POINT, {"long_name": "lowest multiplier of the two-step map", **_MULTIPLIER}),
    "imaginary": (_POINT, {"long_name": "imaginary part of the lowest multiplier", **_MULTIPLIER}),
    "alternating": (_POINT, {"long_name": "highest multiplier of an alternating direction", **_MULTIPLIER}),
    "residual": (_POINT, {"long_name": "residual of the lowest multiplier", **_MULTIPLIER}),
    "curvature": ((*_POINT, "side", "rank"), {"long_name": "Hessian eigenvalue λ", **_MULTIPLIER}),
    "start": (_POINT[:2], {"long_name": "bouncing starts", "units": "steps"}),
    "broken": (_POINT[:2], {"long_name": "quarter frequency appears", "units": "steps"}),
    "end": (_POINT[:2], {"long_name": "bouncing ends", "units": "steps"}),
    "held_before": (_POINT[:2], {"long_name": "quarter share, tilt held before the break", **_MULTIPLIER}),
    "held_after": (_POINT[:2], {"long_name": "quarter share, tilt held after the break", **_MULTIPLIER}),
}


class Bounce(NamedTuple):
    """One cascade.

    Attributes:
        start: the first step at which the network comes back every second step.
        broken: the first at which the loss has power at a quarter of the step frequency; -1 where it never has.
        end: the last step at which it comes back every second step.
    """

    start: int
    broken: int
    end: int


def bounces(path: Path, period: int) -> list[Bounce]:
    """The cascades of a path: at most one a turn of the tilt, from the middle of a period to the middle of the next.

    The first half of the first period is left out: there the initial weights settle. A bounce counts as broken only
    while it is large (half its median size or more): where it dies out, its last steps hold every frequency.
    """
    returns = _median(paths.return_ratio(path.params))
    share = _median(paths.quarter_share(path.loss))[: len(returns)]
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.linalg.norm(np.diff(path.params, axis=0), axis=1)[: len(returns)]
    found = []
    for first in range(period // 2, len(returns), period):
        turn = slice(first, min(first + period, len(returns)))
        bouncing = np.flatnonzero(returns[turn] < BOUNCING) + first
        if len(bouncing) < LASTING:
            continue
        start, end = int(bouncing[0]), int(bouncing[-1])
        clean = np.flatnonzero(share[start : turn.stop] < DOUBLED / 2)  # the window has left what was before
        settled = start + int(clean[0]) if len(clean) else turn.stop
        large = size >= np.median(size[start : end + 1]) / 2
        over = np.flatnonzero((share[settled : turn.stop] > DOUBLED) & large[settled : turn.stop])
        broken = settled + int(over[0]) if len(over) and np.isfinite(share[settled + over[0]]) else -1
        found.append(Bounce(start, broken, end))
    return found


def examine(
    ground: Landscape,
    schedule: Schedule,
    learning_rate: float,
    runs: Sequence[Path],
    period: int,
    points: int = 24,
    num_matvecs: int = 32,
    hold: int = 100,
) -> xr.Dataset:
    """The multipliers along every cascade of every run, from its start to its break, or to its end if it never breaks.

    Args:
        runs: one a seed.
        points: steps looked at in a cascade.
        num_matvecs: products with each Hessian.
        hold: for so many steps the tilt is held where the bounce breaks, to see whether the period settles there.

    Returns:
        the variables of `ABOUT`, NaN for cascades that a run does not have; and ``loss``, ``share`` over ``moment``,
        around the first cascade that breaks, from the step ``zoom`` of the seed ``zoom_seed`` on.
    """
    cascades = [bounces(run, period) for run in runs]
    size = ground.start(0).size
    look = paths.observer(
        lambda a, b, now, then, _: two_step.two_step(
            ground.gradient, (a, now), (b, then), learning_rate, size, min(num_matvecs, size)
        ),
        schedule,
    )

    @jax.jit
    def held(w, weights):
        """The losses of gradient descent with the class weights held."""

        def advance(w, _):
            return w - learning_rate * ground.gradient(w, weights), ground.loss(w, weights)

        return jax.lax.scan(advance, w, length=hold)[1]

    def share_held(run: Path, step: int) -> float:
        share = paths.quarter_share(held(run.params[step], schedule(step, run.params.dtype)))[hold // 2 :]
        return float(np.median(share[np.isfinite(share)])) if np.isfinite(share).any() else np.nan

    shape = {"seed": len(runs), "cascade": max(1, *map(len, cascades)), "point": points, "side": 2, "rank": 3}
    values = {name: np.full([shape[dim] for dim in dims], np.nan) for name, (dims, _) in ABOUT.items()}
    for seed, (run, found) in enumerate(zip(runs, cascades, strict=True)):
        for number, bounce in enumerate(found):
            last = bounce.broken - AHEAD if bounce.broken >= 0 else bounce.end
            steps = np.linspace(bounce.start, max(last, bounce.start), points).astype(int)
            seen = {"step": steps, "start": bounce.start, "end": bounce.end, **_along(look(run, steps))}
            if bounce.broken >= 0:
                seen["broken"] = bounce.broken
                seen["held_before"] = share_held(run, steps[points // 2])
                seen["held_after"] = share_held(run, bounce.broken + 4 * AHEAD)
            for name, value in seen.items():
                values[name][seed, number] = value
    data = {name: (dims, values[name], about) for name, (dims, about) in ABOUT.items()}
    around = _zoomed(runs, cascades)
    return xr.Dataset(data).merge(around).assign_attrs(around.attrs)


def crossing(steps: np.ndarray, values: np.ndarray, level: float) -> float:
    """The first step at which values have fallen to a level, between two points by a straight line; NaN if never.

    Args:
        steps: ascending, (n,).
        values: at these, (n,).
        level: in the unit of the values.

    >>> float(crossing(np.array([0, 10, 20]), np.array([1.0, 0.0, -2.0]), -1.0))
    15.0
    """
    below = np.flatnonzero(values <= level)
    if len(below) == 0:
        return float("nan")
    k = below[0]
    if k == 0:
        return float(steps[0])
    part = (values[k - 1] - level) / (values[k - 1] - values[k])
    return float(steps[k - 1] + part * (steps[k] - steps[k - 1]))


def _along(found: two_step.TwoStep) -> dict[str, Any]:
    """The multipliers and curvatures at the points of one cascade."""
    points = [two_step.multipliers(two_step.TwoStep(*point)) for point in zip(*found, strict=True)]
    return {
        "lowest": [each.lowest for each in points],
        "imaginary": [abs(each.values[0].imag) for each in points],
        "alternating": [each.alternating for each in points],
        "residual": [each.residuals[0] for each in points],
        "curvature": found.curvatures,
    }


def _zoomed(runs: Sequence[Path], cascades: Sequence[Sequence[Bounce]]) -> xr.Dataset:
    """Loss and quarter share around the first cascade that breaks, else around the first of all, else at the start."""
    every = [(seed, each) for seed, found in enumerate(cascades) for each in found]
    seed, chosen = next((pair for pair in every if pair[1].broken >= 0), every[0] if every else (0, Bounce(0, -1, 0)))
    loss = runs[seed].loss
    first = max(0, chosen.start - ZOOM // 10)
    window = slice(first, first + ZOOM)
    about = {"long_name": "dynamical loss F", "units": "nats"}
    share = {"long_name": "power at a quarter over power at a half of the step frequency", "units": "1"}
    data = {
        "loss": ("moment", loss[window].astype("float32"), about),
        "share": ("moment", paths.quarter_share(loss)[window].astype("float32"), share),
    }
    number = list(cascades[seed]).index(chosen) if cascades[seed] else 0
    return xr.Dataset(data, attrs={"zoom": first, "zoom_seed": seed, "zoom_cascade": number})


def _median(values: np.ndarray) -> np.ndarray:
    """Over the `LASTING` steps from each on; what is not finite counts as infinite: a diverged run does not bounce."""
    finite = np.where(np.isfinite(values), values, np.inf)
    padded = np.concatenate([finite, np.full(LASTING - 1, np.inf)])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, LASTING), axis=1)
