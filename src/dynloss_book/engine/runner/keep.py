"""Ways to keep results whose code has changed: some points computed again, or golden runs that are equal.

Renaming a keyword changes no number, and yet makes stale what reaches it. `Verifier` computes results again, whole or
in some points, and compares; only what this kind of device made, for another rounds otherwise. `Affirmer` takes a
person's word, and holds it to the golden runs that reach what has changed, at the commit where the result was last
fresh and now. Either way the result keeps its numbers, and says in its attributes why.
"""

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book.engine import agreement, archive, review
from dynloss_book.engine.fingerprint import Fingerprint
from dynloss_book.engine.provenance import commit, date, device
from dynloss_book.engine.runner import answers
from dynloss_book.engine.runner.profiles import Figure, UsageError, values
from dynloss_book.engine.sweeps import contract
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.store import Store

KEPT, RENEWED, APART, UNKNOWN = "kept", "renewed", "differs", "cannot be told"
GOLDEN = Path("tests", "golden", "compare.py")
_ROUNDING = 16  # units in the last place: of a sum whose order is XLA's choice


# What became of a stale result, or of one that is not there: its file or folder, one of these states, and more of it.
Outcome = tuple[Path, str, str]


def looked_at(figure: Figure, profile: str, reviewer: "Verifier | Affirmer", results: Path) -> list[Outcome]:
    """What a reviewer finds among the results, in this folder, that a profile of a notebook asks for.

    Args:
        figure: the notebook.
        profile: one of its own.
        reviewer: whose outcomes begin anew.
        results: the folder, with results of other notebooks too.
    """
    reviewer.outcomes = []
    with review.by(reviewer), contextlib.suppress(archive.NotArchived):  # which the reviewer knows
        answers.executed(figure, values(figure, profile), answers.of_archive([results]))
    return reviewer.outcomes


class _Reviewer:
    """What both have in common: the outcomes, and results that are not there."""

    outcomes: list[Outcome]

    def say(self, path: Path, state: str, words: str) -> None:
        self.outcomes.append((path, state, words))

    def lacks(self, path: Path, why: str) -> None:
        self.say(path, UNKNOWN, f"{why}; nothing was computed")


class Verifier(_Reviewer):
    """Computes again, and compares.

    Args:
        points: of each sweep.
        renew: replace what differs. By default it stays, and stays stale.
    """

    def __init__(self, points: int, renew: bool = False):
        self.points, self.renew = points, renew

    def result(self, path: Path, dataset: xr.Dataset, code: Fingerprint, again: Callable[[], xr.Dataset]) -> xr.Dataset:
        made = str(dataset.attrs["device"])
        if kind(made) != kind(device()):
            self.say(path, UNKNOWN, f"was computed on {made}, and this is {device()}; `dynloss affirm` is another way")
            return dataset
        archive.check_writable(path.parent)
        now = archive.decode(archive.encode(again()))
        if now.drop_attrs().identical(dataset.drop_attrs()):
            how = "equal to the last bit"
        else:
            found = agreement.compare(now, dataset)
            if not found.agrees:
                self.say(path, RENEWED if self.renew else APART, str(found))
                return _written(path, now) if self.renew else dataset
            how = f"and agrees {found.how}"
        self.say(path, KEPT, f"computed again, {how}")
        return _written(path, dataset.assign_attrs(code.attributes() | _verified(f"computed again, {how}")))

    def sweep(self, store: Store, how: Callable[[], Any]) -> None:
        mine = lambda part: kind(str(part.attrs["device"])) == kind(device())  # noqa: E731
        rows = store.rows(mine)
        if rows is None:
            made = ", ".join(sorted({str(part.attrs["device"]) for part in store.parts}))
            self.say(store.folder, UNKNOWN, f"was computed on {made}, and this is {device()}")
            return
        archive.check_writable(store.folder)
        count = min(self.points, len(rows.point))
        if apart := _first_apart(rows, store.names, how(), count):
            self.say(store.folder, APART, f"{apart}; `dynloss run --fresh` computes it anew and keeps it beside")
            return
        words = f"{count} of its {len(rows.point)} points computed again, equal"
        store.keep(_verified(words), mine)
        left = f"; the points of other devices stay stale: {store.stale()}" if store.stale() else ""
        self.say(store.folder, KEPT, f"{words}{left}")


