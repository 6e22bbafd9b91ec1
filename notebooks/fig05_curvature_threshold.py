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
# # Figure 5: the threshold and the learning rate
#
# In Figure 4 a cascade starts when the valley has become too narrow for the steps that gradient descent takes. Then
# smaller steps must tolerate narrower valleys. What to look for:
#
# 1. **The threshold falls with the learning rate** almost as $1/\eta$, and is the same for a narrow and a wide network.
#    The paper finds $\lambda_{th}\propto\eta^{-0.9}$. On a quadratic, steps of gradient descent grow above
#    $\lambda=2/\eta$; later work on the *edge of stability* finds networks near it
#    ([Cohen et al. 2021](https://arxiv.org/abs/2103.00065)).
# 2. **It governs the static loss, too.** Without oscillations the narrow network finds no valley below the threshold and
#    does not learn; the wide one does.

# %% tags=["hide-input"]
# Colab: install what is missing. JAX is left as it is: the preinstalled one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

# %% tags=["parameters"]
narrow: int = 100  # hidden units
wide: int = 1000  # hidden units
narrow_seeds: int = 2  # initial weights at each learning rate
wide_seeds: int = 1  # the same for the wide network
lowest_rate: float = 0.2  # of η
highest_rate: float = 2.0  # of η
rates: int = 5  # values of η from the lowest to the highest; 9 and 17 hold these
period: int = 1500  # T·η, so that T = period/η steps; the paper's: 5000
amplitude: float = 70.0  # A
steps: int = 6000  # steps·η; the paper's: 70 000; without oscillations for the last period
cadence: int = 10  # λ_max is measured before and after one step in cadence/η; 0: every step
lanczos_order: int = 8  # products with the Hessian for each λ_max
static_steps: int = 5000  # of the runs without oscillations, at η = 1; the paper's: 70 000
precision: str = "float32"  # or "float64"
minutes: float | None = None  # stop computing the thresholds after so many, for each width, and show what there is
fresh: bool = False  # compute anew although archived

# %% [markdown]
# One point of panel (a): a run like that of Figure 4 with $T\to T/\eta$. We need $\lambda_{\max}$ only where it jumps
# from one step to the next, so now and then we measure it **before and after one step**, with the weights $\Gamma$ held.
# Holding them leaves the bounce alone: at large $\eta$ the tilt itself changes $\lambda_{\max}$ from step to step.

# %%
import jax
import jax.numpy as jnp
import numpy as np

from dynloss import archive, datasets, dynamics, schedules, sweeps
from dynloss.figures import curvature_threshold as figure
from dynloss.models import mlp
from dynloss.spectral.hessian import hessian_eigenvalues
from dynloss.training import full_batch, recorders

if precision not in ("float32", "float64"):
    raise ValueError(f"precision must be 'float32' or 'float64', got {precision!r}")
jax.config.update("jax_enable_x64", precision == "float64")


def both_sides(learning_rate, order, every):
    """λ_max before and after one step of gradient descent on the loss of that moment."""

    def measure(at):
        after = jax.tree.map(lambda w, g: w - learning_rate * g, at.params, at.gradient(at.params))
        both = jax.tree.map(lambda *sides: jnp.stack(sides), at.params, after)
        # One after the other, in one compiled piece of code.
        return {"curvature": jax.lax.map(lambda w: hessian_eigenvalues(at.gradient, w, order=order).eigenvalues[0], both)}

    return full_batch.Recorder(measure, {"curvature": (("side",), {"long_name": "largest Hessian eigenvalue"})}, every)


def train(width, seed, schedule, learning_rate, steps, precision, observe, checkpoint=None):
    """Gradient descent on the spiral; ``observe`` gives the recorders for a model and its training points."""
    training = datasets.spiral().astype(precision)
    inputs, labels = jnp.asarray(training.inputs), jnp.asarray(training.labels)
    model = mlp.MLP(width=width, num_classes=3, param_dtype=precision)
    return full_batch.train(
        model.init(jax.random.key(seed), inputs),
        training,
        schedule,
        gradient=lambda params, weights: mlp.cross_entropy_gradient(params, inputs, labels, weights),
        learning_rate=learning_rate,
        steps=steps,
        recorders=observe(model, training),
        checkpoint=checkpoint,
    )


# %% [markdown]
# An instability starts and ends where $\lambda_{\max}$ jumps by 0.1: that is the paper's mark in Figure 4, at $\eta=1$.
# It does not say how the mark should change with $\eta$, so we read every run in two ways. **0.1 at every $\eta$** takes the
# paper at its word. **$0.1/\eta$** is what the dynamics asks for: gradient descent on $\mathcal F$ with rate $\eta$ is
# gradient descent on $\eta\mathcal F$ with rate 1, so a bounce is as strong as the jump of $\eta\lambda_{\max}$. Half and
# twice that mark show how much depends on it. Three more choices, each against single steps that would shift a mean:
#
# - A jump counts in a row of three pairs. A single sample that crosses a kink of a ReLU moves $\lambda_{\max}$ by as much,
#   far below the threshold, but not pair after pair.
# - The first half of the first period is left out: there the initial weights settle, without any cascade.
# - $\lambda_{th}$ of a run is the median over its marks, not the mean.


