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
# # Figure 3: where oscillations help
#
# How long should the loss dwell on a class, and how strongly should it lean? Each point of these diagrams is the mean
# over networks trained from different initial weights with one period $T$ and one amplitude $A$. What to look for:
#
# 1. **The narrow network** (100 units) fails with the static loss, the line $A = 1$ at the bottom. With larger amplitudes
#    the same network, with the same number of steps, can fit nearly all training points. The paper names amplitudes of
#    5 to 20 with periods up to 300 steps; the dashed frame shows them. Look where the bright area lies in it, and where not.
# 2. **The wide network** (1000 units) fits the training points anyway. Does its *validation* accuracy rise with the
#    oscillations?
# 3. Too much is too much: at large amplitudes and short periods a network forgets the classes that it does not look at.

# %% tags=["hide-input"]
# Colab: install what is missing. JAX is left as it is: the preinstalled one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

# %% tags=["parameters"]
narrow: int = 100  # hidden units of the upper row
wide: int = 1000  # hidden units of the lower row
narrow_seeds: int = 3  # networks at each point; the paper's: 50
wide_seeds: int = 1  # the same for the wide network; the paper's: 50
refinement: int = 1  # 0: 4 values of T and 4 of A; 1: 7; 2: 13, as in `paper`; each holds the coarser ones
longest_period: int = 3000  # of T, from 10 steps on
largest_amplitude: float = 100.0  # of A, from 1 on
learning_rate: float = 1.0  # η
steps: int = 35_000  # the last period is without oscillations
precision: str = "float32"  # or "float64"
minutes: float | None = None  # stop computing after so many, and show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One point of the diagram, for one seed: train on eq. (1) with the weights $\Gamma_i(t)$ of eqs. (2)-(5), and take the
# accuracies at the end. A run that diverges counts as such (NaN), not as a bad network.

# %%
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from dynloss import archive, datasets, losses, schedules, sweeps
from dynloss.figures import phase_diagram as figure
from dynloss.models import mlp
from dynloss.training import compiled

if precision not in ("float32", "float64"):
    raise ValueError(f"precision must be 'float32' or 'float64', got {precision!r}")
if refinement not in (0, 1, 2) or longest_period < 10 or largest_amplitude < 1:
    raise ValueError("refinement must be 0, 1 or 2, longest_period at least 10 and largest_amplitude at least 1")
jax.config.update("jax_enable_x64", precision == "float64")


def final_accuracy(period, amplitude, seed, *, width, steps, learning_rate, precision):
    """Train one network on the spiral; its accuracies and static loss after the last step."""
    training, validation = datasets.spiral().astype(precision), datasets.spiral_validation().astype(precision)
    model = mlp.MLP(width=width, num_classes=3, param_dtype=precision)
    schedule = schedules.oscillating(period, amplitude, 3, stop=schedules.last_period(steps, period))
    start = model.init(jax.random.key(seed), jnp.asarray(training.inputs))
    params = compiled.descend(start, training, schedule, learning_rate, 0, steps)

    def outcome(data):
        logits, labels = model.apply(params, jnp.asarray(data.inputs)), jnp.asarray(data.labels)
        loss = jnp.mean(losses.cross_entropy(logits, labels))
        return loss, jnp.where(jnp.isfinite(loss), losses.accuracy(logits, labels), jnp.nan)

    loss, accuracy = outcome(training)
    return {"loss": loss, "accuracy": accuracy, "validation_accuracy": outcome(validation)[1]}


# %% [markdown]
# The sweep: a grid of $T$ and $A$ on logarithmic axes, and seeds, for each width. It is computed in batches, and goes on
# where it was interrupted. How, and on what machines, is told on the page *How sweeps work*.

# %%
values = 3 * 2**refinement + 1
periods = np.geomspace(10, longest_period, values).round()
amplitudes = [float(f"{amplitude:.2g}") for amplitude in np.geomspace(1, largest_amplitude, values)]


def diagram(width, seeds):
    return sweeps.run(
        "fig03_spiral_phase_diagram",
        final_accuracy,
        axes={"period": periods, "amplitude": amplitudes},
        seeds=range(seeds),
        constants={"width": width, "steps": steps, "learning_rate": learning_rate, "precision": precision},
        variables={
            "loss": ((), {"long_name": "static training loss", "units": "nats"}),
            "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
            "validation_accuracy": ((), {"long_name": "validation accuracy", "units": "1"}),
        },
        minutes=minutes,
        fresh=fresh,
    )


labels = {narrow: f"{narrow} units", wide: f"{wide} units"}
networks = {labels[narrow]: diagram(narrow, narrow_seeds), labels[wide]: diagram(wide, wide_seeds)}

# %%
claimed = {
    labels[narrow]: figure.Region(longest=300, weakest=5, strongest=20),
    labels[wide]: figure.Region(longest=700, weakest=5, strongest=25),
}
accuracies = {"accuracy": "training", "validation_accuracy": "validation"}
summaries = {
    label: {name: sweeps.summary(network[name]) for name in accuracies} for label, network in networks.items()
}

