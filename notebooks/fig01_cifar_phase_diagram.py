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
# # Figure 1: oscillations and photographs
#
# A convolutional network that fits all its training photographs does not thereby know others. The paper trains Myrtle5
# on CIFAR-10 with the oscillating loss, at every period $T$ and amplitude $A$ of a grid, and finds a region in which
# the network generalises better than with the static loss. What to look for:
#
# 1. **The static loss**, the row $A = 1$ at the bottom: training accuracy near 1, validation accuracy far below.
# 2. **The dashed frame**, the region that the paper names: does the *validation* accuracy rise there, although the
#    *training* accuracy does not?
# 3. **Too much is too much**: where the loss dwells on one class too long or too strongly, the others are forgotten.
#
# The paper's diagram takes long on any GPU. This page grows towards it: a plan of stages, each extending the last, of
# which it shows whatever has been computed so far. At a reduced scale it is a *miniature* of the experiment: fewer and
# smaller images, a narrower network, fewer steps, with $T$, $A$ and the frame scaled along. A miniature tests the signs
# of the paper's effects, and not its numbers.
#
# The miniature's scale was found by trial, with the first seed. With larger learning rates or fewer steps the
# oscillating loss gained nothing over the static one; with the paper's learning rate and many steps it seemed to. The
# tables below say what is left of that with more seeds.

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
periods: str = "2 4 8 16 32"  # T of the whole diagram (T = 1 would be the static loss: the weights never leave 1),
amplitudes: str = "1 5 10 20 40"  # and its A
first_seeds: int = 2  # networks at each point, in the first stages
seeds: int = 6  # the same in the later ones; the paper's: 30
stages: int = 1  # of the plan below, to compute here
minutes: float | None = 1.0  # stop computing after so many, and show what there is
fresh: bool = False  # compute the first stage anew although archived, and the others if the code has changed

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
# ## The plan
#
# Whatever is interrupted here goes on next time, and every stage holds the earlier ones: first the static loss and the
# point at which the paper's gain is largest, then the region around it, then the whole diagram; and all this once more
# with more seeds. At $A = 1$ the period means nothing, so these networks are trained once and shown at all periods.
#
#     dynloss run fig01 -p stages 6 -p minutes 60                   # an hour of this miniature, or
#     dynloss run fig01 --profile paper -p minutes 60               # of the paper's scale, on a GPU

# %%
import pandas as pd

from dynloss.figures import phase_diagram as figure
from dynloss.sweeps import grid

axes = {
    "period": sorted({float(period), *map(float, periods.split())}),
    "amplitude": sorted({1.0, amplitude, *map(float, amplitudes.split())}),
}
if min(axes["period"]) < 1 or min(axes["amplitude"]) < 1:
    raise ValueError(f"periods and amplitudes must be at least 1, got {periods!r} and {amplitudes!r}")
if not 0 <= stages <= 6:
    raise ValueError(f"stages must be from 0 to 6, got {stages}")
point = {"period": float(period), "amplitude": amplitude}
claimed = figure.Region(longest=2.5 * period, weakest=0.5 * amplitude, strongest=1.4 * amplitude)  # 250, 25 and 70
inside = {name: [each for each in values if claimed.holds(**(point | {name: each}))] for name, values in axes.items()}
parts = {
    "the static loss and one point": {"period": [point["period"]], "amplitude": [1.0, amplitude]},
    "the region around it": inside,
    "the whole diagram": {"period": axes["period"], "amplitude": axes["amplitude"][1:]},
}
plan = [sweeps.Stage(name, part, range(count)) for count in (first_seeds, seeds) for name, part in parts.items()]

# %%
origin = sweeps.run_plan(sweep, plan[:stages], minutes=minutes, fresh=fresh)

# %%
computed = sweep(axes=axes, seeds=range(max(first_seeds, seeds)), minutes=0)  # all that there is
diagram = computed.where(computed.amplitude > 1, computed.sel(period=period, drop=True))  # A = 1 at every period
diagram = diagram.assign_attrs(origin=origin, scale=grid.scale(diagram))
sweeps.progress_of(plan, computed)

# %%
final = diagram.isel(epoch=-1)
accuracies = {name: sweeps.summary(final[name]) for name in ("accuracy", "validation_accuracy")}
label = f"{channels} channels, {training_images} images"

