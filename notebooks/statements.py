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
# # The text: claims without a figure
#
# Beyond its figures the paper makes many claims that can be tested: that the weights
# are bounded, that the minima do not move, that one class alone gives a simple
# landscape, that valleys rise and shrink in turn, that the narrow network's valleys are
# too narrow for its learning rate. All tests together take minutes.

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
width: int = 100  # hidden units of the narrow network
wide: int = 1000  # hidden units of the wide one
steps: int = 8000  # with the static loss and an η of 1, as in Figure 3
period: int = 5000  # T of the turns of the classes, as in Figure 4; even
turns: int = 4  # periods
seeds: int = 2  # initial weights, where several are compared
fresh: bool = False  # compute anew although archived

# %% [markdown]
# Eight small experiments on the spiral, in double precision.
#
# 1. The **weights** $\Gamma$ of eqs. (2)-(5) over two cycles, from $A = 1$ to $A = 10^6$.
# 2. **Minima**: outputs that are right by a growing margin, under the static loss and
#    under all weights of two cycles.
# 3. **One class**: $A\to\infty$ leaves one class in a period. Descent from several initial
#    weights with $\eta = 0.1$; and all eigenvalues of the Hessian at the start, which would
#    not be negative on a convex landscape.
# 4. The **spectrum**: all eigenvalues of the Hessian of narrow networks after training
#    with the static loss.
# 5. **Along the gradient**: the curvature $g^{\mathsf T} H g/g^{\mathsf T} g$ in the direction
#    in which wide networks are trained.
# 6. **Smaller steps**: the narrow network with the static loss at $\eta = 1$ and at
#    $\eta = 0.2$, for the same time $\eta t$.
# 7. **Turns**: the accuracy of each class while the loss of Figure 4 emphasises one
#    after the other; and how a valley changes while the other classes are emphasised:
#    loss and $\lambda_{\max}$ for a network held at the middle of the last period of
#    each class.
# 8. The **kernel**: squared error on wide networks, the residual along the first
#    eigenvectors of the first neural tangent kernel, whose largest eigenvalue is
#    $\lambda$; with small steps, $\eta\lambda/N = 0.02$, and in the regimes of eq.
#    (14), where $\eta\lambda/N$ is 0.5, 1.5 and 2.5.

# %%
import xarray as xr

from dynloss_book.engine import archive, parameters
from dynloss_book.statements import claims
from dynloss_book.statements import experiment as measured
from dynloss_book.tasks import spiral

parameters.validate("statements")
spiral.use_precision("float64")


# %% tags=["physics"]
def measure(*, width, wide, steps, period, turns, seeds):
    """The eight experiments, as one dataset."""
    narrow = [spiral.task(width, "float64", seed) for seed in range(seeds)]
    broad = [spiral.task(wide, "float64", seed) for seed in range(seeds)]
    parts = [
        measured.weights(period=100, amplitudes=[1, 2, 70, 1e6]),
        measured.minima(narrow[0], period=100, amplitude=70),
        measured.one_class(narrow, learning_rate=0.1, steps=1000),
        measured.spectrum(narrow, learning_rate=1, steps=steps),
        measured.along_the_gradient(broad, learning_rate=1, steps=2000, every=9),
        measured.learning_rates(narrow, [1, 0.2], duration=steps),
        measured.turns(narrow, 1, period, amplitude=70, turns=turns),
        measured.kernel(broad, modes=12, ratio=0.02, small_steps=500, steps=6),
    ]
    return xr.merge(parts, combine_attrs="no_conflicts").assign_attrs(dtype="float64")


# %%
settings = archive.parameters_of(measure, globals())
found = archive.fetch_or_compute("statements", measure, settings, fresh=fresh)

# %% tags=["lead", "answer"]
findings = claims.judge(found, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Claims of the text. (a) The class weights over two cycles; dashed: the number of classes. (b) The loss when one class alone counts, from several initial weights. (c) All eigenvalues of the Hessian of a narrow network after training with the static loss. (d) The training accuracy of each class alone at the middle (filled) and at the end (open) of each period of Figure 4, mean over the seeds; the shade of the background is the class that is emphasised. (e) The residual of one network along the first eigenvectors of the neural tangent kernel at a small learning rate, in units of the first; dashed: exponentials. (f) The same along the first eigenvector in the three regimes of eq. (14); dashed: the equation with the first kernel.", "name": "fig-statements"}, "image": {"alt": "Six panels. Triangles of the class weights, one class after the other, below a dashed line at three. Falling curves of the loss. Points of sorted eigenvalues: a few large ones, most near zero, some below. Accuracies of three classes: the emphasised one is at 1 in the middle of each period, the others rise from 0 to near 1 over the periods. Straight falling lines on a logarithmic axis, the steepest for the largest eigenvalue. Residuals against the step: one series decays, one alternates and decays, one alternates and grows."}}
from dynloss_book.statements import figure

figure.plot(found);

# %% tags=["lead"]
archive.provenance(found)

# %% [markdown] tags=["lead"]
# **What to look at.** (a) agrees with the paper, and so does (b), where the loss falls
# at every step. A descent without uphill steps does not imply a *convex* landscape: the
# Hessian has negative eigenvalues at the start. In (c) a few eigenvalues are large,
# most are small, and some are negative, so that training has not ended in a minimum. In
# (d) the emphasised class is learnt within half a period, from the first period on. At
# first nearly all of the other classes is forgotten; from period to period more is kept.
# In (e) each mode decays at its own rate, and the first leaves the dashed line only when
# a ten-thousandth of it is left.

# %% tags=["lead"]
findings

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(found)
