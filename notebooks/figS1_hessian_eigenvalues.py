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
# # Figure S1: the next eigenvalues and the next bifurcations
#
# In Figure 4 a cascade starts where the largest eigenvalue of the Hessian passes the threshold. The supplement asks what
# happens next: its second and third bifurcations seem to fall together with the second and the third eigenvalue passing
# the *same* threshold. This page follows the three largest eigenvalues through the run of Figure 4, and sets each
# crossing beside what the loss does at that time.

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
# The run is that of Figure 4, and is read from the archive if Figure 4 has computed it: gradient descent on
# eq. (1), with the three largest eigenvalues of the Hessian of that step's loss at every step.

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
# The threshold is the mean of $\lambda_1$ over the starts and ends of all instabilities. In each cascade we look for
# the first step at which $\lambda_1$, $\lambda_2$ and $\lambda_3$ exceed it, and, from the loss alone, for the second
# bifurcation: the first step at which the loss no longer alternates between two values. As
# $\lambda_1\ge\lambda_2\ge\lambda_3$, the crossings cannot come out of order; the test is whether the lower ones cross
# at all, and whether the alternation ends when $\lambda_2$ does.

# %%
import pandas as pd

step, eigenvalues = trajectory.step.values, trajectory.hessian_eigenvalues.values
cascades = dynamics.instabilities(step, eigenvalues[:, 0], jump=0.1, quiet=max(1, period // 10))
threshold = dynamics.threshold(cascades).value


def follow(cascade):
    """When each eigenvalue crosses the threshold in a cascade, and when the loss leaves its two branches."""
    window = (max(0, cascade.start - period // 4), cascade.end)
    first, second, third = dynamics.first_crossings(step, eigenvalues, threshold, window)
    return {
        "instability starts": cascade.start,
        "λ₁ crosses": first,
        "λ₂ crosses": second,
        "alternation breaks": dynamics.alternation_breaks(step, trajectory.loss, (cascade.start, cascade.end)),
        "λ₃ crosses": third,
        "instability ends": cascade.end,
    }


crossings = pd.DataFrame(
    [follow(cascade) for cascade in cascades], index=pd.RangeIndex(1, len(cascades) + 1, name="cascade")
).astype("Int64")

# %% mystnb={"figure": {"caption": "The three largest eigenvalues of the Hessian, compare Figure S1 of the paper. (a) The change of the loss from step to step, (c) the eigenvalues, for the whole run; (b), (d) the same around one cascade. Green and red dashed lines mark where instabilities start and end, the horizontal line is the threshold, and the dash-dotted lines in (b) and (d) show where each eigenvalue first exceeds it and where the loss leaves its two branches. The vertical axes leave out the rarest 0.2 % of the values.", "name": "fig-hessian-eigenvalues"}, "image": {"alt": "Four panels against the minimisation step: the change of the loss above, the three largest Hessian eigenvalues below with a dashed threshold line; in the enlarged cascade the first, second and third eigenvalue pass the threshold one after the other while the loss splits into more branches."}}
if cascades:
    number = min(zoom_cascade, len(cascades))
    chosen, row = cascades[number - 1], crossings.loc[number]
    zoom = (max(0, chosen.start - period // 10), min(steps - 1, chosen.end + period // 10))
    events = {name: int(row[name]) for name in ["λ₁ crosses", "λ₂ crosses", "λ₃ crosses", "alternation breaks"] if pd.notna(row[name])}
else:
    zoom, events = (0, steps - 1), {}
figure.plot_eigenvalues(trajectory, cascades, threshold, events, zoom);

# %%
archive.provenance(trajectory)

# %% [markdown]
# ## Each crossing beside the bifurcations
#
# One row a cascade; the numbers are minimisation steps, and a blank means that it did not happen. A cascade that
# follows at once on another class's (at the turn of a period) starts above the threshold, so its first columns agree.

# %%
crossings

# %%
complete = crossings.dropna(subset=["λ₂ crosses", "alternation breaks"])
delay = (complete["alternation breaks"] - complete["λ₂ crosses"]).astype(float)
pd.Series(
    {
        "threshold λ_th": f"{threshold:.2f}",
        "cascades": len(cascades),
        "in which λ₂ crosses": int(crossings["λ₂ crosses"].notna().sum()) if cascades else 0,
        "in which λ₃ crosses": int(crossings["λ₃ crosses"].notna().sum()) if cascades else 0,
        "steps from λ₂'s crossing to the end of the alternation (median)": f"{delay.median():.0f}",
        "the same as a share of the cascade (median)": f"{(delay / (complete['instability ends'] - complete['instability starts'])).median():.2f}",
    },
    name="value",
).to_frame()