# %% mystnb={"figure": {"caption": "Accuracy after training over period and amplitude, compare Figure 1 of the paper: the mean over seeds, (a) on the training and (b) on the validation images, each with its own colours. The bottom row is the static loss, $A = 1$; the dashed frame is the region in which the paper finds the improvement; at a reduced scale, with the proportions that it has to the paper's best point. Blank is what is not computed yet.", "name": "fig-cifar-phase-diagram"}, "image": {"alt": "Two maps over period and amplitude, both logarithmic, of coloured cells with the mean accuracy written in each: training on the left, validation on the right, with a dashed frame at short periods and moderate amplitudes."}}
figure.plot_cells({name: each.mean for name, each in accuracies.items()}, claimed);

# %%
archive.provenance(diagram)

# %% [markdown]
# ## What the oscillations gain
#
# The validation accuracy minus that of the same initial networks with the static loss. Blue is better, red worse;
# hatched is where the 95 % confidence interval of the difference holds zero. With one seed there is no interval, and no
# hatching.

# %%
gain = final.validation_accuracy - final.validation_accuracy.sel(amplitude=1)
gains = sweeps.summary(gain)

# %% mystnb={"figure": {"caption": "What oscillations gain in validation accuracy over the static loss, the same seeds compared. The colours are cut at the largest gain; hatched cells do not differ from zero with 95 % confidence.", "name": "fig-cifar-phase-diagram-gain"}, "image": {"alt": "A map over period and amplitude of the gain in validation accuracy, blue where the oscillating loss is better and red where it is worse, with a dashed frame at short periods and moderate amplitudes."}}
figure.plot_gain({label: gains.mean}, {label: gains.margin}, {label: claimed});

# %% mystnb={"figure": {"caption": "How sure this is: (a) the standard error of the mean validation accuracy, blank below two seeds; (b) the number of seeds behind each mean.", "name": "fig-cifar-phase-diagram-certainty"}, "image": {"alt": "Two maps over period and amplitude: the standard error of the mean validation accuracy, and the number of seeds at each point."}}
validation = accuracies["validation_accuracy"]
figure.plot_certainty({label: validation.error}, {label: validation.number});

# %% [markdown]
# ## The claims
#
# The paper says, in words: with the static loss the network fits the training images, and its validation accuracy is
# modest; in the region validation accuracy rises. Intervals are of 95 % over seeds; gains compare the same seeds. A
# claim about a *sign* counts as reproduced where the whole interval has that sign, and as undecided where it holds
# zero. A claim about a *number* is tested at the paper's scale only.

# %%
paper = {
    "images": "cifar10",
    "image_size": 32,
    "channels": 64,
    "training_images": 50_000,
    "validation_images": 10_000,
    "epochs": 700,
    "stop_epoch": 600,
    "batch_size": 512,
    "peak_rate": 0.02,
}
at_paper_scale = constants | paper == constants and point == {"period": 100, "amplitude": 50}


def number(values, expected, tolerance=0.01):
    found = sweeps.summary(values)
    if found.number == 0:
        return "not computed"
    if not at_paper_scale:
        return "not tested at this scale"
    return "reproduced" if abs(found.mean - expected) <= found.margin.fillna(0) + tolerance else "not reproduced"


def positive(values):
    found = sweeps.summary(values)
    if found.number == 0:
        return "not computed"
    if not abs(found.mean) > found.margin:
        return "undecided"
    return "reproduced" if found.mean > 0 else "not reproduced"


best = final.validation_accuracy.sel(point)
static = final.sel(amplitude=1, period=period)
framed = gain.sel(inside).mean(["period", "amplitude"], skipna=False)  # of seeds that have all its points
at = f"T = {period:g}, A = {amplitude:g}"
claims = [
    ("static loss: training accuracy", "≈ 1", static.accuracy, number(static.accuracy, 1)),
    ("static loss: validation accuracy", "≈ 0.73", static.validation_accuracy, number(static.validation_accuracy, 0.73)),
    (f"{at}: validation accuracy", "≈ 0.79", best, number(best, 0.79)),
    (f"{at}: gain in validation accuracy", "> 0", gain.sel(point), positive(gain.sel(point))),
    ("the region: mean gain in validation accuracy", "> 0", framed, positive(framed)),
]
pd.DataFrame(
    [(claim, said, sweeps.interval(values, signed="gain" in claim), verdict) for claim, said, values, verdict in claims],
    columns=["", "the paper", "here", "verdict"],
).set_index("")
