"""Golden runs at two commits, to the last bit: did a change of code move a number? `make golden BASE=COMMIT`.

python tests/golden/compare.py BASE           all runs of this checkout and of the commit BASE; 1 if any differs
python tests/golden/compare.py BASE PART…     those that reach these changed parts of the code alone, as JSON

Each commit runs its own set, as its own API has it, on this machine and with these libraries; what has the same name is
compared. `dynloss affirm` asks the second way.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RUN = Path("tests", "golden", "run.py")
AT_ONCE = 2
DEFINITION = ":its definition"  # in place of an array's name: a hash of how the run is defined

Arrays = Mapping[str, np.ndarray]  # "run:array" -> what it computes
Reach = Mapping[str, Mapping[str, str]]  # run -> the parts of the code that it reaches, each with its hash


@contextlib.contextmanager
def checkout(root: Path, commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own."""
    git = ["git", "-C", str(root), "worktree"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "checkout")
        added = subprocess.run([*git, "add", "--detach", str(folder), commit], capture_output=True, text=True)
        if added.returncode:
            sys.exit(f"cannot check out {commit}: {added.stderr.strip().splitlines()[-1]}")
        try:
            if not (folder / RUN).is_file():
                sys.exit(f"{commit} has no golden runs")
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], capture_output=True)


def said(root: Path, *arguments: str) -> str:
    """What the golden runs of a checkout print."""
    # They have an archive of their own, and all their time.
    own = {name: value for name, value in os.environ.items() if not name.startswith("DYNLOSS_")}
    command = [sys.executable, str(root / RUN), *arguments]
    done = subprocess.run(command, cwd=root, env=own, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the golden runs failed: {' '.join(done.stderr.strip().splitlines()[-1:])}")
    return done.stdout


def measured(root: Path, chosen: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """What these runs of a checkout compute, or all of them, in two processes."""
    chosen = chosen or json.loads(said(root, "--names"))
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [share for first in range(AT_ONCE) if (share := chosen[first::AT_ONCE])]
        files = [str(Path(place, f"{number}.npz")) for number in range(len(shares))]
        list(pool.map(lambda file, share: said(root, file, *share), files, shares))
        return {name: array for file in files for name, array in np.load(file).items()}


def compared(then: Arrays, now: Arrays) -> tuple[list[str], list[str]]:
    """The arrays that both have, of runs that are defined alike; and the runs that are not."""
    both = sorted(then.keys() & now.keys())
    otherwise = [run(name) for name in both if name.endswith(DEFINITION) and not same(then[name], now[name])]
    return [name for name in both if not name.endswith(DEFINITION) and run(name) not in otherwise], otherwise


def differences(then: Arrays, now: Arrays) -> list[str]:
    """The arrays that are not the same to the last bit, each with how far it is off; and the runs defined otherwise."""
    names, otherwise = compared(then, now)
    return [f"{name}: defined differently now, so that its numbers tell nothing" for name in otherwise] + [
        f"{name}: {apart(then[name], now[name])}" for name in names if not same(then[name], now[name])
    ]


def run(name: str) -> str:
    return name.partition(":")[0]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def apart(a: np.ndarray, b: np.ndarray) -> str:
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"{a.dtype} {a.shape}, now {b.dtype} {b.shape}"
    a, b = a.astype(float), b.astype(float)
    off = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b))
    return f"by {off.max(initial=0.0):.2g}, of numbers up to {np.nanmax(np.abs(a), initial=0.0):.3g}"


def reaching(then: Reach, now: Reach, changed: Collection[str]) -> tuple[list[str], list[str]]:
    """The runs that reach what changed, and nothing else that did; and what of it none of them reaches."""
    reached = {}
    for name in then.keys() & now.keys():
        labels = then[name].keys() | now[name].keys()
        moved = {label for label in labels if then[name].get(label) != now[name].get(label)}
        if moved <= set(changed):  # a run that reaches other changes too tells nothing of these
            reached[name] = labels & set(changed)
    return sorted(name for name in reached if reached[name]), sorted(set(changed).difference(*reached.values()))


def evidence(base: str, changed: Sequence[str]) -> dict[str, list[str]]:
    """Of a change of these parts: the `runs` that reach it, the parts that they `miss`, and how they are `apart`.

    A run that is defined differently now tells nothing: it counts as if it did not reach the change.
    """
    with checkout(ROOT, base) as before:
        then, now = json.loads(said(before, "--reach")), json.loads(said(ROOT, "--reach"))
        runs, missing = reaching(then, now, changed)
        if not runs or missing:
            return {"runs": runs, "missing": missing, "apart": []}
        arrays = measured(before, runs), measured(ROOT, runs)
    otherwise = compared(*arrays)[1]
    alike = [{name: parts for name, parts in each.items() if name not in otherwise} for each in (then, now)]
    runs, missing = reaching(*alike, changed)
    return {"runs": runs, "missing": missing, "apart": [off for off in differences(*arrays) if run(off) in runs]}


def main() -> None:
    base, *changed = sys.argv[1:]
    if changed:
        print(json.dumps(evidence(base, changed)))
        return
    with checkout(ROOT, base) as before:
        then, now = measured(before), measured(ROOT)
    found = differences(then, now)
    for line in found:
        print(line)
    for here, there, where in ((then, now, base), (now, then, "this checkout")):
        if names := [name for name in sorted(here.keys() - there.keys()) if not name.endswith(DEFINITION)]:
            print(f"only in {where}: {', '.join(names)}")
    both, otherwise = compared(then, now)
    print(f"{len(both) + len(otherwise) - len(found)} of {len(both)} arrays are equal to the last bit")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
