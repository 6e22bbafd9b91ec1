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
# One small network learns the spiral while the loss tilts towards one class after the other. The figure follows six
# quantities through the whole run, and again, enlarged, through one **bifurcation cascade**. What to look for:
#
# 1. As a class gains weight its valley sinks and widens: the loss and the Hessian's largest eigenvalue fall.
# 2. As the weight goes back, the valley rises and narrows. Where its curvature passes the threshold $2/\eta$ that
#    gradient descent can follow, the network starts to bounce between the walls: the loss splits into two branches,
#    visited in turn, and then into more.
# 3. The bouncing ends when the next class takes over. Each time the network has moved on to a wider valley; after about
#    ten cascades it stays below the threshold, and the accuracy is nearly perfect.

# %% tags=["hide-input"]
# Colab: install what is missing. JAX is left as it is: the preinstalled one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

# %% tags=["parameters"]
width: int = 100  # hidden units
period: int = 2000  # T, steps for which one class is emphasised; the paper's: 5000
amplitude: float = 70.0  # A, the largest class weight before normalisation
learning_rate: float = 1.0  # η
steps: int = 18_000  # the paper's: 70 000; without oscillations for the last period
lanczos_order: int = 12  # products with the Hessian, and with the kernel, a step; `paper`: 16
precision: str = "float64"  # or "float32"
seed: int = 0  # of the network's initial weights
zoom_cascade: int = 2  # the cascade shown on the right; the first is 1
fresh: bool = False  # compute anew although archived

# %% [markdown]
# The loss is the class-weighted mean of eq. (1) over the 300 training points, with the weights $\Gamma_i(t)$ of
# eqs. (2)-(5); gradient descent takes $\mathbf W_{t+1} = \mathbf W_t - \eta \nabla \mathcal F(\mathbf W_t; \Gamma(t))$.
# Before each of these steps we record the loss, the accuracy, the three largest eigenvalues of the Hessian of that step's
# loss, and the largest eigenvalue of the neural tangent kernel of eq. (11) on all 300 points and 3 outputs (a matrix of
# 900 × 900 that is never formed). The authors' notebook took the Hessian every 25 steps and the kernel on 50 points.

# %%
import jax
import jax.numpy as jnp

from dynloss import archive, datasets, dynamics, schedules
from dynloss.figures import learning_dynamics as figure
from dynloss.models import mlp
from dynloss.training import full_batch, recorders

if precision not in ("float32", "float64"):
    raise ValueError(f"precision must be 'float32' or 'float64', got {precision!r}")
jax.config.update("jax_enable_x64", precision == "float64")


def oscillation(period, amplitude, steps):
    """The class weights of the run: oscillating, and all 1 for the last period."""
    return schedules.oscillating(period, amplitude, 3, stop=schedules.last_period(steps, period))


def simulate(
    width, period, amplitude, learning_rate, steps, lanczos_order, precision, seed, checkpoint=None
):
    """Train on the spiral, recording the landscape at every step."""
    training, validation = datasets.spiral().astype(precision), datasets.spiral_validation().astype(precision)
    inputs, labels = jnp.asarray(training.inputs), jnp.asarray(training.labels)
    model = mlp.MLP(width=width, num_classes=3, param_dtype=precision)
    run = full_batch.train(
        model.init(jax.random.key(seed), inputs),
        training,
        oscillation(period, amplitude, steps),
        gradient=lambda params, weights: mlp.cross_entropy_gradient(params, inputs, labels, weights),
        learning_rate=learning_rate,
        steps=steps,
        recorders=[
            recorders.training_state(model.apply, training),
            recorders.validation_accuracy(model.apply, validation, every=10),
            recorders.hessian(k=3, order=lanczos_order),
            recorders.ntk(model.apply, inputs, order=lanczos_order),
        ],
        progress="gradient descent with spectra",
        checkpoint=checkpoint,
    )
    # Single precision is far finer than what a figure shows, and half as large in the archive.
    return run.trajectory.astype("float32").assign_attrs(dtype=precision, scale=f"1 seed, {steps} steps, T = {period}")


