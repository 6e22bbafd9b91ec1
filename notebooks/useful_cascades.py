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
# The paper says that the improvement comes in part from the bouncing: it carries the
# network into wider valleys. Or is it the moving loss alone? The two can be told apart.
# The same training on the same moving loss is done twice: in steps of $\eta$, which
# bounce, and in steps of $\eta/8$, eight times as many, which follow the same flow but
# do not.

# %% tags=["remove-cell"]
# Colab: install what is missing. JAX is left as it is: this one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    command = [sys.executable, "-m", "pip", "install", "--quiet", source]
    subprocess.run(command, check=True)

# %% tags=["parameters"]
width: int = 100  # hidden units
period: int = 1000  # T, in steps
amplitude: float = 70.0  # A
learning_rate: float = 1.0  # η
parts: int = 8  # into how many a step is cut where it shall not bounce
turns: int = 3  # periods that are branched
run_turns: int = 6  # periods of a whole run
seeds: int = 2  # networks
every: int = 20  # steps between two looks at the landscape
lanczos_order: int = 16  # products with the Hessian
precision: str = "float32"  # or "float64"
shown: int = 2  # the branched period whose cascade is shown; the first is 1
minutes: float | None = None  # stop computing after so many, for each sweep
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## With bounces and without
#
# Gradient descent on a moving loss is the gradient flow $\dot w = -\nabla\mathcal F(w,
# \Gamma(t))$ in steps of $\eta$. Cut into smaller steps it follows the same flow for
# the same time, but its edge of stability $2/\eta$ lies higher by the same factor, and
# the valleys do not reach it. What differs between the two is what the bounces do.

# %%
import functools

import pandas as pd

from dynloss import archive, claims, sweeps
from dynloss.experiments import spiral, useful_cascades
from dynloss.figures import useful_cascades as figure

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
# **A check.** Before the first cascade the two must agree, up to what Euler's method
# leaves out: half as large a step leaves about half as much. Here, with weights that do
# not move, the distance between the two after a flow of time 20, for three small
# networks and two step sizes.

# %%
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
# branch leads on. In the middle of a period a network names the emphasised class,
# whatever it is shown; so before it is scored, each settles for one period with $\Gamma
# = 1$, in small steps. Beside accuracy and loss we take the kernel-target alignment,
# the cosine between the NTK and the kernel that knows the classes, both centred
# ({cite:t}`cortes2012`), and the largest eigenvalue of the static loss's Hessian.

# %%
fixed = {
    "width": width, "period": period, "amplitude": amplitude, "parts": parts,
    "order": lanczos_order, "precision": precision,
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

# %% tags=["lead"]
findings = claims.useful_cascades.judge(branches, runs)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "What bounces do. (a)-(c) From the same weights through one cascade with bounces and without: the difference in validation accuracy, in the largest Hessian eigenvalue of the static loss and in kernel-target alignment, after each period. (d) Validation accuracy at the end of whole runs; calm: in eight times as many, smaller steps. Grey, single networks; blue, means with 95 % confidence intervals. (e) How far each class's gradient lies along the unstable direction u and (f) the classes' shares of the curvature along it, through one cascade; grey where the largest eigenvalue is above the edge in most networks.", "name": "fig-useful-cascades"}, "image": {"alt": "Six panels. Differences between bouncing and calm branches against the period: in accuracy around zero, in the largest eigenvalue below it; the accuracy of four whole runs, the oscillating run with bounces highest; and two panels in which, towards the turn of the classes, the curvature along the unstable direction is made by one or two of the three classes."}}
figure.plot(branches, runs, learning_rate, shown - 1);

# %% tags=["lead"]
archive.provenance(branches)

# %% tags=["lead"]
archive.provenance(runs)

# %% [markdown] tags=["lead"]
# **What to look at.** In (d) the first two columns: the same moving loss, with bounces
# and without. Then the last two: small steps help the static loss as well, so that a
# gain at $\eta$ alone would flatter the oscillations. In (a) and (b) what one period of
# bounces does to the accuracy, and what to the curvature. In (e) and (f) whose valley
# it is that narrows before the turn of the classes, which is at 0.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Before and after, with and without
#
# Means over the periods of each network, with the intervals over networks.

# %%
pd.DataFrame(claims.useful_cascades.table(branches)).set_index("score")

# %% [markdown]
# ## Which cascades add more
#
# Rank correlations over the few periods of each network; their mean over networks has
# an interval, and where it holds zero nothing is said.

# %%
rows = claims.useful_cascades.correlations(branches, learning_rate)
pd.DataFrame(rows).set_index("what a cascade is like")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss.runner.compare import with_published

with_published(branches, runs)
