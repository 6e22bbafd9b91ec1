"""One training step without recorders, width 100, one network, against the same arithmetic as compiled loops in C.

The library's figure is that of its compiled method; its XLA method and automatic differentiation stand beside it. The C
program (training_step.c, one thread, `-O2 -ftree-vectorize -march=native -ffast-math`) is checked to train the
same network.

    python benchmarks/training_step.py [--steps 20000] [--rounds 5]
"""

import ctypes
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import setting

from dynloss.training import compiled, full_batch

SOURCE = Path(__file__).with_suffix(".c")


def library(dtype, steps, method="compiled"):
    _, params, data, schedule = setting.figure4(dtype)
    run = jax.jit(lambda p: compiled.descend(p, data, schedule, setting.LEARNING_RATE, 0, steps, method=method))
    return lambda: run(params)


def autodiff(dtype, steps):
    model, params, data, schedule = setting.figure4(dtype)
    gradient = full_batch.loss_gradient(model.apply, data)
    run = jax.jit(lambda p: full_batch.descend(p, gradient, schedule, setting.LEARNING_RATE, 0, steps)[0])
    return lambda: run(params)


def compiled_loop(dtype, steps, folder):
    built = Path(folder) / f"step_{dtype}.so"
    real = {"float32": "float", "float64": "double"}[dtype]
    # -O3 unrolls the short loops over classes first, and then no longer vectorises those over samples.
    flags = ["-O2", "-ftree-vectorize", "-march=native", "-ffast-math", "-shared", "-fPIC", f"-DREAL={real}"]
    subprocess.run(["cc", *flags, SOURCE, "-o", built, "-lm"], check=True)
    train = ctypes.CDLL(str(built)).train
    number = {"float32": ctypes.c_float, "float64": ctypes.c_double}[dtype]
    _, params, data, _ = setting.figure4(dtype)
    inputs = np.ascontiguousarray(data.inputs.T, dtype)
    labels = np.asarray(data.labels, np.int32)

    def run():
        layers = params["params"]
        first = [layers[layer][part] for layer in ("hidden", "output") for part in ("kernel", "bias")]
        own = [np.array(each, dtype) for each in first]
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in (inputs, labels, *own)]
        train(*pointers, ctypes.c_long(steps), number(setting.PERIOD), number(setting.AMPLITUDE))
        return own

    return run


def main():
    options = setting.arguments(__doc__, {"steps": 2, "rounds": 1}, steps=20_000, rounds=5)
    if not shutil.which("cc"):
        sys.exit("training_step needs a C compiler (cc), and finds none")
    jax.config.update("jax_enable_x64", True)
    print(setting.machine())
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = library("float64", 100)()["params"], compiled_loop("float64", 100, folder)()
        np.testing.assert_allclose(ours["hidden"]["kernel"], theirs[0], rtol=1e-9, atol=1e-12)
        for dtype in ("float32", "float64"):
            runs = {
                "library": library(dtype, options.steps),
                "library, XLA": library(dtype, options.steps, "xla"),
                "automatic differentiation": autodiff(dtype, options.steps),
                "C": compiled_loop(dtype, options.steps, folder),
            }
            times = setting.in_turn(runs, options.rounds)
            for name, each in times.items():
                print(f"{dtype}, {name}: {each / options.steps * 1e6:.1f} µs a step")
            print(f"{dtype}, ratio library / C: {times['library'] / times['C']:.2f} (asked: at most 2)")


if __name__ == "__main__":
    main()
