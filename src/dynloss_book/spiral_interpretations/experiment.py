"""What Figure 3 leaves open: validation sets "analogous" to the training set, and ways to train."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss import datasets, losses
from dynloss.datasets.base import Dataset
from dynloss.models import mlp
from dynloss_book.tasks.spiral import CLASSES

POINTS = 400  # of each class in a validation set: enough that its own chance matters little
TURNS, NOISE = 2.0, 0.2  # revolutions of an arm, and the deviation of an angle in radians: the training set's

# How the points lie along an arm, from 0, the centre, to 1, the end; "midway" is the book's own validation set.
VALIDATIONS: dict[str, Callable[[np.random.RandomState], np.ndarray]] = {
    "midway": lambda random: (np.arange(100) + 0.5) / 100,
    "same places": lambda random: np.tile(np.linspace(0, 1, 100), POINTS // 100),
    "uniform": lambda random: random.uniform(0, 1, POINTS),
    "uniform in the plane": lambda random: np.sqrt(random.uniform(0, 1, POINTS)),
    "nearer the centre": lambda random: random.uniform(0, 1, POINTS) ** 2,
    "beyond the end": lambda random: random.uniform(1, 1.1, POINTS),
}
# Ways to train: what each changes of the first, the book's.
TRAININGS: dict[str, dict[str, Any]] = {
    "the book's": {},
    "T + 1 steps a class": {"clock": "code"},
    "no stop": {"stops": False},
    "Glorot initialisation": {"initialization": "glorot"},
    "twice the steps": {"lengthened": 2},
    "1,000 static steps more": {"settling": 1000},
}
# The variables of a sweep over `accuracies`.
VARIABLES = {
    "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
    "validation_accuracy": (("validation",), {"long_name": "validation accuracy", "units": "1"}),
}


def validation_set(name: str, seed: int = 1) -> Dataset:
    """Points on the arms of the spiral, with fresh noise of the angle; where along the arms, ``VALIDATIONS`` says.

    >>> float((validation_set("beyond the end").inputs ** 2).sum(1).min()) >= 1
    True
    """
    if name not in VALIDATIONS:
        raise ValueError(f"the validation set must be one of {', '.join(VALIDATIONS)}, got {name!r}")
    if name == "midway":
        return datasets.spiral_validation()
    random = np.random.RandomState(seed)
    arms = []
    for arm in range(CLASSES):
        along = VALIDATIONS[name](random)
        angle = 2 * math.pi * (arm / CLASSES + TURNS * along) + NOISE * random.randn(len(along))
        arms.append(np.c_[along * np.cos(angle), along * np.sin(angle)])
    return Dataset(np.concatenate(arms), np.repeat(np.arange(CLASSES), POINTS), CLASSES)


def start(width: int, precision: str, initialization: str, seed) -> Any:
    """The initial weights of a network with one hidden layer; ``seed`` may be traced.

    Args:
        width, precision, initialization: of ``MLP``: the hidden units, "float32" or "float64", "standard" or "glorot".
        seed: from 0 on.

    Raises:
        ValueError: there is no such initialisation.
    """
    model = mlp.MLP(width=width, num_classes=CLASSES, initialization=initialization, param_dtype=precision)
    return model.init(jax.random.key(seed), jnp.zeros((1, 2), precision))


def accuracies(params: Any, training: Dataset) -> dict[str, Any]:
    """``accuracy`` on the training set and ``validation_accuracy`` on each validation set; NaN for a lost network."""
    model = mlp.MLP(width=params["params"]["hidden"]["bias"].shape[-1], num_classes=CLASSES)
    finite = jnp.all(jnp.isfinite(params["params"]["output"]["bias"]))

    def of(data: Dataset):
        inputs = jnp.asarray(np.asarray(data.inputs, training.inputs.dtype))
        logits: Any = model.apply(params, inputs)
        return jnp.where(finite, losses.accuracy(logits, jnp.asarray(data.labels)), jnp.nan)

    return {"accuracy": of(training), "validation_accuracy": jnp.stack([of(validation_set(n)) for n in VALIDATIONS])}


def named(result: Any) -> Any:
    """A sweep's result with the names of the validation sets along ``validation``."""
    return result.assign_coords(validation=list(VALIDATIONS))

