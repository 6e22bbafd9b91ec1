"""The Hessian of a loss, through its products with vectors."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from dynloss.checks import check_function, check_parameters, check_shaped_as
from dynloss.spectral.lanczos import Operator, Ritz, extreme_eigenvalues


def flattened(gradient: Callable[[Any], Any], params: Any) -> tuple[Callable[[Any], Any], Float[Array, " n"]]:
    """The gradient as a function of flattened parameters, and these; both checked."""
    check_function("gradient", gradient, "parameters -> gradient")
    check_parameters(params)
    flat, unravel = ravel_pytree(params)

    def flat_gradient(w: Any) -> Any:
        found = gradient(unravel(w))
        check_shaped_as("gradient", found, params)
        return ravel_pytree(found)[0]

    return flat_gradient, flat


def hessian_operator(gradient: Callable[[Any], Any], params: Any) -> tuple[Operator, int]:
    r"""The product :math:`v \mapsto H v`, where H = ∂∇F/∂W at ``params``, on flattened parameters.

    The gradient is linearised once; each product then costs about two gradients' worth of arithmetic.

    Args:
        gradient: W -> ∇F(W), shaped as W.
        params: W, any tree of arrays of one floating-point type.

    Returns:
        The operator and its size, the number of parameters.

    Raises:
        ValueError: a gradient that is none, such as a loss, and parameters that are none, such as a model.
    """
    flat_gradient, flat = flattened(gradient, params)
    with jax.default_matmul_precision("highest"):
        _, product = jax.linearize(flat_gradient, flat)
    return product, flat.size


def hessian_eigenvalues(
    gradient: Callable[[Any], Any],
    params: Any,
    k: int = 1,
    *,
    num_matvecs: int = 16,
    which: Literal["largest", "smallest"] = "largest",
) -> Ritz:
    """The k extreme eigenvalues of the Hessian, by Lanczos's method.

    Args:
        gradient, params: as for ``hessian_operator``, with the same errors.
        k: how many; at most ``num_matvecs``.
        num_matvecs: products with the Hessian.
        which: the end of the spectrum.

    >>> ritz = hessian_eigenvalues(lambda w: jnp.array([1.0, 2.0, 3.0]) * w, jnp.zeros(3), 2, num_matvecs=3)
    >>> [round(value, 3) for value in ritz.eigenvalues.tolist()]
    [3.0, 2.0]
    """
    operator, size = hessian_operator(gradient, params)
    dtype = jax.tree.leaves(params)[0].dtype
    return extreme_eigenvalues(operator, size, k, num_matvecs=num_matvecs, which=which, dtype=dtype)


def hessian_matrix(gradient: Callable[[Any], Any], params: Any) -> Float[Array, "n n"]:
    """The whole Hessian; n² numbers, for small networks and for tests.

    >>> hessian_matrix(lambda w: 2 * w, jnp.zeros(2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    operator, size = hessian_operator(gradient, params)
    return jax.vmap(operator)(jnp.eye(size, dtype=jax.tree.leaves(params)[0].dtype))