# %%
def thresholds_of_run(
    learning_rate, seed, *, width, period, amplitude, steps, cadence, lanczos_order, precision,
    checkpoint=None,
):
    """λ_th of one run, with marks at 0.1, at 0.1/η, and at half and twice that."""
    turn, steps = max(1, round(period / learning_rate)), round(steps / learning_rate)
    every = max(1, round(cadence / learning_rate))
    run = train(
        width,
        seed,
        schedules.oscillating(turn, amplitude, 3, stop=schedules.last_period(steps, turn)),
        learning_rate,
        steps,
        precision,
        lambda model, training: [
            both_sides(learning_rate, lanczos_order, every),
            recorders.training_state(model.apply, training, every=every),
        ],
        checkpoint,
    ).trajectory
    step = run[run.curvature.dims[0]].values
    settled = step >= turn // 2
    before, after = run.curvature.values[settled].T

    def marks(jump):
        cascades = dynamics.instabilities_of_pairs(
            step[settled], before, after, jump=jump, quiet=max(1, turn // 10), lasting=3
        )
        return dynamics.curvature_at_marks(cascades)

    def threshold(jump):
        return float(np.median(marks(jump))) if len(marks(jump)) else float("nan")

    return {
        "threshold": threshold(0.1),
        "scaled_threshold": threshold(0.1 / learning_rate),
        "scaled_threshold_half": threshold(0.05 / learning_rate),
        "scaled_threshold_twice": threshold(0.2 / learning_rate),
        "marks": float(len(marks(0.1 / learning_rate))),
        "accuracy": float(run.accuracy[-1]),
    }


learning_rates = [float(f"{rate:.3g}") for rate in np.geomspace(lowest_rate, highest_rate, rates)]
readings = {
    "0.1": "threshold",
    "0.1/η": "scaled_threshold",
    "0.05/η": "scaled_threshold_half",
    "0.2/η": "scaled_threshold_twice",
}


def sweep(width, seeds):
    return sweeps.run(
        "fig05_curvature_threshold",
        thresholds_of_run,
        axes={"learning_rate": learning_rates},
        seeds=range(seeds),
        constants={
            "width": width,
            "period": period,
            "amplitude": amplitude,
            "steps": steps,
            "cadence": cadence,
            "lanczos_order": lanczos_order,
            "precision": precision,
        },
        variables={
            **{name: ((), {"long_name": f"λ_th, marks where λ_max jumps by {jump}", "units": "1"}) for jump, name in readings.items()},
            "marks": ((), {"long_name": "starts and ends of instabilities", "units": "1"}),
            "accuracy": ((), {"long_name": "training accuracy at the end", "units": "1"}),
        },
        vectorize=False,
        minutes=minutes,
        fresh=fresh,
    )


labels = {f"{narrow} units": narrow, f"{wide} units": wide}
networks = {f"{narrow} units": sweep(narrow, narrow_seeds), f"{wide} units": sweep(wide, wide_seeds)}

# %% [markdown]
# The line through all points of a width, learning rates and seeds alike, is a least-squares fit in the logarithms; its
# confidence interval (95 %) takes Student's distribution, since there are few points.

# %%


def fits(reading):
    """A power law for each network; none with fewer than three thresholds."""
    found = {}
    for label, network in networks.items():
        values = network[reading].stack(point=("learning_rate", "seed")).dropna("point")
        if len(np.unique(values.learning_rate)) > 1 and len(values) > 2:
            found[label] = dynamics.power_law(values.learning_rate.values, values.values)
    return found


laws = {jump: fits(reading) for jump, reading in readings.items()}

# %% [markdown]
# Panels (b) and (c): the same networks with the static loss, $A=1$, at $\eta=1$. The cadence is odd, so that both
# branches of a bounce are seen.


# %%
def without_oscillations(width, steps, learning_rate, lanczos_order, precision, seed, every):
    """λ_max and the accuracies along a run with the static loss."""
    run = train(
        width, seed, schedules.static(3), learning_rate, steps, precision,
        lambda model, training: [
            recorders.hessian(k=1, order=lanczos_order, every=every),
            recorders.training_state(model.apply, training, every=every),
        ],
    )
    return run.trajectory.astype("float32").assign_attrs(dtype=precision, scale=f"1 seed, {steps} steps, A = 1")


static = {
    label: archive.fetch_or_compute(
        "fig05_curvature_threshold",
        without_oscillations,
        {
            "width": width,
            "steps": static_steps,
            "learning_rate": 1.0,
            "lanczos_order": lanczos_order,
            "precision": precision,
            "seed": 0,
            "every": 2 * max(1, static_steps // 8000) + 5,
        },
        fresh=fresh,
    )
    for label, width in labels.items()
}

# %% mystnb={"figure": {"caption": "The curvature threshold, compare Figure 5 of the paper. (a) The threshold against the learning rate; each point is one run with oscillations; filled: instabilities marked where the eigenvalue jumps by 0.1, open: by 0.1 over the learning rate. The lines are power laws with the 95 % confidence interval of their exponents. Dashed: the edge of stability. Dotted: the exponent of the paper, drawn through the middle of the fits. (b), (c) The largest eigenvalue of the Hessian along a run without oscillations for the narrow and the wide network, with the threshold that the fit in (a) gives at this learning rate (solid) and the edge of stability (dashed). The vertical axes of (b) and (c) leave out the rarest 1 % of the values.", "name": "fig-curvature-threshold"}, "image": {"alt": "Left, on logarithmic axes, the curvature threshold falls with the learning rate along a line close to two over the learning rate, for both widths. Right, the largest Hessian eigenvalue against the minimisation step without oscillations, above for the narrow and below for the wide network, with horizontal lines at the threshold."}}
drawn = {jump: readings[jump] for jump in ("0.1", "0.1/η")}
figure.plot(networks, drawn, laws, static, rate=1.0);

# %%
archive.provenance(networks[f"{narrow} units"])

# %%
archive.provenance(networks[f"{wide} units"])

# %% [markdown]
# ## What the numbers say
#
# The exponent and the threshold at $\eta=1$ for each mark. A mark of 0.1 is a small part of the threshold at a small
# learning rate and a large one at a large: there the bounce is marked early, here late, and $\lambda_{th}$ falls less
# steeply than with a mark in proportion.

# %%
import pandas as pd


def row(jump, label, law):
    interval = f"{law.low:.2f} … {law.high:.2f}"
    inside = "yes" if law.low <= figure.PAPER_EXPONENT <= law.high else "no"
    return {
        "mark": jump, "network": label, "exponent": f"{law.exponent:.2f}", "95 % interval": interval,
        "holds −0.9": inside, "holds −1": "yes" if law.low <= -1 <= law.high else "no",
        "λ_th at η = 1": f"{law.prefactor:.2f}", "runs": law.points,
    }


pd.DataFrame(
    [row(jump, label, law) for jump in readings for label, law in laws[jump].items()],
    columns=["mark", "network", "exponent", "95 % interval", "holds −0.9", "holds −1", "λ_th at η = 1", "runs"],
).set_index(["mark", "network"])

# %% [markdown]
# Each learning rate by itself, means over seeds: $\eta\lambda_{th}$ would be 2 everywhere if the edge of stability held
# exactly. A value below is no contradiction. While the network bounces between two points, the curvature *along* the
# step, averaged from one to the other, is exactly $2/\eta$, because each step undoes the one before. We measure at the two
# ends. What a ReLU network has in between includes the kinks, where the gradient jumps, and of which the Hessian at a
# point knows nothing. A value above is found with short periods, where the tilt is fast; probably the valley narrows on
# while the bounce is still too small to be marked. The accuracy is that of the last pair measured.

# %%
pd.concat(
    {
        label: pd.DataFrame(
            {
                "ηλ_th, mark 0.1": (network.threshold * network.learning_rate).mean("seed").to_series().map("{:.2f}".format),
                "ηλ_th, mark 0.1/η": (network.scaled_threshold * network.learning_rate).mean("seed").to_series().map("{:.2f}".format),
                "seeds": network.scaled_threshold.notnull().sum("seed").to_series(),
                "marks a run": network.marks.mean("seed").to_series().map("{:.0f}".format),
                "training accuracy": network.accuracy.mean("seed").to_series().map("{:.3f}".format),
            }
        )
        for label, network in networks.items()
    },
    names=["network", "η"],
)

# %% [markdown]
# Without oscillations, over the second half of the run: how often the curvature is above the threshold of (a), and what
# the network has learnt at the end.

# %%
def second_half(label, run):
    values = run.hessian_eigenvalues[len(run.hessian_eigenvalues) // 2 :, 0]
    level = float(laws["0.1"][label].at(1.0)) if label in laws["0.1"] else float("nan")
    return {
        "threshold at η = 1": f"{level:.2f}",
        "median λ_max": f"{float(values.median()):.2f}",
        "share of steps above": f"{float((values > level).mean()):.2f}",
        "final training accuracy": f"{float(run.accuracy[-1]):.3f}",
    }


pd.DataFrame({label: second_half(label, run) for label, run in static.items()}).T