parameters = {
    "width": width,
    "period": period,
    "amplitude": amplitude,
    "learning_rate": learning_rate,
    "steps": steps,
    "lanczos_order": lanczos_order,
    "precision": precision,
    "seed": seed,
}
trajectory = archive.fetch_or_compute("fig04_learning_dynamics", simulate, parameters, fresh=fresh)

# %% [markdown]
# An instability starts and ends where $\lambda_{\max}$ jumps by 0.1 or more from one step to the next, the paper's mark.
# Its mean over all these marks is the threshold $\lambda_{th}$.

# %%
cascades = dynamics.instabilities(
    trajectory.step, trajectory.hessian_eigenvalues[:, 0], jump=0.1, quiet=max(1, period // 10)
)
threshold = dynamics.threshold(cascades)

# %% mystnb={"figure": {"caption": "Learning dynamics with a dynamical loss, compare Figure 4 of the paper. (a) Class weights, coloured by class. (b) The dynamical loss. (c) Its change from step to step. (d) Training accuracy. (e) The largest eigenvalue of the Hessian. (f) The largest eigenvalue of the neural tangent kernel. (g)-(l) The same around one cascade. Green and red dashed lines mark where instabilities start and end; the black dashed line is the mean of the largest Hessian eigenvalue at the marks. The vertical axes leave out the rarest 0.2 % of the values.", "name": "fig-learning-dynamics"}, "image": {"alt": "Twelve panels against the minimisation step. The class weights rise and fall in turn; in the second half of each period the loss, the accuracy and the largest Hessian eigenvalue split into branches that reach above the dashed threshold, and these cascades cease after some periods."}}
weights = schedules.weights_over(oscillation(period, amplitude, steps), trajectory.step.values)
if cascades:
    chosen = cascades[min(zoom_cascade, len(cascades)) - 1]
    margin = period // 10
    zoom = (max(0, chosen.start - margin), min(steps - 1, chosen.end + margin))
else:
    zoom = (0, steps - 1)
figure.plot(trajectory, weights, cascades, threshold.value, zoom);

# %%
archive.provenance(trajectory)

# %% [markdown]
# ## What the numbers say
#
# Gradient descent on a quadratic is unstable above a curvature of $2/\eta$. The paper finds a threshold of that order.

# %%
import pandas as pd

last = -1 if not cascades else cascades[-1].end
summary = {
    "bifurcation cascades": len(cascades),
    "last step of the last cascade": last,
    "threshold λ_th (mean at the marks)": f"{threshold.value:.2f} ± {threshold.standard_error:.2f}",
    "stability edge 2/η": f"{2 / learning_rate:.2f}",
    "final training accuracy": f"{float(trajectory.accuracy[-1]):.4f}",
    "final validation accuracy": f"{float(trajectory.validation_accuracy[-1]):.4f}",
    "first step that is not finite (-1: none)": trajectory.attrs["diverged_at"],
}
pd.Series(summary, name="value").to_frame()

# %% [markdown]
# The Lanczos method says itself how far each eigenvalue can be off: the residual $\lVert H v - \lambda v\rVert$ bounds
# the distance to the nearest true eigenvalue. Below is its largest value over the run, beside the largest eigenvalue.

# %%
pd.DataFrame(
    {
        "largest eigenvalue in the run": [
            *trajectory.hessian_eigenvalues.max("step").values, *trajectory.ntk_eigenvalues.max("step").values
        ],
        "largest residual in the run": [
            *trajectory.hessian_residuals.max("step").values, *trajectory.ntk_residuals.max("step").values
        ],
    },
    index=["Hessian λ₁", "Hessian λ₂", "Hessian λ₃", "NTK λ₁"],
).map("{:.3g}".format)
