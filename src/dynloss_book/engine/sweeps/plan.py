"""A sweep in stages: on one store, each with more points or more seeds than the last, as far as the time allows."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from dynloss_book.engine import archive, deadline
from dynloss_book.engine.sweeps.store import NothingYet

_ONE_BATCH = 1e-6  # minutes: over before the first batch ends


class Stage(NamedTuple):
    """Some of a sweep's points.

    Attributes:
        name: in words.
        axes: {name: values}.
        seeds: integers.
    """

    name: str
    axes: Mapping[str, Sequence[float]]
    seeds: Sequence[int]


def run_plan(
    sweep: Callable[..., xr.Dataset],
    plan: Sequence[Stage],
    *,
    minutes: float | None = None,
    fresh: bool = False,
    needed: Sequence[Stage] | None = None,
) -> str:
    """Compute what is missing of one stage after the other.

    Args:
        sweep: ``sweeps.run`` with all but its axes, seeds, minutes and fresh, by ``functools.partial``.
        plan: the stages, in order.
        minutes: for all of them together; a stage that has begun computes at least one batch, and one that comes too
            late is only read. ``None`` has no limit.
        fresh: compute the first stage again. The others hold it, so they go on from there.
        needed: the least that is worth showing of the archive alone; by default the first stage.

    Returns:
        "computed", or "archived" if all was there.

    Raises:
        archive.NotArchived: only the archive is to be asked (``archive.read_only``), and lacks a part of
            what is needed; and all that ``sweeps.run`` raises.
    """
    if archive.read_only():
        for name, axes, seeds in plan[:1] if needed is None else needed:
            done = sweep(axes=axes, seeds=seeds, minutes=0).done
            if not done.all():
                raise archive.NotArchived(f"the archive has {int(done.sum())} of the {done.size} points of {name!r}")
        return "archived"
    stages = {
        number: functools.partial(sweep, axes=stage.axes, seeds=stage.seeds, fresh=fresh and number == 0)
        for number, stage in enumerate(plan)
    }
    found = in_turn(stages, minutes=minutes, begin=False)
    return "computed" if any(each.attrs["origin"] == "computed" for each in found.values()) else "archived"


def in_turn(
    sweeps: Mapping[Any, Callable[..., xr.Dataset]],
    *,
    minutes: float | None = None,
    needed: Iterable[Any] = (),
    begin: bool = True,
) -> dict[Any, xr.Dataset]:
    """Compute what is missing of one sweep after the other, all of them in so many minutes together.

    Args:
        sweeps: {name: ``sweeps.run`` with all but its minutes, by ``functools.partial``}, in the order of computing.
        minutes: for all together. One that comes too late is only read. 0 computes nothing, ``None`` has no limit.
        needed: the names of those without which there is nothing to show; by default one of them is enough.
        begin: one that comes too late computes its first batch, if nothing of it is there.

    Returns:
        {name: the sweep}, without those of which nothing is there yet.

    Raises:
        SweepError, archive.NotArchived, deadline.OutOfTime: none of them has anything, or not all that are needed;
            and all that ``sweeps.run`` raises.
    """
    began, found, missing = time.monotonic(), {}, {}
    for name, sweep in sweeps.items():
        left = None if minutes is None else max(0.0, minutes - (time.monotonic() - began) / 60)
        for time_given in [left, _ONE_BATCH] if begin and minutes and left == 0 else [left]:
            try:
                found[name] = sweep(minutes=time_given)
                break
            except (NothingYet, archive.NotArchivedAtAll, deadline.OutOfTime) as error:
                missing[name] = error
    for name in needed if found else sweeps:
        if name not in found:
            raise missing[name]
    return found


def progress_of(plan: Sequence[Stage], computed: xr.Dataset) -> pd.DataFrame:
    """A table of the stages: their points, how many of these are computed, and the hours that all of them take.

    Args:
        plan: the stages.
        computed: the sweep over all their points, with ``done``.
    """
    pace = computed.attrs["seconds"] / max(1, int(computed.done.sum()))

    def row(stage: Stage) -> dict[str, Any]:
        done = computed.done.sel({**stage.axes, "seed": list(stage.seeds)})
        values = {name: ", ".join(f"{value:g}" for value in values) for name, values in stage.axes.items()}
        counts = {"seeds": len(stage.seeds), "points": done.size, "computed": int(done.sum())}
        return {"stage": stage.name, **values, **counts, "hours, at the pace so far": round(done.size * pace / 3600, 1)}

    return pd.DataFrame(list(map(row, plan)), index=pd.RangeIndex(1, len(plan) + 1))
