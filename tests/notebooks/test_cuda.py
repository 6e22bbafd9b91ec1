"""What a GPU cannot run is found where the notebooks' smoke runs lower their computations for one."""

import os
import subprocess
import sys

import lowered
import pytest

CALLBACK = "jax.jit(lambda x: jax.pure_callback(lambda y: y, x, x))(jnp.ones(3))"
KERNEL = """
from dynloss import schedules
from dynloss_book.tasks import spiral
from dynloss.training import compiled

def descend(params):
    return compiled.descend(params, task.training, schedules.static(3), 1.0, 0, 3, method="compiled")

task = spiral.task(8, "float32", 0)
jax.jit(descend)(task.start)
"""
CONVOLUTION = """
from dynloss.models.convolution import convolution

jax.jit(lambda x: convolution(x, jnp.ones((3, 3, 1, 1))))(jnp.ones((1, 4, 4, 1)))
assert jax.default_backend() == "cpu"
"""


@pytest.mark.parametrize(
    ("code", "problems"), [(CALLBACK, 1), (KERNEL, 1), (CONVOLUTION, 0)], ids=["callback", "kernel", "convolution"]
)
def test_what_a_gpu_cannot_run_is_found(code, problems, tmp_path):
    record = tmp_path / "lowered.jsonl"
    ended = subprocess.run(
        [sys.executable, "-c", f"import jax\nimport jax.numpy as jnp\n{code}"],
        env=os.environ | lowered.environment(record),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    names, wrong = lowered.found(record)
    assert names and len(wrong) == problems
