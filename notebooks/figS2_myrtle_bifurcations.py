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
# # Figure S2: bifurcations of a convolutional network
#
# Figure 4 watched a network of a few hundred parameters learn a spiral. Is what it showed a matter of small networks and
# points in a plane? Here Myrtle5, a convolutional network, learns photographs: the first three classes of CIFAR-10
# (airplanes, automobiles, birds), by full-batch gradient descent on the dynamical loss. What to look for:
#
# 1. In the second half of a period, as the loss comes back to all classes, the largest eigenvalue of the Hessian rises
#    through $2/\eta$.
# 2. Some steps later the **accuracy splits into branches**, visited in turn, and so does the loss.
# 3. The bouncing ends soon after the turn, when the next class widens the valley and the eigenvalue falls back.

# %% tags=["hide-input"]
# Colab: install what is missing. JAX is left as it is: the preinstalled one knows the GPU.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dynloss") is None:
    source = "dynloss @ git+https://github.com/dynloss/dynloss"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

# %% tags=["parameters"]
images: str = "cifar10"  # or "generated": coloured stripes, to try the page without the data
size: int = 90  # images, as many of each class; the paper's: 3000
channels: int = 8  # of each convolution; the paper's: 64
period: int = 250  # T, steps for which one class is emphasised; the paper does not give its own
amplitude: float = 50.0  # A; nor this
learning_rate: float = 0.05  # η; nor this
steps: int = 1500  # the last period is without oscillations
batch_size: int = 90  # images in memory at a time; changes nothing but rounding
eigenvalues: int = 2  # of the Hessian, from the largest on; at most 3
every: int = 9  # steps from one Hessian to the next; odd, so that both branches of a bounce are seen
lanczos_order: int = 6  # products with the Hessian for its eigenvalues
seed: int = 0  # of the network's initial weights
zoom_cascade: int = 3  # the cascade shown on the right; the first is 1
fresh: bool = False  # compute anew although archived

# %% [markdown]
# The paper gives the network, the classes and the number of images, but neither $T$, nor $A$, nor $\eta$. Ours are chosen so that
# the run begins below the threshold and several cascades follow one another. The gradient and the products with the Hessian
# are sums over batches, so that memory holds one batch, however many images there are.

# %%
import jax
import jax.numpy as jnp
import numpy as np

from dynloss import archive, dynamics, schedules
from dynloss.datasets import cifar10
from dynloss.figures import bifurcations as figure
from dynloss.models.myrtle import Myrtle
from dynloss.spectral import batched
from dynloss.training import batched_recorders, full_batch

if images not in ("cifar10", "generated") or every % 2 == 0 or not 1 <= eigenvalues <= 3:
    raise ValueError(
        "images must be 'cifar10' or 'generated', every odd and eigenvalues 1, 2 or 3, "
        f"got {images!r}, {every!r} and {eigenvalues!r}"
    )
# At the edge of stability rounding grows: no shortened products on recent GPUs.
jax.config.update("jax_default_matmul_precision", "highest")


def pictures(images, size):
    """The first three classes, each colour normalised as in the whole training set."""
    training, _ = cifar10.load() if images == "cifar10" else cifar10.generated(4 * size)
    (training,) = cifar10.normalised(training)
    return cifar10.subset(training, classes=(0, 1, 2), size=size)


def oscillation(period, amplitude, steps):
    """The class weights of the run: oscillating, and all 1 for the last period."""
    return schedules.oscillating(period, amplitude, 3, stop=schedules.last_period(steps, period))


def simulate(
    images, size, channels, period, amplitude, learning_rate, steps, batch_size, eigenvalues, every, lanczos_order, seed,
    checkpoint=None,
):
    """Train Myrtle5 on all images at each step, recording the accuracy at every step and the Hessian now and then."""
    training = pictures(images, size)
    model = Myrtle(channels=channels, num_classes=3)
    run = full_batch.train(
        model.init(jax.random.key(seed), jnp.asarray(training.inputs[:1])),
        training,
        oscillation(period, amplitude, steps),
        gradient=batched.loss_gradient(model.apply, training, batch_size),
        learning_rate=learning_rate,
        steps=steps,
        recorders=[
            batched_recorders.training_state(model.apply, training, batch_size),
            batched_recorders.hessian(k=eigenvalues, order=lanczos_order, every=every),
        ],
        progress="gradient descent with spectra",
        checkpoint=checkpoint,
    )
    scale = f"{size} images of 3 classes ({images}), {channels} channels, 1 seed, {steps} steps, T = {period}"
    return run.trajectory.assign_attrs(dtype="float32", scale=scale)


