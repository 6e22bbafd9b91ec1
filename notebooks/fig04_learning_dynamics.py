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
# # Figure 4: learning with a dynamical loss, step by step
#
# One small network learns the spiral while the loss tilts towards one class after the
# other. The figure follows six quantities through the whole run, and again, enlarged,
# through one **bifurcation cascade**.

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
# The loss is the class-weighted mean of eq. (1) over the 300 training points, with the
# weights $\Gamma_i(t)$ of eqs. (2)-(5); gradient descent takes
# $\mathbf W_{t+1} = \mathbf W_t - \eta \nabla \mathcal F(\mathbf W_t; \Gamma(t))$. Before
# each of these steps we record the loss, the accuracy, the three largest eigenvalues of
# the Hessian of that step's loss, and the largest eigenvalue of the neural tangent kernel
# of eq. (11) on all 300 points and 3 outputs (a matrix of 900 × 900 that is never formed).
# The authors' notebook took the Hessian every 25 steps and the kernel on 50 points.

# %%
from dynloss import dynamics, schedules
from dynloss.training import recorders
from dynloss_book.analysis import learning
from dynloss_book.analysis.cascades import by_curvature, check_zoom, zoom
from dynloss_book.engine import archive, parameters, sweeps
from dynloss_book.fig04_learning_dynamics import claims, experiment
from dynloss_book.tasks import spiral

parameters.validate("fig04_learning_dynamics")
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
# The onset and the end of an instability are detected where $\lambda_{\max}$ jumps by
# 0.1 or more from one step to the next, as in the paper. The mean of $\lambda_{\max}$
# over all of them is the threshold $\lambda_{th}$.

# %%
cascades = by_curvature(trajectory, period)
threshold = dynamics.threshold(cascades)

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

# %% [markdown]
# Beside it, static training of as many steps, at this learning rate and at a tenth of it.

# %%
still = sweeps.run(
    "fig04_learning_dynamics", experiment.static_end, seeds=range(seed, seed + seeds),
    axes={"learning_rate": [learning_rate, learning_rate / 10]},
    constants=archive.parameters_of(experiment.static_end, globals()),
    variables=learning.variables(learning.END), vectorize=False, fresh=fresh,
)  # fmt: skip

# %% tags=["lead", "answer"]
findings = claims.judge(runs, still, settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Learning dynamics with a dynamical loss, compare [Figure 4 of the paper](https://proceedings.mlr.press/v139/ruiz-garcia21a.html). (a) Class weights, coloured by class. (b) The dynamical loss. (c) Its change from step to step. (d) Training accuracy. (e) The largest eigenvalue of the Hessian. (f) The largest eigenvalue of the neural tangent kernel. (g)-(l) The same around one cascade. Green and red dashed lines mark where instabilities start and end; the black dashed line is the mean of the largest Hessian eigenvalue there, the threshold. The vertical axes omit the most extreme 0.2 % of the values.", "name": "fig-learning-dynamics"}, "image": {"alt": "Twelve panels against the minimisation step. The class weights rise and fall in turn; in the second half of each period the loss, the accuracy and the largest Hessian eigenvalue split into branches that reach above the dashed threshold, and these cascades cease after some periods."}}
from dynloss_book.plots import learning_dynamics as figure

stop = schedules.last_period(steps, period)
weights = schedules.oscillating(period, amplitude, num_classes=3, stop=stop)
gammas = schedules.weights_over(weights, trajectory.step.values)
window = zoom(cascades, zoom_cascade, steps, margin=period // 10)
figure.plot(trajectory, gammas, cascades, threshold.value, window);
figure.explore(trajectory, gammas, cascades, threshold.value)

# %% tags=["lead"]
archive.provenance(trajectory, *swept, still)

# %% [markdown] tags=["lead"]
# **What to look at.** As a class gains weight, its valley sinks and widens: the loss
# and the Hessian's largest eigenvalue fall. As the weight decreases again, the valley
# rises and narrows. Where the eigenvalue passes the stability threshold of gradient
# descent ($2/\eta$ on a quadratic), the network starts to bounce between the walls: the
# loss splits into two branches, visited in turn, and then into more. The bouncing ends
# when the next class is emphasised. This repeats in the first periods; later no
# cascade starts any more, and the accuracy is nearly perfect, as in the paper's run.
# In the network shown $\lambda_{\max}$ then stays just below the threshold; in most others
# it passes it without a cascade (last table below).

# %% tags=["lead"]
findings

# %% [markdown]
# ## How exact the eigenvalues are
#
# The Lanczos method bounds its own error: the residual $\lVert H v - \lambda v\rVert$
# bounds the distance to the nearest true eigenvalue. Below is its largest value over
# the run, beside the largest eigenvalue.

# %%
import pandas as pd

names = ["Hessian λ₁", "Hessian λ₂", "Hessian λ₃", "NTK λ₁"]
columns = {
    f"largest {what} in the run": [
        float(value)
        for kind in ("hessian", "ntk")
        for value in trajectory[f"{kind}_{what}s"].max("step")
    ]
    for what in ("eigenvalue", "residual")
}
pd.DataFrame(columns, index=names).map("{:.3g}".format)

# %%
pd.Series(
    {
        "threshold λ_th (mean at onsets, ends)": f"{threshold.value:.2f} ± "
        f"{threshold.standard_error:.2f}",
        "stability edge 2/η": f"{2 / learning_rate:.2f}",
        "final validation accuracy": f"{float(trajectory.validation_accuracy[-1]):.4f}",
        "first step that is not finite (-1: none)": trajectory.attrs["diverged_at"],
    },
    name="value",
).to_frame()

# %% [markdown]
# ## Each network
#
# What the claims judge, seed by seed; the first is the network shown.

# %%
shown = ["cascades", "quiet", "threshold", "largest_after", "flips", "end_accuracy"]
runs[shown].to_dataframe().rename(columns=learning.MEASURED).round(3).T

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(trajectory, *swept, still)
