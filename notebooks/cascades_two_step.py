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
# # Why the cascades happen, 2: a second eigenvalue or period doubling
#
# In a cascade the loss splits into two branches, and then into more. The supplement
# explains this by further eigenvalues of the Hessian that cross the threshold. [Zhu et
# al. 2023](https://arxiv.org/abs/2210.03294) (section 5) give another explanation: in
# their minimal example a *single* unstable mode shows such a cascade, by doubling its
# period. This page tests both.

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
period: int = 5000  # T, steps for which one class is emphasised; the paper's
amplitude: float = 70.0  # A, the paper's
learning_rate: float = 1.0  # η, the paper's
steps: int = 16_000  # of each run; the paper's: 70 000
seeds: int = 2  # initial weights
points: int = 12  # steps looked at in each cascade
num_matvecs: int = 32  # products with each Hessian
precision: str = "float64"  # or "float32"
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## The test
#
# While the network bounces between two walls it comes back every second step. A small
# displacement $v$ of such an orbit becomes, after two steps, $Mv$ with $M=(I-\eta
# H_{t+1})(I-\eta H_t)$, since one step maps $v\mapsto v-\eta H v$. The eigenvalues
# $\mu$ of $M$, the *Floquet multipliers*, determine the stability of the orbit. The
# first bifurcation itself is $1-\eta\lambda_1=-1$, so that $\mu=+1$ there, along a mode
# that alternates at each step. After it:
#
# - **The paper's explanation.** A second mode becomes unstable when its own
#   $1-\eta\lambda_2$ passes $-1$. On the orbit its $\mu$ *rises through $+1$*, with an
#   eigenvector that alternates at each step. (Flat directions have $\mu\approx1$ as
#   well, but do not alternate.) Both bounces have period two, so this alone cannot
#   split two branches of the loss into four.
# - **The explanation of Zhu et al.** The lowest $\mu$ *falls through $-1$*: a
#   displacement changes its sign every *two* steps, the period doubles to four, and the
#   loss gets power at a quarter of the step frequency.
#
# At the last point before that power appears we look for a multiplier of $-0.9$ or
# less, and for one of $+0.9$ or more that alternates. If the orbit is clean before, a
# loss that splits into four implies the second explanation, since nothing else changes
# the period. We measure whether the orbit is clean, whether the multiplier has the
# predicted value, and whether a second mode becomes unstable as well. We search for
# this mode in two ways: among the alternating eigenvectors of $M$, and, since these may
# mix with flat directions, by $(1-\eta\lambda_2)(1-\eta\lambda_2')$ from the second
# eigenvalues on both sides, which is the multiplier of a decoupled mode.
#
# ## Toy losses with a known answer
#
# *Lopsided*: $F=\tfrac a2x^2-\tfrac13x^3$ is the logistic map with $r=a+1$. Its bounce
# is born at $a=2$, has $\mu=5-a^2$, and doubles at $a=\sqrt6$. *Scalar network*: the
# example of Zhu et al., $F=\tfrac a2(1-x^2y^2)^2$, with one unstable mode. *Two
# valleys*: $F=\tfrac a2x^2-\tfrac14x^4$ and 0.9 times the same in $y$; the second
# bounces from $0.9a=2$ on, where $\mu=(1-0.9a)^2=1$. This is the paper's explanation in
# its simplest form.

# %%
import numpy as np
import optax
import pandas as pd

from dynloss import schedules
from dynloss_book.analysis import paths, period_doubling
from dynloss_book.cascades_two_step import claims
from dynloss_book.cascades_two_step import experiment as toy_losses
from dynloss_book.engine import archive, parameters
from dynloss_book.tasks import spiral

parameters.validate("cascades_two_step")
spiral.use_precision(precision)
# %% tags=["aside"]
ranges = {
    "lopsided": np.linspace(1.9, 2.5, 25),
    "scalar_network": np.linspace(0.24, 0.32, 17),
    "two_valleys": np.linspace(1.9, 2.45, 23),
}
known = {
    name: dict(zip(values, toy_losses.orbits(name, values), strict=True))
    for name, values in ranges.items()
}
error = max(
    abs(orbit.lowest - (5 - a**2))
    for a, orbit in known["lopsided"].items()
    if orbit.period == 2
)
f"largest error of μ on the lopsided valley: {error:.0e}"

# %% mystnb={"figure": {"caption": "Floquet multipliers of the two-step map in three toy losses with a known answer, against their parameter a. Light grey: gradient descent settles on an orbit of period two, dark grey: of period four. With one unstable mode, its multiplier falls from one to minus one, where the period doubles. Where a second mode becomes unstable, a multiplier rises to one and the period stays two.", "name": "fig-valleys"}, "image": {"alt": "Three panels of Floquet multipliers against the parameter a. In the first two the lowest multiplier falls from one to minus one, where the dark area of period four begins. In the third one multiplier falls while another rises to one inside the light area of period two."}}
from dynloss_book.plots import why_cascades as figure

figure.plot_toy_losses(known);

