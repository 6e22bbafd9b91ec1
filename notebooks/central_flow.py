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
# # A central flow for a time-dependent loss: how large the bounces are
#
# In a cascade the network bounces between the walls of a valley. Central flows ([Cohen
# et al. 2024](https://arxiv.org/abs/2410.24206)) predict the size of the bounces for a
# static loss, without a fit. For a time-dependent loss the formula has one more term.
# We check it where the answer is known, and then compare it with the cascades of the
# spiral.

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
seeds: int = 2  # networks
window: int = 75  # steps before the end of a period, in which both are followed
early: int = 2  # the period whose end is looked at, counted from 1
late: int = 4  # another, later one
every: int = 3  # steps between two comparisons
num_matvecs: int = 16  # products with the Hessian
precision: str = "float64"  # third derivatives of small numbers
minutes: "Optional[float]" = None  # stop computing after so many, for each window
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## The formula
#
# Let $u$ be the eigenvector of the largest Hessian eigenvalue $S$, and the weights $w_t
# = \bar w_t + x_t u$, with $x$ alternating in sign. The Taylor series of the gradient,
#
# $$\nabla L(\bar w + xu) = \nabla L(\bar w) + xSu + \tfrac12 x^2\,\nabla S + \dots,$$
#
# has in its second order $\nabla^3 L[u,u] = \nabla S$. Over a bounce the first order
# drops out, the second does not: with $\sigma^2 = \langle x^2\rangle$ the mean moves by
# $-\eta(\nabla L + \tfrac12\sigma^2\nabla S)$ a step. So the bounces push the network
# to where the valley is wider. The loss itself depends on time. With $\dot\Gamma_c$ the
# change of a weight in one step and $H_c$ the Hessian of a class's part of the loss, in
# each step $S$ changes by
#
# $$\dot S = -\eta\,\langle\nabla L + \tfrac12\sigma^2\nabla S,\ \nabla S\rangle
#   + \partial_t S, \qquad \partial_t S = u^\top\Big(\sum_c\dot\Gamma_c H_c\Big)u.$$
#
# Above $2/\eta$ the bounces grow and press $S$ down, below it they die and let it rise,
# so that $S$ is held at $2/\eta$. Then $\dot S = 0$, and
#
# $$\sigma^2 = \frac{2\,\big(\langle-\nabla L,\nabla S\rangle + \partial_t S/\eta\big)}
#   {\lVert\nabla S\rVert^2}.$$
#
# Without $\partial_t S$ this is the result of Cohen et al.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynloss_book.central_flow import claims
from dynloss_book.central_flow import experiment as central_flow
from dynloss_book.central_flow import flow as theory
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.tasks import spiral

parameters.validate("central_flow")
spiral.use_precision(precision)


# %% tags=["physics"]
def gradient(w, gammas):
    """Of Γ₀ [(s + a y) x²/2 - b y] + Γ₁ q x²/2: a valley, narrower for larger y."""
    (x, y), (s, a, b, q) = w, valley
    across = (gammas[0] * (s + a * y) + gammas[1] * q) * x
    return jnp.array([across, gammas[0] * (a * x**2 / 2 - b)])


def bounced(w, steps, rate, speed):
    """The mean of x² over gradient descent, while Γ₁ grows by `speed` a step."""

    def step(w, t):
        return w - rate * gradient(w, jnp.array([1.0, speed * t])), w[0] ** 2

    return jax.lax.scan(step, w, jnp.arange(steps))[1].mean()


# %% [markdown]
# **A problem with a known answer.** In this valley $S = s + ay + \Gamma_1 q$ at $x =
# 0$, and gradient descent has an exact solution: $x$ jumps between $\pm\sigma$ with
# $\sigma^2 = 2(ab + q\dot\Gamma_1/\eta)/a^2$, and $y$ slides so that $S$ stays at
# $2/\eta$. The columns give this value, the library's formula, and the average of
# gradient descent started off the solution.

