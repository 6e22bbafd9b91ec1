"""Golden runs at two commits: small computations that hold the numbers while code is changed; see ``tests/golden``.

Each commit runs its own set, as its own API has it, on this machine and with these libraries; what has the same name is
compared to the last bit.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from dynloss_book.engine.runner.profiles import UsageError

CHANGES_NO_NUMBER = True

_COMMAND = Path("tests", "golden", "run.py")
_AT_ONCE = 2

DEFINITION = ":its definition"  # in place of an array's name: a hash of how the run is defined

Arrays = dict[str, np.ndarray]  # "run:array" -> what it computes
Reach = dict[str, dict[str, str]]  # run -> the parts of the code that it reaches, each with its hash


@contextlib.contextmanager
def checkout(root: Path, commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own.

    Raises:
        UsageError: there is no such commit, or it has no golden runs.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "checkout")
        said = _git(root, "worktree", "add", "--detach", str(folder), commit)
        if said.returncode:
            raise UsageError(f"cannot check out {commit}: {said.stderr.strip().splitlines()[-1]}")
        try:
            if not (folder / _COMMAND).is_file():
                raise UsageError(f"{commit} has no golden runs")
            yield folder
        finally:
            _git(root, "worktree", "remove", "--force", str(folder))


def reach(root: Path) -> Reach:
    """The parts of the code that each run of a checkout reaches."""
    return json.loads(_finished(_started(root, "--reach")))


def measured(root: Path, names: Iterable[str] | None = None) -> Arrays:
    """What these runs of a checkout compute, or all of them, in two processes."""
    found: Arrays = {}
    with tempfile.TemporaryDirectory() as place:
        chosen = list(names) if names is not None else json.loads(_finished(_started(root, "--names")))
        shares = [chosen[first::_AT_ONCE] for first in range(_AT_ONCE)]
        files = {Path(place, f"{number}.npz"): share for number, share in enumerate(shares) if share}
        for process in [_started(root, str(file), *share) for file, share in files.items()]:
            _finished(process)
        for file in files:
            with np.load(file) as arrays:
                found |= dict(arrays)
    return found


def compared(then: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """The arrays that both have, of runs that are defined alike; and the runs that are not."""
    both = sorted(then.keys() & now.keys())
    otherwise = [_run(name) for name in both if name.endswith(DEFINITION) and not _same(then[name], now[name])]
    return [name for name in both if not name.endswith(DEFINITION) and _run(name) not in otherwise], otherwise


def differences(then: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]) -> list[str]:
    """The arrays that are not the same to the last bit, each with how far it is off; and the runs defined otherwise."""
    names, otherwise = compared(then, now)
    return [f"{run}: defined differently now, so that its numbers tell nothing" for run in otherwise] + [
        f"{name}: {_apart(then[name], now[name])}" for name in names if not _same(then[name], now[name])
    ]


def _run(name: str) -> str:
    return name.partition(":")[0]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def _apart(a: np.ndarray, b: np.ndarray) -> str:
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"{a.dtype} {a.shape}, now {b.dtype} {b.shape}"
    a, b = a.astype(float), b.astype(float)
    apart = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b))
    return f"by {apart.max(initial=0.0):.2g}, of numbers up to {np.nanmax(np.abs(a), initial=0.0):.3g}"


def _started(root: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, str(root / _COMMAND), *arguments]
    # They have an archive of their own, and all their time.
    own = {name: value for name, value in os.environ.items() if not name.startswith("DYNLOSS_")}
    return subprocess.Popen(command, cwd=root, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finished(process: subprocess.Popen) -> str:
    out, error = process.communicate()
    if process.returncode:
        raise UsageError(f"the golden runs failed: {' '.join(error.strip().splitlines()[-1:])}")
    return out


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
