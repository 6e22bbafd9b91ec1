"""Losses of each sample, and the class-weighted mean over samples of eq. (1)."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from dynloss.checks import check_arrays


def cross_entropy(logits: Float[Array, "..."], labels: Integer[Array, "..."]) -> Float[Array, "..."]:
    r"""Cross-entropy of each sample, :math:`-\log \operatorname{softmax}(f)_{y}`, in nats.

    Args:
        logits: f, the network's outputs, (…, C).
        labels: y, the classes 0 … C-1, (…), of any integer type.

    Returns:
        The losses, (…). They are NaN where a label is out of range; ``datasets.Dataset`` rejects such labels.

    Raises:
        ValueError: labels that are not integers, or not one for each row of outputs.

    >>> cross_entropy(jnp.array([[0.0, 0.0], [9.0, 9.0]]), jnp.array([0, 1])).round(4).tolist()
    [0.6930999755859375, 0.6930999755859375]
    """
    # A sum over a one-hot mask: the gradient of an indexed read is a scatter, several times slower.
    _check_one_a_row(logits, labels)
    chosen = jnp.sum(jnp.where(one_hot(labels, logits.shape[-1]), logits, 0), -1)
    loss = jax.nn.logsumexp(logits, -1) - chosen
    return jnp.where(_in_range(labels, logits.shape[-1]), loss, jnp.nan)


def squared_error(outputs: Float[Array, "..."], labels: Integer[Array, "..."]) -> Float[Array, "..."]:
    r"""Half the squared distance of each sample to its one-hot label, :math:`\frac12 \sum_k (f_k - y_k)^2`, eq. (8).

    Args:
        outputs: f, the network's outputs, (…, C).
        labels: the classes 0 … C-1, (…).

    Returns:
        The losses, (…); their mean over the N samples is eq. (8). NaN where a label is out of range.

    Raises:
        ValueError: as of ``cross_entropy``.

    >>> squared_error(jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([0, 1])).tolist()
    [0.0, 1.0]
    """
    _check_one_a_row(outputs, labels)
    residual = outputs - one_hot(labels, outputs.shape[-1]).astype(outputs.dtype)
    loss = jnp.sum(residual**2, -1) / 2
    return jnp.where(_in_range(labels, outputs.shape[-1]), loss, jnp.nan)


def class_weighted_mean(
    losses: Float[Array, "..."], labels: Integer[Array, "..."], weights: Float[Array, " C"]
) -> Float[Array, ""]:
    r"""The dynamical loss of eq. (1) as a mean over samples, :math:`F = \frac1P \sum_j \Gamma_{y_j} \ell_j`.

    The paper writes a sum; only with the mean, which the authors' code takes, does a learning rate of 1 make sense.

    Args:
        losses: ℓ, one a sample, (P,): not their mean, which would leave nothing to weight.
        labels: y, (P,).
        weights: Γ, (C,), of the type of ``losses``. All ones give the static loss to the last bit.

    Returns:
        F; NaN where a label has no weight.

    Raises:
        ValueError: losses and labels that are not one for each sample, labels that are not integers.

    >>> float(class_weighted_mean(jnp.array([1.0, 2.0]), jnp.array([0, 1]), jnp.array([1.5, 0.5])))
    1.25
    """
    _check_one_each(losses, labels)
    return jnp.mean(weights_of(labels, weights) * losses)


def accuracy(logits: Float[Array, "..."], labels: Integer[Array, "..."]) -> Float[Array, ""]:
    """The fraction of samples whose largest output is that of their class, at least in float32.

    >>> float(accuracy(jnp.array([[2.0, 1.0], [2.0, 1.0]]), jnp.array([0, 1])))
    0.5
    """
    _check_one_a_row(logits, labels)
    labels = class_numbers(labels)
    right = jnp.argmax(logits, -1).astype(labels.dtype) == labels
    return jnp.mean(right.astype(exact(logits.dtype)))


def weights_of(labels: Integer[Array, "..."], weights: Float[Array, " C"]) -> Float[Array, "..."]:
    r"""The weight of each sample, :math:`\Gamma_{y_j}`; NaN where a label has none.

    >>> weights_of(jnp.array([1, 0, 2]), jnp.array([0.5, 1.5])).tolist()
    [1.5, 0.5, nan]
    """
    check_arrays(weights=weights)
    return jnp.where(_in_range(labels, len(weights)), jnp.asarray(weights)[class_numbers(labels)], jnp.nan)


def one_hot(labels: Integer[Array, "..."], num_classes: int) -> Bool[Array, "..."]:
    """Which class each label is, (…, C); nowhere where it is out of range.

    >>> one_hot(jnp.array([1, 0], "uint8"), 2).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    numbers = class_numbers(labels)
    classes = jnp.arange(num_classes, dtype=numbers.dtype).reshape((1,) * numbers.ndim + (-1,))
    return jnp.expand_dims(numbers, -1) == classes


def class_numbers(labels: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """Labels of a type that holds any number of classes: a byte would wrap round when compared with 256."""
    _check_labels(labels)
    labels = jnp.asarray(labels)
    return labels if labels.dtype.itemsize >= 4 else labels.astype(jnp.int32)


def exact(dtype: Any) -> Any:
    """The type for times, counts and sums of numbers of this type: at least float32, since bfloat16 counts to 256.

    >>> str(exact("bfloat16")), str(exact("float64"))
    ('float32', 'float64')
    """
    return jnp.dtype(dtype if jnp.finfo(dtype).bits >= 32 else "float32")


def _in_range(labels: Any, num_classes: int) -> Array:
    numbers = class_numbers(labels)
    return (numbers >= 0) & (numbers < num_classes)


def _check_labels(labels: Any) -> None:
    check_arrays(labels=labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels must be integers, the classes from 0 on, got {labels.dtype} {labels.shape}")


def _check_one_each(losses: Any, labels: Any) -> None:
    _check_labels(labels)
    check_arrays(losses=losses)
    if losses.shape != labels.shape:
        raise ValueError(f"losses {losses.shape} and labels {labels.shape} must be one for each sample")


def _check_one_a_row(outputs: Any, labels: Any) -> None:
    _check_labels(labels)
    check_arrays(outputs=outputs)
    if labels.shape != outputs.shape[:-1] or outputs.ndim < 1:
        raise ValueError(
            f"labels {labels.shape} must be one for each row of outputs {outputs.shape}: {outputs.shape[:-1]}"
        )
