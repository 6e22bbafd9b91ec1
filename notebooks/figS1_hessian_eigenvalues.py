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
# # Figure S1: which eigenvalue starts which bifurcation
#
# In the cascades of Figure 4 the loss splits into two branches, and then into more.
# According to the supplement, each further bifurcation begins when one more eigenvalue
# of the Hessian crosses the threshold. That it crosses on one side of the bounce does not
# yet make its mode unstable: [Why the cascades happen, 2](cascades_two_step.ipynb) tests
# this, and the other explanation, that the bounce doubles its period.

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
period: int = 2000  # T, steps for which one class is emphasised; the paper's: 5000
amplitude: float = 70.0  # A, the largest class weight before normalisation
learning_rate: float = 1.0  # η
steps: int = 18_000  # the paper's: 70 000; without oscillations for the last period
num_matvecs: int = 12  # products with the Hessian and the kernel a step
precision: str = "float64"  # or "float32"
seed: int = 0  # of the initial weights of the network shown
seeds: int = 1  # networks judged, this one and those of the seeds after it
zoom_cascade: int = 2  # the cascade shown on the right; the first is 1
fresh: bool = False  # compute anew although archived

# %% [markdown]
# The run is that of Figure 4, and is read from the archive if Figure 4 has computed it:
# gradient descent on eq. (1), with the three largest eigenvalues of the Hessian of that
# step's loss at every step.

# %%
from dynloss import dynamics, schedules
from dynloss.training import recorders
from dynloss_book.analysis import learning
from dynloss_book.analysis.cascades import (
    CROSSINGS,
    by_curvature,
    check_zoom,
    crossings,
    zoom,
)
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.figS1_hessian_eigenvalues import claims
from dynloss_book.tasks import spiral

parameters.validate("figS1_hessian_eigenvalues")
check_zoom(zoom_cascade, steps, period)
spiral.use_precision(precision)


# %% tags=["physics"]
def simulate(
    *, width, period, amplitude, learning_rate, steps, num_matvecs, precision, seed,
    checkpoint=None,
):  # fmt: skip
    """Train on the spiral, recording the landscape before every step."""
    task = spiral.task(width, precision, seed)
    stop = schedules.last_period(steps, period)
    weights = schedules.oscillating(period, amplitude, num_classes=3, stop=stop)
    landscape = [
        recorders.training_state(task.model.apply, task.training),
        recorders.validation_accuracy(task.model.apply, task.validation, every=10),
        recorders.hessian(k=3, num_matvecs=num_matvecs),
        recorders.ntk(task.model.apply, task.training.inputs, num_matvecs=num_matvecs),
    ]
    return task.record(weights, learning_rate, steps, landscape, checkpoint)


# %%
settings = archive.parameters_of(simulate, globals())
trajectory = archive.fetch_or_compute(
    "fig04_learning_dynamics", simulate, settings, fresh=fresh
)

# %% [markdown]
# The threshold is the mean of $\lambda_1$ over the starts and ends of all instabilities. In
# each cascade we look for the first step at which $\lambda_1$, $\lambda_2$ and $\lambda_3$
# exceed it, and, from the loss alone, for the second bifurcation: the first step at which
# the loss no longer alternates between two values. As
# $\lambda_1\ge\lambda_2\ge\lambda_3$, the crossings cannot come out of order; the test is
# whether the lower ones cross at all, and whether the alternation ends when $\lambda_2$
# does.

# %%
cascades = by_curvature(trajectory, period)
threshold = dynamics.threshold(cascades).value
crossed = crossings(trajectory, cascades, threshold, period)

# %% [markdown]
# One run decides nothing that differs from seed to seed. So we make it from other initial
# weights as well, and keep what the claims judge.


# %%
def measured(seed, *, checkpoint=None, **setting):
    """The same run of another network, and what is measured of it."""
    run = simulate(seed=seed, checkpoint=checkpoint, **setting)
    return learning.measure(run, setting["period"])


swept = [
    sweeps.run(
        "fig04_learning_dynamics", measured, axes={},
        seeds=range(seed + 1, seed + seeds),
        constants={name: settings[name] for name in settings if name != "seed"},
        variables=learning.variables(learning.MEASURED), vectorize=False, fresh=fresh,
    )
] if seeds != 1 else []  # fmt: skip
runs = learning.of_seeds(learning.measure(trajectory, period), seed, swept)

# %% tags=["lead", "answer"]
findings = claims.judge(runs, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "The three largest eigenvalues of the Hessian, compare [Figure S1 of the paper's supplement](https://proceedings.mlr.press/v139/ruiz-garcia21a.html). (a) The change of the loss from step to step, (c) the eigenvalues, for the whole run; (b), (d) the same around one cascade. Green and red dashed lines mark where instabilities start and end, the horizontal line is the threshold, and the dash-dotted lines in (b) and (d) show where each eigenvalue first exceeds it and where the loss leaves its two branches. The vertical axes omit the most extreme 0.2 % of the values.", "name": "fig-hessian-eigenvalues"}, "image": {"alt": "Four panels against the minimisation step: the change of the loss above, the three largest Hessian eigenvalues below with a dashed threshold line; on the right the same around one cascade, with dash-dotted lines where eigenvalues pass the threshold and where the loss leaves its two branches."}}
from dynloss_book.plots import learning_dynamics as figure

window = zoom(cascades, zoom_cascade, steps, margin=period // 10)
shown = crossed.iloc[min(zoom_cascade, len(cascades)) - 1 :][:1]
events = shown.drop(columns=["starts", "ends"]).dropna(axis=1)
events = {CROSSINGS[name]: int(events[name].iloc[0]) for name in events}
figure.plot_eigenvalues(trajectory, cascades, threshold, events, window);

# %% tags=["lead"]
archive.provenance(trajectory, *swept)

# %% [markdown] tags=["lead"]
# The crossings are not the cause of the further bifurcations: they come earlier, and
# [Why the cascades happen, 2](cascades_two_step.ipynb) finds, for five networks in this
# setting, that most bounces break by period doubling. (On the orbit of period two, a
# second unstable mode brings a Floquet multiplier of the two-step map to $+1$, a period
# doubling brings one to $-1$.) That page detects cascades by the return of the weights
# instead of a jump of $\lambda_{\max}$, so that it may miss the short, last cascade of
# the same run ([Symbols and terms](../book/glossary.md#onsets) lists the criteria).
#
# **What to look at.** In the enlarged cascade the blue eigenvalue passes the dashed
# threshold first, then the second and the third. The change of the loss, above, leaves
# its two branches only after the second has passed.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Each crossing beside the bifurcations
#
# One row per cascade of the network shown; the numbers are minimisation steps, and a blank
# means that it did not happen. A cascade that directly follows another one, at the change
# of the class, starts above the threshold, so its first columns agree.

# %%
crossed.rename(columns=CROSSINGS)

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(trajectory, *swept)
