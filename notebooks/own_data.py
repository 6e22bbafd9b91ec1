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
# # Your own data
#
# This page puts the dynamical loss into a training loop, chooses its parameters, and
# measures its effect with error bars: on scikit-learn's handwritten digits, for a
# network that is too small and for a larger one. In a loop of your own it is three lines:
#
# ```python
# from dynloss import losses, schedules  # pip install dynloss
# weights = schedules.oscillating(period, amplitude, num_classes)(step)
# each = losses.cross_entropy(outputs, labels)  # one loss for each sample
# loss = losses.class_weighted_mean(each, labels, weights)
# ```

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
narrow: int = 4  # hidden units of the network that is too small for ten digits
wide: int = 16  # hidden units of the larger one
samples: int = 300  # training images; 30 of a digit
steps: int = 3000  # of gradient descent; without oscillations for the last tenth
search_seeds: int = 6  # networks at each setting of the search
test_seeds: int = 32  # other networks, for the comparison in the end
minutes: "Optional[float]" = None  # stop computing after so many, for each sweep
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## Three lines
#
# A loss and a step, in JAX and optax, with the three lines numbered. A loss for each sample
# is `reduction="none"` in most libraries; optimiser and batches stay as they are. The
# page *Should I use it?* has the same lines in PyTorch.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from dynloss import losses, schedules
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.own_data import claims
from dynloss_book.tasks import digits

parameters.validate("own_data")
training, validation, test = digits.split(samples)
optimizer = optax.sgd(0.2)


# %% tags=["physics"]
def loss(params, weights):
    outputs, labels = digits.network(params, training.inputs), training.labels
    each = losses.cross_entropy(outputs, labels)  # 1
    return losses.class_weighted_mean(each, labels, weights), each  # 3


def update(state, step, schedule):
    params, memory = state
    weights = schedule(step)  # 2
    (_, each), gradient = jax.value_and_grad(loss, has_aux=True)(params, weights)
    change, memory = optimizer.update(gradient, memory)
    return (optax.apply_updates(params, change), memory), jnp.mean(each)


# %% [markdown]
# The schedule has two parameters. Each class in turn is emphasised for $T$ steps, up to
# $A$ times as much as the others before normalisation; $A = 1$ is the static loss. With
# $C$ classes a full cycle takes $C\,T$ steps.

# %% tags=["aside"]
oscillating = schedules.oscillating(steps // 30, 30, num_classes=10, stop=0.9 * steps)


@functools.partial(jax.jit, static_argnums=0)
def static_loss(schedule, params):
    """Along the training: of all samples alike."""
    step = functools.partial(update, schedule=schedule)
    return jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(steps))[1]


two = {"static": schedules.static(10), "dynamical": oscillating}
start = digits.initial(0, narrow)
curves = {label: static_loss(schedule, start) for label, schedule in two.items()}

# %% [markdown]
# ## Choosing $T$ and $A$
#
# By a small search on the validation images. What we found useful in choosing:
#
# - **$T$** in steps, so that several cycles of $C\,T$ steps fit into the run.
# - **$A$** on the grid below; 1 is the static loss. With large $A$ and short $T$ the
#   network forgets the other classes.
# - **The learning rate together with them**, also for the static loss: a comparison at
#   a rate that suits only one of the two is meaningless.
# - **Stop** them for the last tenth or so, so that the network ends in the static loss.
# - **Watch** the training accuracy: where it falls as $A$ grows, $A$ is too large or
#   $T$ too short. Watch the static loss, too: its waves should disappear within a
#   cycle.
#
# One point of the search, `digits.accuracies`, is the loop above and the accuracies at its
# end. `sweeps.run` vectorises it over all settings and seeds, and keeps the results.

# %%
sweep = functools.partial(
    sweeps.run, "own_data", digits.accuracies, variables=digits.ABOUT, minutes=minutes
)
rates, amplitudes = [0.05, 0.1, 0.2], [1, 10, 30, 100]
grid = {"learning_rate": rates, "period": [30, 100], "amplitude": amplitudes}
constants = {"samples": samples, "rare": [], "steps": steps}
networks = {f"{n} hidden units": constants | {"width": n} for n in (narrow, wide)}
search = functools.partial(sweep, axes=grid, seeds=range(search_seeds), fresh=fresh)
searches = {label: search(constants=fixed) for label, fixed in networks.items()}
chosen = {label: digits.best_settings(search) for label, search in searches.items()}

