"""The task of the example on one's own data: scikit-learn's handwritten digits, 1,797 images of 8 × 8 pixels."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynloss import losses, schedules
from dynloss.datasets.base import Dataset
from dynloss.schedules import Schedule

ABOUT = {
    name: (("digit",), {"long_name": f"{name} accuracy", "units": "1"}) for name in ("training", "validation", "test")
}


# The SHA-256 of images (float32) and labels (int32): another release of scikit-learn may bring others.
_CONTENT = "bacf08bc160a4706bf0ab1120a1e498c17e884f531eb0654fda392ec701ba72a"


@functools.cache
def split(samples: int) -> list[Dataset]:
    """Training (so many images), validation (300) and test set (500); every digit has its share in each."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if not 10 <= samples <= 900:
        raise ValueError(f"samples must be from 10 to 900, got {samples!r}")
    images, labels = load_digits(return_X_y=True)
    images, labels = images.astype("float32"), labels.astype("int32")
    if (found := hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()) != _CONTENT:
        raise ValueError(f"scikit-learn's digits are not those that this was written for (SHA-256 {found[:8]}…)")
    images = images / 16
    part = functools.partial(train_test_split, random_state=0)
    rest, test = part(np.arange(len(labels)), test_size=500, stratify=labels)
    rest, validation = part(rest, test_size=300, stratify=labels[rest])
    training, _ = part(rest, train_size=samples, stratify=labels[rest])
    return [Dataset(images[rows], labels[rows], num_classes=10) for rows in (training, validation, test)]


def thinned(data: Dataset, rare: Sequence[int]) -> Dataset:
    """Keep only one in ten samples of the rare classes."""
    kept = np.concatenate([np.flatnonzero(data.labels == digit)[:: 10 if digit in rare else 1] for digit in range(10)])
    return Dataset(data.inputs[kept], data.labels[kept], 10)


def initial(seed, width: int) -> dict[str, jax.Array]:
    """Random weights of a network with one hidden layer, W ~ N(0, 2/fan_in); ``seed`` may be traced."""
    first, second = jax.random.split(jax.random.key(seed))
    return {
        "hidden": jax.random.normal(first, (64, width)) * (2 / 64) ** 0.5,
        "hidden_bias": jnp.zeros(width),
        "output": jax.random.normal(second, (width, 10)) * (2 / width) ** 0.5,
        "output_bias": jnp.zeros(10),
    }


def network(params: Mapping[str, jax.Array], images: Any) -> jax.Array:
    """Its outputs, (P, 10)."""
    hidden = jax.nn.relu(images @ params["hidden"] + params["hidden_bias"][None])
    return hidden @ params["output"] + params["output_bias"][None]


def accuracy_by_digit(params: Mapping[str, jax.Array], data: Dataset) -> jax.Array:
    """The share of each digit's images that are classified correctly, (10,)."""
    right = jnp.argmax(network(params, data.inputs), axis=-1) == data.labels
    return jnp.zeros(10).at[data.labels].add(right) / data.counts


def best_settings(search) -> dict[str, dict[str, float]]:
    """The settings of a search with the highest mean validation accuracy.

    Returns:
        "static" (A = 1), "dynamical" (A > 1), and "static at the same rate" as the dynamical one.
    """
    mean = search.validation.mean(["digit", "seed"])
    allowed = {"static": mean.where(mean.amplitude == 1), "dynamical": mean.where(mean.amplitude > 1)}
    found = {
        label: {str(name): float(mean[name][at]) for name, at in each.argmax(...).items()}
        for label, each in allowed.items()
    }
    return found | {"static at the same rate": found["dynamical"] | {"amplitude": 1.0}}


def train(start, data: Dataset, schedule: Schedule, learning_rate, steps: int, balance=1.0):
    """Gradient descent on eq. (1) with the weights Γ(t)·balance, by optax.

    Args:
        start: W_0.
        data: the training set.
        schedule: step -> Γ, (10,).
        learning_rate: η; may be traced.
        steps: how many.
        balance: further weights of the classes, (10,) or a number.

    Returns:
        The parameters after the last step, and the static loss (all weights 1) before each, in nats, (steps,).
    """
    images, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    optimizer = optax.sgd(learning_rate)

    def loss(params, weights):
        each = losses.cross_entropy(network(params, images), labels)
        return losses.class_weighted_mean(each, labels, weights), each

    def update(state, step):
        params, memory = state
        (_, each), gradient = jax.value_and_grad(loss, has_aux=True)(params, schedule(step) * balance)
        change, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(params, change), memory), jnp.mean(each)

    (params, _), static_loss = jax.lax.scan(update, (start, optimizer.init(start)), jnp.arange(steps))
    return params, static_loss


def accuracies(
    learning_rate, period, amplitude, seed, balanced=0.0, *, width: int, samples: int, rare: Sequence[int], steps: int
) -> dict[str, jax.Array]:
    """Train one network; its accuracy on each digit of each set. One point of a sweep, traceable in its numbers.

    The oscillations stop for the last tenth of the steps. Where ``balanced`` is 1, each class has the further weight
    P/(C·P_i), with P_i of the P samples in it. The classes in ``rare`` are thinned.

    Args:
        learning_rate, period, amplitude: η, T in steps, and A.
        seed: of the initial weights.
        balanced: 0 or 1.
        width: hidden units.
        samples: images of the training set before thinning, from 10 to 900.
        rare: digits.
        steps: how many.

    Raises:
        ValueError: samples out of range.
    """
    training, validation, test = split(samples)
    training = thinned(training, rare)
    balance = jnp.where(balanced, len(training) / (10 * training.counts), 1.0)
    schedule = schedules.oscillating(period, amplitude, 10, stop=0.9 * steps)
    params, _ = train(initial(seed, width), training, schedule, learning_rate, steps, balance)
    sets = {"training": training, "validation": validation, "test": test}
    return {name: accuracy_by_digit(params, each) for name, each in sets.items()}