class Affirmer(_Reviewer):
    """Takes a person's word, if the golden runs that reach what has changed are equal to the last bit.

    Args:
        root: the checkout, all of whose changes are committed.
        because: why the change moves no number of these results.
    """

    def __init__(self, root: Path, because: str):
        if not because.strip():
            raise UsageError('say why the change moves no number: --because "…"')
        if (now := commit()).endswith("+dirty"):
            raise UsageError(f"{now}: commit first; what is affirmed is a commit")
        self.root, self.because, self.commit = root, because, now

    def result(self, path: Path, dataset: xr.Dataset, code: Fingerprint, again: Callable[[], xr.Dataset]) -> xr.Dataset:
        record = self._evidence(path, dataset.attrs, code)
        return _written(path, dataset.assign_attrs(code.attributes() | record)) if record else dataset

    def sweep(self, store: Store, how: Callable[[], Any]) -> None:
        stale = next(part for part in store.parts if store.code.changed_since(part.attrs))
        same = lambda part: part.attrs["fingerprint"] == stale.attrs["fingerprint"]  # noqa: E731
        if record := self._evidence(store.folder, stale.attrs, store.code):
            store.keep(record, same)
            if store.stale():  # parts from yet other code
                self.sweep(store, how)

    def _evidence(self, path: Path, attributes: Mapping[str, Any], code: Fingerprint) -> dict[str, str]:
        """The attributes of a result that is kept; none if it is not."""
        archive.check_writable(path.parent)
        base = _base(self.root, attributes)
        then, now = json.loads(attributes["sources"]), code.parts
        changed = sorted(each for each in then.keys() | now.keys() if then.get(each) != now.get(each))
        found = golden(self.root, base, *changed)
        if missing := found["missing"]:
            self.say(path, UNKNOWN, f"no golden run reaches {', '.join(missing)}: add one, at {base} too")
            return {}
        runs = f"{len(found['runs'])} golden runs that reach what changed since {base}"
        if apart := found["apart"]:
            self.say(path, APART, f"of {runs}: {apart[0]}")
            return {}
        words = f"{runs} are equal to the last bit"
        self.say(path, KEPT, words)
        records = json.loads(attributes.get("affirmed", "[]"))
        records.append({"commit": self.commit, "because": self.because, "evidence": words, "date": date()})
        return {"affirmed": json.dumps(records, ensure_ascii=False), "fresh_at": self.commit}


@functools.cache  # for all results that a change makes stale
def golden(root: Path, *change: str) -> dict[str, list[str]]:
    """What a checkout's golden runs say of a change: since a commit, of these parts of the code; see ``GOLDEN``."""
    done = subprocess.run([sys.executable, str(root / GOLDEN), *change], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise UsageError(" ".join(done.stderr.strip().splitlines()[-1:]))
    return json.loads(done.stdout)


def fresh_at(attributes: Mapping[str, Any]) -> str:
    """The commit whose code a result is known to come from."""
    return str(attributes.get("fresh_at") or attributes["commit"]).split(", ")[-1].removesuffix("+dirty")


def _base(root: Path, attributes: Mapping[str, Any]) -> str:
    """The commit whose code a result comes from; if history has lost it, one whose golden runs have its fingerprint."""
    git = functools.partial(subprocess.run, cwd=root, capture_output=True, text=True)
    base = fresh_at(attributes)
    if git(["git", "cat-file", "-e", base]).returncode == 0:
        return base
    fingerprints = str(Path(GOLDEN).with_name("fingerprints.json"))
    alike = git(["git", "log", "--reverse", "--format=%h", "-S", attributes["fingerprint"], "--", fingerprints]).stdout
    return (alike.split() or [base])[0]


def kind(device: str) -> str:
    """The name of a device in words, without its number.

    >>> kind("2 CPU cores"), kind("4 × NVIDIA H200"), kind("NVIDIA H200, 2 CPU cores")
    ('CPU', 'NVIDIA H200', 'NVIDIA H200, CPU')
    """
    each = (word.strip().split(" × ")[-1] for word in device.split(","))
    return ", ".join(dict.fromkeys("CPU" if "CPU core" in word else word for word in each))


def _first_apart(rows: xr.Dataset, names: list[str], how: Any, count: int) -> str:
    """Where one of so many points, computed again, is not equal but for rounding; empty if all are."""
    chosen = np.sort(np.random.RandomState(0).permutation(len(rows.point))[:count])
    points = {name: rows[name].values[chosen] for name in names}
    place = {key: row for row, key in enumerate(grids.keys(rows, names))}
    for first in range(0, count, how.size):
        computed = grids.select(points, slice(first, first + how.size))
        outputs = how.submit(computed).result()
        for row, key in enumerate(grids.keys(computed, names)):
            for name, found in outputs.items():
                if not _equal(rows[name].values[place[key]], found[row]):
                    at = contract.place(grids.select(computed, slice(row, row + 1)))
                    return f"at {at} the code of now gives another {name}"
    return ""


def _equal(then: np.ndarray, now: np.ndarray) -> bool:
    if then.dtype != now.dtype or then.dtype.kind != "f":
        return then.dtype == now.dtype and np.array_equal(then, now)
    return np.allclose(then, now, rtol=_ROUNDING * np.finfo(then.dtype).eps, atol=0, equal_nan=True)


def _verified(what: str) -> dict[str, str]:
    now = commit()
    return {"verified": json.dumps({"what": what, "commit": now, "date": date()}), "fresh_at": now}


def _written(path: Path, dataset: xr.Dataset) -> xr.Dataset:
    archive.write(path, archive.encode(dataset))
    return dataset
