"""The tasks of Figures 1, S2, S3 and S4: convolutional networks on CIFAR-10, whole or reduced."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from dynloss.checks import check_choice
from dynloss.datasets import cifar10
from dynloss.datasets.base import Dataset
from dynloss.models import myrtle
from dynloss.schedules import Schedule
from dynloss.training import minibatch
from dynloss_book import paper
from dynloss_book.tasks import augmentation

SIZES = (8, 16, 32)  # pixels a side

# What one training leaves, along the evaluated epochs: the variables of a sweep.
CURVES = {
    "accuracy": (("epoch",), {"long_name": "training accuracy", "units": "1"}),
    "validation_accuracy": (("epoch",), {"long_name": "validation accuracy", "units": "1"}),
    "static_loss": (("epoch",), {"long_name": "static training loss", "units": "nats"}),
    "validation_static_loss": (("epoch",), {"long_name": "static validation loss", "units": "nats"}),
}


@functools.cache
def sets(images: str, image_size: int, training_images: int, held_out_images: int) -> list[Dataset]:
    """Training and held-out set, with as many images of every class; read once, for all runs.

    Each channel is normalised by the training set's mean and deviation; smaller images are averages over squares.

    Args:
        images: "cifar10", or "generated": coloured stripes, for a trial without the data.
        image_size: pixels a side: 8, 16 or 32.
    """
    check(images, image_size)
    if images == "generated":
        training, held_out = cifar10.generated(training_images, held_out_images)
    else:
        training, held_out = cifar10.load()
        training = cifar10.subset(training, size=training_images)
        held_out = cifar10.subset(held_out, size=held_out_images)
    return prepared(training, held_out, image_size)


def prepared(training: Dataset, held_out: Dataset, image_size: int) -> list[Dataset]:
    """Both sets, each channel normalised by the training set's mean and deviation, in images of a given size.

    Args:
        training, held_out: images of 32 × 32 pixels of ten classes.
        image_size: pixels a side: 8, 16 or 32.
    """
    return [
        Dataset(np.asarray(myrtle.average_pool(jnp.asarray(each.inputs), window=32 // image_size)), each.labels, 10)
        for each in cifar10.normalised(training, held_out)
    ]


def three_classes(images: str, size: int) -> Dataset:
    """A number of images of the first three classes, each channel normalised as in the whole training set."""
    check(images)
    training, _ = cifar10.load() if images == "cifar10" else cifar10.generated(4 * size)
    (training,) = cifar10.normalised(training)
    return cifar10.subset(training, classes=(0, 1, 2), size=size)


def check(images: str, image_size: int = 32) -> None:
    """Raise ``ValueError`` unless there are such images."""
    check_choice("images", images, ("cifar10", "generated"))
    check_choice("image_size", image_size, SIZES)


def myrtle5(image_size: int, channels: int) -> myrtle.Myrtle:
    """Myrtle5, with as many pools after its last convolution as leave a single pixel."""
    return myrtle.Myrtle(depth=5, channels=channels, final_pools=image_size.bit_length() - 3)


@functools.cache
def flips_and_crops(image_size: int) -> Callable:
    """Mirrored, and shifted by up to an eighth of the image: 4 of 32 pixels."""
    return functools.partial(augmentation.flips_and_crops, padding=image_size // 8)


def train(
    model: Any,
    data: Sequence[Dataset],
    weights: Schedule,
    learning_rate: Callable,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    evaluate_every: int,
    checkpoint: Path | None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Train one network in batches; its accuracies and static losses at the evaluated epochs, in single precision.

    A run that diverges counts as such (NaN), not as a bad network.

    Args:
        model: the network; its initial weights follow from ``seed``.
        data: training and held-out set.
        weights: step -> Γ, (C,).
        learning_rate: step -> η.
        options: further arguments of ``minibatch.train``, whose the others are too.
    """
    training, held_out = data
    run = minibatch.train(
        model,
        model.init(jax.random.key(seed), jnp.asarray(training.inputs[:1])),
        training,
        held_out,
        schedule=weights,
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        evaluate_every=evaluate_every,
        checkpoint=checkpoint,
        **options,
    )
    recorded = run.trajectory
    finite = np.isfinite(recorded.static_loss) & np.isfinite(recorded.validation_static_loss)
    return {name: values.where(finite).values.astype("float32") for name, values in recorded.data_vars.items()}


def at_the_end(curves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The last of each curve, with the held-out set called the test set."""
    names = {"accuracy": "accuracy", "validation_accuracy": "test_accuracy", "static_loss": "static_loss"}
    return {new: curves[old][-1] for old, new in names.items()}


# The variables of a sweep over `at_the_end`.
ENDS = {
    "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
    "test_accuracy": ((), {"long_name": "test accuracy", "units": "1"}),
    "static_loss": ((), {"long_name": "static training loss", "units": "nats"}),
}


def evaluated_epochs(epochs: int, every: int) -> list[int]:
    """The epochs at which ``train`` evaluates: every so many from 0 on, and the last."""
    return sorted({*range(0, epochs, every), epochs})


# The settings of Figure 1's profile `paper`.
ARCHIVED = paper.FIGURE_1 | {"evaluate_every": 5}
SMALLEST = 16  # pixels a side, below which the schedules are not the paper's and a sign decides nothing
WHY = f"from {SMALLEST} × {SMALLEST} pixels on, where learning rates, T and A are the paper's"


def decides(settings: Mapping[str, Any]) -> bool:
    """Whether signs of effects are tested at this scale."""
    return settings["images"] == "cifar10" and settings["image_size"] >= SMALLEST


def scale(plane: xr.Dataset, settings: Mapping[str, Any], papers: xr.Dataset | None = None) -> str:
    """The size of the experiment, in words, and of the networks at the paper's own scale beside it.

    Args:
        plane: the sweep, of which the attribute ``scale`` counts.
        settings: of the experiment.
        papers: the networks at the paper's scale, over ``seed``; None without any.
    """
    size, theirs = settings["image_size"], paper.FIGURE_1
    side = theirs["image_size"]
    return (
        f"{settings['training_images']:,} {'images' if settings['images'] == 'cifar10' else 'generated images'} of "
        f"{size} × {size} pixels, {settings['channels']} channels, {settings['epochs']} epochs; "
        f"{plane.attrs.get('scale', '')}"
        + (f"; and {papers.sizes['seed']} seeds at the paper's scale" if papers is not None else "")
        + f"; the paper: {theirs['training_images']:,} of {side} × "
        f"{side}, {theirs['channels']} channels, {theirs['epochs']} epochs, {paper.FIGURE_1_SEEDS} seeds"
    )
