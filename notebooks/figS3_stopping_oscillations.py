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
# Each point of Figure 1 is the end of such a training. Here are the whole ones, at the paper's best point and with the
# static loss, for several initial weights each. What to look for:
#
# 1. **The static loss** learns fast: its validation accuracy rises early, and then stays, or falls a little, while the
#    training accuracy goes on to 1.
# 2. **The oscillating loss** learns more slowly, and unsteadily. Its training accuracy stays behind.
# 3. **The stop**: once the oscillations end, both accuracies rise and settle. Does the end lie above the dotted line,
#    the best validation accuracy that the static loss had in any run at any epoch?
#
# The networks are those of Figure 1, read from its store where they are in it. Where its scale is reduced, this is a
# miniature too: it tests the signs of the effects, and not the paper's numbers.

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
channels: int = 16  # of each convolution; the paper's: 64
training_images: int = 1000  # as many of each class; the paper's: 50 000
validation_images: int = 4000  # the paper's: 10 000
epochs: int = 140  # the paper's: 700
stop_epoch: int = 120  # the oscillations stop here; the paper's: 600
batch_size: int = 32  # images a step; the paper's: 512
peak_rate: float = 0.02  # the learning rate at 3/7 of the epochs; it ends at a tenth; the paper's
evaluate_every: int = 5  # epochs between two evaluations
period: int = 4  # T of the point that gains most; the paper's: 100
amplitude: float = 10.0  # its A; the paper's: 50
first_seeds: int = 2  # networks at each point, in the first stages
seeds: int = 6  # the same in the later ones; the paper's: 30
minutes: float | None = 1.0  # stop computing after so many, and show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One point of the diagram, for one seed: Myrtle5 trained in batches on eq. (1) with the weights $\Gamma_i(t)$ of
# eqs. (2)-(5), by Nesterov's momentum of 0.9. The learning rate rises from 0 in a straight line, and falls to a tenth;
# the oscillations stop before the end. $T$ counts steps, each one batch. The images are normalised colour by colour;
# where they are to be smaller, squares of pixels are averaged. A run that diverges counts as such (NaN), not as a bad
# network.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np

from dynloss import archive, schedules, sweeps
from dynloss.datasets import Dataset, cifar10
from dynloss.models import myrtle
from dynloss.training import minibatch

if images not in ("cifar10", "generated"):
    raise ValueError(f"images must be 'cifar10' or 'generated', got {images!r}")
if image_size not in (8, 16, 32):
    raise ValueError(f"image_size must be 8, 16 or 32, got {image_size}")
if not 0 <= stop_epoch <= epochs:
    raise ValueError(f"stop_epoch must be from 0 to epochs, {epochs}, got {stop_epoch}")
if period < 1 or amplitude <= 1:
    raise ValueError(f"period must be at least 1 and amplitude above 1, got {period} and {amplitude}")


