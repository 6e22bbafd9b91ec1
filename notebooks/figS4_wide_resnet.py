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
# # Figure S4: a wide residual network
#
# Does every network gain? The paper's supplement trains a standard *wide residual
# network* on CIFAR-10 with batch normalisation, randomly mirrored and shifted images,
# and a cosine schedule of the learning rate.

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
depth: int = 10  # of the network; the paper's: 28
widening: int = 1  # k, times 16 channels in the first group; the paper's: 10
training_images: int = 2000  # as many of each class; the paper's: 50 000
test_images: int = 2000  # the paper's: 10 000
epochs: int = 8  # the paper's: 200
batch_size: int = 32  # images a step; the paper's: 1024
learning_rate: float = 0.1  # at the start of the cosine, which ends at 0; the paper's
precision: str = "float32"  # of the convolutions, or "bfloat16"
period: int = 10  # T of the curve along A, in steps; the paper's: 200
periods: list[float] = [2, 10, 50]  # T of the plane, and
amplitudes: list[float] = [1, 2, 5, 10, 20]  # A of both
first_seeds: int = 2  # networks at each point in the first stages
seeds: int = 10  # the same along A in the end; the paper's: 50
plane_seeds: int = 5  # the same over the plane in the end
stages: int = 1  # of the plan below, to compute here
minutes: "Optional[float]" = 1.5  # stop computing after so many, show what there is
fresh: bool = False  # compute the first stage anew although archived

# %% [markdown]
# ## One network
#
# One point, for one seed: a wide residual network trained in batches on eq. (1) with
# the weights $\Gamma_i(t)$ of eqs. (2)-(5), by momentum of 0.9. $T$ counts steps of one
# batch each. The images are normalised for each colour; smaller ones are averages over
# squares of pixels. The text does not mention a stop, so the oscillations continue to
# the end, where the learning rate is zero. A run that diverges is recorded as NaN and
# left out of means.

# %%
import functools

import jax.numpy as jnp
import optax

from dynloss import schedules
from dynloss.checks import check_choice
from dynloss.training import minibatch
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.figS4_wide_resnet import claims
from dynloss_book.figS4_wide_resnet.model import WideResNet
from dynloss_book.tasks import cifar10
from dynloss_book.tasks.plane import axis, staged

parameters.validate("figS4_wide_resnet")
cifar10.check(images, image_size)
check_choice("precision", precision, ("float32", "bfloat16"))


# %% tags=["physics"]
def wide_resnet_run(
    period, amplitude, seed, *, images, image_size, depth, widening, training_images,
    test_images, epochs, batch_size, learning_rate, precision, checkpoint=None,
):  # fmt: skip
    """Train one network; its accuracies and its static loss at the end."""
    data = cifar10.sets(images, image_size, training_images, test_images)
    steps = epochs * minibatch.steps_per_epoch(training_images, batch_size)
    model = WideResNet(depth=depth, widening=widening, dtype=jnp.dtype(precision))
    return cifar10.at_the_end(cifar10.train(
        model, data, schedules.oscillating(period, amplitude, num_classes=10),
        optax.cosine_decay_schedule(learning_rate, steps), seed=seed, epochs=epochs,
        batch_size=batch_size, evaluate_every=epochs, direction=minibatch.MOMENTUM,
        augment=cifar10.flips_and_crops(image_size), checkpoint=checkpoint,
        checkpoint_every=max(1, epochs // 20)))


# %%
settings = archive.parameters_of(wide_resnet_run, globals())
sweep = functools.partial(
    sweeps.run, "figS4_wide_resnet", wide_resnet_run, constants=settings,
    variables=cifar10.ENDS, vectorize=False,
)

# %% [markdown]
# ## The plan
#
# An interrupted stage continues in the next run, and every stage includes the earlier
# ones: first the curve along $A$, then the plane, and both again with more seeds. At $A
# = 1$ the period has no meaning, so these networks are trained once, with the curve,
# and shown at all periods.

# %%
axes = {
    "period": axis("periods", periods, period),
    "amplitude": axis("amplitudes", amplitudes, 1),
}
parts = {
    "along A": axes | {"period": [float(period)]},
    "the plane": axes | {"amplitude": axes["amplitude"][1:]},
}
counts = {"along A": (first_seeds, seeds), "the plane": (first_seeds, plane_seeds)}
plan = [
    sweeps.Stage(name, parts[name], range(max(first_seeds, counts[name][scale])))
    for scale in (0, 1)
    for name in parts
]
plane, progress = staged(sweep, plan, stages, minutes=minutes, fresh=fresh)
progress

# %% tags=["lead", "answer"]
findings = claims.judge(plane, period, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Test accuracy of a wide residual network, compare [Figure S4 of the paper's supplement](https://proceedings.mlr.press/v139/ruiz-garcia21a.html): (a) along the amplitude at one period, the mean over seeds in a band of one standard deviation; dashed: the static loss. (b) The mean over period and amplitude, with the period of (a) outlined; the bottom row is the static loss at every period. Blank cells are not computed yet.", "name": "fig-wide-resnet"}, "image": {"alt": "Left, a curve of test accuracy against amplitude with a shaded band and a dashed line at the accuracy of the static loss. Right, a map in coloured cells over period and amplitude, with the static loss in its bottom row and one column outlined."}}
from dynloss_book.figS4_wide_resnet import figure

curve = plane.test_accuracy.sel(period=period)
along = {"mean": curve.mean("seed"), "deviation": curve.std("seed", ddof=1)}
figure.plot(along, plane.test_accuracy.mean("seed"), period);

# %% tags=["lead"]
archive.provenance(plane)

# %% [markdown] tags=["lead"]
# **What to look at.** *Along the amplitude* no point lies above the static loss, $A =
# 1$, by more than the spread over seeds, and strong oscillations lower the accuracy.
# *Over period and amplitude* blank cells are not computed: where there are any, the map
# cannot show yet whether there is a region of improvement as in Figures 1 and 3.

# %% tags=["lead"]
findings

# %% [markdown] tags=["lead"]
# The claim is the absence of an improvement: it holds where no gain is significantly
# above zero, at 5 % for all points together (Bonferroni). With few seeds the intervals
# are wide and could contain a small gain, so the table gives the gain that is excluded.
# The paper's figure takes 36.5 million parameters, 200 passes over 50,000 images and 50
# seeds a point. At a reduced scale this page is a *miniature*: a smaller network of the
# same family, fewer passes, and $T$ scaled so that a run has about as many periods as
# the paper's; the line under the answer gives its size and that of its images. It tests
# the sign of the effect rather than the accuracy.

# %% [markdown]
# ## The gain and its interval
#
# The same seeds at $A$ and at $A = 1$ start from the same weights and see the same
# batches, so their difference has a smaller error than either accuracy.

# %%
gains = sweeps.summary((curve - curve.sel(amplitude=1)).drop_sel(amplitude=1))

# %% mystnb={"figure": {"caption": "What oscillations gain in test accuracy over the static loss along the amplitude: the mean difference between the same seeds, with its 95 % confidence interval (Student's t). With one seed there is no bar.", "name": "fig-wide-resnet-gain"}, "image": {"alt": "Points with error bars of the gain in test accuracy against the amplitude; a dashed line marks zero."}}
figure.plot_gain(gains.mean, gains.margin, period);

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(plane)
