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
# # Figure S3: stopping the oscillations
#
# Each point of Figure 1 is the end of a training run. This page shows whole runs, at
# the paper's best point and with the static loss, from several initial weights each.

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
image_size: int = 16  # pixels a side, 8, 16 or 32; the paper's: 32, all of CIFAR-10's
channels: int = 16  # of each convolution; the paper's: 64
training_images: int = 1000  # as many of each class; the paper's: 50 000
validation_images: int = 4000  # the paper's: 10 000
epochs: int = 140  # the paper's: 700
stop_epoch: int = 120  # the oscillations stop here; the paper's: 600
batch_size: int = 32  # images a step; the paper's: 512
peak_rate: float = 0.02  # learning rate at 3/7 of the epochs; the paper's
evaluate_every: int = 5  # epochs between two evaluations
period: int = 4  # T of the point that gains most; the paper's: 100
amplitude: float = 10.0  # its A; the paper's: 50
first_seeds: int = 2  # networks at each point, in the first stages
seeds: int = 6  # the same in the later ones; the paper's: 30
minutes: "Optional[float]" = 1.0  # stop computing after so many, show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## One network
#
# One point of the diagram, for one seed: Myrtle5 trained in batches on eq. (1) with the
# weights $\Gamma_i(t)$ of eqs. (2)-(5), by Nesterov's momentum of 0.9. The learning
# rate rises from 0 in a straight line, and falls to a tenth; the oscillations stop
# before the end. $T$ counts steps of one batch each. The images are normalised for each
# colour; smaller ones are averages over squares of pixels. A run that diverges is
# recorded as NaN and left out of means.

# %%
import functools

from dynloss import schedules
from dynloss.training import minibatch
from dynloss_book import paper
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.figS3_stopping_oscillations import claims
from dynloss_book.tasks import cifar10
from dynloss_book.tasks.plane import elsewhere

parameters.validate("figS3_stopping_oscillations")
cifar10.check(images, image_size)
if not 0 <= stop_epoch <= epochs:
    raise ValueError(f"stop_epoch must be from 0 to epochs, {epochs}, got {stop_epoch}")
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


# %%
settings = archive.parameters_of(myrtle_run, globals())
sweep = functools.partial(
    sweeps.run, "fig01_cifar_phase_diagram", myrtle_run, constants=settings,
    variables=cifar10.CURVES, vectorize=False,
)

# %% [markdown]
# Two points of Figure 1, read from its store where available. At $A = 1$ the period has
# no meaning.

# %%
axes = {"period": [float(period)], "amplitude": [1.0, amplitude]}
plan = [sweeps.Stage("with and without oscillations", axes, range(first_seeds))]
least = [plan[0]._replace(seeds=range(min(6, seeds)))]  # the book shows no fewer
origin = sweeps.run_plan(sweep, plan, minutes=minutes, fresh=fresh, needed=least)
both = sweep(axes=axes, seeds=range(max(first_seeds, seeds)), minutes=0)  # all there is
both = both.isel(period=0).assign_attrs(origin=origin)
both["epoch"] = cifar10.evaluated_epochs(epochs, evaluate_every)
papers = elsewhere(
    sweep, cifar10.ARCHIVED, paper.FIGURE_1_POINT, paper.FIGURE_1_SEEDS
)
if papers is not None:  # what there is of the paper's own scale decides
    evaluated = (cifar10.ARCHIVED[name] for name in ("epochs", "evaluate_every"))
    papers["epoch"] = cifar10.evaluated_epochs(*evaluated)

# %% tags=["lead", "answer"]
findings = claims.judge(both, amplitude, stop_epoch, settings, papers)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Accuracy during training, compare [Figure S3 of the paper's supplement](https://proceedings.mlr.press/v139/ruiz-garcia21a.html): (a) on the validation and (b) on the training images, without oscillations and at the point where Figure 1 of the paper gains most. Thin lines are single networks, thick ones their mean. The oscillations stop at the vertical line. The dotted line is the best validation accuracy that any network had with the static loss, at any epoch.", "name": "fig-stopping-oscillations"}, "image": {"alt": "Two panels of accuracy against the epoch. Without oscillations the lines rise fast and flatten; with oscillations they rise slowly and unsteadily, and more smoothly after the vertical line at which the oscillations stop, where their validation accuracy comes near the dotted line."}}
from dynloss_book.figS3_stopping_oscillations import figure

runs = {
    "$A = 1$": both.sel(amplitude=1),
    f"$A = {amplitude:g}$, $T = {period:g}$": both.sel(amplitude=amplitude),
}
figure.plot(runs, stop_epoch, claims.dotted_line(both));

# %% tags=["lead"]
archive.provenance(*[both] + [papers] * (papers is not None))

# %% [markdown] tags=["lead"]
# **What to look at.** *The static loss* learns fast: its validation accuracy rises
# early and then stays or falls a little, while the training accuracy approaches 1. *The
# oscillating loss* learns more slowly and unsteadily, and its training accuracy remains
# lower. *The stop*: once the oscillations end, the curves become smooth, but the
# validation accuracy rises hardly or not at all. In these small networks the end
# remains below the dotted line, the best that the static loss reached in any run at any
# epoch; at the paper's scale, below, it lies above it in most runs.

# %% tags=["lead"]
findings

# %% [markdown] tags=["lead"]
# Differences in validation accuracy with their 95 % confidence intervals over seeds;
# two losses are compared with the same seeds. Where networks of the paper's own scale
# are available, they decide, and the smaller ones are given as well. *The dotted line*:
# the paper's sentence compares each end with oscillations to every value of every
# static network. That is a hard test, since the line is the best of many epochs and
# seeds and rises with their number; static networks with the same seeds are the fairer
# comparison. *Before the stop* the accuracy depends on the phase of the oscillations,
# so that the value used is the mean over the last tenth of the epochs. *Over-fitting*
# is measured in two ways: at fixed times, and where the mean over seeds is highest,
# which favours chance; where they disagree, the verdict is mixed. At the paper's scale
# the static loss breaks down at the largest learning rate in these networks, which is
# not over-fitting in the usual sense.

# %% [markdown]
# ## At the paper's own scale
#
# The networks of the paper's experiment itself that are computed so far: all 50 000
# images, 64 channels, 700 epochs. Near epoch 300, where the learning rate is largest,
# training with the static loss may break down; it recovers slowly and not always
# completely. In these networks training with oscillations does not break down, which is
# a part of its gain at the end; so few do not tell whether it never does. [At half this
# learning rate](cifar_learning_rate.ipynb) the gain is much smaller. On that page, in
# another precision, a network with oscillations breaks down at this rate.

# %% tags=["from-archive"] mystnb={"figure": {"caption": "The same at the paper's scale, for the networks that are computed so far. Where one has diverged, the thick line is the mean of the others from there on.", "name": "fig-stopping-oscillations-paper"}, "image": {"alt": "Two panels of accuracy against the epoch at the paper's scale. Lines without oscillations rise fast and may collapse near epoch 300; lines with oscillations rise more slowly and end higher."}}
if papers is not None:
    runs = {f"$A = {a:g}$": papers.sel(amplitude=a) for a in papers.amplitude.values}
    figure.plot(runs, paper.FIGURE_1["stop_epoch"], claims.dotted_line(papers));

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(both)
