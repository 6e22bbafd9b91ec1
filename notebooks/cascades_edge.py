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
# # Why the cascades happen, 1: the edge of every optimiser
#
# The paper finds that cascades start at a threshold of the curvature that falls about as
# $1/\eta$; here it lies near $2/\eta$. If this is the curvature above which the steps of
# *gradient descent* grow, other optimisers must have other thresholds, and their cascades
# must start there. This page tests momentum (heavy ball and Nesterov's) and Adam.

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
period: int = 2000  # T, steps for which one class is emphasised
amplitude: float = 70.0  # A, the largest class weight before normalisation
steps: int = 6000  # of each run
seeds: int = 2  # initial weights
gradient_descent: float = 1.0  # η
heavy_ball: float = 0.3  # η
nesterov: float = 0.3  # η
adam: float = 0.01  # η
momentum: float = 0.9  # β, of heavy ball and Nesterov
every: int = 25  # λ is measured around one step in so many
num_matvecs: int = 8  # products with the Hessian for each λ
precision: str = "float64"  # or "float32"
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## The formulae
#
# On a quadratic valley $\tfrac12\lambda x^2$ each rule is a linear recurrence, and $x_t$ a
# sum of powers $z^t$. Gradient descent has $z=1-\eta\lambda$. Heavy ball,
# $x_{t+1}=x_t-\eta\lambda x_t+\beta(x_t-x_{t-1})$, has
# $z^2=(1+\beta-\eta\lambda)z-\beta$. Nesterov takes the gradient at the point to which the
# momentum leads, so that $z^2=(1+\beta)(1-\eta\lambda)z-\beta(1-\eta\lambda)$. The valley
# is too narrow when a $z$ leaves the unit circle, which happens at $z=-1$: a bounce of
# period two. Setting $z=-1$ gives
#
# | optimiser | edge |
# |---|---|
# | gradient descent | $\lambda = 2/\eta$ |
# | heavy ball | $\lambda = 2(1+\beta)/\eta$ |
# | Nesterov | $\lambda = 2(1+\beta)/((1+2\beta)\eta)$ |
# | Adam | $\lambda(P^{-1}H) = 2(1+\beta_1)/((1-\beta_1)\eta) = 38/\eta$ |
#
# Adam divides each component by $P=\sqrt{\hat v}+\epsilon$, which changes slowly. In the
# coordinates $P^{1/2}x$ it is heavy ball with the rate $(1-\beta_1)\eta$, and the curvature
# is that of $P^{-1/2}HP^{-1/2}$. Sources: Cohen et al.
# [2021](https://arxiv.org/abs/2103.00065), [2022](https://arxiv.org/abs/2207.14484).
#
# **A problem with a known answer.** On quadratics just below and just above the edge, a
# thousand steps must shrink and grow. For Adam the preconditioner is held at 1.

# %%
import pandas as pd

from dynloss import schedules
from dynloss_book.analysis import onsets, paths
from dynloss_book.cascades_edge import claims
from dynloss_book.engine import archive, parameters
from dynloss_book.tasks import spiral

parameters.validate("cascades_edge")
spiral.use_precision(precision)
rates = {"gradient_descent": gradient_descent, "heavy_ball": heavy_ball}
rates |= {"nesterov": nesterov, "adam": adam, "momentum": momentum}
# %% tags=["aside"]
rules = onsets.rules(**rates)
held = rules["Adam"]._replace(optimizer=onsets.adam_with_preconditioner_held(adam))
growth = {
    name: [onsets.growth_on_quadratic(rule, part) for part in (0.98, 1.02)]
    for name, rule in (rules | {"Adam": held}).items()
}
names = ["growth at 0.98 of the edge", "growth at 1.02 of the edge"]
pd.DataFrame(growth, index=names).T.map("{:.2g}".format)


# %% [markdown]
# ## The cascades
#
# Each optimiser learns the spiral with the oscillating loss. At regular intervals we
# measure the sharpness before and after one step with the class weights held, as in
# Figure 5. The onset of a cascade is detected where it jumps by 5 % of the edge three
# times in a row; for gradient descent at $\eta=1$ this is the paper's criterion, 0.1.
# The learning rates are chosen such that cascades occur.


# %% tags=["physics"]
def simulate(
    *, width, period, amplitude, steps, seeds, rates, every, num_matvecs, precision
):
    """λ over the edge along runs of four optimisers, and where their cascades start."""
    ground = paths.landscape(width, precision)
    weights = schedules.oscillating(period, amplitude, num_classes=3)
    rules = onsets.rules(**rates)
    how = seeds, steps, period, every, num_matvecs
    found = onsets.by_optimiser(ground, weights, rules, *how)
    about = {"dtype": precision, "scale": f"{seeds} seeds, {steps:,} steps"}
    return found.assign_attrs(about)


# %%
settings = archive.parameters_of(simulate, globals())
result = archive.fetch_or_compute("cascades_edge", simulate, settings, fresh=fresh)
found = claims.begun(result, period)

# %% tags=["lead", "answer"]
findings = claims.judge(found, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "The sharpness in units of each optimiser's edge of stability. (a)-(d) Along one run of each optimiser, before and after single steps; for Adam, of the preconditioned Hessian. Green lines mark detected onsets, the dotted line is the edge. (e) At the onsets of all cascades of all seeds: filled, in units of the optimiser's own edge; open, in units of gradient descent's. Black: mean over seeds with its 95 % interval.", "name": "fig-cascades-edge"}, "image": {"alt": "Left, four panels against the minimisation step: the curvature over the edge rises in the second half of every period to the dotted line at one, where green lines mark starts of cascades. Right, the values at all starts for four optimisers; the filled points lie near one, the open points of the optimisers with momentum far from it."}}
from dynloss_book.plots import why_cascades as figure

figure.plot_edges(found);

# %% tags=["lead"]
archive.provenance(result)

# %% [markdown] tags=["lead"]
# **What to look at.** In (e) the filled points lie near 1 for every optimiser, while
# the open ones, which divide the same values by gradient descent's $2/\eta$, do not for
# the optimisers with momentum: each has its own edge. The onsets are detected slightly
# below the edge. A likely reason is ringing: near the edge a bounce decays slowly, so
# that a disturbance, such as the kink of a ReLU, is visible before the bounce grows by
# itself. A larger detection jump gives a later onset; the table has three, all relative
# to the edge that is tested. The search begins at $T/2$. A run that bounces already
# there, as with Adam, has no onset in that period.

# %% tags=["lead"]
pd.DataFrame(claims.table(found)).set_index("optimiser")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(result)