# %% [markdown]
# ## The network
#
# The setting is that of Figure 4, with five networks and a detection of its own. Each
# $W_t$ of a run is kept. A cascade begins where the network comes back every second
# step ($\lVert W_{t+2}-W_t\rVert$ below a quarter of $\lVert W_{t+1}-W_t\rVert$), and
# breaks where the power of the loss at a quarter of the step frequency exceeds 5 % of
# that at a half. In between, at equal distances, we compute the multipliers in the
# Krylov spaces of both Hessians. The class weights change between two steps, but
# slowly: the return is off by at most a few per cent. (Figures 4 and S1 detect cascades
# by jumps of $\lambda_{\max}$; the short, last cascade of a run may be missed here.
# [Symbols and terms](../book/glossary.md#onsets) lists the criteria.)


# %% tags=["physics"]
def simulate(
    *, width, period, amplitude, learning_rate, steps, seeds, points, num_matvecs,
    precision,
):  # fmt: skip
    """The Floquet multipliers of two steps along every cascade of several runs."""
    ground = paths.landscape(width, precision)
    weights = schedules.oscillating(period, amplitude, num_classes=3)
    descend = optax.sgd(learning_rate)
    follow = paths.follower(ground, weights, descend, steps)
    runs = [follow(ground.start(seed)) for seed in range(seeds)]
    how = learning_rate, runs, period, points, num_matvecs
    found = period_doubling.examine(ground, weights, *how)
    about = {"dtype": precision, "scale": f"{seeds} seeds, {steps:,} steps"}
    return found.assign_attrs(about)


# %%
settings = archive.parameters_of(simulate, globals())
result = archive.fetch_or_compute("cascades_two_step", simulate, settings, fresh=fresh)
rows = claims.cascades(result, learning_rate)

# %% tags=["lead", "answer"]
findings = claims.judge(result, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "What breaks the bounce. (a) The change of the loss around one cascade, (b) its spectral power at a quarter of the step frequency over that at a half, (c) Floquet multipliers of the two-step map: the lowest, and the highest of an alternating mode. Where two branches become four, the paper's explanation requires the second to be plus one, that of Zhu et al. the first to be minus one. (d) The lowest multiplier along all cascades of all seeds, against the steps before the break; values below -3 are cut off.", "name": "fig-two-step"}, "image": {"alt": "Left, three panels against the minimisation step: the change of the loss splits into two branches and then into four; the quarter frequency rises by orders of magnitude at the same step; the lowest multiplier falls from one to minus one there. Right, the lowest multiplier of each cascade against the steps before the break, with a dotted line at minus one."}}
figure.plot_two_step(result, rows);

# %% tags=["lead"]
archive.provenance(result)

# %% [markdown] tags=["lead"]
# **What to look at.** In (c) the bounce begins where the multiplier of an alternating
# mode is $+1$; at our first point, some steps later, it has begun to fall (blue) and
# does not return. The lowest multiplier (orange) reaches $-1$, and at that step the
# loss in (a) splits into four branches and the power in (b) rises: a period doubling.
# The dash-dotted line shows where the second eigenvalue has passed $2/\eta$ on the
# steeper side of the bounce, as the supplement says. On the other side it is far below,
# and the orbit's stability depends on both steps together. Further eigenvalues may
# still take part in the doubling, since the mode that doubles need not be that of the
# first bounce; the multipliers tell which bifurcation it is.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Every cascade
#
# Steps are minimisation steps; a blank means that it did not happen. For a cascade that
# never breaks, the multipliers are the extremes in its middle. The residual is $\lVert
# Mv-\mu v\rVert$, the error of the Krylov spaces. For the two columns with frozen
# weights, training continues for 100 steps with the class weights of one moment, from
# the middle of the clean bounce and from 64 steps after the break; they give the share
# of the quarter frequency at the end. Frozen before the break, the period is two (a
# share below 0.05) in all but a few of the last cascades of a long run. Frozen after
# it, the period is four where the share is above 0.05; elsewhere the bounce has
# probably widened the valley by then, and the period is two again. The points end 16
# steps before the break, because the window that resolves the quarter frequency is 32
# steps long: a second eigenvalue that crosses later is missed. The last cascades of a
# long run break within dozens of steps and are hardly resolved; most of those with
# “neither” are among them.

# %% [markdown]
# **How sensitive is the test?** The mode of the first bounce is known to alternate. How
# often the search among alternating eigenvectors finds it, and may miss a second one:

# %%
f"the mode of the first bounce: found at {claims.recognised(result, learning_rate)}"

# %%
table = pd.DataFrame(rows, columns=["seed", "cascade", *claims.COLUMNS])
table = table.rename(columns=claims.COLUMNS).set_index(["seed", "cascade"])
steps, multipliers = list(table)[:4], list(table)[4:10]
table[steps] = table[steps].astype(float).round().astype("Int64")
table.drop(columns=multipliers).round(3)

# %%
# Where each breaks, or after as long: the multipliers, and what goes into them.
table[multipliers].astype(float).round(3)

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(result)
