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
# Figure 4 follows a network of a few hundred parameters on the spiral. This page tests
# whether a convolutional network behaves in the same way: Myrtle5 learns CIFAR-10
# images of the first three classes (airplanes, automobiles, birds), by full-batch
# gradient descent on the dynamical loss.

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
images: str = "cifar10"  # or "generated": stripes, for a trial without the data
size: int = 90  # images, as many of each class; the paper's: 3000
channels: int = 8  # of each convolution; the paper's: 64
period: int = 250  # T in steps; the paper does not give its own
amplitude: float = 50.0  # A; nor this
learning_rate: float = 0.05  # η; nor this
steps: int = 1500  # the last period is without oscillations
batch_size: int = 90  # images in memory at a time; changes nothing but rounding
eigenvalues: int = 2  # of the Hessian, from the largest on; at most 3
every: int = 9  # steps from one Hessian to the next; odd, to see both branches
num_matvecs: int = 6  # products with the Hessian for its eigenvalues
seed: int = 0  # of the network's initial weights
zoom_cascade: int = 3  # the cascade shown on the right; the first is 1
fresh: bool = False  # compute anew although archived

# %% [markdown]
# The paper gives the network, the classes and the number of images, but neither $T$,
# nor $A$, nor $\eta$. Ours are chosen so that the run begins below the threshold and
# several cascades follow one another. The gradient and the products with the Hessian
# are sums over batches, so that only one batch is in memory at a time.

# %%
import jax

from dynloss import schedules
from dynloss.checks import check_count
from dynloss.models.myrtle import Myrtle
from dynloss.spectral import batched
from dynloss.training import full_batch
from dynloss_book.analysis.cascades import (
    beside_the_edge,
    by_loss,
    check_zoom,
    threshold,
    zoom,
)
from dynloss_book.engine import archive, parameters
from dynloss_book.figS2_myrtle_bifurcations import batched_recorders, claims
from dynloss_book.tasks import cifar10

parameters.validate("figS2_myrtle_bifurcations")
cifar10.check(images)
check_count("eigenvalues", eigenvalues, at_least=1, at_most=3)
check_zoom(zoom_cascade, steps, period)
if every % 2 == 0:
    raise ValueError(f"every must be odd, got {every}")
# At the edge of stability rounding grows: no shortened products on recent GPUs.
jax.config.update("jax_default_matmul_precision", "highest")


def oscillation(period, amplitude, steps):
    """The class weights of the run: oscillating, and all 1 for the last period."""
    stop = schedules.last_period(steps, period)
    return schedules.oscillating(period, amplitude, num_classes=3, stop=stop)


# %% tags=["physics"]
def simulate(
    *, images, size, channels, period, amplitude, learning_rate, steps, batch_size,
    eigenvalues, every, num_matvecs, seed, checkpoint=None,
):  # fmt: skip
    """Train Myrtle5; the accuracy at each step, the Hessian now and then."""
    training = cifar10.three_classes(images, size)
    model = Myrtle(channels=channels, num_classes=3)
    state = batched_recorders.training_state(model.apply, training, batch_size)
    spectrum = batched_recorders.hessian(eigenvalues, num_matvecs, every)
    return full_batch.train(
        model.init(jax.random.key(seed), training.inputs[:1]),
        training, oscillation(period, amplitude, steps),
        gradient=batched.loss_gradient(model.apply, training, batch_size),
        learning_rate=learning_rate, steps=steps, recorders=[state, spectrum],
        progress="gradient descent with spectra", checkpoint=checkpoint).trajectory


# %%
settings = archive.parameters_of(simulate, globals())
run = archive.fetch_or_compute(
    "figS2_myrtle_bifurcations", simulate, settings, fresh=fresh
)

# %% [markdown]
# The cascades are detected from the **loss alone**, so that the comparison with the
# eigenvalue is a test. Where the loss alternates between two values a distance $d$
# apart, its second difference alternates between $\pm2d$, while the drift between the
# walls hardly changes it. An onset is detected where this lasts for four steps in a row
# with $d\ge0.002$ nats. The threshold $\lambda_{th}$ is the mean of $\lambda_1$ at the
# last measurement before each start and the first after each end.

# %%
cascades = by_loss(run, period)

# %% tags=["lead", "answer"]
findings = claims.judge([(run, cascades)], settings)
findings.answer

# %% tags=["lead"] mystnb={"figure": {"caption": "Bifurcations of Myrtle5 on three classes of CIFAR-10, compare [Figure S2 of the paper's supplement](https://proceedings.mlr.press/v139/ruiz-garcia21a.html). (a) Class weights. (b) Training accuracy. (c) The change of the loss from step to step. (d) The largest eigenvalues of the Hessian, with the edge of stability (dotted) and the mean of the largest at starts and ends of cascades (dashed). (e)-(h) The same around one cascade. Green and red dashed lines mark where the loss begins and ceases to bounce. Each column has vertical axes of its own; those of (c), (d), (g) and (h) omit the most extreme 0.4 % of the values.", "name": "fig-myrtle-bifurcations"}, "image": {"alt": "Eight panels against the minimisation step: class weights, training accuracy, the change of the loss and the largest Hessian eigenvalues with a dotted and a dashed line, for the whole run and around one cascade, where accuracy and loss split into branches between two dashed lines."}}
from dynloss_book.figS2_myrtle_bifurcations import figure

gammas = schedules.weights_over(oscillation(period, amplitude, steps), run.step.values)
window = zoom(cascades, zoom_cascade, steps, margin=period // 4)
level = threshold(run, cascades, period)
figure.plot(run, gammas, cascades, level, 2 / learning_rate, window);

# %% tags=["lead"]
archive.provenance(run)

# %% [markdown] tags=["lead"]
# **What to look at.** Before each cascade the largest eigenvalue reaches $2/\eta$: in the
# first two it climbs there as the weights return to one; in the third, enlarged, it is
# there already by mid-period. The loss and the **accuracy** then **split into branches**
# that are visited in turn. The bouncing ends soon after the next class is emphasised,
# which widens the valley.

# %% tags=["lead"]
findings

# %% [markdown]
# ## Each cascade beside the eigenvalue
#
# When $\lambda_1$ last rises above $2/\eta$ before the loss begins to bounce, and when it
# does. The bounce is seen some steps later: beyond the edge it grows from a very small
# amplitude, by a factor of $\eta\lambda_1-1$ per step, while the valley continues to
# narrow. So $\lambda_1$ is above $2/\eta$ when the bounce becomes visible, by more
# for a faster change of the weights, and below or falling when it has ended. All
# numbers are steps; a blank means that it did not happen. A bounce that starts after the
# oscillations have stopped, in the last period, is in the table, and its start counts for
# $\lambda_{th}$; the answer above leaves it out.

# %%
beside_the_edge(run, cascades, learning_rate)

# %%
claims.numbers(run, cascades, settings).to_frame("value")

# %% tags=["remove-input"]
# Does this run agree with the published one?
from dynloss_book.engine.runner.compare import with_published

with_published(run)
