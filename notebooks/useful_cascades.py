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
# # What a cascade does for the network
#
# According to the paper, the improvement comes in part from the bouncing, which carries
# the network into wider valleys. It could also come from the time-dependent loss alone.
# To separate the two, the same training on the same time-dependent loss is done twice:
# in steps of $\eta$, and in eight times as many steps of $\eta/8$, which follow the
# same flow but bounce only in a valley that is eight times as narrow.

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
period: int = 1000  # T, in steps
amplitude: float = 70.0  # A
learning_rate: float = 1.0  # η
parts: int = 8  # into how many a step is cut, for an edge so many times higher
turns: int = 3  # periods that are branched
run_turns: int = 6  # periods of a whole run
seeds: int = 2  # networks
every: int = 20  # steps between two looks at the landscape
num_matvecs: int = 16  # products with the Hessian
precision: str = "float32"  # or "float64"
shown: int = 2  # the branched period whose cascade is shown; the first is 1
minutes: "Optional[float]" = None  # stop computing after so many, for each sweep
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## Large steps and small ones
#
# Gradient descent on a time-dependent loss is the gradient flow $\dot w =
# -\nabla\mathcal F(w, \Gamma(t))$ in steps of $\eta$. Cut into smaller steps it follows
# the same flow for the same time, but its edge of stability $2/\eta$ lies higher by the
# same factor: it passes through the cascades of the large steps without bouncing, and
# into narrower valleys. (In time it reaches its own edge; a table below says how
# nearly.) The difference between the two is the effect of the bounces.

# %%
import functools

import pandas as pd

from dynloss.checks import check_count
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.tasks import spiral
from dynloss_book.useful_cascades import claims
from dynloss_book.useful_cascades import experiment as useful_cascades

parameters.validate("useful_cascades")
check_count("shown", shown, at_least=1, at_most=turns)
spiral.use_precision(precision)


# %% tags=["physics"]
def same_flow(task, weights, rate, steps, parts):
    """The weights after ``steps`` steps of the flow: by η, and by η/parts."""

    def slower(step, dtype=None):
        return weights(step / parts, dtype)

    bouncing = task.descend(weights, rate, steps)
    calm = task.descend(slower, rate / parts, steps * parts)
    return bouncing, calm


# %% [markdown]
# **A check.** Before the first cascade the two must agree, up to the error of Euler's
# method, which halves with the step. Here, with constant class weights, the distance
# between the two after a flow of time 20, for three small networks and two step sizes.

# %% tags=["aside"]
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from dynloss import schedules


def distance(rate, steps, seed):
    task = spiral.task(8, precision, seed)
    both = same_flow(task, schedules.static(3), rate, steps, parts)
    coarse, fine = (ravel_pytree(params)[0] for params in both)
    return jnp.linalg.norm(coarse - fine)


check = {
    f"η = {rate:g}": jax.vmap(functools.partial(distance, rate, steps))(jnp.arange(3))
    for rate, steps in ((0.8, 25), (0.4, 50))
}
check = pd.DataFrame(check).astype(float)
check.assign(ratio=check["η = 0.8"] / check["η = 0.4"]).round(4)

# %% [markdown]
# Each branch goes from the middle of a period, where one class has its largest weight
# and nothing bounces, to the middle of the next, through one cascade; the bouncing
# branch then continues. In the middle of a period a network predicts the emphasised
# class for nearly every input; so before it is evaluated, each settles for one period
# with $\Gamma = 1$, in small steps. Besides accuracy and loss we measure the
# kernel-target alignment, the cosine between the NTK and the kernel that knows the
# classes, both centred ([Cortes et al.
# 2012](https://jmlr.org/papers/v13/cortes12a.html)), and the largest eigenvalue of the
# static loss's Hessian.

# %%
fixed = {
    "width": width, "period": period, "amplitude": amplitude, "parts": parts,
    "num_matvecs": num_matvecs, "precision": precision,
}
sweep = functools.partial(
    sweeps.run, "useful_cascades", seeds=range(seeds),
    axes={"learning_rate": [learning_rate]}, minutes=minutes, fresh=fresh,
)
branches = sweep(
    useful_cascades.branches,
    constants=fixed | {"turns": turns, "every": every, "bounce": 0.002},
    variables=useful_cascades.BRANCHES,
).squeeze("learning_rate").assign_coords(way=list(useful_cascades.WAYS))
runs = sweep(
    useful_cascades.whole_runs, constants=fixed | {"turns": run_turns},
    variables=useful_cascades.WHOLE,
).squeeze("learning_rate").assign_coords(run=list(useful_cascades.RUNS))

# %% tags=["lead", "answer"]
findings = claims.judge(branches, runs, fixed)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "The effect of bounces. (a)-(c) From the same weights through one period, in large steps and in small ones: the difference in validation accuracy, in the largest Hessian eigenvalue of the static loss and in kernel-target alignment, after each period. (d) Validation accuracy at the end of whole runs. Grey, single networks; blue, means with 95 % confidence intervals. (e) How far each class's gradient lies along the unstable direction u and (f) the classes' shares of the curvature along it, through one cascade; grey where the largest eigenvalue is above the edge in most networks.", "name": "fig-useful-cascades"}, "image": {"alt": "Six panels. Differences between branches by large and by small steps against the period, in accuracy, largest eigenvalue and alignment; the accuracy of four whole runs, oscillating and static, by large and by small steps; and two panels in which the curvature along the unstable direction belongs mostly to the class with the largest weight, and at the turn of the classes to all three."}}
from dynloss_book.useful_cascades import figure

figure.plot(branches, runs, learning_rate, shown - 1);

# %% tags=["lead"]
archive.provenance(branches)

# %% tags=["lead"]
archive.provenance(runs)

# %% [markdown] tags=["lead"]
# **What to look at.** In (d), compare the first two columns, large and small steps on
# the same time-dependent loss, and then the last two, the same with the static loss. At
# the paper's $T = 5000$ bounces raise the accuracy in the first periods in (a), and in
# (b) they lead into wider valleys; later they make no difference to the accuracy, and
# ever less to the valley. In (f), at the change of the class at 0, where the direction
# is unstable, all three classes share its curvature; before and after it is mostly that
# of the class with the largest weight.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Before and after, in large steps and in small ones
#
# Means over the periods of each network, with the intervals over networks. A valley is
# *wider* where $\lambda_{\max}$ is lower than before the period. Being lower than in
# small steps is not enough, for these may lead into narrower valleys, as their higher
# edge allows; nor is being lower than before, for small steps may widen the valley too.

# %%
pd.DataFrame(claims.table(branches)).set_index("score")

# %% [markdown]
# The ends of the whole runs, beside the edge of stability of each step size: near its
# edge, $\lambda_{\max}$ reflects the step size rather than the effect of the cascades;
# well below it, the valley is wider than the step demands.

# %%
ends = claims.edges(runs, learning_rate, parts)
pd.DataFrame(ends).set_index("run")

# %% [markdown]
# ## Which cascades add more
#
# Rank correlations over the few periods of each network, averaged over networks; where
# the interval contains zero, the correlation is not significant.

# %%
rows = claims.correlations(branches, learning_rate)
pd.DataFrame(rows).set_index("what a cascade is like")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(branches, runs)
