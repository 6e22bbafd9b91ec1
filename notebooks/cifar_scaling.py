# ---
# jupyter:
#   accelerator: GPU
#   colab:
#     gpuType: T4
#   jupytext:
#     notebook_metadata_filter: accelerator,colab
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How the gain of Figure 1 depends on size
#
# Does the gain in accuracy grow with the number of steps, images and channels? The
# largest networks here are smaller than the paper's. A few of the paper's size, for
# which it reports a gain of 6 %, are on the pages of [Figure
# 1](fig01_cifar_phase_diagram.ipynb) and [its learning rate](cifar_learning_rate.ipynb).

# %% tags=["remove-cell"]
# Colab: install what is missing. JAX is left as it is: this one knows the GPU.
import importlib.util
import subprocess
import sys

source = "dynloss[figures] @ git+https://github.com/dynloss/dynloss@v0.1.0"
pip = [sys.executable, "-m", "pip", "install", "--quiet"]
tried = [source, source.rpartition("@")[0]]  # this version; without a tag, the newest
if not importlib.util.find_spec("dynloss") and all(
    subprocess.run([*pip, each]).returncode for each in tried
):
    raise ImportError("no dynloss here; offline, use a checkout's .venv (make env)")

# %% tags=["parameters"]
images: str = "cifar10"  # or "generated": stripes, for a trial without the data
image_size: int = 8  # pixels a side, 8, 16 or 32; the paper's: 32
validation_images: int = 2000  # the paper's: 10 000
batch_size: int = 64  # images a step; the paper's: 512
peak_rate: float = 0.02  # learning rate at 3/7 of the epochs; the paper's
period: int = 20  # T; the paper's best: 100
amplitude: float = 50.0  # A; the paper's best: 50
all_steps: list[int] = [150, 300, 600]  # three values each; the middle one stands for
all_images: list[int] = [250, 500, 1000]  # the others; the paper's: 68 600 steps,
all_channels: list[int] = [4, 8, 16]  # 50 000 images and 64 channels
seeds: int = 2  # networks at each point
minutes: "Optional[float]" = 1.0  # stop computing after so many, show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One network, as in Figure 1: the learning rate rises to its peak at three sevenths of the
# epochs and falls to a tenth; the oscillations stop at six sevenths.

# %%
import functools

import pandas as pd

from dynloss import schedules
from dynloss.training import minibatch
from dynloss_book import paper
from dynloss_book.cifar_scaling import claims
from dynloss_book.cifar_scaling import experiment as scaling
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.tasks import cifar10

parameters.validate("cifar_scaling")
cifar10.check(images, image_size)
if period < 1 or amplitude <= 1:
    raise ValueError(f"period must be >= 1 and amplitude > 1: {period}, {amplitude}")

# %% tags=["physics"]
def myrtle_run(
    period, amplitude, seed, *, images, image_size, channels, training_images,
    validation_images, epochs, stop_epoch, batch_size, peak_rate, evaluate_every,
    checkpoint=None,
):  # fmt: skip
    """Train one network; its accuracies and static losses at the evaluated epochs."""
    data = cifar10.sets(images, image_size, training_images, validation_images)
    steps = minibatch.steps_per_epoch(training_images, batch_size)
    weights = schedules.oscillating(period, amplitude, 10, stop=stop_epoch * steps)
    corners = (0, 3 / 7 * epochs, epochs), (0, peak_rate, peak_rate / 10)
    return cifar10.train(
        cifar10.myrtle5(image_size, channels), data, weights,
        minibatch.piecewise_linear(*corners, steps), seed=seed, epochs=epochs,
        batch_size=batch_size, evaluate_every=evaluate_every, checkpoint=checkpoint)


# %% [markdown]
# Three scaling series share their middle size: in each, one quantity grows and the
# other two are fixed. The number of epochs keeps the number of steps constant. At each
# size, two points of Figure 1 are computed: the static loss and the point of the
# paper's largest gain. The cheapest comes first.

# %%
base = {
    "images": images, "image_size": image_size, "batch_size": batch_size,
    "validation_images": validation_images, "peak_rate": peak_rate,
}
ladders = scaling.ladders(base, all_steps, all_images, all_channels)


def sweep(rung):
    return functools.partial(
        sweeps.run, "fig01_cifar_phase_diagram", myrtle_run, constants=rung.settings,
        axes={"period": [float(period)], "amplitude": [1.0, amplitude]},
        seeds=range(seeds), variables=cifar10.CURVES, vectorize=False, fresh=fresh,
    )  # fmt: skip


rungs = {rung[:3]: rung for ladder in ladders.values() for rung in ladder}
cheapest = sorted(rungs, key=lambda scale: scale[0] * scale[2] ** 2)
jobs = {scale: sweep(rungs[scale]) for scale in cheapest}
# With less than two rungs of each ladder, the book shows a smaller profile.
lowest = {rung[:3] for ladder in ladders.values() for rung in ladder[:2]}
needed = lowest if archive.read_only() else ()
done = sweeps.in_turn(jobs, minutes=minutes, needed=needed)

# %%
ends = {scale: result.isel(period=0, epoch=-1) for scale, result in done.items()}
gain = {
    scale: end.validation_accuracy.diff("amplitude")[0] for scale, end in ends.items()
}
ladders = {
    name: [rung for rung in ladder if rung[:3] in done]
    for name, ladder in ladders.items()
}
gains = {name: [gain[rung[:3]] for rung in ladder] for name, ladder in ladders.items()}
extrapolated = scaling.extrapolated(
    [rungs[scale] for scale in gain], list(gain.values()), paper.FIGURE_1_SCALE
)

# %% tags=["lead", "answer"]
findings = claims.judge(ladders, gains, extrapolated, images)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "What oscillations gain in validation accuracy at the point of the paper's largest gain, in three scaling series: (a) more steps, (b) more images, (c) more channels, the other two quantities at their middle values. Means over seeds with 95 % confidence intervals. Dotted: the paper's value; square: the extrapolation to the paper's scale, linear in the logarithms of all three quantities.", "name": "fig-cifar-scaling"}, "image": {"alt": "Three panels of the gain in validation accuracy against the number of steps, training images and channels, each with up to three points and error bars, a dashed line at zero, and a square with a long error bar at the paper's value."}}
from dynloss_book.cifar_scaling import figure

figure.plot(ladders, gains, paper.FIGURE_1_SCALE, extrapolated.gain);

# %% tags=["lead"]
archive.provenance(*done.values())

# %% [markdown] tags=["lead"]
# **What to look at.** *The slopes* are the trends with each quantity; their error bars
# show which of them are significant. *The square* is the extrapolation to the paper's
# scale, at the image size used here, and its error bar covers no gain as well as the
# paper's. It assumes that the effects of the three logarithms add up, which three sizes
# cannot test. Its interval is over the seeds, each with a fit of its own.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Each size
#
# Validation accuracies at the end, with 95 % confidence intervals over seeds; the gain
# compares the same seeds.

# %%
runs = {name: [ends[rung[:3]] for rung in ladder] for name, ladder in ladders.items()}
pd.DataFrame(claims.table(ladders, runs)).set_index("series")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(*done.values())
