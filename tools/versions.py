"""Does an answer depend on the version of JAX? Computes notebooks under several, and keeps what the comparison says.

    python tools/versions.py [--python python3.13] [--only "Figure 3"] 0.7.2 0.12.0.1

Each version gets an environment of its own, which stays in ``_build/versions`` beside what was computed, so that this
goes on where it was stopped. What is kept, ``book/versions.json``, is shown by the status page.
"""

import argparse
import json
import os
import re
import subprocess
from pathlib import Path

from dynloss import files
from dynloss_book.engine.runner import compare

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "book" / "versions.json"
# Few points of what is published, with as many seeds as the comparison needs, and with time enough.
RUNS = {
    "Figure 1, small, 2 points, 6 seeds": "fig01_cifar_phase_diagram -p first_seeds 6 -p minutes 60",
    "Figure 3, 32 points, 10 and 5 seeds":
        "fig03_spiral_phase_diagram -p refinement 0 -p narrow_seeds 10 -p wide_seeds 5 -p minutes 60",
    "Figure 4, 10 seeds": "fig04_learning_dynamics --profile paper -p seeds 10",
}


def environment(folder: Path, version: str, python: str) -> Path:
    """The programs of an environment with this version, all else as `pip install` would resolve it."""
    programs = folder / "venv" / "bin"
    if not (programs / "dynloss").exists():
        uv = [ROOT / ".venv" / "bin" / "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", python, folder / "venv"], check=True)
        wanted = [f"jax=={version}", f"jaxlib=={version}", "--editable", f"{ROOT}[notebooks]"]
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", programs / "python", *wanted], check=True)
    return programs


def verdict(programs: Path, own: Path, arguments: str) -> str:
    """What `dynloss compare` says of a notebook computed by these programs."""
    command = [str(programs / "dynloss"), "run", *arguments.split()]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"DYNLOSS_RESULTS": str(own)})
    found = compare.outcomes(own, ROOT / "results")
    # Where there are too few seeds, without the list of all quantities.
    said = {re.sub(r"^This run |(?<=the published one): .*", "", f"{each}") for each in found}
    return "; ".join(sorted(said))


def main() -> None:
    """Compute what is lacking for these versions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="python3.13", help="of the environments")
    parser.add_argument("--only", default="", help="the runs whose names hold this text")
    parser.add_argument("versions", nargs="+")
    options = parser.parse_args()
    for version in options.versions:
        folder = ROOT / "_build" / "versions" / version
        programs = environment(folder, version, options.python)
        for run in filter(lambda run: options.only in run, RUNS):
            said = verdict(programs, folder / run, RUNS[run])
            kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
            kept.setdefault(run, {})[version] = said
            files.write(KEPT, json.dumps(kept, indent=1, sort_keys=True) + "\n")
            print(f"JAX {version}, {run}: {said}", flush=True)


if __name__ == "__main__":
    main()
