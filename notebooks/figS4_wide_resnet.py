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
# # Figure S4: where oscillations do not help
#
# Not every network gains. The paper's supplement trains a standard *wide residual network* on CIFAR-10, with all
# that makes such networks good: batch normalisation, images mirrored and shifted at random, and a learning rate that falls
# as a cosine. There the paper finds **no** statistically significant improvement by oscillations. What to look for:
#
# 1. **Along the amplitude**: is any point above the static loss, $A = 1$, by more than the spread over seeds?
# 2. **Over period and amplitude**: is there any region of improvement, as in Figures 1 and 3?
# 3. **The interval of the gain**, same seeds compared: a gain counts only where the interval does not hold zero.
#
# The paper's figure takes 36.5 million parameters, 200 passes over 50,000 images and 50 seeds a point. At a reduced scale
# this page is a *miniature*: fewer and smaller images, the smallest network of the same family, fewer passes, and $T$
# scaled so that a run has about as many periods as the paper's. It tests the sign of the effect, not the accuracy reached.

# %% tags=["hide-input"]
# Colab: install what is missing. JAX is left as it is: the preinstalled one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

# %% tags=["parameters"]
images: str = "cifar10"  # or "generated": coloured stripes, for a trial without the data
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
periods: str = "2 10 50"  # T of the plane, and
amplitudes: str = "1 2 5 10 20"  # A of both
first_seeds: int = 2  # networks at each point in the first stages
seeds: int = 10  # the same along A in the end; the paper's: 50
plane_seeds: int = 5  # the same over the plane in the end
stages: int = 1  # of the plan below, to compute here
minutes: float | None = 1.5  # stop computing after so many, and show what there is
fresh: bool = False  # compute the first stage anew although archived, and the others if the code has changed

# %% [markdown]
# One point, for one seed: a wide residual network trained in batches on eq. (1) with the weights $\Gamma_i(t)$ of
# eqs. (2)-(5), by momentum of 0.9. $T$ counts steps, each one batch. The images are normalised colour by colour; where they
# are to be smaller, squares of pixels are averaged. The text says nothing of a stop, so the oscillations go on to the
# end, where the learning rate is zero. A run that diverges counts as such (NaN), not as a bad network.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynloss import archive, schedules, sweeps
from dynloss.datasets import Dataset, cifar10
from dynloss.models import myrtle, wide_resnet
from dynloss.training import augmentation, minibatch

if images not in ("cifar10", "generated"):
    raise ValueError(f"images must be 'cifar10' or 'generated', got {images!r}")
if image_size not in (8, 16, 32):
    raise ValueError(f"image_size must be 8, 16 or 32, got {image_size}")
if precision not in ("float32", "bfloat16"):
    raise ValueError(f"precision must be 'float32' or 'bfloat16', got {precision!r}")


