"""What `kill -9` costs a training run of Myrtle5 that writes a checkpoint after each epoch.

Three runs, each in a process of its own: one to the end; one killed in the middle of an epoch; and that one again,
which goes on from the checkpoint. Asked: at most one epoch lost, training again within 15 s of the start of the
process (imports, data and compilation included), and the same numbers as those of the run to the end.

    python benchmarks/minibatch_resume.py [--channels 8] [--images 5120] [--epochs 6] [--kill-in 4]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def train(options, folder: Path, name: str):
    """In a process of its own: the run, which says when each epoch starts, and when its first step is done."""
    import jax
    import jax.numpy as jnp
    import setting

    from dynloss import schedules
    from dynloss.datasets import cifar10
    from dynloss.models.myrtle import Myrtle
    from dynloss.training import batches, minibatch

    print("on", setting.machine(), flush=True)
    training, validation = cifar10.normalised(*cifar10.generated(options.images, options.images // 5))
    model = Myrtle(channels=options.channels)
    variables = jax.jit(model.init)(jax.random.key(0), jnp.asarray(training.inputs[:1]))
    shuffled, advance = batches.shuffled, batches.advance

    def starts(key, epoch, *others):
        print("epoch", epoch, flush=True)
        return shuffled(key, epoch, *others)

    def moves(*arguments):
        state = jax.block_until_ready(advance(*arguments))
        print(f"after {time.process_time():.1f} s of CPU time\nmoved", flush=True)
        return state

    batches.shuffled, batches.advance = starts, moves
    minibatch.CHECKPOINT_SECONDS = 0.0  # after each epoch, however short
    run = minibatch.train(
        model,
        variables,
        training,
        validation,
        schedule=schedules.oscillating(10, 5, 10),
        learning_rate=0.02,
        epochs=options.epochs,
        checkpoint=folder / "checkpoint.npz",
    )
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(run.variables)]
    np.savez(folder / f"{name}.npz", *leaves, **{str(key): values for key, values in run.trajectory.items()})


def started(options, folder: Path, name: str) -> subprocess.Popen:
    command = [sys.executable, __file__, "--inside", str(folder), name]
    for option in ("channels", "images", "epochs"):
        command += [f"--{option}", str(getattr(options, option))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def until(process: subprocess.Popen, wanted: str) -> list[str]:
    """The lines up to the wanted one."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == wanted:
            return lines
    raise SystemExit(f"the run ended before it said {wanted!r}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--channels", type=int, default=8)
    arguments.add_argument("--images", type=int, default=5120)
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--kill-in", type=int, default=4, help="the epoch, from 0, after whose first step it is")
    arguments.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.inside:
        train(options, Path(options.inside[0]), options.inside[1])
        return
    if not 0 < options.kill_in < options.epochs:
        arguments.error(f"--kill-in must be from 1 to {options.epochs - 1}, got {options.kill_in}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = started(options, folder, "whole")
        print(until(whole, "epoch 0")[0])
        for _ in whole.stdout or ():
            pass
        if whole.wait():
            raise SystemExit("the run to the end failed")

        killed = started(options, folder, "killed")
        until(killed, f"epoch {options.kill_in}")
        until(killed, "moved")
        killed.kill()
        killed.wait()

        began = time.perf_counter()
        resumed = started(options, folder, "resumed")
        first = until(resumed, "moved")
        seconds = time.perf_counter() - began
        for _ in resumed.stdout or ():
            pass
        if resumed.wait():
            raise SystemExit("the resumed run failed")
        again = next(int(line.split()[1]) for line in first if line.startswith("epoch"))
        with np.load(folder / "whole.npz") as one, np.load(folder / "resumed.npz") as other:
            equal = one.files == other.files and all(np.array_equal(one[key], other[key]) for key in one.files)

    print(f"killed in epoch {options.kill_in}, went on with epoch {again}")
    print(f"epochs lost: {options.kill_in - again} complete, and the one that was running (asked: at most one)")
    print(f"from the start of the process until training went on: {seconds:.1f} s (asked: below 15 s), {first[-2]}")
    print(f"final weights and trajectory equal to those of the uninterrupted run, bit by bit: {equal}")


if __name__ == "__main__":
    main()
