"""What `kill -9` costs a training run of Myrtle5 that writes a checkpoint after each epoch.

Three runs, each in a process of its own: one to the end; one killed in the middle of an epoch; and that one again,
which goes on from the checkpoint. Asked: at most one epoch lost, training again within 15 s of the start of the
process (imports, data and compilation included), and the same numbers as those of the run to the end.

    python benchmarks/minibatch_resume.py [--channels 8] [--images 5120] [--epochs 6] [--kill-in 4]

``--kill-in`` is the epoch, from 0, after whose first step the second is killed.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import setting

LEAST = {"channels": 1, "images": 512, "epochs": 2, "kill_in": 1}


def train(options, result: Path):
    """In a process of its own: the run, which says when each epoch starts, and when its first step is done."""
    import jax
    import jax.numpy as jnp

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
        checkpoint=result.with_name("checkpoint.npz"),
    )
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(run.variables)]
    np.savez(result, *leaves, **{str(key): values for key, values in run.trajectory.items()})


def started(options, folder: Path, name: str) -> subprocess.Popen:
    command = [sys.executable, __file__, "--inside", str(folder / f"{name}.npz")]
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
    options = setting.arguments(__doc__, LEAST, channels=8, images=5120, epochs=6, kill_in=4, inside="")
    if options.inside:
        train(options, Path(options.inside))
        return
    if not 0 < options.kill_in < options.epochs:
        sys.exit(f"--kill-in must be from 1 to {options.epochs - 1}, got {options.kill_in}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started(options, folder, "whole") as whole:
            print(until(whole, "epoch 0")[0])
            whole.communicate()

        with started(options, folder, "killed") as killed:
            until(killed, f"epoch {options.kill_in}")
            until(killed, "moved")
            killed.kill()

        began = time.perf_counter()
        with started(options, folder, "resumed") as resumed:
            first = until(resumed, "moved")
            seconds = time.perf_counter() - began
            resumed.communicate()
        if whole.returncode or resumed.returncode:
            raise SystemExit("a run failed")
        again = next(int(line.split()[1]) for line in first if line.startswith("epoch"))
        with np.load(folder / "whole.npz") as one, np.load(folder / "resumed.npz") as other:
            equal = one.files == other.files and all(np.array_equal(one[key], other[key]) for key in one.files)

    print(f"killed in epoch {options.kill_in}, went on with epoch {again}")
    print(f"epochs lost: {options.kill_in - again} complete, and the one that was running (asked: at most one)")
    print(f"from the start of the process until training went on: {seconds:.1f} s (asked: below 15 s), {first[-2]}")
    print(f"final weights and trajectory equal to those of the uninterrupted run, bit by bit: {equal}")


if __name__ == "__main__":
    main()
