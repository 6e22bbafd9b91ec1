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
# # Figure 3: where oscillations help
#
# How does the accuracy depend on the period $T$ and the amplitude $A$ of the
# oscillations? Each point of these diagrams is the mean over networks trained on the
# spiral from different initial weights, with one $T$ and one $A$.

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
narrow: int = 100  # hidden units of the upper row
wide: int = 1000  # hidden units of the lower row
narrow_seeds: int = 3  # networks at each point; the paper's: 50
wide_seeds: int = 1  # the same for the wide network; the paper's: 50
refinement: int = 1  # 0: 4 values of T and of A; 1: 7; 2: 13; each holds the coarser
longest_period: int = 3000  # of T, from 10 steps on
largest_amplitude: float = 100.0  # of A, from 1 on
learning_rate: float = 1.0  # η
steps: int = 35_000  # the last period is without oscillations
precision: str = "float32"  # or "float64"
minutes: "Optional[float]" = None  # stop computing after so many, show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One point of the diagram, for one seed: train on eq. (1) with the weights
# $\Gamma_i(t)$ of eqs. (2)-(5), and take the accuracies at the end. A run that diverges
# is recorded as NaN and left out of means.

# %%
import functools

import numpy as np
import pandas as pd

from dynloss import schedules
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.fig03_spiral_phase_diagram import claims
from dynloss_book.tasks import spiral

parameters.validate("fig03_spiral_phase_diagram")
spiral.use_precision(precision)
if refinement not in (0, 1, 2) or longest_period < 10 or largest_amplitude < 1:
    raise ValueError("need refinement 0, 1 or 2, longest_period >= 10, amplitude >= 1")


# %% tags=["physics"]
def final_accuracy(period, amplitude, seed, *, width, steps, learning_rate, precision):
    """Train one network on the spiral; its accuracies and static loss at the end."""
    task = spiral.task(width, precision, seed)
    stop = schedules.last_period(steps, period)
    weights = schedules.oscillating(period, amplitude, num_classes=3, stop=stop)
    params = task.descend(weights, learning_rate, steps)  # W <- W - learning_rate ∇F
    return task.outcome(params)


# %% [markdown]
# The sweep: a grid of $T$ and $A$ on logarithmic axes, and seeds, for each width. It is
# computed in batches and continues where it was interrupted; the page *How sweeps work*
# explains how, and on which machines.

# %%
values = 3 * 2**refinement + 1
periods = np.geomspace(10, longest_period, values).round()
amplitudes = np.geomspace(1, largest_amplitude, values)
amplitudes = [float(f"{amplitude:.2g}") for amplitude in amplitudes]
settings = {"steps": steps, "learning_rate": learning_rate, "precision": precision}


def diagram(width, seeds):
    return functools.partial(
        sweeps.run, "fig03_spiral_phase_diagram", final_accuracy,
        axes={"period": periods, "amplitude": amplitudes}, seeds=range(seeds),
        constants=settings | {"width": width}, variables=spiral.OUTCOME, fresh=fresh,
    )  # fmt: skip


widths = {"narrow": narrow, "wide": wide}
both = {"narrow": diagram(narrow, narrow_seeds), "wide": diagram(wide, wide_seeds)}
networks = sweeps.in_turn(both, minutes=minutes, needed=both)

# %%
labels = {name: f"{width} units" for name, width in widths.items()}
claimed = {labels[name]: claims.REGIONS[name] for name in networks}
accuracies = ("accuracy", "validation_accuracy")
summaries = {
    labels[name]: {which: sweeps.summary(network[which]) for which in accuracies}
    for name, network in networks.items()
}
means = {
    label: {which: summary.mean for which, summary in each.items()}
    for label, each in summaries.items()
}

# %% [markdown]
# What the oscillations gain: the validation accuracy minus that of the same initial networks
# at $A = 1$. The intervals hold with 95 % for all cells of a map together (see the page
# *Statistics*); a single seed has none.

# %%
gains = {}
for name, network in networks.items():
    validation = network.validation_accuracy
    gain = sweeps.paired(validation, validation.sel(amplitude=1))
    gains[labels[name]] = sweeps.simultaneous(gain)

