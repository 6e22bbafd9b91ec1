"""A proof for the GPU without a GPU: what the notebooks compile can be lowered for CUDA."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynloss.runner.profiles import load, values

pytestmark = pytest.mark.cuda
ROOT = Path(__file__).resolve().parents[2]
FIGURES = load(ROOT)
# Figure 2 compiles nothing; Figures S1 and S3 what Figures 4 and 1 do.
OTHERS = {"fig02_spiral_dataset", "figS1_hessian_eigenvalues", "figS3_stopping_oscillations"}
COMPUTING = sorted(FIGURES.keys() - OTHERS)


def lower(path, parameters, results):
    """Run a notebook's code with these parameters, each of its computations lowered for CUDA too."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "notebooks" / "cuda_lowering.py"), str(path)],
        input=json.dumps(parameters),
        env=os.environ | {"DYNLOSS_RESULTS": str(results), "MPLBACKEND": "Agg"},
        cwd=ROOT / "notebooks",
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("stem", [pytest.param(stem, marks=pytest.mark.xdist_group(stem)) for stem in COMPUTING])
def test_every_computation_of_a_notebook_is_lowered_for_cuda(stem, tmp_path):
    found = lower(ROOT / "notebooks" / f"{stem}.py", values(FIGURES[stem], "smoke"), tmp_path)
    assert found["problems"] == []
    assert found["lowered"]


CALLBACK = "jax.jit(lambda x: jax.pure_callback(lambda y: y, x, x))(jnp.ones(3))"
KERNEL = """
from dynloss import schedules
from dynloss.experiments import spiral
from dynloss.training import compiled

def descend(params):
    return compiled.descend(params, task.training, schedules.static(3), 1.0, 0, 3, method="compiled")

task = spiral.task(8, "float32", 0)
jax.jit(descend)(task.start)
"""


@pytest.mark.parametrize("code", [CALLBACK, KERNEL], ids=["callback", "kernel"])
def test_what_a_gpu_cannot_run_is_found(code, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(f"# %%\nimport jax\nimport jax.numpy as jnp\n{code}\n")
    assert len(lower(path, {}, tmp_path)["problems"]) == 1
