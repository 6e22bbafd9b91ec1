r"""Gradient and Hessian of eq. (1) for the network with one hidden layer, written out as a few matrix products.

With inputs :math:`\tilde x = (x, 1)`, hidden weights and biases :math:`T` (D + 1, W), output weights :math:`U` (W, C)
and the mask :math:`M_{jp} = 1` where unit j is active for sample p, the outputs are linear in the products :math:`T U`,

.. math::

    f_c(x_p) = \sum_d \tilde x_{pd} \sum_j M_{jp} T_{dj} U_{jc} + b_c ,

and so are gradient and Hessian in :math:`B_j(u) = \sum_p M_{jp}\, \tilde x_p u_p^\top`. A product with the Hessian is
two products of M with (D + 1)(C - 1) columns: errors sum to zero over the classes, and softmax sees differences of
outputs only, so that one class need not be computed. ``benchmarks/curvature_pairs.py`` measures what that saves.

As everywhere, the second derivative of a ReLU is zero: the kinks count nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from dynloss import losses
from dynloss.checks import check_count, check_samples
from dynloss.models.written_out import narrow_product


class Vector(NamedTuple):
    """Parameters, or a direction among them: ``hidden`` (D + 1, W), biases last, ``output`` (W, C) and its ``bias``."""

    hidden: Float[Array, "E W"]
    output: Float[Array, "W C"]
    bias: Float[Array, " C"]


class Local(NamedTuple):
    """What the loss is like around one point.

    Attributes:
        outputs: (C, P), each less that of the last class.
        gradient: ∇F.
        product: v -> Hv.
    """

    outputs: Float[Array, "C P"]
    gradient: Vector
    product: Callable[[Vector], Vector]


def from_params(params: Any) -> Vector:
    """The parameters of a ``models.MLP``."""
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    return Vector(jnp.concatenate([hidden["kernel"], hidden["bias"][None]]), output["kernel"], output["bias"])


def to_params(vector: Vector) -> Any:
    """Shaped as the parameters of a ``models.MLP``."""
    hidden = {"kernel": vector.hidden[:-1], "bias": vector.hidden[-1]}
    return {"params": {"hidden": hidden, "output": {"kernel": vector.output, "bias": vector.bias}}}


def derivatives(
    at: Vector, inputs: Float[Array, "P D"], labels: Integer[Array, " P"], weights: Float[Array, " C"]
) -> Local:
    """The gradient of eq. (1) with the cross-entropy, and the product with its Hessian.

    Args:
        at: W.
        inputs: x, (P, D).
        labels: y, (P,).
        weights: Γ, (C,).

    Raises:
        ValueError: for fewer than two classes, and for what is no array of at least one sample.
    """
    check_samples(inputs=inputs, labels=labels, weights=weights)
    classes = at.bias.size
    check_count("the number of classes", classes, at_least=2)
    x = jnp.concatenate([inputs.T, jnp.ones((1, len(inputs)), inputs.dtype)])
    mask = (narrow_product(at.hidden, x) > 0).astype(x.dtype)
    onehot = losses.one_hot(labels, classes).T.astype(x.dtype)
    each = weights @ onehot / len(labels)

    def outputs(products: Array, bias: Array) -> Array:
        """Outputs less that of the last class, (C, P), from the products (E, C - 1, W) of the active units."""
        summed = (products.reshape(-1, products.shape[-1]) @ mask).reshape(len(x), classes - 1, -1)
        others = jnp.sum(summed * x[:, None, :], axis=0) + (bias[:-1] - bias[-1])[:, None]
        return jnp.concatenate([others, jnp.zeros((1, others.shape[1]), others.dtype)])

    def moments(errors: Array) -> Array:
        """B (E, C, W), of errors (C, P) that sum to zero over the classes."""
        columns = (x[:, None, :] * errors[None, :-1]).reshape(-1, x.shape[1])
        found = (columns @ mask.T).reshape(len(x), classes - 1, -1)
        return jnp.concatenate([found, -jnp.sum(found, axis=1, keepdims=True)], axis=1)

    def pulled_back(moment: Array, errors: Array, hidden: Array, output: Array) -> Vector:
        """The gradient that errors (C, P) with this B leave on the parameters."""
        return Vector(
            jnp.sum(moment * output.T[None], axis=1),
            jnp.sum(moment * hidden[:, None], axis=0).T,
            jnp.sum(errors, axis=1),
        )

    def difference(output: Array) -> Array:
        return output[:, :-1].T - output[:, -1][None, :]

    apart = difference(at.output)
    logits = outputs(at.hidden[:, None] * apart[None], at.bias)
    probs = jax.nn.softmax(logits, axis=0)
    delta = (probs - onehot) * each[None, :]
    residual = moments(delta)
    gradient = pulled_back(residual, delta, at.hidden, at.output)

    def product(v: Vector) -> Vector:
        change = v.hidden[:, None] * apart[None] + at.hidden[:, None] * difference(v.output)[None]
        moved = outputs(change, v.bias)
        errors = probs * (moved - jnp.sum(probs * moved, axis=0, keepdims=True)) * each[None, :]
        along = pulled_back(moments(errors), errors, at.hidden, at.output)
        across = pulled_back(residual, delta, v.hidden, v.output)
        return Vector(along.hidden + across.hidden, along.output + across.output, along.bias)

    return Local(logits, gradient, product)
