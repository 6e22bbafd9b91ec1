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
# # Training on your own data with a dynamical loss
#
# You have data in classes, a network, and a training loop of your own. This page puts the dynamical loss into such a loop,
# chooses its parameters, and measures, with error bars, what it brings: on scikit-learn's handwritten digits, for a
# network that is too small and for a larger one, with classes of equal size and with three of them nearly gone.
#
# In short:
#
# 1. It takes **three lines**, and a small search for two parameters.
# 2. **Measure before you believe.** The large gain of Figure 3 is that of a network which hardly learns with the static loss.
#    These digits are easy: look for what is left of it in a network of a few units, and whether anything is left
#    in a larger one. Means without their intervals would promise too much.
# 3. It does **not** replace weights that balance classes of unequal size. It can be combined with them.

# %% tags=["hide-input"]
# Colab: install what is missing. JAX is left as it is: the preinstalled one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

# %% tags=["parameters"]
narrow: int = 4  # hidden units of the network that is too small for ten digits
middle: int = 6  # hidden units of the small network for classes of unequal size
wide: int = 16  # hidden units of the larger one, in both comparisons
samples: int = 300  # training images; 30 of a digit
steps: int = 3000  # of gradient descent; without oscillations for the last tenth
search_seeds: int = 6  # networks at each setting of the search
test_seeds: int = 32  # other networks, for the comparison in the end; half as many for unequal classes
minutes: float | None = None  # stop computing after so many, for each sweep, and show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## The data
#
# 1,797 images of 8 × 8 pixels. Some are for training, others for choosing the settings (validation), and a third part is
# looked at only in the end (test). A `Dataset` is inputs, labels and the number of classes.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from dynloss import archive, datasets, losses, schedules, sweeps
from dynloss.figures import own_data as figure
from dynloss.models import mlp
from dynloss.training import minibatch

if not 10 <= samples <= 900:
    raise ValueError(f"samples must be from 10 to 900, got {samples}")


@functools.cache
def digits(samples):
    """Training (so many images), validation and test set; every digit has its share in each."""
    images, labels = load_digits(return_X_y=True)
    images, labels = images.astype("float32") / 16, labels.astype("int32")
    split = functools.partial(train_test_split, random_state=0)
    rest, test = split(np.arange(len(labels)), test_size=500, stratify=labels)
    rest, validation = split(rest, test_size=300, stratify=labels[rest])
    training, _ = split(rest, train_size=samples, stratify=labels[rest])
    return [datasets.Dataset(images[rows], labels[rows], num_classes=10) for rows in (training, validation, test)]


# %% [markdown]
# ## Three lines
#
# A network and a training loop, written out with JAX and optax as you might have them. The numbered lines are the
# dynamical loss:
#
# 1. **One loss for each sample**, not their mean. (In optax and most libraries: leave out the mean, `reduction="none"`.)
# 2. **The weight of each class at this step**, from a schedule, which is a function of the step.
# 3. **The weighted mean.** Everything else stays as it is: optimiser, batches, regularisation.
#
# `balance` belongs to the section on unequal classes below; 1 leaves it out.


# %%
def initial(seed, width):
    """Random weights of a network with one hidden layer."""
    first, second = jax.random.split(jax.random.key(seed))
    return {
        "hidden": jax.random.normal(first, (64, width)) * (2 / 64) ** 0.5,
        "hidden_bias": jnp.zeros(width),
        "output": jax.random.normal(second, (width, 10)) * (2 / width) ** 0.5,
        "output_bias": jnp.zeros(10),
    }


def network(params, images):
    hidden = jax.nn.relu(images @ params["hidden"] + params["hidden_bias"])
    return hidden @ params["output"] + params["output_bias"]


