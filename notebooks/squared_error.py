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
# # The squared error: what eq. (14) predicts, and where it fails
#
# Section III.D explains the bifurcations by the neural tangent kernel, for the mean
# squared error: the current kernel determines the outputs after the next step, and its
# largest eigenvalue determines whether they settle, flip their sign, or grow. This page
# measures each of these statements.

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
seeds: int = 3  # networks
regime_steps: int = 60  # steps in each of the three regimes
moments: list[int] = [3, 300]  # steps of training before eq. (14) is tested
learning_rate: float = 0.36  # η, with oscillating weights
period: int = 500  # T, in steps
amplitude: float = 10.0  # A
steps: int = 2000  # with oscillating weights
every: int = 5  # steps between two looks at the kernels
widths: list[int] = [10, 30, 100, 300, 1000]  # for the limit of infinite width
points: int = 100  # of the spiral, for the same
precision: str = "float64"  # the errors measured here are small
minutes: "Optional[float]" = None  # stop computing after so many, for each sweep
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## One step, seen from the outputs
#
# The loss (8) is $\mathcal L = \frac1{2N}\sum_{i,k} g_k(x_i)^2$ with the residuals $g =
# f - y$. Its gradient is $\frac1N J^\top g$, where $J = \partial f/\partial\mathbf W$
# has a row for each sample and output. A step $-\eta\nabla\mathcal L$ moves the
# outputs, to first order in $\eta$, by $J$ times that step; with $\Theta = JJ^\top$ of
# eq. (11),
#
# $$g^{t+1} = \Big(1 - \frac{\eta}{N}\Theta^t\Big)\, g^t + O(\eta^2),$$
#
# which is eq. (14). Along an eigenvector of $\Theta$ with eigenvalue $\lambda$ the
# residuals are multiplied by $1 - \eta\lambda/N$: they shrink, flip their sign from
# $\lambda = N/\eta$ on, and grow from $\lambda = 2N/\eta$ on ([Lewkowycz et al.
# 2020](https://arxiv.org/abs/2003.02218) found what happens then). With weights
# $\Gamma$ of the samples, $g$ becomes $\Gamma g$, and
# $\Gamma^{1/2}\Theta\,\Gamma^{1/2}$ takes the kernel's place.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynloss import dynamics
from dynloss.spectral import ntk
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.squared_error import claims
from dynloss_book.squared_error import experiment as squared_error
from dynloss_book.tasks import spiral

parameters.validate("squared_error")
spiral.use_precision(precision)


# %% tags=["physics"]
@functools.partial(jax.jit, static_argnums=0)
def two_ways(apply, params, inputs, targets, rate):
    """The residuals after one step: by eq. (14), and by gradient descent on eq. (8)."""

    def residuals(w):
        return apply(w, inputs) - targets

    g = residuals(params)
    kernel = ntk.ntk_matrix(apply, params, inputs).reshape(g.size, g.size)
    predicted = g - rate / len(g) * (kernel @ g.ravel()).reshape(g.shape)
    loss = lambda w: jnp.sum(residuals(w) ** 2) / (2 * len(g))  # noqa: E731
    slope = jax.grad(loss)(params)
    return predicted, residuals(jax.tree.map(lambda w, s: w - rate * s, params, slope))


# %% [markdown]
# **A problem with a known answer.** Where the outputs are linear in the parameters, eq.
# (14) is exact, and both sides must agree to rounding for every $\eta$.

# %% tags=["aside"]
random = np.random.RandomState(0)
x, y, w = (jnp.asarray(random.randn(*shape)) for shape in ((20, 4), (20, 3), (4, 3)))
predicted, after = two_ways(lambda w, x: x @ w, w, x, y, rate=7.0)
float(jnp.abs(predicted - after).max() / jnp.abs(after).max())  # rounding

# %% [markdown]
# ## The measurements
#
# On the spiral: (1) a step of many sizes, at moments of the training; (2) a short run
# in each regime; (3) a run with oscillating weights; (4) untrained networks of many
# widths.

