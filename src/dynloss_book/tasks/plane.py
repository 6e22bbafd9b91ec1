"""Sweeps over the plane of period T and amplitude A that grow in stages, with the static loss as their bottom row."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book.engine import archive, deadline
from dynloss_book.engine.sweeps import Stage, progress_of, run_plan
from dynloss_book.engine.sweeps.grid import scale
from dynloss_book.engine.sweeps.store import NothingYet


def axis(name: str, values: Sequence[float], *also: float) -> list[float]:
    """The values of an axis, ascending, and these.

    >>> axis("periods", [2, 8, 32], 4)
    [2.0, 4.0, 8.0, 32.0]
    """
    found = sorted({*map(float, values), *map(float, also)})
    if not found or not found[0] >= 1:
        raise ValueError(f"{name} must be at least 1, got {values!r}")
    return found


def staged(
    sweep: Callable[..., xr.Dataset],
    plan: Sequence[Stage],
    stages: int,
    *,
    minutes: float | None = None,
    fresh: bool = False,
    needed: int = 1,
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Compute what is missing of the first stages, and gather all that there is of the whole plan.

    Args:
        sweep: ``sweeps.run`` with all but axes, seeds, minutes and fresh, by ``functools.partial``.
        plan: stages over ``period`` and ``amplitude``. Where the amplitude is 1, only one period is asked for.
        stages: how many of the plan to compute here.
        minutes, fresh: see ``sweeps.run_plan``.
        needed: so many of the plan's first stages are the least that is worth showing of the archive alone.

    Returns:
        The sweep over all periods, amplitudes (1 among them) and seeds, NaN where nothing is computed yet: the static
        loss, A = 1, does not depend on T, so that its networks are trained once and stand at every period. And the
        stages, their points, and the hours that they take.
    """
    if not 0 <= stages <= len(plan):
        raise ValueError(f"stages must be from 0 to {len(plan)}, got {stages!r}")
    origin = run_plan(sweep, plan[:stages], minutes=minutes, fresh=fresh, needed=plan[:needed])
    axes = {
        name: sorted({float(value) for stage in plan for value in stage.axes[name]}) for name in ("period", "amplitude")
    }
    seeds = sorted({seed for stage in plan for seed in stage.seeds})
    everything = sweep(axes=axes, seeds=seeds, minutes=0)
    (trained_at,) = {value for stage in plan if 1.0 in stage.axes["amplitude"] for value in stage.axes["period"]}
    static = everything.sel(period=trained_at, drop=True)
    values = everything.where(everything.amplitude > 1, static)
    return values.assign_attrs(origin=origin, scale=scale(values)), progress_of(plan, everything)


def over_area(values):
    """The mean over the area of the plane, by the trapezoidal rule: each unit of T counts alike, not each factor.

    Args:
        values: an array or a dataset over ``period`` and ``amplitude``; NaN where a point lacks, or all lie on a line.
    """
    axes = ["period", "amplitude"]
    area = np.prod([np.ptp(values[name].values) if values[name].size else 0 for name in axes])
    return values.integrate(axes) / area if area else values.sum(axes) * np.nan


def grown_from(
    point: Mapping[str, float],
    corners: Mapping[str, Sequence[float]],
    region: Mapping[str, Sequence[float]],
    axes: Mapping[str, Sequence[float]],
    first_seeds: int,
    seeds: int,
) -> list[Stage]:
    """A plan that begins with one point and the static loss, and ends with the whole diagram.

    Args:
        point: ``period`` and ``amplitude``.
        corners, region: where the effect is claimed, the outermost points and all of them.
        axes: of the diagram, A = 1 the first of its amplitudes.
        first_seeds, seeds: of the earlier stages, and of those with "more seeds".
    """
    at_period, many = {"period": [float(point["period"])]}, range(max(first_seeds, seeds))
    oscillating = {**axes, "amplitude": axes["amplitude"][1:]}
    first = at_period | {"amplitude": [1.0, point["amplitude"]]}
    parts = {
        "the corners of the region": corners,
        "along the period": oscillating | {"amplitude": [point["amplitude"]]},
        "along the amplitude": oscillating | at_period,
        "the region": region,
        "the whole diagram": oscillating,
    }
    return [
        Stage("the static loss and one point", first, range(first_seeds)),
        Stage("the same, more seeds", first, many),
        *(Stage(name, part, range(first_seeds)) for name, part in parts.items()),
        *(Stage(f"{name}, more seeds", parts[name], many) for name in ("the region", "the whole diagram")),
    ]


def elsewhere(
    sweep: functools.partial, settings: Mapping[str, Any], point: Mapping[str, float], seeds: int
) -> xr.Dataset | None:
    """What the archive has of the static loss and one point with other settings: nothing is computed.

    Args:
        sweep: ``sweeps.run`` with all but axes, seeds and minutes, by ``functools.partial``.
        settings: of the run, instead of the constants of the sweep.
        point: ``period`` and ``amplitude``.
        seeds: how many to look for.

    Returns:
        The sweep over ``amplitude`` (1 and A) and the seeds of which both networks are there; None if there is no such
        seed, if other code computed them, or if these are the sweep's own settings.
    """
    if sweep.keywords.get("constants") == settings:
        return None
    axes = {"period": [point["period"]], "amplitude": [1.0, point["amplitude"]]}
    try:
        found = sweep(constants=settings, axes=axes, seeds=range(seeds), minutes=0)
    except (NothingYet, archive.NotArchived, deadline.OutOfTime):
        return None
    there = found.done.isel(period=0).all("amplitude")
    if found.attrs["stale"] or not there.any():
        return None
    return found.isel(period=0, seed=there.values)