# %% mystnb={"figure": {"caption": "Accuracy after training over period and amplitude, compare Figure 3 of the paper: the mean over seeds for (a), (b) the narrow and (c), (d) the wide network, on the training points (left) and on the validation points (right). One colour scale a row. The orange line is the static loss, $A = 1$; the dashed frame is the region in which the paper finds the improvement.", "name": "fig-phase-diagram"}, "image": {"alt": "Four contour maps of accuracy over period and amplitude, both logarithmic. For the narrow network the accuracy is lowest along the lower edge, where the amplitude is one, and highest inside the dashed frame at amplitudes of about five to twenty and short periods."}}
figure.plot({label: {name: summary[name].mean for name in accuracies} for label, summary in summaries.items()}, claimed);

# %%
archive.provenance(networks[labels[narrow]])

# %%
archive.provenance(networks[labels[wide]])

# %% [markdown]
# ## What the oscillations gain
#
# The second claim is about small differences near 1. Here is the validation accuracy minus that of the same initial
# networks at $A = 1$. Blue is better than the static loss, red worse; hatched is where the 95 % confidence interval
# of the difference holds zero. With one seed there is no interval, and no hatching.

# %%
gains = {
    label: sweeps.summary(network.validation_accuracy - network.validation_accuracy.sel(amplitude=1))
    for label, network in networks.items()
}

# %% mystnb={"figure": {"caption": "What oscillations gain in validation accuracy over the static loss, the same seeds compared, for (a) the narrow and (b) the wide network. The colours are cut at the largest gain; hatched cells do not differ from zero with 95 % confidence.", "name": "fig-phase-diagram-gain"}, "image": {"alt": "Two maps over period and amplitude. The narrow network gains most at amplitudes from about ten on; the wide one gains little and loses at large amplitudes with short periods."}}
figure.plot_gain({label: each.mean for label, each in gains.items()}, {label: each.margin for label, each in gains.items()}, claimed);

# %% [markdown]
# ## How sure this is
#
# The paper shows means. Behind each of ours stands this standard error, from this many seeds. All points share their
# seeds, so the same initial networks are compared everywhere. A blank cell on the left has fewer than two seeds.

# %% mystnb={"figure": {"caption": "(a), (c) The standard error of the mean validation accuracy; (b), (d) the number of seeds behind each mean.", "name": "fig-phase-diagram-certainty"}, "image": {"alt": "Four maps over period and amplitude: on the left the standard error of the mean validation accuracy for the narrow and the wide network, on the right the number of seeds at each point."}}
certainty = {label: summary["validation_accuracy"] for label, summary in summaries.items()}
figure.plot_certainty(
    {label: each.error for label, each in certainty.items()}, {label: each.number for label, each in certainty.items()}
);

# %% [markdown]
# ## Along the amplitude, at the best period
#
# A cut through each diagram at the period whose mean validation accuracy is highest anywhere. The bands are 95 %
# confidence intervals of the mean (Student's *t*); there is none for a single seed. That the period was chosen for its
# result makes its highest point look slightly too good.

# %%
curves = {}
for label, summary in summaries.items():
    validation = summary["validation_accuracy"].mean
    at = validation.max("amplitude").fillna(0).argmax("period")
    means = {name: summary[name].mean.isel(period=at) for name in accuracies}
    margins = {f"{name}_margin": summary[name].margin.isel(period=at) for name in accuracies}
    curves[label] = xr.Dataset(means | margins)

# %% mystnb={"figure": {"caption": "Accuracy along the amplitude at the best period for (a) the narrow and (b) the wide network, with 95 % confidence bands. Dashed: the same network with the static loss. Grey: the region that the paper names.", "name": "fig-phase-diagram-curves"}, "image": {"alt": "Two panels of training and validation accuracy against the amplitude on a logarithmic axis, with confidence bands and dashed lines at the accuracy of the static loss."}}
figure.plot_curves(curves, claimed);

# %% [markdown]
# ## The claims
#
# The paper says, in words: with the static loss the narrow network reaches about 0.65; in its region training is nearly
# perfect and validation about 0.9; the wide network fits the training points with the static loss too, and generalises
# better in its region. *Inside* is the mean over all points of the region, with the 95 % confidence interval over
# seeds; the gain compares the same seeds inside and at $A = 1$.

# %%
import pandas as pd


def claim_rows(label):
    network, region = networks[label], claimed[label]
    inside = region.holds(network.period, network.amplitude)
    for name in accuracies:
        static, oscillating = network[name].sel(amplitude=1).mean("period"), network[name].where(inside).mean(["period", "amplitude"])
        yield {
            "network": label,
            "accuracy": accuracies[name],
            "A = 1": sweeps.interval(static),
            "inside the region": sweeps.interval(oscillating),
            "gain": sweeps.interval(oscillating - static, signed=True),
            "points inside at 0.95 or more": f"{int((summaries[label][name].mean.where(inside) >= 0.95).sum())} of {int(inside.sum())}",
            "best point": f"{float(summaries[label][name].mean.max()):.3f}",
        }


pd.DataFrame([row for label in networks for row in claim_rows(label)]).set_index(["network", "accuracy"])
