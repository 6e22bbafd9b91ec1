"""The golden runs give the committed values, on whatever machine: to rounding, which a few steps cannot blow up.

A change that moves a number, or the fingerprint of what a notebook computes, says so in its commit, and
``python tests/golden/run.py --keep`` commits the new ones.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dynloss_book.engine.runner.profiles import renamed

HERE = Path(__file__).resolve().parent
VALUES = json.loads((HERE / "values.json").read_text())
TOLERANCE = 1e-4  # of the largest number of an array


def said(*arguments) -> str:
    """By the command, in a process of its own."""
    command = [sys.executable, HERE / "run.py", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("half", [pytest.param(n, marks=pytest.mark.xdist_group(f"golden {n}")) for n in (0, 1)])
def test_golden_runs_give_the_committed_values(half, tmp_path):
    names = list(dict.fromkeys(key.partition(":")[0] for key in VALUES))[half::2]
    said(tmp_path / "found.json", *names)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found.keys() == {key for key in VALUES if key.partition(":")[0] in names}
    for key, now in found.items():
        then = VALUES[key]
        assert (now["type"], now["shape"]) == (then["type"], then["shape"]), key
        for each in ("largest", "some"):
            a, b = (np.array(values[each], float) for values in (now, then))
            np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE * then["largest"], err_msg=key)


def test_fingerprints_are_the_same_on_every_python():
    """Committed from 3.11; looked at on 3.12 and 3.13 too."""
    assert json.loads(said("--fingerprints")) == json.loads((HERE / "fingerprints.json").read_text())


def test_every_run_and_every_notebook_is_there():
    names = {key.partition(":")[0] for key in VALUES}
    assert names == set(json.loads(said("--names")))
    stems = {path.stem for path in (HERE.parents[1] / "notebooks").glob("*.py")}
    first_called = {new: old for old, new in renamed(HERE.parents[1], "pages").items()}
    stems = {first_called.get(stem, stem) for stem in stems}
    # These ask for the results of another figure, by the same function.
    same = {"figS1_hessian_eigenvalues", "figS3_stopping_oscillations", "cifar_scaling"}
    assert {name.split("/")[1].split(".")[0] for name in names if name.startswith("notebooks/")} == stems - same


def test_arrays_come_with_the_definitions_of_their_runs(tmp_path):
    """So that a run that is defined otherwise at another commit is not taken for numbers that have moved."""
    names = ["losses/class_weighted_mean", "losses/cross_entropy", "notebooks/fig02_spiral_dataset.draw"]
    said(tmp_path / "found.npz", *names)
    with np.load(tmp_path / "found.npz") as found:
        definitions = {found[f"{name}:its definition"].tobytes() for name in names}
    assert len(definitions) == len(names)
