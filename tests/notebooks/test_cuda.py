"""What a GPU cannot run is found where the notebooks' smoke runs lower their computations for one."""

import os
import subprocess
import sys

import lowered

PROGRAM = """
import jax, jax.numpy as jnp
from dynloss import schedules
from dynloss.models.convolution import convolution
from dynloss.training import compiled
from dynloss_book.tasks import spiral

@jax.jit
def callback(x):
    return jax.pure_callback(lambda y: y, x, x)

@jax.jit
def kernel(params):
    return compiled.descend(params, task.training, schedules.static(3), 1.0, 0, 3, method="compiled")

@jax.jit
def harmless(x):
    return convolution(x, jnp.ones((3, 3, 1, 1)))

task = spiral.task(8, "float32", 0)
callback(jnp.ones(3)), kernel(task.start), harmless(jnp.ones((1, 4, 4, 1)))
assert jax.default_backend() == "cpu"
"""


def test_what_a_gpu_cannot_run_is_found(tmp_path):
    record = tmp_path / "lowered.jsonl"
    command, variables = [sys.executable, "-c", PROGRAM], os.environ | lowered.environment(record)
    ended = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    names, wrong = lowered.found(record)
    assert {"callback", "kernel", "harmless"} <= set(names)
    assert [each.partition(":")[0] for each in wrong] == ["callback", "kernel"]
