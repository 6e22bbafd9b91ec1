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
# # Figure 5: the threshold and the learning rate
#
# In Figure 4 a cascade starts when the valley has become too narrow for the steps of
# gradient descent. Smaller steps should then tolerate narrower valleys.

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
narrow: int = 100  # hidden units
wide: int = 1000  # hidden units
narrow_seeds: int = 2  # initial weights at each learning rate
wide_seeds: int = 1  # the same for the wide network
lowest_rate: float = 0.2  # of η
highest_rate: float = 2.0  # of η
rates: int = 5  # values of η from the lowest to the highest; 9 and 17 hold these
period: int = 1500  # T·η; the paper's: 5000
amplitude: float = 70.0  # A
steps: int = 6000  # steps·η; the paper's: 70 000
cadence: int = 10  # λ_max is measured around one step in cadence/η; 0: every step
num_matvecs: int = 8  # products with the Hessian for each λ_max, at most
static_steps: int = 5000  # without oscillations, at an η of 1; the paper's: 70 000
static_seeds: int = 2  # initial weights there
precision: str = "float32"  # or "float64"
minutes: "Optional[float]" = None  # stop computing after so many, for each width
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One point of panel (a): a run like that of Figure 4 with $T\to T/\eta$. We need
# $\lambda_{\max}$ only where it jumps from one step to the next, so at regular
# intervals we measure it **before and after one step**, with the weights $\Gamma$ held.
# This isolates the bounce: at large $\eta$ the change of the weights alone changes
# $\lambda_{\max}$ from step to step.

# %%
import numpy as np
import pandas as pd

from dynloss import schedules
from dynloss.training import recorders
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.fig05_curvature_threshold import claims, experiment
from dynloss_book.tasks import spiral

parameters.validate("fig05_curvature_threshold")
spiral.use_precision(precision)


# %% tags=["physics"]
def thresholds_of_run(
    learning_rate, seed, *, width, period, amplitude, steps, cadence, num_matvecs,
    precision, checkpoint=None,
):  # fmt: skip
    """λ_th of one run, with marks at 0.1, at 0.1/η, and at half and twice that."""
    period = max(1, round(period / learning_rate))
    steps, every = round(steps / learning_rate), max(1, round(cadence / learning_rate))
    oscillation = period, amplitude, schedules.last_period(steps, period)
    network, how = (width, precision, seed), (every, num_matvecs, checkpoint)
    run = experiment.pairs(*network, oscillation, learning_rate, steps, *how)
    return experiment.thresholds(run, period, learning_rate)


# %% [markdown]
# The paper detects the onset and the end of an instability in Figure 4, at $\eta=1$,
# where $\lambda_{\max}$ jumps by 0.1. It does not say how this detection jump should
# change with $\eta$, so we evaluate every run in two ways. **0.1 at every $\eta$**
# follows the text literally. **$0.1/\eta$** follows from the dynamics: gradient descent
# on $\mathcal F$ with rate $\eta$ is gradient descent on $\eta\mathcal F$ with rate 1,
# so the strength of a bounce is the jump of $\eta\lambda_{\max}$. Half and twice that
# jump show how sensitive the result is.

# %%
grid = np.geomspace(lowest_rate, highest_rate, rates)
learning_rates = [float(f"{rate:.3g}") for rate in grid]


def sweep(width, seeds):
    chosen = globals() | {"width": width}
    return sweeps.run(
        "fig05_curvature_threshold", thresholds_of_run, seeds=range(seeds),
        axes={"learning_rate": learning_rates},
        constants=archive.parameters_of(thresholds_of_run, chosen),
        variables=experiment.VARIABLES, vectorize=False, minutes=minutes, fresh=fresh,
    )  # fmt: skip


labels = {f"{narrow} units": narrow, f"{wide} units": wide}
seeds = {narrow: narrow_seeds, wide: wide_seeds}
networks = {label: sweep(width, seeds[width]) for label, width in labels.items()}
laws = experiment.power_laws(networks)

# %% [markdown]
# Panels (b) and (c): the same networks with the static loss, $A=1$, at $\eta=1$. The
# interval between measurements is odd, so that both branches of a bounce are measured. One
# run of each is shown; of this and others we keep where $\lambda_{\max}$ lies in the second
# half, and the accuracy.


# %%
def without_oscillations(
    *, width, static_steps, learning_rate, num_matvecs, precision, seed, every
):
    """λ_max and the accuracies along a run with the static loss."""
    task = spiral.task(width, precision, seed)
    landscape = [
        recorders.hessian(k=1, num_matvecs=num_matvecs, every=every),
        recorders.training_state(task.model.apply, task.training, every=every),
    ]
    return task.record(schedules.static(3), learning_rate, static_steps, landscape)


