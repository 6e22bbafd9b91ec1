"""The store of a sweep: a folder of NetCDF files, each with the results of some points and what computed them.

A file is written whole or not at all, and never changed; files are removed only when another holds all their rows. So
whoever dies at whatever moment leaves a sound store; several processes may add to one; a point that is there twice is
there with the same result.

One's own store stands on the published one of the same sweep, if there is any: its points are read as well, and never
written. Each row says which of the parts that were merged into its file it comes from, and each part, what computed it.
"""

import contextlib
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss import files
from dynloss_book.engine import archive, untrusted
from dynloss_book.engine.fingerprint import Fingerprint
from dynloss_book.engine.provenance import words
from dynloss_book.engine.sweeps import grid as grids

REQUEST = "request.json"
# What may differ between parts.
_OF_PART = ("versions", "device", "commit", "fresh_at", *untrusted.KEPT, "date", "seconds")
MANY = 32  # files: more are merged, since reading takes about 10 ms for each


class SweepError(RuntimeError):
    """A sweep that cannot go on: its store belongs to other parameters or other code, or a point has failed."""


class NothingYet(SweepError):
    """None of a sweep's points is computed, and the time was too short for the first."""


class _File(NamedTuple):
    """What a file holds, or will hold: rows, and the keys of their points."""

    part: xr.Dataset
    keys: frozenset[bytes]