@functools.cache
def photographs(images, image_size, training_images, validation_images):
    """Training and validation set, with as many images of every class; read once, for all runs."""
    if images == "generated":
        sets = cifar10.generated(training_images, validation_images)
    else:
        sizes = training_images, validation_images
        sets = [cifar10.subset(data, size=size) for data, size in zip(cifar10.load(), sizes, strict=True)]
    smaller = functools.partial(myrtle.average_pool, window=32 // image_size)
    return [Dataset(np.asarray(smaller(d.inputs)), d.labels, 10) for d in cifar10.normalised(*sets)]


def myrtle_run(
    period, amplitude, seed, *, images, image_size, channels, training_images, validation_images, epochs, stop_epoch,
    batch_size, peak_rate, evaluate_every, checkpoint=None,
):  # fmt: skip
    """Train one network; its accuracies and static losses at the evaluated epochs."""
    training, validation = photographs(images, image_size, training_images, validation_images)
    steps = minibatch.steps_per_epoch(training_images, batch_size)
    pools = image_size.bit_length() - 3  # after the last convolution, so that a single pixel is left
    model = myrtle.Myrtle(depth=5, channels=channels, final_pools=pools)
    run = minibatch.train(
        model,
        model.init(jax.random.key(seed), jnp.asarray(training.inputs[:1])),
        training,
        validation,
        schedule=schedules.oscillating(period, amplitude, 10, stop=stop_epoch * steps),
        learning_rate=minibatch.piecewise_linear((0, 3 / 7 * epochs, epochs), (0, peak_rate, peak_rate / 10), steps),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        evaluate_every=evaluate_every,
        checkpoint=checkpoint,
    )
    recorded = run.trajectory
    finite = np.isfinite(recorded.static_loss) & np.isfinite(recorded.validation_static_loss)
    return {name: values.where(finite).values.astype("float32") for name, values in recorded.data_vars.items()}


constants = {
    "images": images,
    "image_size": image_size,
    "channels": channels,
    "training_images": training_images,
    "validation_images": validation_images,
    "epochs": epochs,
    "stop_epoch": stop_epoch,
    "batch_size": batch_size,
    "peak_rate": peak_rate,
    "evaluate_every": evaluate_every,
}
sweep = functools.partial(
    sweeps.run,
    "fig01_cifar_phase_diagram",
    myrtle_run,
    constants=constants,
    variables={
        "accuracy": (("epoch",), {"long_name": "training accuracy", "units": "1"}),
        "validation_accuracy": (("epoch",), {"long_name": "validation accuracy", "units": "1"}),
        "static_loss": (("epoch",), {"long_name": "static training loss", "units": "nats"}),
        "validation_static_loss": (("epoch",), {"long_name": "static validation loss", "units": "nats"}),
    },
    vectorize=False,
)
recorded_epochs = sorted({*range(0, epochs, evaluate_every), epochs})


# %% [markdown]
# Two points of Figure 1, with and without oscillations. At $A = 1$ the period means nothing.

# %%
from dynloss.figures import stopping_oscillations as figure

axes = {"period": [float(period)], "amplitude": [1.0, amplitude]}
origin = sweep(axes=axes, seeds=range(first_seeds), minutes=minutes, fresh=fresh).origin
both = sweep(axes=axes, seeds=range(max(first_seeds, seeds)), minutes=0)  # whatever Figure 1 has of them, too
both = both.assign_coords(epoch=recorded_epochs).isel(period=0).assign_attrs(origin=origin)

# %%
static, oscillating = both.sel(amplitude=1), both.sel(amplitude=amplitude)
dotted = float(static.validation_accuracy.max())
runs = {"$A = 1$": static, f"$A = {amplitude:g}$, $T = {period:g}$": oscillating}

# %% mystnb={"figure": {"caption": "Accuracy during training, compare Figure S3 of the paper: (a) on the validation and (b) on the training images, without oscillations and at the point where Figure 1 of the paper gains most. Thin lines are single networks, thick ones their mean. The oscillations stop at the vertical line. The dotted line is the best validation accuracy that any network had with the static loss, at any epoch.", "name": "fig-stopping-oscillations"}, "image": {"alt": "Two panels of accuracy against the epoch. Without oscillations the lines rise fast and flatten; with oscillations they rise slowly and unsteadily, and more smoothly after the vertical line at which the oscillations stop, where their validation accuracy comes near the dotted line."}}
figure.plot(runs, stop_epoch, dotted);

# %%
archive.provenance(both)

# %% [markdown]
# ## The claims
#
# What the supplement says in words, as differences in validation accuracy with their 95 % confidence intervals over
# seeds; where two losses are compared, the same seeds are. A claim counts as reproduced where the whole interval is
# positive, and as undecided where it holds zero. The dotted line is a hard test: it is the best of many epochs and
# seeds, and rises with their number. The best epoch of the static loss is that of the mean curve; since it was chosen
# for its height, the fall after it looks slightly too large.

# %%
import pandas as pd


def verdict(values):
    found = sweeps.summary(values)
    if found.number == 0:
        return "not computed"
    if not abs(found.mean) > found.margin:
        return "undecided"
    return "reproduced" if found.mean > 0 else "not reproduced"


name = "validation_accuracy"
end, stopped = both.isel(epoch=-1), both.sel(epoch=stop_epoch, method="pad")
before = both[name].where(both.epoch <= stop_epoch).mean("epoch")
best = static[name].isel(epoch=int(static[name].mean("seed").fillna(0).argmax("epoch")))
above = end[name].sel(amplitude=amplitude) - dotted
claims = {
    "static: lead until the stop": before.sel(amplitude=1) - before.sel(amplitude=amplitude),
    "static: fall after its best epoch": best - end[name].sel(amplitude=1),
    "oscillating: gain from the stop to the end": (end[name] - stopped[name]).sel(amplitude=amplitude),
    "… beyond what the static one gains": (end[name] - stopped[name]).diff("amplitude").squeeze(),
    "oscillating: above the static one at the end": end[name].diff("amplitude").squeeze(),
    "oscillating: above the dotted line at the end": above,
}
pd.DataFrame(
    [(claim, sweeps.interval(values, signed=True), verdict(values)) for claim, values in claims.items()],
    columns=["validation accuracy", "here", "verdict"],
).set_index("validation accuracy")