# %% [markdown]
# The best of many settings is partly best by chance. So the losses are compared on the
# **test images, with the same new networks**.

# %%
finals, tested = {}, []
for label, three in chosen.items():
    period = three["dynamical"]["period"]  # which means nothing to the static loss
    axes = {name: sorted({each[name] for each in three.values()}) for name in grid}
    axes, new = axes | {"period": [period]}, range(100, 100 + test_seeds)
    final = sweep(axes=axes, seeds=new, constants=networks[label])
    tested.append(final)
    three = {name: each | {"period": period} for name, each in three.items()}
    finals[label] = {name: final.sel(each) for name, each in three.items()}

# %% tags=["lead", "answer"]
counts = [" and ".join({a.scale: 0 for a in of}) for of in (searches.values(), tested)]
scale = f"{samples} training images of 8 × 8 pixels; {counts[0]} in the search, "
findings = claims.judge(finals, f"{scale}{counts[1]} in the test")
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "(a) The weight of each digit at each step: emphasised in turn, then all 1 for the last tenth. (b) The static training loss of one small network trained with the static and with the dynamical loss, from the same initial weights.", "name": "fig-own-data-run"}, "image": {"alt": "Two panels over the training steps. Above, a map of the class weights: bright triangles that go from digit to digit, three times over, and nothing in the last tenth. Below, two curves of the training loss on a logarithmic axis: the static one falls smoothly; the dynamical one falls in waves, one for each digit, and settles when the oscillations stop."}}
from dynloss_book.plots import own_data as figure

figure.plot_run(schedules.weights_over(oscillating, np.arange(steps)), curves);

# %% [markdown] tags=["lead"]
# **What to look at.** Both runs have the same initial weights. With the dynamical loss
# the static loss rises and falls with the class weights; what counts is its value
# **after they have stopped**, and above all the accuracy on new images. Here the
# dynamical loss ends above the static one; the comparison over many networks and rates
# is in the tables.
#
# **In short.** It takes *three lines* and a small search for two parameters. *Measure
# on your own data*: the large gain of Figure 3 is that of a network which hardly learns
# with the static loss. These digits are easy, and the gain is much smaller.

# %% tags=["lead"]
archive.provenance(*searches.values(), *tested)

# %% [markdown]
# ## The search
#
# For each network, the best learning rate of the static loss and the best of all three
# parameters for the dynamical loss. (At $A = 1$ the period has no meaning.) A best
# value at the edge of its grid would need a wider grid, which this page does not try.

# %%
pd.concat({label: pd.DataFrame(three).T for label, three in chosen.items()})

# %% mystnb={"figure": {"caption": "The search on the validation images: the gain of the dynamical loss over the static one along the amplitude for two periods, for (a) the small and (b) the larger network. The same initial weights are compared, each loss at its best learning rate; bars are 95 % confidence intervals of the mean.", "name": "fig-own-data-search"}, "image": {"alt": "Two panels of the gain in validation accuracy against the amplitude, with a line for each period and a dashed line at zero. For the small network the points lie around and above zero with long bars; for the larger network they stay close to zero."}}
figure.plot_search({name: s.validation.mean("digit") for name, s in searches.items()});

# %% [markdown]
# ## The gain
#
# The gain is the mean of the differences, with its 95 % confidence interval; where that
# contains zero, the gain is not significant. The first gain is over the static loss at
# its own best learning rate, the second over the static loss at the rate of the
# dynamical one. Where only the second is significant, the learning rate makes the
# difference. One bias remains: sizes and grid come from earlier trials on the same
# split.
#
# If your network is a flax module, `dynloss.training.minibatch.train` is the whole loop:
# batches, momentum, evaluations, checkpoints. Figure 1 uses it.

# %%
pd.DataFrame(claims.gains(finals)).set_index(["network", "images"])

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(*searches.values())