# %% tags=["aside"]
valley, rate = (1.9, 0.5, 0.002, 1.0), 1.0
s, a, b, q = valley
edge = jax.jit(functools.partial(theory.edge, gradient, learning_rate=rate))
rows = []
for speed in (0.0, 0.0005, -0.0005):
    known = 2 * (a * b + q * speed / rate) / a**2
    w = np.array([0.0, (2 / rate - s) / a])
    change = np.array([0.0, speed])
    found = edge(w, np.array([1.0, 0.0]), change)
    mean = bounced(w + np.array([1.2 * known**0.5, 0]), 1500, rate, speed)
    rows.append([speed, known, float(found.variance), float(mean)])
columns = ["Γ₁ grows a step by", "σ², known", "by the formula", "by gradient descent"]
pd.DataFrame(rows, columns=columns).set_index(columns[0]).round(5)

# %% [markdown]
# ## In the cascades of the spiral
#
# Gradient descent and the flow start from the same weights, shortly before the end of a
# period. The formula is used twice: at the mean of the bounces of gradient descent,
# $(w_{t-1} + 2w_t + w_{t+1})/4$; and along the flow, which is constrained as soon as
# $S$ reaches $2/\eta$ and never sees a bounce.

# %%
fixed = {
    "width": width, "period": period, "amplitude": amplitude, "steps": window,
    "every": every, "num_matvecs": num_matvecs, "precision": precision,
}
sweep = functools.partial(
    sweeps.run, "central_flow", central_flow.follow, seeds=range(seeds),
    axes={"learning_rate": [learning_rate]}, variables=central_flow.VARIABLES,
    minutes=minutes, fresh=fresh,
)
firsts = {number: number * period - window for number in (early, late)}
windows = {
    number: sweep(constants=fixed | {"first": first}).squeeze("learning_rate")
    for number, first in firsts.items()
}

# %% tags=["lead", "answer"]
scale = f"{seeds} seeds, windows of {window} steps, T = {period}, A = {amplitude:g}"
findings = claims.judge(windows, learning_rate, scale)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "The end of an early period. (a) The variance of the bounces along the unstable direction: gradient descent, the formula at the mean of its bounces, and the central flow, which never sees a bounce; (b) the two largest eigenvalues and (c) the loss of both; one network. (d) Measured against predicted variance in all networks; filled: one unstable mode, open: a second one.", "name": "fig-central-flow"}, "image": {"alt": "Four panels. Bounces set in when the largest eigenvalue reaches the dashed edge and grow, with the formula's line among them; the central flow's dashed line sets in earlier. Below, the loss of the flow and the mean loss of gradient descent, and measured against predicted variance about the diagonal."}}
from dynloss_book.central_flow import figure

at_edge = claims.AT_EDGE
figure.plot(windows[early], firsts[early], learning_rate, at_edge);

# %% tags=["lead"]
archive.provenance(windows[early])

# %% tags=["lead"]
archive.provenance(windows[late])

# %% [markdown] tags=["lead"]
# **What to look at.** In (a) and (d) the first, small bounces lie on the line and on
# the diagonal, which have no free parameter. Once the period of the bounce has
# [doubled](cascades_two_step.ipynb), the mean of three steps is no longer the middle of
# the valley, and the points scatter. The dashed line is a harder test, a prediction
# from before the cascade. It sets in as soon as the edge is reached, while gradient
# descent first has to amplify a small displacement. The explicit time dependence of the
# loss contributes little to the rise of the sharpness, so that its term is tested by
# the example above rather than by the spiral. In (b) the flow's $S$ does not stay at
# the edge but climbs: probably kinks of the ReLUs change it, and the formula, which keeps
# $S$ constant between them, does not bring it back.

# %% tags=["lead"]
rows = [
    {"end of period": number, **row}
    for number in windows
    for row in claims.table(windows[number], learning_rate)
]
pd.DataFrame(rows).set_index(["end of period", "moments"])

# %% [markdown]
# ## A later cascade, with a second unstable mode
#
# The formula has one unstable mode. Once a second eigenvalue has reached the edge, the
# bounces need not lie along $u$; in (d) these moments are open. The table counts them
# and gives the share of the displacement along other modes.

# %% mystnb={"figure": {"caption": "As above, at the end of a later period, where a second eigenvalue reaches the edge.", "name": "fig-central-flow-late"}, "image": {"alt": "The same four panels for a later period, at the end of which the second eigenvalue reaches the edge as well; open markers in the last panel are from there."}}
figure.plot(windows[late], firsts[late], learning_rate, at_edge);

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(windows[early], windows[late])