# %% tags=["lead", "answer"]
findings = claims.judge(networks, widths, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "What oscillations gain in validation accuracy over the static loss, the same seeds compared, for (a) the narrow and (b) the wide network. Blue is better than the static loss, red worse; the colour scale ends at the largest gain. Hatched cells do not differ from zero with 95 % confidence for all cells of a map together, grey ones have a single seed. The dashed frame is the region in which the paper finds the improvement.", "name": "fig-phase-diagram-gain"}, "image": {"alt": "Two maps over period and amplitude, the narrow and the wide network, coloured by gain or loss of validation accuracy, with a dashed frame and hatched cells."}}
from dynloss_book.plots import phase_diagram as figure

figure.plot_gain(
    {label: each.mean for label, each in gains.items()},
    {label: each.margin for label, each in gains.items()},
    claimed,
);

# %% tags=["lead"] mystnb={"figure": {"caption": "Accuracy after training over period and amplitude, compare [Figure 3 of the paper](https://proceedings.mlr.press/v139/ruiz-garcia21a.html): the mean over seeds for (a), (b) the narrow and (c), (d) the wide network, on the training points (left) and on the validation points (right). One colour scale a row. The orange line is the static loss, $A = 1$; the dashed frame is the region in which the paper finds the improvement.", "name": "fig-phase-diagram"}, "image": {"alt": "Four contour maps of accuracy over period and amplitude, both logarithmic. An orange line marks the static loss at an amplitude of one, a dashed frame the amplitudes and periods that the paper names."}}
figure.plot(means, claimed);
figure.explore(summaries)

# %% tags=["lead"]
archive.provenance(*networks.values())

# %% [markdown] tags=["lead"]
# **What to look at.** *The narrow network* fails with the static loss, the line $A = 1$
# at the bottom. With larger amplitudes the same network fits nearly all training points
# in the same number of steps. Of the paper's region, the dashed frame, the bright area
# covers the longer periods but not the shortest ones. *The wide network* fits the
# training points with either loss; its *validation* accuracy does not rise with the
# oscillations. *Too strong*: at large amplitudes and short periods both networks forget
# the classes that are not emphasised.

# %% tags=["lead"]
findings

# %% [markdown] tags=["lead"]
# *In its region* is the mean over all points of the region, with the 95 % confidence
# interval over seeds; a gain is the difference to $A = 1$ for the same seeds.

# %% [markdown]
# ## Uncertainty
#
# The paper shows means. The maps give the standard error of each of ours and the number
# of its seeds. All points share their seeds, so the same initial networks are compared
# everywhere. A blank cell on the left has fewer than two seeds.

# %% mystnb={"figure": {"caption": "Uncertainty: the standard error of the mean validation accuracy for each network; beside it the number of seeds of each mean, where it is not the same everywhere.", "name": "fig-phase-diagram-certainty"}, "image": {"alt": "Maps over period and amplitude: the standard error of the mean validation accuracy for the narrow and the wide network, and the number of seeds at each point."}}
certain = {label: each["validation_accuracy"] for label, each in summaries.items()}
figure.plot_certainty(
    {label: each.error for label, each in certain.items()},
    {label: each.number for label, each in certain.items()},
);

# %% [markdown]
# ## Along the amplitude, at the best period
#
# A cut through each diagram at the period whose mean validation accuracy is highest
# anywhere. The bands are 95 % confidence intervals of the mean (Student's *t*); there
# is none for a single seed. Every other seed chooses the period, and only the rest are
# shown, which avoids a selection bias.

# %% mystnb={"figure": {"caption": "Accuracy along the amplitude at the best period for (a) the narrow and (b) the wide network, with 95 % confidence bands. Dashed: the same network with the static loss. Grey: the region that the paper names.", "name": "fig-phase-diagram-curves"}, "image": {"alt": "Two panels of training and validation accuracy against the amplitude on a logarithmic axis, with confidence bands and dashed lines at the accuracy of the static loss."}}
figure.plot_curves(
    {labels[name]: figure.best_cut(each) for name, each in networks.items()}, claimed
);

# %%
rows = {
    (labels[name], which): row
    for name, network in networks.items()
    for which, row in claims.inside_out(
        network, claims.REGIONS[name]
    ).items()
}
pd.DataFrame.from_dict(rows, orient="index")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(*networks.values())