@functools.cache
def photographs(images, image_size, training_images, test_images):
    """Training and test set, with as many images of every class; read once, for all runs."""
    if images == "generated":
        sets = cifar10.generated(training_images, test_images)
    else:
        sizes = training_images, test_images
        sets = [cifar10.subset(data, size=size) for data, size in zip(cifar10.load(), sizes, strict=True)]
    smaller = functools.partial(myrtle.average_pool, window=32 // image_size)
    return [Dataset(np.asarray(smaller(d.inputs)), d.labels, 10) for d in cifar10.normalised(*sets)]


@functools.cache
def flips_and_crops(image_size):
    """Mirrored, and shifted by up to an eighth of the image: 4 of 32 pixels."""
    return functools.partial(augmentation.flips_and_crops, padding=image_size // 8)


def wide_resnet_run(
    period, amplitude, seed, *, images, image_size, depth, widening, training_images, test_images, epochs, batch_size,
    learning_rate, precision, checkpoint=None,
):  # fmt: skip
    """Train one network; its accuracies and its static loss at the end."""
    training, test = photographs(images, image_size, training_images, test_images)
    model = wide_resnet.WideResNet(depth=depth, widening=widening, dtype=jnp.dtype(precision))
    run = minibatch.train(
        model,
        model.init(jax.random.key(seed), jnp.asarray(training.inputs[:1])),
        training,
        test,
        schedule=schedules.oscillating(period, amplitude, num_classes=10),
        learning_rate=optax.cosine_decay_schedule(
            learning_rate, epochs * minibatch.steps_per_epoch(training_images, batch_size)
        ),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        optimizer=minibatch.MOMENTUM,
        augment=flips_and_crops(image_size),
        evaluate_every=epochs,
        checkpoint=checkpoint,
        checkpoint_every=max(1, epochs // 20),
    )
    end = run.trajectory.isel(epoch=-1)
    names = {"accuracy": "accuracy", "validation_accuracy": "test_accuracy", "static_loss": "static_loss"}
    finite = np.isfinite(end.static_loss) & np.isfinite(end.validation_static_loss)
    return {new: end[old].where(finite).values.astype("float32") for old, new in names.items()}


constants = {
    "images": images,
    "image_size": image_size,
    "depth": depth,
    "widening": widening,
    "training_images": training_images,
    "test_images": test_images,
    "epochs": epochs,
    "batch_size": batch_size,
    "learning_rate": learning_rate,
    "precision": precision,
}
sweep = functools.partial(
    sweeps.run,
    "figS4_wide_resnet",
    wide_resnet_run,
    constants=constants,
    variables={
        "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
        "test_accuracy": ((), {"long_name": "test accuracy", "units": "1"}),
        "static_loss": ((), {"long_name": "static training loss", "units": "nats"}),
    },
    vectorize=False,
)

# %% [markdown]
# ## The plan
#
# Whatever is interrupted here goes on next time, and every stage holds the earlier ones: first the curve along $A$, then the
# plane, and both once more with more seeds. At $A = 1$ the period means nothing, so these networks are trained once, with
# the curve, and shown at all periods.

# %%
import pandas as pd

from dynloss.figures import wide_resnet as figure
from dynloss.sweeps import grid

axes = {
    "period": sorted({float(period), *map(float, periods.split())}),
    "amplitude": sorted({1.0, *map(float, amplitudes.split())}),
}
parts = {
    "along A": axes | {"period": [float(period)]},
    "the plane": axes | {"amplitude": axes["amplitude"][1:]},
}
sizes = {"along A": (first_seeds, seeds), "the plane": (first_seeds, plane_seeds)}
plan = [sweeps.Stage(name, parts[name], range(sizes[name][scale])) for scale in (0, 1) for name in parts]

# %%
origin = sweeps.run_plan(sweep, plan[:stages], minutes=minutes, fresh=fresh)

# %%
computed = sweep(axes=axes, seeds=range(max(first_seeds, seeds, plane_seeds)), minutes=0)  # all that there is
plane = computed.where(computed.amplitude > 1, computed.sel(period=period, drop=True))  # A = 1 at every period
plane = plane.assign_attrs(origin=origin, scale=grid.scale(plane))
sweeps.progress_of(plan, computed)

# %%
curve = plane.test_accuracy.sel(period=period)
along = {"mean": curve.mean("seed"), "deviation": curve.std("seed", ddof=1)}

# %% mystnb={"figure": {"caption": "Test accuracy of a wide residual network, compare Figure S4 of the paper: (a) along the amplitude at one period, the mean over seeds in a band of one standard deviation; dashed: the static loss. (b) The mean over period and amplitude, with the period of (a) outlined; the bottom row is the static loss at every period. Blank is what is not computed yet.", "name": "fig-wide-resnet"}, "image": {"alt": "Left, a curve of test accuracy against amplitude with a shaded band and a dashed line at the accuracy of the static loss. Right, a map in coloured cells over period and amplitude, with the static loss in its bottom row and one column outlined."}}
figure.plot(along, plane.test_accuracy.mean("seed"), period);

# %%
archive.provenance(plane)

# %% [markdown]
# ## The gain and its interval
#
# The same seeds at $A$ and at $A = 1$ start from the same weights and see the same batches, so their difference is known
# better than either accuracy.

# %%
gain = plane.test_accuracy - plane.test_accuracy.sel(amplitude=1)
gains = sweeps.summary(gain.sel(period=period).drop_sel(amplitude=1))

# %% mystnb={"figure": {"caption": "What oscillations gain in test accuracy over the static loss along the amplitude: the mean difference between the same seeds, with its 95 % confidence interval (Student's t). With one seed there is no bar.", "name": "fig-wide-resnet-gain"}, "image": {"alt": "Points with error bars of the gain in test accuracy against the amplitude; a dashed line marks zero."}}
figure.plot_gain(gains.mean, gains.margin, period);

# %% [markdown]
# ## The claims
#
# The claim is the absence of an improvement: it holds where no gain is significantly above zero. The more points are
# looked at, the more easily one of them seems to gain by luck, so each is held to a stricter level: 5 % shared among all of
# them (Bonferroni). Few seeds mean wide intervals, in which a small gain could hide, so the table says which gain the
# interval of the best point excludes. The accuracy itself is tested at the paper's scale only.


# %%
def verdict(values):
    """Whether any of the gains is significantly above zero, at 5 % for all of them together."""
    tests = int(values.sizes["amplitude"] * values.sizes.get("period", 1))
    found = sweeps.summary(values, confidence=1 - 0.05 / tests)
    if images == "generated":
        return "not tested: generated images"
    if not (found.number > 1).any():
        return "not tested: fewer than two seeds"
    return "not reproduced" if bool((found.mean > found.margin).any()) else "reproduced"


def best_row(claim, values):
    found = sweeps.summary(values)
    mean = found.mean.where(found.number > 1)
    at = {name: int(index) for name, index in mean.fillna(-1).argmax(...).items()}
    best = values.isel(at)
    where = f"T = {float(best.period):g}, A = {float(best.amplitude):g}"
    excluded = float((found.mean + found.margin).isel(at))
    most = f"above {excluded:+.3f}" if np.isfinite(excluded) else "–"
    return claim, "none significant", f"{sweeps.interval(best, signed=True)} at {where}", most, verdict(values)


paper = {
    "images": "cifar10",
    "image_size": 32,
    "depth": 28,
    "widening": 10,
    "training_images": 50_000,
    "test_images": 10_000,
    "epochs": 200,
    "batch_size": 1024,
    "learning_rate": 0.1,
}
static = curve.sel(amplitude=1)
reached = sweeps.summary(static)
close = abs(float(reached.mean) - 0.955) <= np.nan_to_num(float(reached.margin)) + 0.002
at_paper_scale = ("reproduced" if close else "not reproduced") if constants | paper == constants else "not tested at this scale"
oscillating = gain.drop_sel(amplitude=1)
rows = [
    ("static loss: test accuracy", "95.5 %", sweeps.interval(static), "–", at_paper_scale),
    best_row(f"T = {period:g}: largest gain", oscillating.sel(period=[period])),
    best_row("the plane: largest gain", oscillating),
]
pd.DataFrame(rows, columns=["", "the paper", "here", "excluded with 97.5 %", "verdict"]).set_index("")
