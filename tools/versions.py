"""Does an answer depend on the version of JAX? Computes notebooks under several, and keeps what the comparison says.

    python tools/versions.py [--python python3.13] 0.7.2 0.10.1

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
# In the precision that is published, and in the other where the notebook lets choose.
RUNS = {
    "fig01_cifar_phase_diagram": ("float32",),
    "fig03_spiral_phase_diagram": ("float32", "float64"),
    "fig04_learning_dynamics": ("float64", "float32"),
}
PROFILE = "quick"


def environment(folder: Path, version: str, python: str) -> Path:
    """The programs of an environment with this version, all else as `pip install` would resolve it."""
    programs = folder / "venv" / "bin"
    if not (programs / "dynloss").exists():
        uv = [ROOT / ".venv" / "bin" / "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", python, folder / "venv"], check=True)
        wanted = [f"jax=={version}", f"jaxlib=={version}", "--editable", f"{ROOT}[notebooks]"]
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", programs / "python", *wanted], check=True)
    return programs


def verdict(programs: Path, folder: Path, notebook: str, precision: str) -> str:
    """What `dynloss compare` says of a notebook computed by these programs."""
    own = folder / f"{notebook}-{precision}"
    chosen = ["-p", "precision", precision] if len(RUNS[notebook]) > 1 else []
    command: list[str | Path] = [programs / "dynloss", "run", notebook, "--profile", PROFILE, *chosen]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"DYNLOSS_RESULTS": str(own)})
    found = compare.outcomes(own, ROOT / "results")
    said = {re.sub(r"^This run ", "", f"{each.agreement or each.trouble}") for each in found}
    return "; ".join(sorted(said))


def main() -> None:
    """Compute what is lacking for these versions, the shortest first."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--python", default="python3.13", help="of the environments")
    arguments.add_argument("versions", nargs="+")
    options = arguments.parse_args()
    for version in options.versions:
        folder = ROOT / "_build" / "versions" / version
        programs = environment(folder, version, options.python)
        for notebook, precisions in RUNS.items():
            for precision in precisions:
                kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
                said = verdict(programs, folder, notebook, precision)
                kept.setdefault(version, {}).setdefault(notebook, {})[precision] = said
                files.write(KEPT, json.dumps(kept, indent=1, sort_keys=True) + "\n")
                print(f"JAX {version}, {notebook}, {precision}: {said}", flush=True)


if __name__ == "__main__":
    main()
