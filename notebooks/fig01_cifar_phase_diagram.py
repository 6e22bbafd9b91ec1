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
# # Figure 1: oscillations and CIFAR-10 images
#
# A convolutional network that fits all its training images may still generalise poorly.
# The paper trains Myrtle5 on CIFAR-10 with the oscillating loss, at every period $T$
# and amplitude $A$ of a grid.

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
periods: list[float] = [2, 4, 8, 16, 32]  # T of the whole diagram; 1 is the static loss
amplitudes: list[float] = [1, 5, 10, 20, 40]  # its A
first_seeds: int = 2  # networks at each point, in the first stages
seeds: int = 6  # the same in the later ones; the paper's: 30
stages: int = 1  # of the plan below, to compute here
minutes: "Optional[float]" = 1.0  # stop computing after so many, show what there is
fresh: bool = False  # compute the first stage anew although archived

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
from dynloss_book.fig01_cifar_phase_diagram import claims
from dynloss_book.tasks import cifar10
from dynloss_book.tasks.plane import axis, elsewhere, grown_from, staged

parameters.validate("fig01_cifar_phase_diagram")
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
# ## The plan
#
# The paper's diagram takes days on a GPU. This page approaches it in stages on one
# store, and shows what is computed so far: first the static loss and the point of the
# paper's largest gain, then the corners of the region that the paper names and the axes
# through the point, then the region, then the whole grid; the last two again with more
# seeds. At $A = 1$ the period has no meaning, so these networks are trained once and
# shown at all periods.
#
#     dynloss run fig01 --profile reduced -p stages 5       # hours on two processor cores
#     dynloss run fig01 --profile paper -p minutes 60       # the paper's scale, on a GPU

# %%
axes = {
    "period": axis("periods", periods, period),
    "amplitude": axis("amplitudes", amplitudes, amplitude, 1),
}
point = {"period": float(period), "amplitude": amplitude}
claimed = paper.Region(  # in the proportions that the paper's has to its best point
    longest=2.5 * period, weakest=0.5 * amplitude, strongest=1.4 * amplitude
)
corners, region = claimed.corners_of(axes), claimed.part_of(axes)
plan = grown_from(point, corners, region, axes, first_seeds, seeds)
plane, progress = staged(sweep, plan, stages, minutes=minutes, fresh=fresh, needed=3)
progress

# %%
final = plane.isel(epoch=-1)
accuracies = {
    name: sweeps.summary(final[name]) for name in ("accuracy", "validation_accuracy")
}
label = f"{channels} channels, {training_images} images"
papers = elsewhere(
    sweep, cifar10.ARCHIVED, paper.FIGURE_1_POINT, paper.FIGURE_1_SEEDS
)

# %% tags=["lead", "answer"]
findings = claims.judge(plane, point, claimed, settings, papers)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Seed by seed: the validation accuracy after training with the static loss and at the point of the paper's largest gain, from the same initial weights. Dots and lines are networks, hollow where the other of a seed diverged or is not computed; squares, from three seeds on, their mean with its 95 % confidence interval. On the right, where available, networks at the paper's own scale.", "name": "fig-cifar-phase-diagram-pairs"}, "image": {"alt": "For each scale a panel with two columns of dots, the validation accuracies without and with oscillations, a line from dot to dot for each seed; means with error bars beside them."}}
from dynloss_book.plots import phase_diagram as figure

pairs = {label: final.validation_accuracy.sel(period=period, amplitude=[1, amplitude])}
if papers is not None:
    pairs["the paper's scale"] = papers.validation_accuracy.isel(epoch=-1)
figure.plot_pairs(pairs);

# %% tags=["lead"]
archive.provenance(*[plane] + [papers] * (papers is not None))

# %% tags=["lead"] mystnb={"figure": {"caption": "Accuracy after training over period and amplitude, compare [Figure 1 of the paper](https://proceedings.mlr.press/v139/ruiz-garcia21a.html): the mean over seeds, (a) on the training and (b) on the validation images, each with its own colours. The bottom row is the static loss, $A = 1$; the dashed frame encloses the region in which the paper finds the improvement; at a reduced scale, in proportion to the paper's best point. Blank cells are not computed yet.", "name": "fig-cifar-phase-diagram"}, "image": {"alt": "Two maps over period and amplitude of coloured cells with the mean accuracy written in each: training on the left, validation on the right, with a dashed frame at short periods and moderate amplitudes."}}
figure.plot_cells({name: each.mean for name, each in accuracies.items()}, claimed);

# %% [markdown] tags=["lead"]
# **What to look at.** *Seed by seed*: the lines rise, so each network gains at the
# paper's best point. At the paper's scale static training breaks down in these networks
# at the largest learning rate, which may be a part of the gain ([Figure
# S3](figS3_stopping_oscillations.ipynb)); [at half that
# rate](cifar_learning_rate.ipynb) the gain is much smaller. See also the [tuned
# baselines](cifar_tuned_baseline.ipynb) and the [scaling](cifar_scaling.ipynb). *The
# map*: the bottom row, $A = 1$, is the static loss, with a training accuracy near 1 and
# a validation accuracy far below. Inside the dashed frame, the paper's region, it rises
# at long periods and falls at short ones.

# %% tags=["lead"]
findings

# %% [markdown] tags=["lead"]
# Intervals are 95 % over seeds; gains compare the same seeds. A *sign* counts as
# reproduced where the whole interval has it, and as inconclusive where the interval
# contains zero. A *number* is tested at the paper's scale only. The scale `reduced`
# keeps the paper's learning rates, $T$ and $A$ in steps, and the noise of its gradients
# (learning rate over batch size, within a factor of 2), and reduces images, pixels,
# channels and steps; so it tests the signs of the effects. The scale `quick` keeps none
# of these: with its batches of 32 the noise is 16 times the paper's, and with $T = 4$
# steps the weights do not change slowly. It decides nothing.

# %% [markdown]
# ## What the oscillations gain
#
# The validation accuracy minus that of the same initial networks with the static loss.
# Blue is better, red worse. In hatched cells the 95 % confidence interval of the
# difference contains zero; grey cells have a single seed and no interval.

# %%
static = final.validation_accuracy.sel(amplitude=1)
gains = sweeps.simultaneous(sweeps.paired(final.validation_accuracy, static))

# %% mystnb={"figure": {"caption": "What oscillations gain in validation accuracy over the static loss, the same seeds compared. The colour scale ends at the largest gain; hatched cells do not differ from zero with 95 % confidence for all cells together; grey ones have one seed.", "name": "fig-cifar-phase-diagram-gain"}, "image": {"alt": "A map over period and amplitude of the gain in validation accuracy, blue where the oscillating loss is better and red where it is worse, with a dashed frame at short periods and moderate amplitudes."}}
figure.plot_gain({label: gains.mean}, {label: gains.margin}, {label: claimed});

# %% mystnb={"figure": {"caption": "Uncertainty: the standard error of the mean validation accuracy, blank below two seeds; beside it the number of seeds of each mean, where it is not the same everywhere.", "name": "fig-cifar-phase-diagram-certainty"}, "image": {"alt": "Maps over period and amplitude: the standard error of the mean validation accuracy, and the number of seeds at each point."}}
validation = accuracies["validation_accuracy"]
figure.plot_certainty({label: validation.error}, {label: validation.number});

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(plane)
