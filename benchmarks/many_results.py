"""What `dynloss list` and `dynloss claims` take in an archive of many results, beside the published one alone.

    python benchmarks/many_results.py [--results 10000]

The many are copies of the smallest published ones under other names, results and sweeps in turn.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import setting

PUBLISHED = Path(__file__).resolve().parents[1] / "results"
SMALLEST = 20  # of each kind, that are copied


def fill(folder: Path, number: int) -> None:
    """The published results, and so many more."""
    shutil.copytree(PUBLISHED, folder)
    kinds = (sorted(PUBLISHED.glob(files), key=lambda path: path.stat().st_size) for files in ("*/*.nc", "*/*/*.nc"))
    singles, sweeps = (list(kind)[:SMALLEST] for kind in kinds)
    for count in range(number):
        path = (sweeps if count % 2 else singles)[count // 2 % SMALLEST]
        figure, *_ = path.relative_to(PUBLISHED).parts
        target = folder / figure / (f"{count:016x}/{path.name}" if count % 2 else f"{count:016x}.nc")
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def seconds(command: str, folder: Path) -> float:
    """How long a command of `dynloss` takes in an archive."""
    run = [sys.executable, "-c", "from dynloss_book.command import main; main()", command]
    how = {"cwd": PUBLISHED.parent, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    own = os.environ | {"DYNLOSS_RESULTS": str(folder)}
    return setting.seconds(lambda: subprocess.run(run, check=True, env=own, **how))


def main():
    number = setting.arguments(__doc__, {"results": 2}, results=10_000).results
    with tempfile.TemporaryDirectory() as place:
        fill(Path(place, "many"), number)
        for command in ("list", "claims"):
            alone, many = (seconds(command, folder) for folder in (PUBLISHED, Path(place, "many")))
            ratio = f"{many / alone:.1f} times as long"
            print(f"dynloss {command}: {alone:.1f} s; with {number:,} results more {many:.1f} s, {ratio}", flush=True)


if __name__ == "__main__":
    main()