def train(params, data, schedule, learning_rate, steps, balance=1.0):
    """The trained parameters, and the static loss (all weights 1) before each step."""
    images, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    optimizer = optax.sgd(learning_rate)

    def loss(params, step):
        each = losses.cross_entropy(network(params, images), labels)  # 1
        weights = schedule(step) * balance  # 2
        return losses.class_weighted_mean(each, labels, weights), each  # 3

    def update(state, step):
        params, memory = state
        (_, each), gradient = jax.value_and_grad(loss, has_aux=True)(params, step)
        change, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(params, change), memory), jnp.mean(each)

    (params, _), static_loss = jax.lax.scan(update, (params, optimizer.init(params)), jnp.arange(steps))
    return params, static_loss


# %% [markdown]
# The schedule has two parameters. Each class in turn is emphasised for $T$ steps, up to $A$ times as much as the others
# before normalisation; $A = 1$ is the static loss. With $C$ classes a full cycle takes $C\,T$ steps. What to look for, with
# the same initial weights in both runs: with the dynamical loss the static one rises and falls as the weights move, and what
# counts is where it is **after they have stopped**. A lower training loss is not the aim; the accuracy on new images is.

# %%
training, validation, test = digits(samples)
oscillating = schedules.oscillating(period=steps // 30, amplitude=30, num_classes=10, stop=0.9 * steps)
curves = {
    label: jax.jit(lambda params, schedule=schedule: train(params, training, schedule, 0.2, steps)[1])(initial(0, narrow))
    for label, schedule in {"static": schedules.static(10), "dynamical": oscillating}.items()
}

# %% mystnb={"figure": {"caption": "(a) The weight of each digit at each step: emphasised in turn, then all 1 for the last tenth. (b) The static training loss of one small network trained with the static and with the dynamical loss, from the same initial weights.", "name": "fig-own-data-run"}, "image": {"alt": "Two panels over the training steps. Above, a map of the class weights: bright triangles that go from digit to digit, three times over, and nothing in the last tenth. Below, two curves of the training loss on a logarithmic axis: the static one falls smoothly; the dynamical one falls in waves, one for each digit, and settles when the oscillations stop."}}
figure.plot_run(schedules.weights_over(oscillating, np.arange(steps)), curves);

# %% [markdown]
# ## Choosing $T$ and $A$
#
# By a small search on the validation images. What has served well here:
#
# - **$T$** in steps, so that several cycles of $C\,T$ steps fit into the run.
# - **$A$** on a logarithmic grid from 1 to 100. Too large, with a short period, and the network forgets the other classes.
# - **The learning rate together with them**, also for the static loss: a comparison at a rate that suits only one of the
#   two says nothing.
# - **Stop** the oscillations for the last tenth or so of the steps, so that the network ends in the static loss.
# - **Watch** the training accuracy: where it falls as $A$ grows, $A$ is too large or $T$ too short. And the static loss: its
#   waves should heal within a cycle.
#
# One point of the search is a function of the settings and a seed; `sweeps.run` vectorises it over all settings and
# seeds in one compiled program, and keeps the results. Each accuracy is the mean over the digits, so that each
# digit counts the same.


# %%
def accuracies(learning_rate, period, amplitude, seed, balanced=0.0, *, width, samples, rare, steps):
    """Train one network; its accuracy on each digit of each set."""
    training, validation, test = digits(samples)
    training = thinned(training, rare)
    balance = jnp.where(balanced, len(training) / (10 * training.counts), 1.0)
    schedule = schedules.oscillating(period, amplitude, 10, stop=0.9 * steps)
    params, _ = train(initial(seed, width), training, schedule, learning_rate, steps, balance)

    def by_digit(data):
        right = jnp.argmax(network(params, data.inputs), axis=-1) == data.labels
        return jnp.zeros(10).at[data.labels].add(right) / data.counts

    return {"training": by_digit(training), "validation": by_digit(validation), "test": by_digit(test)}


def thinned(data, rare):
    """Of the rare classes, only one sample in ten."""
    kept = np.concatenate([np.flatnonzero(data.labels == digit)[:: 10 if digit in rare else 1] for digit in range(10)])
    return datasets.Dataset(data.inputs[kept], data.labels[kept], 10)


about = {name: (("digit",), {"long_name": f"{name} accuracy", "units": "1"}) for name in ("training", "validation", "test")}
sweep = functools.partial(sweeps.run, "own_data", accuracies, variables=about, minutes=minutes)
grid = {"learning_rate": [0.05, 0.1, 0.2], "period": [30, 100], "amplitude": [1, 10, 30, 100]}
constants = {"samples": samples, "rare": [], "steps": steps}
networks = {f"{narrow} hidden units": constants | {"width": narrow}, f"{wide} hidden units": constants | {"width": wide}}
searches = {
    label: sweep(axes=grid, seeds=range(search_seeds), constants=fixed, fresh=fresh) for label, fixed in networks.items()
}

# %% [markdown]
# For each network the best learning rate of the static loss, and the best of all three for the dynamical loss. What to
# look for: does any interval in the picture lie wholly above zero? With so few networks it hardly can. (At $A = 1$ the
# period in the table means nothing.) A best value at the edge of its grid asks for a wider grid, which this page does
# not try, as it has to run in two minutes.

# %%
def best(search, oscillating):
    """The setting with the highest mean validation accuracy, with or without oscillations."""
    mean = search.validation.mean(["digit", "seed"])
    mean = mean.where((mean.amplitude > 1) == oscillating)
    return {name: float(mean[name][at]) for name, at in mean.argmax(...).items()}


chosen = {
    label: {"static": best(search, False), "dynamical": best(search, True)} for label, search in searches.items()
}
pd.DataFrame({(label, loss): setting for label, two in chosen.items() for loss, setting in two.items()}).T

# %% mystnb={"figure": {"caption": "The search on the validation images: what the dynamical loss gains over the static one along the amplitude for two periods, for (a) the small and (b) the larger network. The same initial weights are compared, each loss at its best learning rate; bars are 95 % confidence intervals of the mean.", "name": "fig-own-data-search"}, "image": {"alt": "Two panels of the gain in validation accuracy against the amplitude, with a line for each period and a dashed line at zero. For the small network the points lie around and above zero with long bars; for the larger network they stay close to zero."}}
figure.plot_search({label: search.validation.mean("digit") for label, search in searches.items()});

# %% [markdown]
# ## What it brings
#
# The best of many settings looks better than it is: some of its luck came from the validation images and from these
# networks. So the comparison is made on the **test images with new networks**, the same initial weights for both losses.
# The gain is the mean of the differences, with its 95 % confidence interval: where that holds zero, there is no gain to
# speak of. The first gain is over the static loss at the learning rate that was found best for it; the second one over the
# static loss at the learning rate of the dynamical one. Where only one of them is above zero, it was the learning rate that
# made the difference.
#
# One bias is left: the sizes of the networks and the grid of the search come from earlier trials on the same split, which
# printed test accuracies too. On your own data, keep the test set shut until here.

# %%
new = range(100, 100 + test_seeds)
finals = {}
for label, two in chosen.items():
    two["static at the same rate"] = two["dynamical"] | {"amplitude": 1.0}
    axes = {name: sorted({setting[name] for setting in two.values()}) for name in grid}
    axes["period"] = [two["dynamical"]["period"]]  # which means nothing to the static loss
    final = sweep(axes=axes, seeds=new, constants=networks[label])
    finals[label] = {loss: final.sel(setting | {"period": axes["period"][0]}) for loss, setting in two.items()}

# %%
def gain_rows(results):
    for label, three in results.items():
        for name in ("training", "test"):
            static, dynamical, same = (each[name].mean("digit") for each in three.values())
            yield {
                "network": label,
                "images": name,
                "static loss": sweeps.interval(static),
                "dynamical loss": sweeps.interval(dynamical),
                "gain": sweeps.interval(dynamical - static, signed=True),
                "gain at the same rate": sweeps.interval(dynamical - same, signed=True),
            }


pd.DataFrame(gain_rows(finals)).set_index(["network", "images"])

# %%
archive.provenance(searches[f"{narrow} hidden units"])

# %%
archive.provenance(searches[f"{wide} hidden units"])

# %% [markdown]
# ## Classes of unequal size
#
# Now 900 training images, but of the digits 2, 5 and 8 only every tenth. The usual remedy is to weight each class by
# $P/(C P_i)$, with $P_i$ of the $P$ samples in it, so that all classes count the same in the mean; this is the fair
# baseline. The dynamical loss makes each class matter in its turn, but on average over a cycle it leaves their shares
# alone. So four ways: with and without oscillations, with and without balance, at one setting for all. To combine them is
# one product, `schedule(step) * balance` in line 2. What to look for: the step from the first two ways to the last two, and
# how much smaller the step within each pair is. The small network is, of a few sizes that we tried, the one that gains most
# clearly, so its gain is flattered; other sizes are one parameter away.

# %%
rare, strength = [2, 5, 8], 30.0
larger = {
    f"{width} hidden units": {"width": width, "samples": 900, "rare": rare, "steps": 2 * steps // 3}
    for width in (middle, wide)
}
unequal = {
    label: sweep(
        axes={"learning_rate": [0.2], "period": [100], "amplitude": [1, strength], "balanced": [0, 1]},
        seeds=range(100, 100 + max(1, test_seeds // 2)),
        constants=fixed,
        fresh=fresh,
    ).squeeze(["learning_rate", "period"])
    for label, fixed in larger.items()
}
ways = {
    "static": {"amplitude": 1, "balanced": 0},
    "dynamical": {"amplitude": strength, "balanced": 0},
    "static and balanced": {"amplitude": 1, "balanced": 1},
    "dynamical and balanced": {"amplitude": strength, "balanced": 1},
}
by_way = {label: {way: result.test.sel(at) for way, at in ways.items()} for label, result in unequal.items()}

# %% mystnb={"figure": {"caption": "Test accuracy on each digit after training with few samples of three digits (grey), for (a) the small and (b) the larger network: the static and the dynamical loss, each with and without weights that balance the classes. Mean over new networks with 95 % confidence intervals.", "name": "fig-own-data-classes"}, "image": {"alt": "Two panels with the ten digits on the horizontal axis and four markers for each digit. On the seven digits with many samples all four lie close together near one. On the three rare digits accuracies are lower, and the two ways with balanced weights lie above the two without."}}
figure.plot_classes(by_way, rare);


# %%
def balance_rows():
    for label, four in by_way.items():
        base = four["static and balanced"].mean("digit")
        for way, test in four.items():
            yield {
                "network": label,
                "loss": way,
                "rare digits": sweeps.interval(test.sel(digit=rare).mean("digit")),
                "other digits": sweeps.interval(test.drop_sel(digit=rare).mean("digit")),
                "all digits": sweeps.interval(test.mean("digit")),
                "gain over static and balanced": sweeps.interval(test.mean("digit") - base, signed=True),
            }


pd.DataFrame(balance_rows()).set_index(["network", "loss"])

# %%
archive.provenance(unequal[f"{middle} hidden units"])

# %%
archive.provenance(unequal[f"{wide} hidden units"])

# %% [markdown]
# ## The shortest way
#
# If your network is a flax module, `training.minibatch.train` is the loop: batches, momentum, an evaluation after each
# epoch, checkpoints. Unless told otherwise it uses Nesterov's momentum of 0.9; here the learning rate falls as a cosine.

# %%
training, validation, test = digits(samples)
model = mlp.MLP(width=wide, num_classes=10)
epochs, batch_size = max(1, steps // 60), 50
total = epochs * minibatch.steps_per_epoch(len(training), batch_size)
run = minibatch.train(
    model,
    model.init(jax.random.key(0), training.inputs),
    training,
    validation,
    schedule=schedules.oscillating(period=max(1, total // 30), amplitude=10, num_classes=10, stop=0.9 * total),
    learning_rate=optax.cosine_decay_schedule(0.1, total),
    epochs=epochs,
    batch_size=batch_size,
)
run.trajectory[["accuracy", "validation_accuracy"]].isel(epoch=[0, epochs // 2, -1]).to_dataframe().round(3)

# %% [markdown]
# For statistics over seeds, periods and amplitudes put it into a function and hand that to `sweeps.run`, with
# `vectorize=False`: see *How sweeps work*.
