"""How far the sweeps in an archive are: what `dynloss sweep status` shows."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine import archive, hooks, untrusted
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.store import REQUEST, combined, rows

_SWEEP = ("figure", "function", "parameters", "axes")  # what all files of a store have alike


class Progress(NamedTuple):
    """One store: what it computes, and how many of the points last asked for it holds.

    Attributes:
        figure, parameters: the sweep.
        wanted: the points that were asked for last; None where nobody has noted it.
        done: how many of these are there; of all points where ``wanted`` is None.
        scale: the same by seeds, "5 of 50 seeds".
        seconds: spent on all that is there.
        date: of the newest result.
        folders: the stores that hold points of it: one's own, the published one.
        unreadable: why some of its files cannot be read, so that there may be more than is said here.
    """

    figure: str
    parameters: dict
    wanted: int | None
    done: int
    scale: str
    seconds: float
    date: str
    folders: tuple[Path, ...]
    unreadable: tuple[archive.Unreadable, ...]


def overview(*results: Path) -> Iterator[Progress]:
    """Every sweep in folders for results; `archive.contents` says what of them cannot be read, and why."""
    stores: dict[tuple[str, ...], list[Path]] = {}
    for folder in (each for root in results for each in root.glob("*/*") if each.is_dir() and each.suffix != ".old"):
        stores.setdefault(folder.parts[-2:], []).append(folder)
    yield from filter(None, (_progress(*stores[name]) for name in sorted(stores)))


def gathered(*folders: Path) -> xr.Dataset:
    """All that a store holds, or several of the same sweep, over the smallest grid that has it: one dataset to hand on.

    Raises:
        archive.Unreadable: the folders hold no results of a sweep, or none that can be read.
    """
    parts, unreadable = read_parts(*folders)
    if not parts:
        raise archive.Unreadable("; ".join([f"{folders[0]} holds no results of a sweep", *map(str, unreadable)]))
    for error in unreadable:
        archive.warn(f"{error}: it is left out.", archive.DamageWarning)
    return whole(parts)


def whole(parts: list[xr.Dataset]) -> xr.Dataset:
    """The files of a sweep, over the smallest grid that holds all their points."""
    names = json.loads(parts[0].attrs["axes"])
    everything = rows(parts, names)
    points = grids.Grid({name: np.unique(everything[name].values) for name in names})
    result = grids.assemble(points, everything, hooks.told("axes"))
    return result.assign_attrs(combined(parts), scale=grids.scale(result))


def _progress(*folders: Path) -> Progress | None:
    parts, unreadable = read_parts(*folders)
    axes = json.loads(parts[0].attrs["axes"]) if parts else []
    request: dict[str, Any] = {}
    for folder in reversed(folders):  # one's own is the last word
        with contextlib.suppress(OSError, ValueError):  # `archive.contents` says why
            found = untrusted.request(folder / REQUEST)
            request = found if not parts or set(found["axes"]) == set(axes) else request
    if not (parts or request or unreadable):
        return None
    told: dict[str, Any] = {"figure": folders[0].parent.name, "parameters": "{}", "seconds": 0.0, "date": "–"}
    told |= {name: request[name] for name in ("figure", "parameters") if request}
    wanted = grids.Grid({name: np.asarray(values) for name, values in request.get("axes", {}).items()})
    done, scale = 0, "–"
    if parts:
        told |= combined(parts)
        # Without their results, which nobody has looked at: they may not fit each other, or into memory.
        bare = [xr.Dataset({}, {name: ("point", part[name].values) for name in axes}, part.attrs) for part in parts]
        points = rows(bare, axes)
        done = len(points.point)
        if request:
            result = grids.assemble(wanted, points)
            done, scale = int(result.done.sum()), grids.scale(result)
    return Progress(
        told["figure"],
        json.loads(told["parameters"]),
        wanted.size if request else None,
        done,
        scale,
        told["seconds"],
        told["date"],
        folders,
        tuple(unreadable),
    )


def read_parts(*folders: Path) -> tuple[list[xr.Dataset], list[archive.Unreadable]]:
    """The files of stores; and why some cannot be read, or do not belong to the others."""
    parts: list[xr.Dataset] = []
    unreadable: list[archive.Unreadable] = []
    for path in archive.paths(*folders):
        try:
            part = archive.read(path)
            alike = all(part.attrs.get(name) == parts[0].attrs.get(name) for name in _SWEEP if parts)
            if not alike or not _has_points(part):
                raise archive.Unreadable(f"{path} is no result of the sweep whose files are beside it")
            parts.append(part)
        except FileNotFoundError:  # another process has just merged it into another
            continue
        except archive.Unreadable as error:
            unreadable.append(error)
    return parts, unreadable


def _has_points(part: xr.Dataset) -> bool:
    """Whether it has numbers on each axis that it names."""
    along = [part.get(name) for name in json.loads(part.attrs.get("axes", "[]"))]
    numbers = [each is not None and each.dims == ("point",) and each.dtype.kind in "iuf" for each in along]
    return numbers != [] and all(numbers)
