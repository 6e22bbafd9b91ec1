"""Golden runs, as a command: compute some of them, or say what code each reaches. See ``dynloss golden``.

python tests/golden/run.py OUT.npz [NAME…]    computes these, or all
python tests/golden/run.py --names            all names, as JSON
python tests/golden/run.py --reach            {name: {part of the code: its hash}}, as JSON
"""

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


def arrays(names: list[str]) -> dict[str, np.ndarray]:
    """What these runs compute, by run and array."""
    return {f"{name}:{key}": np.asarray(value) for name in names for key, value in RUNS[name]().items()}


def reach() -> dict[str, dict[str, str]]:
    """The parts of the code that each run reaches."""
    from dynloss import fingerprint

    found = {name: fingerprint.take(run).parts for name, run in library.RUNS.items()}
    for call in notebooks.CALLS:
        with notebooks.loaded(call.notebook) as names:
            found[notebooks.name_of(call)] = fingerprint.take(notebooks.function(call, names)).parts
    return found


if __name__ == "__main__":
    out, *chosen = sys.argv[1:]
    if out == "--reach":
        print(json.dumps(reach()))
    elif out == "--names":
        print(json.dumps(list(RUNS)))
    else:
        np.savez(out, **arrays(chosen or list(RUNS)))
