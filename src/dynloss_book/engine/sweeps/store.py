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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book.engine import archive, untrusted
from dynloss_book.engine.fingerprint import Fingerprint
from dynloss_book.engine.provenance import words
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.locks import Locks

REQUEST = "request.json"
# What may differ between parts.
_OF_PART = ("versions", "device", "commit", "fresh_at", *untrusted.KEPT, "date", "seconds")
MANY = 32  # files: more are merged, since reading takes about 10 ms for each


class SweepError(RuntimeError):
    """A sweep that cannot go on: its store belongs to other parameters or other code, or a point has failed."""


class NothingYet(SweepError):
    """None of a sweep's points is computed, and the time was too short for the first."""


class Store:
    """One sweep's results on disk.

    Attributes:
        folder: where the files are.
        identity: figure, function and parameters; the same in each file.
        code: that computes now.
        names: of the axes, ``seed`` last.
        locks: who computes what.
        beside: folders of the same sweep that are only read: the published one.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], code: Fingerprint, names: list[str],
                 beside: Sequence[Path] = ()):  # fmt: skip
        self.folder, self.identity, self.code, self.names = folder, dict(identity), code, names
        self._wanted = {**self.identity, "axes": json.dumps(names)}  # of each file
        self._parts: dict[str, xr.Dataset] = {}  # what is on disk, by file
        self._unsaved: list[xr.Dataset] = []
        self._held: set[bytes] = set()  # the points of all these
        # Files that do not count, when they were written, and why; empty where other files hold all of their points.
        self._left_out: dict[str, tuple[tuple[int, int], str]] = {}
        self.locks = Locks(folder, names)
        self._open = False
        self.beside = list(beside)
        self._read_only: list[xr.Dataset] = []
        for path in archive.paths(*self.beside):
            with contextlib.suppress(FileNotFoundError):  # somebody has just published more
                if isinstance(part := self._read(path), archive.ArchiveWarning):
                    archive.warn(f"{part}: it is left out.", type(part))
                else:
                    self._read_only.append(part)
        # What other code computed is left out of one of the two, if the other is fresh.
        self._open = bool(self._read_only) and not self.stale()
        self.refresh()
        self._open = True
        if self.own and not self._stale(self.own) and self._stale(self._read_only):
            self._read_only = []
        self._held_beside = {key for part in self._read_only for key in grids.keys(part, self.names)}

    # What is there

    def refresh(self) -> None:
        """Read the files that have appeared, of this process or another, and forget those that were merged."""
        gone: list[xr.Dataset] = []
        while not self._look(gone):
            pass
        # Gone and nowhere else: somebody has deleted the store under us. What is in memory is written again.
        for part in gone:
            if not self._held.issuperset(own := grids.keys(part, self.names)):
                self._unsaved.append(part)
                self._held.update(own)

    def _look(self, gone: list[xr.Dataset]) -> bool:
        """Whether the files were still there when they were read; those known before that are not are now ``gone``."""
        try:
            present = set(os.listdir(self.folder)) if self.folder.is_dir() else set()
            if missing := self._parts.keys() - present:
                gone += [self._parts.pop(name) for name in missing]
                self._left_out = {name: left for name, left in self._left_out.items() if left[1]}
                self._held = {key for part in self.own for key in grids.keys(part, self.names)}
            new = present - self._parts.keys()
            named = [self.folder / name for name in new if name.endswith(".nc") and name[0] != "."]
            there = [path for path in named if path.exists() or not path.is_symlink()]  # no link that leads nowhere
            files = {path.name: path.stat() for path in there}
            # The largest first: where a merger was killed before it removed what it had merged, that adds nothing.
            for name in sorted(files, key=lambda each: (-files[each].st_size, each)):
                self._admit(name, (files[name].st_mtime_ns, files[name].st_size))
        except FileNotFoundError:
            return False
        return True

    def _admit(self, name: str, stamp: tuple[int, int]) -> None:
        if self._left_out.get(name, (None, ""))[0] == stamp:
            return
        part = self._read(self.folder / name)
        self._left_out.pop(name, None)
        if isinstance(part, archive.ArchiveWarning):
            self._left_out[name] = stamp, str(part)
            archive.warn(f"{part}: it is left out, and its points are computed again.", type(part))
        elif self._held.issuperset(new := grids.keys(part, self.names)):
            self._left_out[name] = stamp, ""
        else:
            self._parts[name] = part
            self._held.update(new)

    @property
    def own(self) -> list[xr.Dataset]:
        """What is on disk in this folder, file by file, and what could not be written yet."""
        return [*self._parts.values(), *self._unsaved]

    @property
    def parts(self) -> list[xr.Dataset]:
        """What there is: one's own first, and what is beside."""
        return [*self.own, *self._read_only]

    def read_from(self, points: grids.Points) -> tuple[str, str]:
        """The folder of one's own of these points, or else the published one; and the latter if any are from there."""
        keys = set(grids.keys(points, self.names))
        from_beside = bool((keys - self._held) & self._held_beside)
        path = self.beside[0] if from_beside and not keys & self._held else self.folder
        return str(path) if not self._unsaved else "", str(self.beside[0]) if from_beside else ""

    def layout(self) -> grids.Layout:
        """The layout of a point's results; empty if there is no row."""
        return grids.layout(self.parts[0].data_vars) if self.parts else {}

    @property
    def left_out(self) -> dict[str, str]:
        """The files that are there but do not count, and why: as a rule, since they cannot be read."""
        return {name: why for name, (_, why) in self._left_out.items() if why}

    def rows(self, of: Callable[[xr.Dataset], bool] = lambda part: True) -> xr.Dataset | None:
        """All rows of these parts, each point once."""
        parts = list(filter(of, self.parts))
        return rows(parts, self.names) if parts else None

    def holds(self, points: grids.Points) -> np.ndarray:
        """Which points are there."""
        keys = grids.keys(points, self.names)
        return np.array([key in self._held or key in self._held_beside for key in keys], dtype=bool)

    def stale(self) -> str:
        """What of the code has changed since any of the rows was computed; empty if nothing."""
        return self._stale(self.parts)

    def _stale(self, parts: list[xr.Dataset]) -> str:
        return words(filter(None, (self.code.changed_since(part.attrs) for part in parts)))

    # Adding to it

    def add(self, rows: xr.Dataset, execution: Mapping[str, Any]) -> None:
        """Write rows as a file of their own. On a full disk they stay in memory, and the next call tries again."""
        self._unsaved.append(rows.assign_attrs({**self._wanted, **self.code.attributes(), **execution}))
        self._held.update(grids.keys(rows, self.names))
        self.save()
        self.merge(more_than=MANY)

    def save(self) -> None:
        """Write what is not on disk yet."""
        while self._unsaved:
            part = self._unsaved[0]
            try:
                name = write(self.folder, part, self.names)
            except OSError as error:
                archive.warn(
                    f"{self.identity['figure']}: {sum(len(each.point) for each in self._unsaved)} points could not be "
                    f"written to {self.folder} ({error.strerror or error}); they are kept in memory and tried again."
                )
                return
            self._unsaved.pop(0)
            self._parts[name] = part
            self._left_out.pop(name, None)

    def merge(self, more_than: int = 1) -> None:
        """All files into one: quicker to read, and one to archive. Whoever else adds or merges is not disturbed."""
        # Only who has just written all rows of a file may remove it, and the same rows have the same name: so two
        # processes never remove each other's.
        superfluous = [name for name, (_, why) in self._left_out.items() if not why]
        names = [*self._parts, *superfluous]
        if len(names) <= more_than or self._unsaved or self.stale():
            return
        merged = rows(self.own, self.names).assign_attrs(combined(self.own))
        try:
            name = write(self.folder, merged, self.names)
            for old in names:
                if old != name:
                    (self.folder / old).unlink(missing_ok=True)
        except OSError:  # it was only to be tidier
            return
        self._parts = {name: merged}
        for each in superfluous:
            del self._left_out[each]

    def keep(self, attributes: Mapping[str, Any], of: Callable[[xr.Dataset], bool] = lambda part: True) -> None:
        """Give the code of now, and these attributes, to those parts that come from other code."""
        for name, part in self._parts.items():
            if of(part) and self.code.changed_since(part.attrs):
                self._parts[name] = _told(part, lambda _: attributes).assign_attrs(self.code.attributes())
                archive.write(self.folder / name, archive.encode(self._parts[name]))

    def set_aside(self, points: grids.Points) -> None:
        """Begin anew with these points: all that there is stays in a folder beside.

        The other points are kept in the store too, unless other code computed them. What is beside counts no more.
        """
        self._read_only, self._held_beside = [], set()
        stale = self.stale()
        if not stale and not self.holds(points).any():
            return
        others = [] if stale else [part for each in self.own if len((part := self._without(each, points)).point)]
        if self.folder.is_dir():
            numbers = itertools.chain([""], (f".{number}" for number in itertools.count(2)))
            paths = (self.folder.with_name(f"{self.folder.name}{number}.old") for number in numbers)
            os.replace(self.folder, next(path for path in paths if not path.exists()))
        with contextlib.suppress(OSError):  # a full disk: the results will say so
            self.folder.mkdir(parents=True)
        self._parts, self._left_out, self._unsaved = {}, {}, others
        self._held = {key for part in others for key in grids.keys(part, self.names)}
        self.save()

    def _without(self, part: xr.Dataset, points: grids.Points) -> xr.Dataset:
        """The rows of other points, with their share of the time."""
        dropped = set(grids.keys(points, self.names))
        left = [row for row, key in enumerate(grids.keys(part, self.names)) if key not in dropped]
        share = len(left) / len(part.point)
        return _told(part.isel(point=left), lambda told: {"seconds": round(float(told["seconds"]) * share, 3)})

    def checkpoint(self, point: grids.Points) -> Path:
        """Where a point may keep its unfinished run: the same file as long as the code is the same."""
        about = grids.keys(point, self.names)[0] + self.code.whole.encode()
        return self.folder / f".{hashlib.sha256(about).hexdigest()[:16]}.checkpoint"

    def note_request(self, axes: Mapping[str, list], size: int) -> None:
        """What was asked for last, for ``dynloss sweep status``."""
        content = json.dumps({**self.identity, "axes": dict(axes), "points": size, "asked": time.time()})
        with contextlib.suppress(OSError):  # a full disk: the results will say so
            archive.write(self.folder / REQUEST, content.encode())

    # Files

    def _read(self, path: Path) -> xr.Dataset | archive.ArchiveWarning:
        """A file's rows, or why it is left out."""
        try:
            part = archive.read(path)
        except archive.Unreadable as error:
            return archive.DamageWarning(str(error))
        for name, value in self._wanted.items():
            if (found := part.attrs.get(name, "unknown")) != value:
                raise SweepError(
                    f"the store {self.folder} belongs to another sweep: its {name} is {found}, not {value}. "
                    "Name another store, or none."
                )
        if self._open and self.code.changed_since(part.attrs):
            return archive.ArchiveWarning(f"{path} was computed by other code")
        return part


def write(folder: Path, part: xr.Dataset, names: list[str]) -> str:
    """Write rows as a file, which is named after their points; returns the name.

    Args:
        folder: of the store.
        part: the rows, with the attributes of their file.
        names: of the axes.
    """
    content = archive.encode(part)
    found = b"".join(sorted(grids.keys(part, names)))
    name = f"{hashlib.sha256(found).hexdigest()[:16]}.nc"
    archive.write(folder / name, content)
    return name


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
            both = {"seconds": round(float(told["seconds"]) + others["seconds"], 3),
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
