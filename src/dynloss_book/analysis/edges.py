r"""The edge of stability of each optimiser: the curvature λ above which its steps on a quadratic grow.

On :math:`\tfrac12 \lambda x^2` each rule is a linear recurrence. Its growth factors z solve a quadratic equation, and
at the edge one of them is −1: the iterates bounce with period two. With momentum β and learning rate η,

.. math::

    \text{gradient descent} \quad z &= 1 - \eta\lambda & \lambda &= 2/\eta \\
    \text{heavy ball} \quad z^2 &= (1 + \beta - \eta\lambda)\, z - \beta & \lambda &= 2 (1 + \beta) / \eta \\
    \text{Nesterov} \quad z^2 &= (1 + \beta)(1 - \eta\lambda)\, z - \beta (1 - \eta\lambda)
        & \lambda &= 2 (1 + \beta) / ((1 + 2\beta)\, \eta)

Adam, whose momentum averages the gradients with the weight 1 − β₁, is heavy ball with the rate (1 − β₁)η in coordinates
that its preconditioner P stretches: its edge, :math:`2(1 + \beta_1) / ((1 - \beta_1)\,\eta)`, is one for the largest
eigenvalue of P⁻¹H (Cohen et al., arXiv:2103.00065 and arXiv:2207.14484).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynloss.checks import check_arrays, check_number, is_traced
from dynloss.spectral.hessian import hessian_operator
from dynloss.spectral.lanczos import Ritz, extreme_eigenvalues


def gradient_descent(learning_rate: float) -> float:
    """λ = 2/η.

    >>> gradient_descent(0.5)
    4.0
    """
    check_number("learning_rate", learning_rate, above=0)
    return 2 / (learning_rate if is_traced(learning_rate) else float(learning_rate))


def heavy_ball(learning_rate: float, momentum: float) -> float:
    """λ = 2(1 + β)/η.

    >>> heavy_ball(0.5, 0.5)
    6.0
    """
    check_number("momentum", momentum, at_least=0)
    if momentum >= 1:
        raise ValueError(f"momentum must be below 1, got {momentum!r}")
    return gradient_descent(learning_rate) * (1 + momentum)


def nesterov(learning_rate: float, momentum: float) -> float:
    """λ = 2(1 + β)/((1 + 2β)η).

    >>> nesterov(0.5, 0.5)
    3.0
    """
    return heavy_ball(learning_rate, momentum) / (1 + 2 * momentum)


def adam(learning_rate: float, momentum: float = 0.9) -> float:
    """λ(P⁻¹H) = 2(1 + β₁)/((1 − β₁)η); 38/η for the usual β₁ = 0.9.

    >>> round(adam(0.01), 6)
    3800.0
    """
    return heavy_ball(learning_rate, momentum) / (1 - momentum)


def preconditioned_eigenvalues(
    gradient: Callable[[Any], Any],
    params: Any,
    preconditioner: Float[Array, "*n"],
    k: int = 1,
    *,
    num_matvecs: int = 16,
) -> Ritz:
    r"""The k largest eigenvalues of :math:`P^{-1} H`, as those of the symmetric :math:`P^{-1/2} H P^{-1/2}`.

    Args:
        gradient: W -> ∇F(W), shaped as W.
        params: W.
        preconditioner: the diagonal of P, above 0: one number for each of the flattened parameters, or one for all.
        k: how many; at most ``num_matvecs``.
        num_matvecs: products with H.

    Raises:
        ValueError: for a preconditioner of another size, and as for ``hessian.hessian_operator``.

    >>> gradient, scale = (lambda w: jnp.array([1.0, 8.0]) * w), jnp.array([1.0, 4.0])
    >>> ritz = preconditioned_eigenvalues(gradient, jnp.zeros(2), scale, num_matvecs=2)
    >>> round(ritz.eigenvalues.item(), 4)
    2.0
    """
    check_arrays(preconditioner=preconditioner)
    operator, size = hessian_operator(gradient, params)
    if preconditioner.shape not in ((), (1,), (size,)):
        raise ValueError(f"preconditioner must hold one number, or one for each of {size}, got {preconditioner.shape}")
    scale = jnp.broadcast_to(1 / jnp.sqrt(preconditioner), (size,))
    dtype = jax.tree.leaves(params)[0].dtype
    return extreme_eigenvalues(lambda v: scale * operator(scale * v), size, k, num_matvecs=num_matvecs, dtype=dtype)
