"""Compute a few results with other versions of JAX and in both precisions, and compare each with the published one.

    python tools/versions.py PYTHON [PYTHON ...]

Each PYTHON is that of an environment with `dynloss[notebooks]` and a JAX of its own. Runs are kept in `_build/versions`
and go on where they were stopped; what was found is in `book/versions.json`, for the page *Status*.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from dynloss import files
from dynloss_book.engine.runner import compare

ROOT = Path(__file__).resolve().parents[1]
RUNS = {  # figure: what it takes beside the profile `quick`, and its precisions
    "fig03_spiral_phase_diagram": (["refinement=0", "narrow_seeds=10"], ("float32", "float64")),
    "fig04_learning_dynamics": ([], ("float64", "float32")),
    "fig01_cifar_phase_diagram": (["minutes=null"], ("float32",)),
}
SAY = "import jax, platform; print(jax.__version__, platform.python_version(), platform.machine())"
RUN = "from dynloss_book.command import main; main()"


def found(python: str, figure: str, given: list[str], precision: str) -> dict[str, str]:
    """One run, computed where it is not yet, beside the published result: what made it, and whether they agree."""
    asked = subprocess.run([python, "-c", SAY], check=True, capture_output=True, text=True)
    jax, version, machine = asked.stdout.split()
    folder = ROOT / "_build" / "versions" / f"{jax}_{precision}"
    more = [*given, f"precision={precision}"] if len(RUNS[figure][1]) > 1 else given
    pairs = [part for each in more for part in ("-p", *each.split("="))]
    run = [python, "-c", RUN, "run", figure, "--profile", "quick", *pairs]
    subprocess.run(run, cwd=ROOT, env=os.environ | {"DYNLOSS_RESULTS": str(folder)}, check=True)
    pair = folder / figure, ROOT / "results"
    said = [str(each.agreement) for each in compare.outcomes(*pair) if each.agreement is not None]
    return {"figure": figure, "jax": jax, "python": version, "processor": machine, "precision": precision,
            "said": " ".join(dict.fromkeys(said))}  # fmt: skip


def main(pythons: list[str]) -> None:
    rows = [
        found(python, figure, given, precision)
        for python in pythons
        for figure, (given, precisions) in RUNS.items()
        for precision in precisions
    ]
    files.write(ROOT / "book" / "versions.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
