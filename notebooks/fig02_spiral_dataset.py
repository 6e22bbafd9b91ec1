# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 2: the spiral data set
#
# Three classes wind around each other in the plane. With a few hundred points the whole
# training set is used at every step: Figure 4 shows gradient descent without the noise
# of batches, so that every jump in it is due to the loss landscape.

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
points_per_class: int = 100  # the paper's
num_classes: int = 3  # arms of the spiral
turns: float = 2.0  # revolutions of each arm
noise: float = 0.2  # of the angle, radians
fresh: bool = False  # compute anew although archived

# %% [markdown]
# Point $n$ of class $j$ has the radius $r_n$, evenly from 0 to 1, and the angle
#
# $$\theta_{jn} = \frac{2\pi j}{C} + 2\pi\,k\,r_n + \sigma\,\xi_{jn}, \qquad \xi_{jn}\sim\mathcal N(0,1),$$
#
# with $k$ turns and noise $\sigma$. The training points agree to the last bit with
# those of the authors' code. Of its validation set the paper says only that the points
# lie differently along the arms; ours lie midway between the training points, with
# independent noise.

# %%
import numpy as np
import xarray as xr

from dynloss import datasets
from dynloss_book.engine import archive, parameters
from dynloss_book.fig02_spiral_dataset import claims

parameters.validate("fig02_spiral_dataset")


# %% tags=["physics"]
def draw(*, points_per_class, num_classes, turns, noise):
    """Training and validation points."""
    shape = {"turns": turns, "noise": noise}
    training = datasets.spiral(points_per_class, num_classes, **shape)
    validation = datasets.spiral_validation(points_per_class, num_classes, **shape)
    inputs = np.stack([training.inputs, validation.inputs])
    labels = np.stack([training.labels, validation.labels])
    scale = f"{num_classes} × {points_per_class} points a set"
    both = "set", "sample"
    return xr.Dataset(
        {"inputs": ((*both, "coordinate"), inputs), "labels": (both, labels)},
        coords={"set": ["training", "validation"]},
        attrs={"dtype": "float64", "scale": scale},
    )


# %%
settings = archive.parameters_of(draw, globals())
data = archive.fetch_or_compute("fig02_spiral_dataset", draw, settings, fresh=fresh)

# %% tags=["lead", "answer"]
findings = claims.judge(data)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "The spiral data set: the training points (left) and the validation points (right), one colour and marker per class. Compare [Figure 2 of the paper](https://proceedings.mlr.press/v139/ruiz-garcia21a.html), which shows the training points.", "name": "fig-spiral"}, "image": {"alt": "Two scatter plots of three interleaved spiral arms, one colour per class; the validation points on the right follow the same arms as the training points on the left."}}
from dynloss_book.fig02_spiral_dataset import figure

figure.plot(data);

# %% tags=["lead"]
archive.provenance(data)

# %% [markdown] tags=["lead"]
# **What to look at.** Neither a straight line nor a few of them separate the arms: a
# network needs a strongly curved decision boundary. The validation points lie on the
# same arms, between the training points.

# %% tags=["lead"]
findings

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(data)
