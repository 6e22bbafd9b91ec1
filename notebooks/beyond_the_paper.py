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
# # Beyond the paper: does the period matter, and does it work elsewhere?
#
# The paper emphasises one class after the other by a triangular wave, in the
# cross-entropy, and learns its spiral by plain gradient descent. This page varies each
# of these: other waveforms of $\Gamma(t)$, the same weights without a period, another
# loss, other optimisers. Small sweeps on the spiral compare each with the static loss,
# from the same initial weights.

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
width: int = 100  # hidden units
periods: list[float] = [100]  # T of the waveforms, in steps
amplitude: float = 10.0  # A
learning_rate: float = 1.0  # η, for the waveforms
steps: int = 3000  # for the waveforms; without oscillations for the last period
seeds: int = 3  # networks of each waveform
period: int = 100  # T for the losses and optimisers
way_steps: int = 1000  # for the losses and optimisers
searched: int = 1  # networks by which the learning rate is chosen
tested: int = 2  # others, for the comparison
precision: str = "float32"  # or "float64"
minutes: "Optional[float]" = None  # stop computing after so many, for each sweep
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## The weights
#
# The triangle of eq. (3) rises from 1 to $A$ and falls again. **Sine** and **square**
# replace it by $1 + (A-1)\sin^2(\pi t_T/T)$ and by $A$. For $A\to\infty$ **one class at
# a time** counts. In **random order** each cycle of the three classes has an order of
# its own.
#
# The control without a period takes the weights of the triangular wave, each $\Gamma$
# as often as before, but from random moments of the cycle: **held** for $T$ steps, or
# drawn anew **at each step**. If these do as well, the period does not matter.

# %%
import functools

import jax
import pandas as pd

from dynloss import waveforms
from dynloss_book.beyond_the_paper import claims
from dynloss_book.beyond_the_paper import experiment as beyond
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.tasks import spiral

parameters.validate("beyond_the_paper")
spiral.use_precision(precision)


# %% tags=["physics"]
def train(
    period, amplitude, seed, *, shape, width, learning_rate, steps, precision
):  # fmt: skip
    """Train one network with the weights of a waveform; its accuracies at the end."""
    task = spiral.task(width, precision, seed)
    oscillating = beyond.weights(shape, period, amplitude, seed)
    gammas = waveforms.stopped(oscillating, stop=steps - period)  # Γ = 1 from there on
    return task.outcome(task.descend(gammas, learning_rate, steps))


# %%
sweep = functools.partial(
    sweeps.run, "beyond_the_paper", variables=spiral.OUTCOME,
    minutes=minutes, fresh=fresh,
)
fixed = {"width": width, "precision": precision}
fixed_rate = fixed | {"learning_rate": learning_rate, "steps": steps}
by_waveform = {
    waveform: sweep(
        train, seeds=range(seeds), constants=fixed_rate | {"shape": waveform},
        axes={
            "period": periods if waveform != "static" else periods[:1],
            "amplitude": [amplitude],
        },
    )
    for waveform in beyond.WAVEFORMS
}
validation = {
    waveform: claims.counted(result).squeeze("amplitude", drop=True)
    for waveform, result in by_waveform.items()
}
# The static loss has no period: the same networks stand for every one.
static = validation["static"].isel(period=0, drop=True)
validation["static"] = static.expand_dims(period=periods)

# %% [markdown]
# **Losses and optimisers** need learning rates of their own. For each of them, and
# separately for the static and the dynamical loss, some networks choose the best of
# six rates and others make the comparison. $T$ and $A$ are the same for all, so no
# search favours the dynamical loss.

# %%
ways, chosen, rates = {}, {}, {}
for way, label in beyond.WAYS.items():
    fixed_way = fixed | dict(zip(("loss", "optimiser"), way, strict=True))
    ways[label] = sweep(
        beyond.by_optimiser, seeds=range(searched + tested),
        axes={"learning_rate": beyond.RATES[way], "amplitude": [1, amplitude]},
        constants=fixed_way | {"period": period, "steps": way_steps},
    )
    chosen[label], rates[label] = claims.choose(ways[label], searched)

# %% tags=["lead", "answer"]
scale = f"{seeds} and {tested} seeds, {steps:,} and {way_steps:,} steps, {width} units"
findings = claims.judge(validation, chosen, scale)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Validation accuracy on the spiral, means with 95 % confidence intervals. (a) Waveforms of the weights at one learning rate, a marker a period; (b) losses and optimisers, the static and the dynamical loss each at the best of six learning rates.", "name": "fig-beyond"}, "image": {"alt": "Two panels of markers along validation accuracy. In the first the static loss and one class at a time lie low; most other waveforms lie far to their right, and so do random weights that are held; random weights that are new at each step lie between. In the second each loss and optimiser has a marker for the static and one for the dynamical loss."}}
from dynloss_book.beyond_the_paper import figure

labelled = {beyond.WAVEFORMS[name]: values for name, values in validation.items()}
figure.plot(labelled, chosen);

# %% tags=["lead"]
archive.provenance(*by_waveform.values())

# %% tags=["lead"]
archive.provenance(*ways.values())

# %% [markdown] tags=["lead"]
# **What to look at.** In (a) the last two rows are the weights of the triangular wave
# without a period: held for $T$ steps they do about as well at the triangle's good
# periods and better at short ones, so the period is not essential. All of (a) is at one
# learning rate. In (b) each loss has the rate that is best for it, so that what is left
# between the two markers of a row is no matter of tuning that rate. Only the rate was
# tuned: no decay of it, no weight decay. This is one task, one size of network and one
# amplitude; other tasks may differ.

# %% tags=["lead"]
@functools.partial(jax.jit, static_argnums=0)
def strength(waveform, period):
    """Over many cycles."""
    gammas = beyond.weights(waveform, period, amplitude, seed=0)
    return waveforms.strength(gammas, 9000)


strengths = {name: float(strength(name, periods[-1])) for name in beyond.WAVEFORMS}
lost = {name: claims.diverged(result) for name, result in by_waveform.items()}
rows = claims.waveforms_table(validation, beyond.WAVEFORMS, strengths, lost)
pd.DataFrame(rows).set_index("weights")

# %% [markdown] tags=["lead"]
# The strength is the root mean square of $\Gamma_i - 1$ over classes and steps. A
# network that **diverged** counts on this page with the accuracy of chance, so that a
# setting at which networks diverge does not look better for it. (Figure 3 leaves such
# networks out of its means, since it maps what trained networks reach.)

# %% [markdown]
# ## Losses and optimisers
#
# The gain is the difference between networks with the same initial weights. Where the
# best rate is the largest that was tried, a larger one might be better still, and the
# gain compares the two losses at that rate only.

# %%
lost = {way: claims.diverged(result) for way, result in ways.items()}
pd.DataFrame(claims.ways_table(chosen, rates, lost)).set_index("way")

# %% tags=["lead"]
findings

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(*by_waveform.values(), *ways.values())
