"""Losses of each sample, and the class-weighted mean over samples of eq. (1)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cross_entropy(logits: Float[Array, "*P C"], labels: Int[Array, "*P"]) -> Float[Array, "*P"]:
    r"""Cross-entropy of each sample, :math:`-\log \operatorname{softmax}(f)_{y}`, in nats.

    Args:
        logits: f, the network's outputs, (…, C).
        labels: y, the classes 0 … C-1, (…).

    Returns:
        The losses, (…). They are NaN where a label is out of range; ``datasets.Dataset`` rejects such labels.

    >>> cross_entropy(jnp.array([[0.0, 0.0], [9.0, 9.0]]), jnp.array([0, 1])).round(4).tolist()
    [0.6930999755859375, 0.6930999755859375]
    """
    # A sum over a one-hot mask: the gradient of an indexed read is a scatter, several times slower.
    chosen = jnp.sum(jnp.where(_one_hot(labels, logits), logits, 0), -1)
    loss = jax.nn.logsumexp(logits, -1) - chosen
    return jnp.where(_in_range(labels, logits), loss, jnp.full_like(loss, jnp.nan))


def squared_error(outputs: Float[Array, "*P C"], labels: Int[Array, "*P"]) -> Float[Array, "*P"]:
    r"""Half the squared distance of each sample to its one-hot label, :math:`\frac12 \sum_k (f_k - y_k)^2`, eq. (8).

    Args:
        outputs: f, the network's outputs, (…, C).
        labels: the classes 0 … C-1, (…).

    Returns:
        The losses, (…); their mean over the N samples is eq. (8). NaN where a label is out of range.

    >>> squared_error(jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([0, 1])).tolist()
    [0.0, 1.0]
    """
    residual = outputs - _one_hot(labels, outputs).astype(outputs.dtype)
    loss = jnp.sum(residual**2, -1) / 2
    return jnp.where(_in_range(labels, outputs), loss, jnp.full_like(loss, jnp.nan))


def class_weighted_mean(
    losses: Float[Array, " P"], labels: Int[Array, " P"], weights: Float[Array, " C"]
) -> Float[Array, ""]:
    r"""The dynamical loss of eq. (1) as a mean over samples, :math:`F = \frac1P \sum_j \Gamma_{y_j} \ell_j`.

    The paper writes a sum; only with the mean, which the authors' code takes, does a learning rate of 1 make sense.

    Args:
        losses: ℓ, one a sample, (P,).
        labels: y, (P,).
        weights: Γ, (C,), of the type of ``losses``. All ones give the static loss to the last bit.

    >>> float(class_weighted_mean(jnp.array([1.0, 2.0]), jnp.array([0, 1]), jnp.array([1.5, 0.5])))
    1.25
    """
    return jnp.mean(weights[labels] * losses)


def accuracy(logits: Float[Array, "*P C"], labels: Int[Array, "*P"]) -> Float[Array, ""]:
    """The fraction of samples whose largest output is that of their class.

    >>> float(accuracy(jnp.array([[2.0, 1.0], [2.0, 1.0]]), jnp.array([0, 1])))
    0.5
    """
    return jnp.mean((jnp.argmax(logits, -1) == labels).astype(logits.dtype))


def _one_hot(labels, like):
    classes = jnp.arange(like.shape[-1], dtype=labels.dtype).reshape((1,) * labels.ndim + (-1,))
    return jnp.expand_dims(labels, -1) == classes


def _in_range(labels, like):
    return (labels >= 0) & (labels < like.shape[-1])
