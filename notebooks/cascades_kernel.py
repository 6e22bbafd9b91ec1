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
# # Why the cascades happen, 3: the kernel that has a threshold
#
# Section III.D explains the bounce by the neural tangent kernel for the squared error,
# where learning is unstable above $\lambda_{\max}=2N/\eta$. For the cross-entropy of
# the figures the paper finds no such number: $\lambda_{\max}$ of the kernel differs
# from cascade to cascade, and an *effective learning rate*, which it leaves open, has
# to account for it. This page derives it.

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
amplitude: float = 70.0  # A
learning_rate: float = 1.0  # η
steps: int = 6000  # of each run; the paper's: 70 000
seeds: int = 2  # initial weights
every: int = 20  # measured around one step in so many
num_matvecs: int = 10  # products with each matrix
precision: str = "float64"  # or "float32"
fresh: bool = False  # compute anew although archived

# %% [markdown]
# ## The formula
#
# The loss $\mathcal F=\frac1P\sum_j\Gamma_{y_j}\ell_j$ depends on the parameters through
# the outputs $f$. With $J=\partial f/\partial\mathbf W$ and $p_j$ the softmax of sample
# $j$, differentiating twice gives
#
# $$H = \tfrac1P J^\top A J + R,\qquad
#   A=\operatorname{blockdiag}\;\Gamma_{y_j}(\operatorname{diag}p_j-p_jp_j^\top),$$
#
# where $R=\frac1P\sum_{j,k}\Gamma_{y_j}(p_j-e_{y_j})_k\nabla^2f_k(x_j)$ collects the
# second derivatives of the network. The first term is the *Gauss-Newton matrix*. Write
# $A=BB^\top$. Since $XX^\top$ and $X^\top X$ share their non-zero eigenvalues, those of
# the Gauss-Newton matrix are those of the *Gauss-Newton kernel*
#
# $$\tfrac1P B^\top\Theta B,\qquad \Theta=JJ^\top,$$
#
# with the kernel $\Theta$ of eq. (11), 900 × 900. (So are those of $A^{1/2}\Theta
# A^{1/2}/P$: another root of the same $A$.) For the squared error $A$ is the identity
# and this is the paper's condition. For the cross-entropy the "effective learning rate"
# is thus a matrix, $\eta A$: a sample counts by the weight of its class and by the
# network's uncertainty about it. Source for the decomposition: Schraudolph 2002,
# *Neural Computation* 14, 1723.
#
# **A problem with a known answer.** For a network that is linear in its parameters
# $R=0$, and the whole Hessian must have the eigenvalues of that kernel.

# %%
import pandas as pd

from dynloss import schedules
from dynloss_book.analysis import onsets, paths
from dynloss_book.cascades_kernel import claims
from dynloss_book.engine import archive, parameters
from dynloss_book.tasks import spiral

parameters.validate("cascades_kernel")
spiral.use_precision(precision)
# %% tags=["aside"]
pd.DataFrame(onsets.linear_network(), index=["Hessian", "Gauss-Newton kernel"])


# %% [markdown]
# ## The network
#
# Runs of gradient descent as in Figure 4. Around single steps, at regular intervals, we
# measure $\eta\lambda_{\max}$ of the Hessian, of $B^\top\Theta B/P$ and of $\Theta/P$,
# and the contribution of $R$ to $\lambda_{\max}$ of the Hessian, $u^\top Ru$ with its
# eigenvector $u$. The onset of a cascade is detected where $\lambda_{\max}$ of the
# Hessian jumps by 0.1 across a step, three times in a row.


# %% tags=["physics"]
def simulate(
    *, width, period, amplitude, learning_rate, steps, seeds, every, num_matvecs,
    precision,
):  # fmt: skip
    """ηλ_max of the Hessian and of two kernels along runs, and where cascades start."""
    ground = paths.landscape(width, precision)
    weights = schedules.oscillating(period, amplitude, num_classes=3)
    how = learning_rate, seeds, steps, period, every, num_matvecs
    found = onsets.by_kernel(ground, weights, *how)
    about = {"dtype": precision, "scale": f"{seeds} seeds, {steps:,} steps"}
    return found.assign_attrs(about)


# %%
settings = archive.parameters_of(simulate, globals())
result = archive.fetch_or_compute("cascades_kernel", simulate, settings, fresh=fresh)

# %% tags=["lead", "answer"]
findings = claims.judge(result, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Learning rate times largest eigenvalue (a) of the Hessian, circles, and of the Gauss-Newton kernel, weighted by classes and softmax, dots, and (b) of the plain neural tangent kernel, along one run. Green lines mark detected onsets, the dotted line is the edge, 2. (c) At the onsets of all cascades of all seeds. Black: mean over seeds with its 95 % interval.", "name": "fig-cascades-kernel"}, "image": {"alt": "Left above, Hessian and weighted kernel lie on each other and rise in every period to the dotted line at two, where green lines mark cascades; below, the plain kernel is many times larger and grows from cascade to cascade. Right, at the starts of cascades Hessian and weighted kernel gather just below two, while the plain kernel lies far above and scatters."}}
from dynloss_book.plots import why_cascades as figure

figure.plot_kernels(result);

# %% tags=["lead"]
archive.provenance(result)

# %% [markdown] tags=["lead"]
# **What to look at.** In (a) dots and circles coincide: the Gauss-Newton kernel
# accounts for the largest eigenvalue of the Hessian. In (b) the plain NTK has a
# larger value at each green line. In (c) the Hessian and the Gauss-Newton kernel have
# nearly the same value, somewhat below 2, at nearly all onsets; a few are detected late,
# far up. The plain NTK varies from onset to onset.

# %% tags=["lead"]
findings

# %% [markdown]
# ## The detection of onsets, and the residual
#
# A larger detection jump gives a later onset. Intervals are over seeds (95 %); the
# relative spread is over the cascades of a seed. The last cascades of a long run may
# explode within a few steps, between two measurements. Their onset is then detected at
# a large value, which affects the mean but hardly the median and the relative spread.

# %%
pd.DataFrame(claims.table(result)).set_index("quantity")

# %%
name = "|uᵀRu| / λ_max"
pd.Series(claims.shares(result, period), name=name).to_frame()

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(result)