class Store:
    """One sweep's results on disk.

    Attributes:
        folder: where the files are.
        identity: figure, function and parameters; the same in each file.
        code: that computes now.
        names: of the axes, ``seed`` last.
        beside: folders of the same sweep that are only read: the published one.
        locks: on the batches that are computed.
        left_out: the files that are there but do not count, and why: as a rule, since they cannot be read.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], code: Fingerprint, names: list[str],
                 beside: Sequence[Path] = ()):  # fmt: skip
        self.folder, self.identity, self.code, self.names = folder, dict(identity), code, names
        self.beside, self.left_out = list(beside), dict[Path, str]()
        self._wanted = {**self.identity, "axes": json.dumps(names)}  # of each file
        self._files: dict[Path, _File] = {}
        self._merged: set[Path] = set()  # of this folder, and others of it hold all of their points
        self.locks = files.Locks(folder / archive.LOCKS)
        self._open = False
        for place in (folder, *self.beside):
            self._look(place)
        # What other code computed is left out of one of the two, if the other is fresh.
        stale = {path: self.code.changed_since(file.part.attrs) for path, file in self._files.items()}
        if {path.parent for path in stale} - {path.parent for path, changed in stale.items() if changed}:
            for path in filter(stale.get, stale):
                del self._files[path]
                if path.parent == folder:
                    self._leave_out(path, f"{path} was computed by other code")
        self._open = True

    # What is there

    def refresh(self) -> None:
        """Read the files that have appeared, of this process or another."""
        self._look(self.folder)

    def _look(self, folder: Path) -> None:
        known = {*self._files, *self._merged, *self.left_out}
        try:
            for path in archive.paths(folder) if folder.is_dir() else ():
                if path not in known and (path.exists() or not path.is_symlink()):  # no link that leads nowhere
                    self._admit(path)
        except FileNotFoundError:  # another process has just merged it into another
            self._look(folder)

    def _admit(self, path: Path) -> None:
        try:
            part = archive.read(path)
        except archive.Unreadable as error:
            self._leave_out(path, str(error), archive.DamageWarning)
            return
        for name, value in self._wanted.items():
            if (found := part.attrs.get(name, "unknown")) != value:
                raise SweepError(
                    f"the store {self.folder} belongs to another sweep: its {name} is {found}, not {value}. "
                    "Name another store, or none."
                )
        if self._open and self.code.changed_since(part.attrs):
            self._leave_out(path, f"{path} was computed by other code")
        else:
            self._take(path, part)

    def _leave_out(self, path: Path, why: str, kind: type[archive.ArchiveWarning] = archive.ArchiveWarning) -> None:
        self.left_out[path] = why
        archive.warn(f"{why}: it is left out, and its points are computed again.", kind)

    def _take(self, path: Path, part: xr.Dataset) -> None:
        """Count a file; but of its folder none whose points another has, and not this one if the others have all."""
        keys = frozenset(grids.keys(part, self.names))
        for other in [each for each, file in self._files.items() if each.parent == path.parent and file.keys <= keys]:
            del self._files[other]
            self._merged.add(other)
        if self._held(path.parent).issuperset(keys):
            self._merged.add(path)
        else:
            self._files[path] = _File(part, keys)

    def _held(self, folder: Path) -> set[bytes]:
        """The keys of the points in a folder."""
        return set().union(*(file.keys for path, file in self._files.items() if path.parent == folder))

    @property
    def own(self) -> dict[Path, xr.Dataset]:
        """What is in this folder, or could not be written to it yet."""
        return {path: file.part for path, file in self._files.items() if path.parent == self.folder}

    @property
    def unsaved(self) -> list[Path]:
        """The files that could not be written yet; or that are there no more, since somebody deleted them under us."""
        return [path for path in self.own if path in self.left_out or not path.exists()]

    @property
    def parts(self) -> list[xr.Dataset]:
        """What there is: one's own first, and what is beside."""
        beside = [file.part for path, file in self._files.items() if path.parent != self.folder]
        return [*self.own.values(), *beside]

    def read_from(self, points: grids.Points) -> tuple[str, str]:
        """The folder of one's own of these points, or else the published one; and the latter if any are from there."""
        keys = set(grids.keys(points, self.names))
        own = keys & self._held(self.folder)
        from_beside = self.holds(points).sum() > len(own)
        path = self.beside[0] if from_beside and not own else self.folder
        return str(path) if not self.unsaved else "", str(self.beside[0]) if from_beside else ""

    def layout(self) -> grids.Layout:
        """The layout of a point's results; empty if there is no row."""
        return grids.layout(self.parts[0].data_vars) if self.parts else {}

    def rows(self, of: Callable[[xr.Dataset], bool] = lambda part: True) -> xr.Dataset | None:
        """All rows of these parts, each point once."""
        parts = list(filter(of, self.parts))
        return rows(parts, self.names) if parts else None

    def holds(self, points: grids.Points) -> np.ndarray:
        """Which points are there."""
        held = [file.keys for file in self._files.values()]
        return np.array([any(key in each for each in held) for key in grids.keys(points, self.names)], dtype=bool)

    def stale(self) -> str:
        """What of the code has changed since any of the rows was computed; empty if nothing."""
        return words(filter(None, (self.code.changed_since(part.attrs) for part in self.parts)))

    # Adding to it

    def add(self, rows: xr.Dataset, execution: Mapping[str, Any]) -> None:
        """Write rows as a file of their own. On a full disk they stay in memory, and the next call tries again."""
        part = rows.assign_attrs({**self._wanted, **self.code.attributes(), **execution})
        self._take(_place(self.folder, part, self.names), part)
        self.save()
        self.merge(more_than=MANY)

    def save(self) -> None:
        """Write what is not on disk yet."""
        own, unsaved = self.own, self.unsaved
        for path in unsaved:
            try:
                archive.write(path, archive.encode(own[path]))
            except OSError as error:
                archive.warn(
                    f"{self.identity['figure']}: {sum(len(own[each].point) for each in self.unsaved)} points could not "
                    f"be written to {self.folder} ({error.strerror or error}); they are kept in memory and tried again."
                )
                return
            self.left_out.pop(path, None)

    def merge(self, more_than: int = 1) -> None:
        """All files into one: quicker to read, and one to archive. Whoever else adds or merges is not disturbed."""
        # Only who has just written all rows of a file may remove it, and the same rows have the same name: so two
        # processes never remove each other's.
        own = {*self.own, *self._merged}
        if len(own) > more_than and not self.stale():
            with contextlib.suppress(OSError):  # it was only to be tidier
                self._take(*write_merged(self.folder, list(self.own.values()), self.names, own))
                self._merged.clear()

    def keep(self, attributes: Mapping[str, Any], of: Callable[[xr.Dataset], bool] = lambda part: True) -> None:
        """Give the code of now, and these attributes, to those parts that come from other code."""
        for path, (part, keys) in self._files.items():
            if of(part) and self.code.changed_since(part.attrs):
                kept = _told(part, lambda _: attributes).assign_attrs(self.code.attributes())
                archive.write(path, archive.encode(kept))
                self._files[path] = _File(kept, keys)

    def set_aside(self, points: grids.Points) -> None:
        """Begin anew with these points: all that there is stays in a folder beside.

        The other points are kept in the store too, unless other code computed them. What is beside counts no more.
        """
        stale, own = self.stale(), self.own
        self.beside, self._files = [], {path: file for path, file in self._files.items() if path in own}
        if not stale and not self.holds(points).any():
            return
        if self.folder.is_dir():
            numbers = itertools.chain([""], (f".{number}" for number in itertools.count(2)))
            paths = (self.folder.with_name(f"{self.folder.name}{number}.old") for number in numbers)
            os.replace(self.folder, next(path for path in paths if not path.exists()))
        self._files, self.left_out, self._merged = {}, {}, set()
        for part in [] if stale else [self._without(each, points) for each in own.values()]:
            if len(part.point):
                self._take(_place(self.folder, part, self.names), part)
        self.save()

    def _without(self, part: xr.Dataset, points: grids.Points) -> xr.Dataset:
        """The rows of other points, with their share of the time."""
        dropped = set(grids.keys(points, self.names))
        left = [row for row, key in enumerate(grids.keys(part, self.names)) if key not in dropped]
        share = len(left) / len(part.point)
        return _told(part.isel(point=left), lambda told: {"seconds": round(float(told["seconds"]) * share, 3)})

    def checkpoint(self, point: grids.Points) -> Path:
        """Where a point may keep its unfinished run: the same file as long as the code is the same."""
        return self.folder / f".{_name(grids.keys(point, self.names)[0] + self.code.whole.encode())}.checkpoint"

    def note_request(self, axes: Mapping[str, list], size: int) -> None:
        """What was asked for last, for ``dynloss sweep status``."""
        content = json.dumps({**self.identity, "axes": dict(axes), "points": size, "asked": time.time()})
        with contextlib.suppress(OSError):  # a full disk: the results will say so
            archive.write(self.folder / REQUEST, content.encode())

    # Who computes what

    def claim(self, points: grids.Points) -> bool:
        """Whether these points are now ours to compute: no other living process is at them.

        One lock stands for a batch, that of its first point. Processes with batches of other sizes may therefore
        compute a few points twice; that does no harm.
        """
        return self.locks.take(grids.keys(points, self.names)[0])

    def release(self, points: grids.Points) -> None:
        """The points are written, or will not be computed."""
        self.locks.release(grids.keys(points, self.names)[0])