parameters = {
    "images": images,
    "size": size,
    "channels": channels,
    "period": period,
    "amplitude": amplitude,
    "learning_rate": learning_rate,
    "steps": steps,
    "batch_size": batch_size,
    "eigenvalues": eigenvalues,
    "every": every,
    "lanczos_order": lanczos_order,
    "seed": seed,
}
trajectory = archive.fetch_or_compute("figS2_myrtle_bifurcations", simulate, parameters, fresh=fresh)

# %% [markdown]
# The cascades are read from the **loss alone**, so that setting them beside the eigenvalue is a test. Where the loss
# alternates between two values a distance $d$ apart, its second difference alternates between $\pm2d$, while the drift
# between the walls hardly changes it. We mark where this stands for four steps in a row with $d\ge0.002$ nats. The
# threshold $\lambda_{th}$ is the mean of $\lambda_1$ at the last measurement before each start and the first after each
# end.


# %%
def cascades_of(run, period, distance=0.002):
    """Where the loss bounces, with λ₁ just before and just after."""
    curvature = run.hessian_eigenvalues[:, 0]
    measured = curvature[curvature.dims[0]].values

    def beside(cascade):
        before = max(0, np.searchsorted(measured, cascade.start) - 1)
        after = min(np.searchsorted(measured, cascade.end, side="right"), len(measured) - 1)
        return cascade._replace(curvature_at_start=float(curvature[before]), curvature_at_end=float(curvature[after]))

    found = dynamics.instabilities(
        run.step[2:], np.diff(run.loss, 2), jump=4 * distance, quiet=max(1, period // 10), lasting=4
    )
    return [beside(cascade) for cascade in found]


def threshold_of(run, cascades, period):
    """λ_th; a cascade that the run leaves unfinished has no end."""
    marks = dynamics.curvature_at_marks(cascades)
    unfinished = bool(cascades) and cascades[-1].end > run.attrs["steps"] - 1 - period // 10
    marks = marks[: len(marks) - unfinished]
    return float(np.mean(marks)) if len(marks) else float("nan")


def draw(run, settings):
    """The whole run, and one cascade."""
    period, steps = settings["period"], settings["steps"]
    cascades = cascades_of(run, period)
    weights = schedules.weights_over(oscillation(period, settings["amplitude"], steps), run.step.values)
    chosen = cascades[min(zoom_cascade, len(cascades)) - 1] if cascades else None
    zoom = (max(0, chosen.start - period // 4), min(steps, chosen.end + period // 4)) if chosen else (0, steps)
    threshold = threshold_of(run, cascades, period)
    return figure.plot(run, weights, cascades, threshold, 2 / settings["learning_rate"], zoom)


# %% mystnb={"figure": {"caption": "Bifurcations of Myrtle5 on three classes of CIFAR-10, compare Figure S2 of the paper. (a) Class weights. (b) Training accuracy. (c) The change of the loss from step to step. (d) The largest eigenvalues of the Hessian, with the edge of stability (dotted) and the mean of the largest at the marks (dashed). (e)-(h) The same around one cascade. Green and red dashed lines mark where the loss begins and ceases to bounce. The axes of (c) and (d) leave out the rarest 1 % of the values.", "name": "fig-myrtle-bifurcations"}, "image": {"alt": "Eight panels against the minimisation step. In the second half of each period the largest Hessian eigenvalue rises above the dotted line, and soon after it the training accuracy and the change of the loss split into branches, until the weights turn to the next class."}}
draw(trajectory, parameters);

# %%
archive.provenance(trajectory)

# %% [markdown]
# ## The largest run so far
#
# The run above is as large as the parameters of this page say. This is the largest one that the archive holds, by images
# times channels times steps; it may be the same. `dynloss run figS2 --profile medium` makes one with more of both.

# %%
archived = [record["parameters"] for record in archive.records("figS2_myrtle_bifurcations")]
comparable = [parameters, *(each for each in archived if each["images"] == images)]
largest = max(comparable, key=lambda each: each["size"] * each["channels"] * each["steps"])
larger = trajectory
if largest != parameters:
    larger = archive.fetch_or_compute("figS2_myrtle_bifurcations", simulate, largest)

# %% mystnb={"figure": {"caption": "The same for the largest run in the archive; its scale stands below.", "name": "fig-myrtle-bifurcations-largest"}, "image": {"alt": "The same eight panels for a larger network with more images: the accuracy splits into branches where the largest Hessian eigenvalue has risen above the dotted line."}}
draw(larger, largest);

# %%
archive.provenance(larger)

# %% [markdown]
# ## Each cascade beside the eigenvalue
#
# When $\lambda_1$ first exceeds $2/\eta$ after the cascade before, and when the loss begins to bounce. It has to come later:
# beyond the edge a bounce grows from almost nothing, by a factor of $\eta\lambda_1-1$ a step, while the tilt goes on narrowing
# the valley. So $\lambda_1$ is above $2/\eta$ when the bounce shows, the more so the faster the tilt, and below it, or on its way
# there, when the bounce has ended. Steps; a blank means that it did not happen.

# %%
import pandas as pd


def follow(run, settings):
    """One row a cascade of a run."""
    measured = run[run.hessian_eigenvalues.dims[0]].values
    edge, ended = 2 / settings["learning_rate"], 0
    for number, cascade in enumerate(cascades_of(run, settings["period"]), 1):
        first, *_ = dynamics.first_crossings(measured, run.hessian_eigenvalues.values, edge, (ended, cascade.start))
        yield {
            "cascade": number,
            "λ₁ exceeds 2/η": first,
            "bouncing starts": cascade.start,
            "bouncing ends": cascade.end,
            "ηλ₁ before the start": f"{settings['learning_rate'] * cascade.curvature_at_start:.2f}",
            "ηλ₁ after the end": f"{settings['learning_rate'] * cascade.curvature_at_end:.2f}",
        }
        ended = cascade.end


runs = {"this run": (trajectory, parameters), "largest run": (larger, largest)}
table = pd.concat(
    {name: pd.DataFrame(list(follow(*run))) for name, run in runs.items()}, names=["run", "row"]
).reset_index("row", drop=True)
steps_of_cascades = [name for name in table.columns if "η" not in name or "exceeds" in name]
table.astype(dict.fromkeys(steps_of_cascades, "Int64"))

# %% [markdown]
# ## The claims
#
# The supplement says: bifurcations are clearly present in the accuracy, and they occur when the largest eigenvalue crosses a
# threshold. The first is tested by how much the accuracy changes from one step to the next, inside the cascades and
# outside; the second by whether $\lambda_1$ exceeded $2/\eta$ before each start, and by how often it is above outside the
# cascades, where nothing bounces.

# %%
def claims(run, settings):
    cascades, edge = cascades_of(run, settings["period"]), 2 / settings["learning_rate"]
    curvature = run.hessian_eigenvalues[:, 0]
    measured = curvature[curvature.dims[0]].values

    def inside(at):
        return np.any([np.zeros(len(at), bool), *((at >= each.start) & (at <= each.end) for each in cascades)], axis=0)

    def mean(values):
        return float(values.mean()) if len(values) else float("nan")

    change, above = np.abs(np.diff(run.accuracy)), curvature.values > edge
    bouncing, seen = inside(run.step.values[1:]), inside(measured)
    preceded = sum(pd.notna(row["λ₁ exceeds 2/η"]) for row in follow(run, settings))
    branches = mean(change[bouncing]) > 5 * mean(change[~bouncing])
    crossings = bool(cascades) and preceded == len(cascades)
    return {
        "cascades": len(cascades),
        "mean change of the accuracy a step, inside": f"{mean(change[bouncing]):.4f}",
        "the same, outside": f"{mean(change[~bouncing]):.4f}",
        "bifurcations in the accuracy (inside at least 5 times outside)": "reproduced" if branches else "not reproduced",
        "cascades before which λ₁ exceeded 2/η": f"{preceded} of {len(cascades)}",
        "they occur when λ₁ crosses the threshold (all of them)": "reproduced" if crossings else "not reproduced",
        "share of measurements with λ₁ above 2/η, inside": f"{mean(above[seen]):.2f}",
        "the same share, outside": f"{mean(above[~seen]):.2f}",
        "threshold λ_th": f"{threshold_of(run, cascades, settings['period']):.1f}",
        "2/η": f"{edge:.1f}",
        "training accuracy at the end": f"{float(run.accuracy[-1]):.3f}",
        "median residual of λ₁, relative": f"{float((run.hessian_residuals[:, 0] / curvature).median()):.1e}",
        "first step that is not finite (-1: none)": run.attrs["diverged_at"],
    }


pd.DataFrame({name: claims(*run) for name, run in runs.items()})
