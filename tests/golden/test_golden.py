"""The golden runs give the committed values, on whatever machine: to rounding, which a few steps cannot blow up."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
VALUES = HERE / "values.json"
TOLERANCE = 1e-4  # of the largest number of an array


def condensed(array: np.ndarray) -> dict:
    """An array as it is committed: its type and shape, its largest number, and some on the way through it."""
    numbers = array.ravel().astype(float)
    some = numbers[np.unique(np.linspace(0, max(0, numbers.size - 1), 6).astype(int))] if numbers.size else numbers
    largest = np.nanmax(np.abs(numbers), initial=0.0)
    return {
        "type": str(array.dtype),
        "shape": list(array.shape),
        "largest": float(f"{largest:.7g}"),
        "some": [None if np.isnan(each) else float(f"{each:.7g}") for each in some],
    }


def computed(folder: Path, names: list[str]) -> dict[str, dict]:
    """What these runs compute, in a process of their own."""
    subprocess.run([sys.executable, HERE / "run.py", folder / "found.npz", *names], check=True)
    found: dict[str, dict] = {}
    with np.load(folder / "found.npz") as arrays:
        for key in arrays.files:
            name, _, array = key.partition(":")
            found.setdefault(name, {})[array] = condensed(arrays[key])
    return found


def apart(half: int):
    return pytest.param(half, marks=pytest.mark.xdist_group(f"golden {half}"))


@pytest.mark.parametrize("half", [apart(0), apart(1)])
def test_golden_runs_give_the_committed_values(half, tmp_path):
    committed = json.loads(VALUES.read_text())
    found = computed(tmp_path, list(committed)[half::2])
    assert found
    for name, arrays in found.items():
        assert arrays.keys() == committed[name].keys(), name
        for key, now in arrays.items():
            then, where = committed[name][key], f"{name}:{key}"
            assert (now["type"], now["shape"]) == (then["type"], then["shape"]), where
            allowed = TOLERANCE * then["largest"]
            for each in ("largest", "some"):
                a, b = (np.array(values[each], float) for values in (now, then))
                np.testing.assert_allclose(a, b, rtol=0, atol=allowed, err_msg=where)


def test_every_run_and_every_notebook_is_there():
    runs = json.loads(VALUES.read_text())
    stems = {path.stem for path in (HERE.parents[1] / "notebooks").glob("*.ipynb")}
    # These ask for the results of another figure, by the same function.
    same = {"figS1_hessian_eigenvalues", "figS3_stopping_oscillations", "cifar_scaling"}
    assert {name.split("/")[1].split(".")[0] for name in runs if name.startswith("notebooks/")} == stems - same
