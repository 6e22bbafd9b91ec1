"""The way from one's own results to the published ones: what would become of each is said before it is done.

No row is lost on it. What is published keeps its values, unless they are to be renewed; a sweep gets the points that it
lacks. What other code computed is never mixed: it is replaced as a whole, by what holds all of its points.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine import archive
from dynloss_book.engine.sweeps import contract, overview, store
from dynloss_book.engine.sweeps import grid as grids

THERE, _RENEW = "published already", "--renew replaces what is published"


class Step(NamedTuple):
    """What is to become of one result, or of the points of one sweep.

    Attributes:
        place: its file or folder, below the folder for results.
        words: what, or why not.
        act: does it; None where nothing is to be done, or can be.
        whole: afterwards all of it is published.
        files: that were read for it.
    """

    place: Path
    words: str
    act: Callable[[], Any] | None = None
    whole: bool = False
    files: tuple[Path, ...] = ()


def places(records: Iterable[Mapping[str, Any]]) -> list[Path]:
    """The results that files' records are of: a single one is a file, a sweep is a folder."""
    paths = [(Path(each["path"]), "axes" in each) for each in records]
    return list(dict.fromkeys(path.parent if sweep else path for path, sweep in paths))


def steps(chosen: Iterable[Path], target: Path, renew: bool = False) -> Iterator[Step]:
    """What is to become of each result.

    Args:
        chosen: files of single results, and folders of sweeps.
        target: the folder of the published results.
        renew: replace published values by others.
    """
    for path in chosen:
        place, there = Path(*path.parts[-2:]), tuple(archive.paths(path)) if path.is_dir() else (path,)
        try:
            yield (_sweep if path.is_dir() else _single)(path, place, target / place, renew)._replace(files=there)
        except (archive.Unreadable, store.SweepError) as error:
            yield Step(place, str(error))


def publish(step: Step, source: Path, move: bool) -> None:
    """Do what a step says.

    Args:
        step: of ``steps``.
        source: the folder of one's own results.
        move: whether what is published as a whole leaves it.
    """
    if step.act is not None:
        step.act()
    if move and step.whole:
        own = source / step.place
        for path in step.files:  # and no other: another process may have computed more since
            path.unlink(missing_ok=True)
        if own.is_dir() and not [*archive.paths(own), *own.glob(".*.checkpoint")]:  # nor an unfinished run
            shutil.rmtree(own)
        with contextlib.suppress(OSError):  # there is more of the figure
            own.parent.rmdir()


def _single(path: Path, place: Path, published: Path, renew: bool) -> Step:
    mine = archive.read(path)
    if published.exists() and published.read_bytes() == path.read_bytes():
        return Step(place, THERE, whole=True)
    if published.exists() and not renew:
        there = archive.read(published)
        equal = mine.drop_attrs().identical(there.drop_attrs())
        if equal and mine.attrs["fingerprint"] == there.attrs["fingerprint"]:
            return Step(place, THERE, whole=True)
        what = "the same values by other code" if equal else "other values"
        raise store.SweepError(f"{what} are published; {_RENEW}")
    words = f"{'replaces what is published' if published.exists() else 'new'}, {_made([mine])}"
    return Step(place, words, lambda: archive.write(published, path.read_bytes()), True)


def _sweep(path: Path, place: Path, published: Path, renew: bool) -> Step:
    (own, damaged), (there, lost) = overview.read_parts(path), overview.read_parts(published)
    if damaged or lost:
        raise (damaged + lost)[0]
    if not own:
        raise store.SweepError("it holds no results yet")
    names, codes = _checked(own, there)
    mine = store.rows(own, names)
    theirs = store.rows(there, names) if there else mine.isel(point=[])
    contract.check_same(grids.layout(mine.data_vars), grids.layout(theirs.data_vars), "the published store")
    row, old = ({key: at for at, key in enumerate(grids.keys(each, names))} for each in (mine, theirs))
    apart = sum(not _equal(mine, theirs, row[key], old[key]) for key in row.keys() & old.keys())
    adds, lacks = len(row.keys() - old.keys()), len(old.keys() - row.keys())
    parts = own + there if renew else there + own
    if len(codes) > 1:
        if lacks:
            raise store.SweepError(f"other code computed what is published, of which this lacks {lacks} points")
        if not renew:
            raise store.SweepError(f"other code computed what is published; {_RENEW}")
        parts = own
    if not (adds or (renew and (apart or len(codes) > 1))):
        if apart:
            raise store.SweepError(f"other values of {apart} points are published; {_RENEW}")
        return Step(place, THERE, whole=True)
    replaces = f", replaces {apart}" if renew else f", but other values of {apart} are published; {_RENEW}"
    words = f"adds {adds} points to {len(old)}{replaces * bool(apart)}, {_made(own)}"
    return Step(place, words, lambda: _write(parts, published, names, path), renew or not apart)


def _checked(own: list[xr.Dataset], there: list[xr.Dataset]) -> tuple[list[str], set[str]]:
    """The axes of the one sweep that all files are of, and the fingerprints of the code that computed them."""
    for name in ("figure", "function", "parameters", "axes"):
        if len(found := {str(part.attrs.get(name)) for part in own + there}) != 1:
            raise store.SweepError(f"no sweep: its {name} is {' and '.join(sorted(found)) or 'unknown'}")
    codes, before = ({part.attrs["fingerprint"] for part in parts} for parts in (own, there))
    if len(codes) > 1:
        raise store.SweepError("its points come from several states of the code")
    return json.loads(own[0].attrs["axes"]), codes | before


def _made(parts: list[xr.Dataset]) -> str:
    told = store.combined(parts) if "axes" in parts[0].attrs else parts[0].attrs
    return f"{told['date'][:10]}, {told['device']}, commit {told['commit']}"


def _equal(mine: xr.Dataset, theirs: xr.Dataset, row: int, other: int) -> bool:
    pairs = [(mine[name].values[row], theirs[name].values[other]) for name in mine.data_vars]
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def _write(parts: list[xr.Dataset], folder: Path, names: list[str], source: Path) -> None:
    """One file of all rows, the first of each point, in place of those in the folder, all of whose points it has."""
    before = list(archive.paths(folder))
    name = store.write(folder, store.rows(parts, names).assign_attrs(store.combined(parts)), names)
    for path in before:
        if path.name != name:
            path.unlink()
    # Of two requests the larger one.
    if asked := [place / store.REQUEST for place in (folder, source) if (place / store.REQUEST).is_file()]:
        most = max(asked, key=lambda path: json.loads(path.read_text("utf-8"))["points"])
        archive.write(folder / store.REQUEST, most.read_bytes())
