r"""Gradient descent on the squared error as a map of the outputs by the neural tangent kernel, eqs. (12)-(14).

One step moves the parameters by :math:`-\eta \nabla L`, with :math:`\nabla L = \tfrac1N J^\top g`, J = ∂f/∂W and
g = f - y. To first order in η the outputs move by J times that, so with Θ = J Jᵀ

.. math:: g^{t+1} = g^t - \tfrac{\eta}{N} \Theta^t g^t + O(\eta^2),

eq. (14). A loss that weights the samples by Γ has Γg in place of g; the map is then :math:`1 - \tfrac{\eta}{N}\Theta\,
\mathrm{diag}\,\Gamma`, whose eigenvalues are those of the symmetric :math:`\Gamma^{1/2} \Theta\, \Gamma^{1/2}`.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from dynloss.checks import check_arrays
from dynloss.spectral.lanczos import Operator
from dynloss.spectral.ntk import Apply, ntk_operator


def next_residuals(
    apply: Apply,
    params: Any,
    inputs: Any,
    residuals: Float[Array, "N C"],
    learning_rate: float | Array,
    weights: Any = 1.0,
) -> Float[Array, "N C"]:
    r"""What eq. (14) predicts for the residuals after one step, from the kernel of this moment.

    Args:
        apply: (W, x) -> f, (N, C).
        params: W.
        inputs: x, N samples.
        residuals: g = f - y, (N, C).
        learning_rate: η.
        weights: Γ of each sample, (N,), or 1.

    Raises:
        ValueError: as ``ntk.ntk_operator``.

    >>> next_residuals(lambda w, x: x * w, jnp.array([2.0]), jnp.ones((1, 1)), jnp.ones((1, 1)), 0.5).tolist()
    [[0.5]]
    """
    check_arrays(residuals=residuals)
    product, _ = ntk_operator(apply, params, inputs)
    weighted = residuals * jnp.broadcast_to(jnp.asarray(weights, residuals.dtype), len(residuals))[:, None]
    return residuals - learning_rate / len(residuals) * product(weighted.ravel()).reshape(residuals.shape)


def weighted_operator(apply: Apply, params: Any, inputs: Any, weights: Float[Array, " N"]) -> tuple[Operator, int]:
    r"""The product with :math:`\Gamma^{1/2} \Theta\, \Gamma^{1/2}`, and its size N · C.

    Args:
        apply, params, inputs: as for ``ntk.ntk_operator``, with the same errors.
        weights: Γ of each sample, (N,).
    """
    product, size = ntk_operator(apply, params, inputs)
    root = jnp.repeat(jnp.sqrt(weights), size // len(weights))
    return lambda v: root * product(root * v), size
