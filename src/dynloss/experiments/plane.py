"""Sweeps over the plane of period T and amplitude A that grow in stages, with the static loss as their bottom row."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import xarray as xr

from dynloss.sweeps import Stage, progress_of, run_plan
from dynloss.sweeps.grid import scale


class Plane(NamedTuple):
    """What there is of a plan.

    Attributes:
        values: the sweep over all periods, amplitudes (1 among them) and seeds; NaN where nothing is computed yet. The
            static loss, A = 1, does not depend on T: its networks are trained once and stand at every period.
        progress: the stages, their points, and the hours that they take.
    """

    values: xr.Dataset
    progress: pd.DataFrame


def axis(name: str, text: str, *also: float) -> list[float]:
    """The values of an axis, ascending: those in ``text``, apart by spaces, and these.

    >>> axis("periods", "2 8 32", 4)
    [2.0, 4.0, 8.0, 32.0]
    """
    try:
        values = sorted({*map(float, text.split()), *map(float, also)})
    except ValueError:
        raise ValueError(f"{name} must be numbers apart by spaces, got {text!r}") from None
    if not values or not values[0] >= 1:
        raise ValueError(f"{name} must be at least 1, got {text!r}")
    return values


def staged(
    sweep: Callable[..., xr.Dataset],
    plan: Sequence[Stage],
    stages: int,
    *,
    minutes: float | None = None,
    fresh: bool = False,
) -> Plane:
    """Compute what is missing of the first stages, and gather all that there is of the whole plan.

    Args:
        sweep: ``sweeps.run`` with all but axes, seeds, minutes and fresh, by ``functools.partial``.
        plan: stages over ``period`` and ``amplitude``. Where the amplitude is 1, only one period is asked for.
        stages: how many of the plan to compute here.
        minutes, fresh: see ``sweeps.run_plan``.
    """
    if not 0 <= stages <= len(plan):
        raise ValueError(f"stages must be from 0 to {len(plan)}, got {stages!r}")
    origin = run_plan(sweep, plan[:stages], minutes=minutes, fresh=fresh)
    axes = {
        name: sorted({float(value) for stage in plan for value in stage.axes[name]}) for name in ("period", "amplitude")
    }
    seeds = sorted({seed for stage in plan for seed in stage.seeds})
    everything = sweep(axes=axes, seeds=seeds, minutes=0)
    (trained_at,) = {value for stage in plan if 1.0 in stage.axes["amplitude"] for value in stage.axes["period"]}
    static = everything.sel(period=trained_at, drop=True)
    values = everything.where(everything.amplitude > 1, static)
    return Plane(values.assign_attrs(origin=origin, scale=scale(values)), progress_of(plan, everything))
