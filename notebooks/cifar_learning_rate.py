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
# # Figure 1 and the learning rate
#
# In Figure 1 the oscillating loss ends above the static one. But at the paper's peak
# learning rate, training with the static loss broke down in Figure 1's networks and did
# not return to its best accuracy. To see how much of the gain is due to this, both
# losses are trained here at other peak rates.

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
channels: int = 8  # of each convolution; the paper's: 64
training_images: int = 1000  # as many of each class; the paper's: 50 000
validation_images: int = 2000  # the paper's: 10 000
epochs: int = 98  # the paper's: 700
stop_epoch: int = 84  # the oscillations stop here; the paper's: 600
batch_size: int = 64  # images a step; the paper's: 512
evaluate_every: int = 2  # epochs between two evaluations
period: int = 20  # T of the point that gains most; the paper's: 100
amplitude: float = 50.0  # its A; the paper's: 50
peak_rates: list[float] = [0.02, 0.1]  # at 3/7 of the epochs; the paper's: 0.02
precision: str = "float32"  # of the convolutions, or "bfloat16"; weights are float32
seeds: int = 2  # networks of each loss at each rate
minutes: "Optional[float]" = 1.5  # stop computing after so many, show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One network: as in Figure 1, with another learning rate $\eta(t)$, which rises from 0
# in a straight line to its peak and falls to a tenth of it.

# %%
import functools

import pandas as pd

from dynloss import schedules
from dynloss.training import minibatch
from dynloss_book.cifar_learning_rate import claims
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.tasks import cifar10

parameters.validate("cifar_learning_rate")
cifar10.check(images, image_size)


# %% tags=["physics"]
def run_at(
    peak_rate, amplitude, seed, *, period, images, image_size, channels,
    training_images, validation_images, epochs, stop_epoch, batch_size,
    evaluate_every, precision, checkpoint=None,
):  # fmt: skip
    """Train one network; its accuracies and static losses at the evaluated epochs."""
    data = cifar10.sets(images, image_size, training_images, validation_images)
    steps = minibatch.steps_per_epoch(training_images, batch_size)
    weights = schedules.oscillating(period, amplitude, 10, stop=stop_epoch * steps)
    corners = (0, 3 / 7 * epochs, epochs), (0, peak_rate, peak_rate / 10)
    return cifar10.train(
        cifar10.myrtle5(image_size, channels).clone(dtype=precision), data, weights,
        minibatch.piecewise_linear(*corners, steps), seed=seed, epochs=epochs,
        batch_size=batch_size, evaluate_every=evaluate_every, checkpoint=checkpoint)


# %%
settings = archive.parameters_of(run_at, globals())
sweep = functools.partial(
    sweeps.run, "cifar_learning_rate", run_at, constants=settings,
    variables=cifar10.CURVES, vectorize=False,
)
axes = {"peak_rate": peak_rates, "amplitude": [1.0, amplitude]}
plan = [sweeps.Stage(f"{n} seeds", axes, range(n)) for n in range(1, seeds + 1)]
origin = sweeps.run_plan(sweep, plan, minutes=minutes, fresh=fresh, needed=plan[:1])
both = sweep(axes=axes, seeds=range(seeds), minutes=0).assign_attrs(origin=origin)
both["epoch"] = cifar10.evaluated_epochs(epochs, evaluate_every)

# %% tags=["lead", "answer"]
scale = f"{precision}; {cifar10.scale(both, settings)}"
findings = claims.judge(both, scale, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Validation accuracy with the static and with the oscillating loss: during training at each peak learning rate, and, in the last panel, after it. Thin lines are single networks, thick ones the mean of those that did not diverge. The learning rate is largest at the dashed line, and the oscillations stop at the dash-dotted one. In the last panel a dot is a network, and a line joins two with the same initial weights.", "name": "fig-cifar-learning-rate"}, "image": {"alt": "One panel for each peak learning rate: validation accuracy against the epoch, one colour for the static and one for the oscillating loss. The last panel: dots of the accuracies after training, static and oscillating side by side at each peak rate, joined seed by seed."}}
from dynloss_book.cifar_learning_rate import figure

figure.plot(both, epochs * 3 / 7, stop_epoch);

# %% tags=["lead"]
archive.provenance(both)

# %% [markdown] tags=["lead"]
# **What to look at.** *The lower peak rate*: the static loss keeps its best accuracy to
# the end, so that a gain there is no breakdown. *The paper's rate*: a breakdown is a
# fall near the dashed line. In Figure 1's networks the static loss breaks down ([Figure
# S3](figS3_stopping_oscillations.ipynb)). Here either loss may, or none: these networks
# differ from those in their `precision`, and where training breaks down depends on the
# seed and on rounding. The table says in how many networks a loss ends below its own
# best. So few do not tell how often training breaks down, nor whether the precision is
# the reason. *The last panel*: a line that rises is a gain, one that falls a loss.
#
# The comparison that counts is the last row of the table, each loss at the peak rate at
# which it ends best. To choose from are the rates with most networks, and the answer is
# inconclusive unless the best one lies between two others. It is chosen on the images
# on which the losses are compared, for both alike.

# %% tags=["lead"]
pd.DataFrame(claims.table(both)).set_index("peak rate")

# %% tags=["lead"]
findings

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(both)