def second_half(learning_rate, seed, **setting):
    """Quantiles of λ_max in the second half of a run, and its accuracy."""
    run = without_oscillations(learning_rate=learning_rate, seed=seed, **setting)
    return experiment.second_half(run)


every = 2 * max(1, static_steps // 8000) + 5
shown, static, ends = {"learning_rate": 1.0, "seed": 0}, {}, {}
for label, width in labels.items():
    chosen = globals() | shown | {"width": width}
    setting = archive.parameters_of(without_oscillations, chosen)
    static[label] = archive.fetch_or_compute(
        "fig05_curvature_threshold", without_oscillations, setting, fresh=fresh
    )
    ends[label] = sweeps.run(
        "fig05_curvature_threshold", second_half, seeds=range(static_seeds),
        axes={"learning_rate": [shown["learning_rate"]]},
        constants={name: setting[name] for name in setting if name not in shown},
        variables=experiment.SECOND_HALF, vectorize=False, minutes=minutes, fresh=fresh,
    )  # fmt: skip

# %% tags=["lead", "answer"]
settings = {"period": period, "steps": steps, "static_steps": static_steps}
findings = claims.judge(networks, laws, ends, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "The curvature threshold, compare [Figure 5 of the paper](https://proceedings.mlr.press/v139/ruiz-garcia21a.html). (a) The threshold against the learning rate; each point is one run with oscillations; filled: instabilities detected where the eigenvalue jumps by 0.1, open: by 0.1 over the learning rate. The lines are power laws with the 95 % confidence interval of their exponents. Dashed: the edge of stability. Dotted: the exponent of the paper, drawn through the middle of the fits. (b), (c) The largest eigenvalue of the Hessian along a run without oscillations for the narrow and the wide network, with the threshold that the fit in (a) gives at this learning rate (solid) and the edge of stability (dashed). The vertical axes of (b) and (c) omit the most extreme 1 % of the values.", "name": "fig-curvature-threshold"}, "image": {"alt": "Left, on logarithmic axes, the curvature threshold falls with the learning rate along a line close to two over the learning rate, for both widths. Right, the largest Hessian eigenvalue against the minimisation step without oscillations, above for the narrow and below for the wide network, with horizontal lines at the threshold."}}
from dynloss_book.fig05_curvature_threshold import figure

drawn = {
    name: experiment.CRITERIA[name] for name in ("threshold", "scaled_threshold")
}
figure.plot(networks, drawn, laws, static, rate=1.0);
figure.explore(networks, drawn, laws, static, rate=1.0)

# %% tags=["lead"]
archive.provenance(*networks.values(), *static.values(), *ends.values())

# %% [markdown] tags=["lead"]
# **What to look at.** *(a)* The threshold falls with the learning rate, nearly as
# $1/\eta$, and is nearly the same for the narrow and the wide network. On a quadratic,
# steps of gradient descent grow above $\lambda=2/\eta$, the dashed line; later work on
# the *edge of stability* finds networks near it ([Cohen et al.
# 2021](https://arxiv.org/abs/2103.00065)). *(b), (c)* Without oscillations the narrow
# network stays above the threshold and does not learn; the wide one falls below it and
# learns, as in the paper.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Each detection jump
#
# A detection jump of 0.1 is a small fraction of the threshold at small learning rates
# and a large one at large rates: the onset is detected early there and late here, so
# that $\lambda_{th}$ falls less steeply than with a jump in proportion. Each line is a
# least-squares fit in the logarithms through all runs of a width, with a 95 % interval
# from Student's distribution.

# %%
table = pd.DataFrame(claims.exponents(laws))
index = ["detection jump", "network"]
table.set_index(index) if len(table) else "too few runs for a power law"

# %% [markdown]
# ## Each learning rate
#
# $\eta\lambda_{th}$ would be 2 everywhere if the edge of stability held exactly. A
# smaller value does not contradict it. While the network bounces between two points,
# the curvature *along* the step, averaged from one to the other, is exactly $2/\eta$,
# because each step undoes the one before. We measure at the two ends. Between them a
# ReLU network has kinks, where the gradient jumps, which the Hessian at a point does
# not contain. Larger values are found with short periods, where the weights change
# fast; the valley probably continues to narrow while the bounce is still too small to
# be detected. The accuracy is that of the last pair measured.

# %%
by_rate = claims.by_rate
pd.concat({label: pd.DataFrame(by_rate(each)) for label, each in networks.items()})

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(*networks.values(), *static.values(), *ends.values())
