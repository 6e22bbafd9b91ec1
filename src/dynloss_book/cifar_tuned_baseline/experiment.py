"""A tuned baseline for the oscillating loss: the static loss, with what usually regularises a network tuned."""

import functools

import numpy as np
import optax
import xarray as xr

from dynloss.datasets import cifar10
from dynloss.datasets.base import Dataset
from dynloss.training import minibatch
from dynloss_book.tasks import cifar10 as cifar10_task


@functools.cache
def sets(images: str, image_size: int, training_images: int, held_out: str, held_out_images: int) -> list[Dataset]:
    """Training set, and a held-out one: for tuning, of CIFAR-10's other training images; for the test, its test images.

    Colours and sizes as in Figure 1, by the mean and deviation of the training set in use.

    Args:
        images: "cifar10" or "generated".
        image_size: pixels a side: 8, 16 or 32.
        held_out: "tuning" or "test".
    """
    cifar10_task.check(images, image_size)
    if held_out not in ("tuning", "test"):
        raise ValueError(f"held_out must be one of tuning, test, got {held_out!r}")
    if images == "generated":
        everything, test = cifar10.generated(training_images + held_out_images, held_out_images)
    else:
        everything, test = cifar10.load()
    places = Dataset(np.arange(len(everything)), everything.labels, 10)
    training, both = (
        cifar10.subset(places, size=size).inputs for size in (training_images, training_images + held_out_images)
    )
    if held_out == "tuning":
        chosen = _some(everything, np.setdiff1d(both, training))
    else:
        chosen = cifar10.subset(test, size=held_out_images)
    return cifar10_task.prepared(_some(everything, training), chosen, image_size)


def _some(data: Dataset, rows: np.ndarray) -> Dataset:
    return Dataset(np.asarray(data.inputs)[rows], np.asarray(data.labels)[rows], data.num_classes)


@functools.cache
def nesterov(weight_decay: float) -> optax.GradientTransformation:
    """Nesterov's momentum of 0.9, of the gradient plus ``weight_decay`` times the parameters."""
    if not weight_decay:
        return minibatch.NESTEROV
    return optax.chain(optax.add_decayed_weights(weight_decay), minibatch.NESTEROV)


def tuned(curves: xr.Dataset) -> dict[str, float]:
    """Peak rate and weight decay at which the mean validation accuracy at the end is highest.

    Args:
        curves: ``validation_accuracy`` over peak_rate, weight_decay, seed and epoch.
    """
    mean = curves.validation_accuracy.isel(epoch=-1).mean("seed")
    best = mean.where(mean.notnull(), -1).argmax(["peak_rate", "weight_decay"])
    return {name: float(mean[name][int(place)]) for name, place in best.items()}


def early(curves: xr.Dataset) -> int:
    """Number of the evaluation at which the mean validation accuracy over seeds is highest."""
    return int(curves.validation_accuracy.mean("seed").fillna(-1).argmax("epoch"))

