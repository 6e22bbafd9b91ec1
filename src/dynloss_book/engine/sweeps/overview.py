"""How far the sweeps in an archive are: what `dynloss sweep status` shows."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine import archive, untrusted
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.store import REQUEST, combined, rows

_SWEEP = ("figure", "function", "parameters", "axes")  # what all files of a store have alike


class Progress(NamedTuple):
    """One store: what it computes, and how many of the points last asked for it holds.

    Attributes:
        figure, parameters: the sweep.
        wanted: the points that were asked for last; None where nobody has noted it.
        done: how many of these are there; of all points where ``wanted`` is None.
        held: how many points are there, asked for last or before.
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
    held: int
    scale: str
    seconds: float
    date: str
    folders: tuple[Path, ...]
    unreadable: tuple[archive.Unreadable, ...] = ()


def overview(*results: Path) -> Iterator[Progress]:
    """Every sweep in folders for results; `archive.contents` says what of them cannot be read, and why."""
    stores: dict[tuple[str, ...], list[Path]] = {}
    for folder in (each for root in results for each in root.glob("*/*") if each.is_dir() and each.suffix != ".old"):
        stores.setdefault(folder.parts[-2:], []).append(folder)
    for name in sorted(stores):
        if (found := _progress(*stores[name])) is not None:
            yield found


def held(records: Iterable[Mapping[str, Any]]) -> int:
    """How many points the sweeps hold whose files' records, of `archive.contents`, these are; each point once."""
    files: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}  # of a sweep, one's own and the published ones
    for record in records:
        if "points" in record:
            files.setdefault(Path(record["path"]).parts[-3:-1], []).append(record)
    return sum(each[0]["points"] if len(each) == 1 else len(_keys(each)) for each in files.values())


def _keys(records: Iterable[Mapping[str, Any]]) -> set[bytes]:
    """The points of one store's files."""
    found = set[bytes]()
    for record in records:
        with contextlib.suppress(OSError):  # `archive.contents` says why
            points, told = archive.axes(Path(record["path"]), ("axes",))
            found.update(grids.keys(points, json.loads(told["axes"])))
    return found


def gathered(*folders: Path) -> xr.Dataset:
    """All that a store holds, or several of the same sweep, over the smallest grid that has it: one dataset to hand on.

    Raises:
        archive.Unreadable: the folders hold no results of a sweep, or none that can be read.
    """
    parts, unreadable = read_parts(*folders)
    if not parts:
        raise archive.Unreadable("; ".join([f"{folders[0]} holds no results of a sweep", *map(str, unreadable)]))
    for error in unreadable:
        archive.warn(f"{error}: it is left out.")
    return whole(parts)


def whole(parts: list[xr.Dataset]) -> xr.Dataset:
    """The files of a sweep, over the smallest grid that holds all their points."""
    names = json.loads(parts[0].attrs["axes"])
    everything = rows(parts, names)
    result = grids.assemble(grids.Grid({name: np.unique(everything[name].values) for name in names}), everything)
    return result.assign_attrs(combined(parts), scale=grids.scale(result))


def _progress(*folders: Path) -> Progress | None:
    request: dict[str, Any] = {"figure": folders[0].parent.name, "parameters": "{}", "points": None}
    wanted = None
    parts, unreadable = read_parts(*folders, read=archive.points)
    for folder in reversed(folders):  # one's own is the last word
        with contextlib.suppress(OSError, ValueError):  # `archive.contents` says why
            found = untrusted.request(folder / REQUEST)
            if not parts or set(found["axes"]) == set(json.loads(parts[0].attrs["axes"])):
                wanted = grids.Grid({name: np.asarray(values) for name, values in found["axes"].items()})
                request = found
    if not parts:
        if wanted is None and not unreadable:
            return None
        nothing = (0, 0, "–", 0.0, "–", folders, tuple(unreadable))
        return Progress(request["figure"], json.loads(request["parameters"]), request["points"], *nothing)
    told, points = combined(parts), rows(parts, json.loads(parts[0].attrs["axes"]))
    held, result = len(points.point), None if wanted is None else grids.assemble(wanted, points)
    return Progress(
        told["figure"],
        json.loads(told["parameters"]),
        None if wanted is None else wanted.size,
        held if result is None else int(result.done.sum()),
        held,
        "–" if result is None else grids.scale(result),
        told["seconds"],
        told["date"],
        folders,
        tuple(unreadable),
    )


def read_parts(
    *folders: Path, read: Callable[[Path], xr.Dataset] = archive.read
) -> tuple[list[xr.Dataset], list[archive.Unreadable]]:
    """The files of stores, read so; and why some cannot be read, or do not belong to the others."""
    parts: list[xr.Dataset] = []
    unreadable: list[archive.Unreadable] = []
    for path in archive.paths(*folders):
        try:
            part = read(path)
            if any(part.attrs.get(name, "") != parts[0].attrs.get(name, "") for name in _SWEEP if parts):
                raise archive.Unreadable(f"{path} is of another sweep than the files beside it")
            if "axes" not in part.attrs:
                raise archive.Unreadable(f"{path} is no result of a sweep")
            parts.append(part)
        except FileNotFoundError:  # another process has just merged it into another
            continue
        except archive.Unreadable as error:
            unreadable.append(error)
    return parts, unreadable