# %%
sweep = functools.partial(
    sweeps.run, "squared_error", seeds=range(seeds), minutes=minutes, fresh=fresh
)
fixed = {"width": width, "precision": precision}
ratios, rates = list(squared_error.RATIOS), [0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.2]
probes = sweep(
    squared_error.probe, axes={"moment": moments},
    constants=fixed | {"rates": rates, "ratios": ratios, "num_matvecs": 48},
    variables=squared_error.PROBE,
).assign_coords(unit=list(squared_error.UNITS))
regimes = sweep(
    squared_error.regime, axes={"ratio": [0.5, 1.5, 2.2]},
    constants=fixed | {"steps": regime_steps, "num_matvecs": 24},
    variables=squared_error.REGIME,
)
oscillation = {"period": period, "amplitude": amplitude, "steps": steps, "every": every}
oscillating = sweep(
    squared_error.oscillating, axes={"learning_rate": [learning_rate]},
    constants=fixed | oscillation | {"num_matvecs": 10},
    variables=squared_error.OSCILLATING,
)
grid = {"widths": widths, "seeds": seeds, "points": points}
limit = archive.fetch_or_compute(
    "squared_error", squared_error.convergence, grid, fresh=fresh
)

# %%
errors = probes.error.mean(["moment", "seed"])
laws = {
    unit: dynamics.power_law(rates, errors.sel(unit=unit).values)
    for unit in squared_error.UNITS
}
every_width = np.repeat(limit.width.values, limit.sizes["seed"])
width_law = dynamics.power_law(every_width, limit.deviation.values.ravel())
run = oscillating.squeeze("learning_rate")
starts = claims.cascade_starts(run.loss, period)

# %% tags=["lead", "answer"]
findings = claims.judge(
    regimes, probes, rates, ratios, run, starts, every, width_law
)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Eq. (14) on the spiral. (a) The top mode of the residuals and (b) the kernel's largest eigenvalue, from step to step, in the three regimes; pale, further networks; the dashed line is the boundary 2N/η. (c) The factor by which one step multiplies the residuals along the top mode, against the line of eq. (14), at several moments of training; bars are 95 % intervals over networks, dashes the same for a small disturbance of the mode. (d) The error of eq. (14) against the learning rate, for ReLU units and for the same network with smooth ones, with fitted exponents. (e) The error along the runs of (a). (f) The kernel of untrained networks, here averaged over the outputs and scaled by the width, nears its limit of infinite width.", "name": "fig-squared-error"}, "image": {"alt": "Six panels. The top mode decays smoothly, decays while flipping its sign, or grows and then decays while flipping. The kernel's largest eigenvalue stays level in the first two cases and falls below the boundary in the third. Factors of the top mode lie on or near a falling straight line. The error rises with the square of the learning rate, and the deviation from infinite width falls with the root of the width."}}
from dynloss_book.squared_error import figure

figure.plot(regimes, probes, ratios, rates, laws, limit, width_law);

# %% tags=["lead"]
archive.provenance(probes, regimes, oscillating)

# %% tags=["lead"]
archive.provenance(limit)

# %% [markdown] tags=["lead"]
# **What to look at.** In (a) and (b), third regime, the mode grows only as long as the
# kernel is above its boundary, and the bouncing itself brings the kernel down. In (c)
# the markers are near the line, but not always on it: the error of eq. (14) is small
# compared with the whole step, but not always with its part along the top mode, which
# training has nearly removed. The dashes, the response to a small disturbance, lie on
# the line. In (d) the slope is two, as for an error of second order; the kinks of the
# ReLUs make single networks scatter around it.

# %% tags=["lead"]
findings

# %% [markdown]
# ## An effective learning rate, or the weights in the kernel
#
# The paper needs an *effective* learning rate where the loss oscillates, since the
# plain kernel does not contain the class weights. The weighted kernel does. The table
# gives $\eta\lambda_{\max}/N$ at the detected onsets of cascades for both, and how much
# it varies from cascade to cascade. An onset is detected where the loss alternates
# between two values that are 0.0001 apart; the first half period, where the network
# settles, is left out.
#
# Here the plain kernel nearly has a threshold as well, although the class weights at the
# onsets differ: their mean over the samples is always 1, and its largest eigenvectors lie
# in all three classes alike, so that the weights nearly average out. For the
# cross-entropy it has [none](cascades_kernel.ipynb), since there a factor of the softmax
# enters, too, which shrinks as the network becomes certain.

# %% mystnb={"figure": {"caption": "The squared error with oscillating weights, one network: (a) the change of the loss in each step, (b) the largest eigenvalue of both kernels. Dashed green lines mark where cascades start.", "name": "fig-squared-error-oscillating"}, "image": {"alt": "Two panels against the step: the change of the loss opens into two branches at dashed lines, where the weighted kernel's largest eigenvalue has reached the dashed boundary."}}
figure.plot_oscillating(run, starts, every);

# %%
pd.DataFrame(claims.table(run, starts, every)).set_index("kernel")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(probes, limit)
