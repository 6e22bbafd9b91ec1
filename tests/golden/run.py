"""Golden runs, as a command: compute some of them, or say what code each reaches. See `compare.py`.

python tests/golden/run.py OUT.npz NAME…      what these compute, and hashes of how they are defined
python tests/golden/run.py OUT.json NAME…     what these compute, condensed
python tests/golden/run.py --names            all names, as JSON
python tests/golden/run.py --reach            {name: {part of the code: its hash}}, as JSON
python tests/golden/run.py --fingerprints     of what the notebooks compute, as JSON
python tests/golden/run.py --keep             writes the values and fingerprints that the tests hold them to
"""

import hashlib
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What this checkout computes, whatever is installed; without what makes programs faster, and longer to compile.
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parent), str(HERE)]
os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

import lean  # noqa: E402, F401
import library  # noqa: E402
import numpy as np  # noqa: E402

import notebooks  # noqa: E402

RUNS = library.RUNS | notebooks.RUNS
VALUES, FINGERPRINTS = HERE / "values.json", HERE / "fingerprints.json"


def arrays(names: list[str]) -> dict[str, np.ndarray]:
    """What these runs compute, by run and array."""
    return {f"{name}:{key}": np.asarray(value) for name in names for key, value in RUNS[name]().items()}


def definition(name: str) -> np.ndarray:
    """Of how a run is defined in this folder, apart from the code that it holds to its numbers: a hash, as bytes."""
    from dynloss_book.engine import fingerprint

    calls = {notebooks.name_of(call): call for call in notebooks.CALLS}
    if name in calls:
        own = repr(calls[name])
    else:
        parts = fingerprint.take(RUNS[name]).parts
        own = repr(sorted(each for each in parts.items() if not each[0].startswith("dynloss")))
    return np.frombuffer(hashlib.sha256(own.encode()).digest()[:8], np.uint8)


def condensed(array: np.ndarray) -> dict:
    """An array as it is committed: its type and shape, its largest number, and some on the way through it."""
    numbers = array.ravel().astype(float)
    some = numbers[np.unique(np.linspace(0, max(0, numbers.size - 1), 6).astype(int))] if numbers.size else numbers
    return {
        "type": str(array.dtype),
        "shape": list(array.shape),
        "largest": float(f"{np.nanmax(np.abs(numbers), initial=0.0):.7g}"),
        "some": [None if np.isnan(each) else float(f"{each:.7g}") for each in some],
    }


def reach() -> dict[str, dict[str, str]]:
    """The parts of the code that each run reaches."""
    from dynloss_book.engine import fingerprint

    library_runs = {name: fingerprint.take(run).parts for name, run in library.RUNS.items()}
    return library_runs | {name: found.parts for name, found in fingerprints().items()}


def fingerprints() -> dict:
    """Of what the notebooks compute."""
    from dynloss_book.engine import fingerprint

    found = {}
    for call in notebooks.CALLS:
        with notebooks.loaded(call.notebook) as names:
            found[notebooks.name_of(call)] = fingerprint.take(notebooks.function(call, names))
    return found


def wholes() -> dict[str, str]:
    """The fingerprints of what the notebooks compute, without their parts."""
    return {name: found.whole for name, found in fingerprints().items()}


def values(names: list[str]) -> str:
    """What these runs compute, condensed, as JSON."""
    return lines({name: condensed(array) for name, array in arrays(names).items()})


def lines(table: dict) -> str:
    """As JSON, a line for each entry."""
    return "{\n" + ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in table.items()) + "\n}\n"


if __name__ == "__main__":
    out, *chosen = sys.argv[1:]
    if out == "--reach":
        print(json.dumps(reach()))
    elif out == "--fingerprints":
        print(lines(wholes()))
    elif out == "--names":
        print(json.dumps(list(RUNS)))
    elif out == "--keep":
        VALUES.write_text(values(list(RUNS)))
        FINGERPRINTS.write_text(lines(wholes()))
    elif out.endswith(".json"):
        Path(out).write_text(values(chosen))
    else:
        np.savez(out, **arrays(chosen), **{f"{name}:its definition": definition(name) for name in chosen})
