"""Extreme eigenvalues of a symmetric operator by the Lanczos method with full reorthogonalisation."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynloss.checks import check_choice, check_count

Operator = Callable[[Float[Array, " n"]], Float[Array, " n"]]


class Tridiagonal(NamedTuple):
    """The operator in its Krylov basis: T = tridiag(β, α, β), with orthonormal rows in ``basis``."""

    alphas: Float[Array, " m"]
    betas: Float[Array, " m"]
    basis: Float[Array, "m n"]


class Ritz(NamedTuple):
    """Approximate eigenvalues, and for each the norm ‖Av - λv‖ that bounds its distance to the spectrum."""

    eigenvalues: Float[Array, " k"]
    residuals: Float[Array, " k"]


def tridiagonalise(operator: Operator, start: Float[Array, " n"], order: int) -> Tridiagonal:
    """Run ``order`` steps of Lanczos; the last β couples to the vector that was not added.

    Each new vector is orthogonalised twice against all earlier ones ("twice is enough"). Where the Krylov space is
    exhausted (β below rounding), β is recorded as 0 and a fresh direction continues, so that no spurious eigenvalue
    appears and repeated eigenvalues are found.
    """
    size, dtype = start.size, start.dtype
    check_count("order", order, at_least=1)
    if order > size:
        raise ValueError(f"order must not exceed the operator's size {size}, got {order}")
    tiny = 8 * jnp.finfo(dtype).eps * size**0.5

    def orthogonal(vector, basis):
        vector = vector - (basis @ vector) @ basis
        return vector - (basis @ vector) @ basis

    def fresh_direction(index, basis):
        # Any fixed vector without structure will do; cosines need no random key.
        guess = jnp.cos(jnp.arange(1, size + 1, dtype=dtype) * (index + 2).astype(dtype))
        guess = orthogonal(guess, basis)
        return guess / jnp.linalg.norm(guess)

    def extend(carry, index):
        basis, vector, scale = carry
        basis = basis.at[index].set(vector)
        image = operator(vector)
        alpha = vector @ image
        scale = jnp.maximum(scale, jnp.linalg.norm(image))
        rest = orthogonal(image, basis)
        beta = jnp.linalg.norm(rest)
        broken = beta <= tiny * scale
        following = jax.lax.cond(broken, lambda: fresh_direction(index, basis), lambda: rest / beta)
        return (basis, following, scale), (alpha, jnp.where(broken, 0, beta))

    first = start / jnp.linalg.norm(start)
    carry = (jnp.zeros((order, size), dtype), first, jnp.zeros((), dtype))
    (basis, _, _), (alphas, betas) = jax.lax.scan(extend, carry, jnp.arange(order))
    return Tridiagonal(alphas, betas, basis)


def extreme_eigenvalues(
    operator: Operator,
    size: int,
    k: int = 1,
    *,
    order: int = 16,
    which: Literal["largest", "smallest"] = "largest",
    start: Float[Array, " n"] | None = None,
    dtype=None,
) -> Ritz:
    """The k largest (descending) or smallest (ascending) eigenvalues of a symmetric operator.

    Args:
        operator: v -> Av, linear and symmetric, (n,) -> (n,).
        size: n.
        k: how many; at most ``order``.
        order: m, products with A. 16 give the top 3 of the MLP's Hessian in Fig. 4 to about 1e-6.
        which: the end of the spectrum.
        start: first vector; by default a fixed Gaussian one, so that the result is a function of A alone.
        dtype: of the default start vector.

    Returns:
        The Ritz values with their residuals, relative to nothing: compare them with the eigenvalues.

    Raises:
        ValueError: for k above ``order`` or ``order`` above n.

    >>> top = extreme_eigenvalues(lambda v: jnp.arange(1.0, 6.0) * v, 5, 2, order=5)
    >>> top.eigenvalues.round(3).tolist()
    [5.0, 4.0]
    """
    check_count("k", k, at_least=1)
    check_choice("which", which, ("largest", "smallest"))
    if k > order:
        raise ValueError(f"k must not exceed the order {order}, got {k}")
    if start is None:
        start = jnp.asarray(np.random.RandomState(0).randn(size), dtype or jnp.result_type(float))
    # Recent GPUs multiply float32 matrices in TF32, three decimal digits, unless told otherwise.
    with jax.default_matmul_precision("highest"):
        alphas, betas, _ = tridiagonalise(operator, start, order)
        inner = betas[:-1]
        values, vectors = jnp.linalg.eigh(jnp.diag(alphas) + jnp.diag(inner, 1) + jnp.diag(inner, -1))
    residuals = jnp.abs(betas[-1] * vectors[-1])
    ends = slice(None, -k - 1, -1) if which == "largest" else slice(k)
    return Ritz(values[ends], residuals[ends])
