"""What is written out for the network with one hidden layer, ``models.mlp.MLP``: faster than the general way."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from dynloss import losses
from dynloss.checks import check_arrays


def cross_entropy_gradient(
    params: Any, inputs: Float[Array, "P D"], labels: Integer[Array, " P"], weights: Float[Array, " C"]
) -> Any:
    r"""The gradient of eq. (1) for an ``MLP``, written out: faster on a CPU than automatic differentiation.

    With h the hidden units, :math:`z_1` what enters them and p the softmax of the outputs,

    .. math::

        \delta_j = \tfrac{1}{P} \Gamma_{y_j} (p_j - e_{y_j}), \quad
        \partial_{W_2} F = h^\top \delta, \quad
        \partial_{W_1} F = x^\top \left[ (\delta W_2^\top) \odot 1_{z_1 > 0} \right].

    Arrays lie as (units, samples), narrow products and sums over classes are written out, and the barriers keep XLA
    from fusing, and so repeating, the two arrays that several products read: each measured to be faster on a CPU, for
    few classes. Differentiating this function forward gives Hessian-vector products.

    Args:
        params: of an ``MLP``.
        inputs: x, (P, D).
        labels: y, (P,).
        weights: Γ, (C,).

    Returns:
        The gradient, shaped as ``params``; equal to ``jax.grad`` of the loss up to rounding.

    Raises:
        ValueError: weights of another number of classes than the network's outputs.
    """
    check_vectors(inputs)
    _check_classes(params, weights)
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    x = inputs.T
    onehot = losses.one_hot(labels, len(weights)).T.astype(x.dtype)

    units = jax.nn.relu(narrow_product(hidden["kernel"], x) + hidden["bias"][:, None])
    units = jax.lax.optimization_barrier(units)
    logits = output["kernel"].T @ units + output["bias"][:, None]
    probs = jnp.exp(logits - _folded(jnp.maximum, logits)[None, :])
    probs = probs / _folded(jnp.add, probs)[None, :]
    delta = (probs - onehot) * (weights @ onehot / len(labels))[None, :]
    delta = jax.lax.optimization_barrier(delta)
    back = jnp.where(units > 0, narrow_product(output["kernel"].T, delta), 0)

    # A row of ones beside the inputs gives the bias's gradient in the same product.
    into_hidden = jnp.concatenate([x, jnp.ones((1, x.shape[1]), x.dtype)]) @ back.T
    gradient = {
        "hidden": {"kernel": into_hidden[:-1], "bias": into_hidden[-1]},
        "output": {"kernel": (delta @ units.T).T, "bias": jnp.sum(delta, axis=1)},
    }
    return {"params": gradient}


def output_averaged_ntk(params: Any, inputs: Float[Array, "P D"]) -> Float[Array, "P P"]:
    r"""The neural tangent kernel averaged over outputs, written out for an ``MLP``.

    Each layer adds the product of its inputs' and its errors' Gram matrices; with the units h of the hidden layer,

    .. math::

        \frac1C \sum_k \Theta_{kk}(x, x') = h \cdot h' + 1 + (x \cdot x' + 1)
        \sum_j \tfrac1C \lVert W_{2,j} \rVert^2 \, 1_{h_j > 0} \, 1_{h'_j > 0}.

    Args:
        params: of an ``MLP``.
        inputs: x, (P, D).

    Returns:
        The kernel; equal to ``ntk.output_averaged_ntk_matrix`` up to rounding, for a fraction of its cost.
    """
    with jax.default_matmul_precision("highest"):
        units, errors = layers(params, inputs)
        return units @ units.T + 1 + (inputs @ inputs.T + 1) * errors


def layers(params: Any, inputs: Float[Array, "P D"]) -> tuple[Float[Array, "P W"], Float[Array, "P P"]]:
    r"""What the kernels of an ``MLP`` are made of: the hidden units h, and the Gram matrix of the errors,
    :math:`\sum_j \tfrac1C \lVert W_{2,j} \rVert^2 \, 1_{h_j > 0} \, 1_{h'_j > 0}`."""
    check_vectors(inputs)
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    units = jax.nn.relu(inputs @ hidden["kernel"] + hidden["bias"][None, :])
    active = (units > 0).astype(units.dtype)
    strength = jnp.mean(output["kernel"] ** 2, axis=1)
    return units, (active * strength[None, :]) @ active.T


def check_vectors(inputs: Any) -> None:
    """Raise ``ValueError`` unless there is one vector per sample."""
    check_arrays(inputs=inputs)
    if inputs.ndim != 2:
        raise ValueError(
            f"an MLP reads one vector per sample, (P, D), got inputs {inputs.shape}; "
            "of images inputs.reshape(len(inputs), -1) makes such"
        )


def _check_classes(params: Any, weights: Any) -> None:
    check_arrays(weights=weights)
    outputs = params["params"]["output"]["bias"].shape
    if weights.shape != outputs:
        raise ValueError(f"weights {weights.shape} must be one for each of the network's outputs {outputs}")


def _folded(fold: Any, rows: Array, most: int = 16) -> Any:
    """A fold over the rows, written out where they are few, which XLA fuses; many would take minutes to compile."""
    return functools.reduce(fold, rows) if len(rows) <= most else fold.reduce(rows, axis=0)


def narrow_product(a: Any, b: Any, widest: int = 4) -> Any:
    """``a.T @ b`` for a (K, M) and b (K, N); for few rows K as a sum of outer products, which XLA fuses.

    Args:
        a, b: (K, M) and (K, N).
        widest: the most rows that are few.
    """
    if len(a) > widest:
        return a.T @ b
    return sum(a[k][:, None] * b[k][None, :] for k in range(len(a)))