def write_merged(
    folder: Path, parts: list[xr.Dataset], names: list[str], instead: Iterable[Path]
) -> tuple[Path, xr.Dataset]:
    """Write one file of all rows, the first of each point, instead of others, all of whose points it has.

    Args:
        folder: of the store.
        parts: the content of its files, as they were read.
        names: of the axes.
        instead: the files that are deleted then.

    Returns:
        The file and its content.
    """
    merged = rows(parts, names).assign_attrs(combined(parts))
    path = _place(folder, merged, names)
    archive.write(path, archive.encode(merged))
    for old in {*instead} - {path}:
        old.unlink(missing_ok=True)
    return path, merged


def _place(folder: Path, part: xr.Dataset, names: list[str]) -> Path:
    """The file of rows, which is named after their points."""
    return folder / f"{_name(b''.join(sorted(grids.keys(part, names))))}.nc"


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def origins(parts: Sequence[xr.Dataset]) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """What computed the rows of several files, alike ones as one; and for each file, which of these each row is of."""
    known: dict[str, dict[str, Any]] = {}
    places = []
    for part in parts:
        own = {name: part.attrs[name] for name in _OF_PART if name in part.attrs}
        mine = []
        for told in json.loads(part.attrs["parts"]) if "parts" in part.attrs else [own]:
            told.setdefault("fresh_at", told["commit"])
            alike = json.dumps([told.get(name) for name in _OF_PART[:-2]])
            others = known.get(alike, {"seconds": 0.0, "date": ""})
            both = {"seconds": round(float(told["seconds"] + others["seconds"]), 3),
                    "date": max(told["date"], others["date"])}  # fmt: skip
            known[alike] = told | both
            mine.append(list(known).index(alike))
        row = part[grids.PART].values if grids.PART in part.coords else np.zeros(len(part.point), int)
        places.append(np.array(mine)[row])
    return list(known.values()), places


def _told(part: xr.Dataset, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> xr.Dataset:
    """A file with a change of what it says of its making, as a whole and part by part."""
    attributes = dict(change(part.attrs))
    if "parts" in part.attrs:
        attributes["parts"] = json.dumps([told | dict(change(told)) for told in json.loads(part.attrs["parts"])])
    return part.assign_attrs(attributes)


def rows(parts: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    """The rows of several files, each point once, as the first has it; with their `part` where there are several."""
    known, places = origins(parts)
    bare = [part.drop_attrs(deep=False).drop_vars(grids.PART, errors="ignore") for part in parts]
    if len(known) > 1:
        bare = [part.assign_coords({grids.PART: ("point", place)}) for part, place in zip(bare, places, strict=True)]
    everything = bare[0]
    if len(bare) > 1:
        options: Any = {"data_vars": "all", "coords": "minimal", "compat": "override", "join": "override"}
        everything = xr.concat(bare, "point", combine_attrs="override", **options)
    first = {key: row for row, key in reversed(list(enumerate(grids.keys(everything, names))))}
    return everything if len(first) == len(everything.point) else everything.isel(point=sorted(first.values()))


def combined(parts: list[xr.Dataset]) -> dict[str, Any]:
    """The attributes of several files as those of one: of the newest, but with the time, devices, … of all parts."""
    latest = max(parts, key=lambda part: part.attrs["date"]).attrs
    why = {name: next(filter(None, (part.attrs.get(name) for part in parts)), "") for name in untrusted.KEPT}
    known, _ = origins(parts)
    versions = [json.loads(told["versions"]) for told in reversed(known)]
    libraries = dict.fromkeys(name for each in versions for name in each)
    return {
        **latest,
        "seconds": round(sum(told["seconds"] for told in known), 3),
        "device": words(told["device"] for told in known),
        "commit": words(told["commit"] for told in known),
        "versions": json.dumps({name: words(each[name] for each in versions if name in each) for name in libraries}),
        "fresh_at": latest.get("fresh_at") or latest["commit"],
        **{name: told for name, told in why.items() if told},
        **({"parts": json.dumps(known)} if len(known) > 1 else {}),
    }
