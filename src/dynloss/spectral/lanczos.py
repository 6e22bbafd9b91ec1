"""Extreme eigenvalues of a symmetric operator by the Lanczos method with full reorthogonalisation."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynloss.checks import check_arrays, check_choice, check_count, check_function, check_precision, check_samples
from dynloss.losses import exact

Operator = Callable[[Float[Array, " n"]], Float[Array, " n"]]


class Tridiagonal(NamedTuple):
    """The operator in its Krylov basis: T = tridiag(β, α, β), with orthonormal rows in ``basis``."""

    alphas: Float[Array, " m"]
    betas: Float[Array, " m"]
    basis: Float[Array, "m n"]

    @property
    def matrix(self) -> Float[Array, "m m"]:
        """T, whose eigenvalues are the operator's on the Krylov space."""
        inner = self.betas[:-1]
        return jnp.diag(self.alphas) + jnp.diag(inner, 1) + jnp.diag(inner, -1)


class Ritz(NamedTuple):
    """Approximate eigenpairs.

    Attributes:
        eigenvalues: λ, from their end of the spectrum on, (k,).
        residuals: the norms ‖Av - λv‖, each of which bounds the distance of its λ to the spectrum, (k,).
        vectors: v, of norm 1, (k, n).
    """

    eigenvalues: Float[Array, " k"]
    residuals: Float[Array, " k"]
    vectors: Float[Array, "k n"]


def norm(vector: Float[Array, " n"]) -> Float[Array, ""]:
    """‖v‖ without overflow or underflow: first divided by a power of two, which rounds nothing.

    >>> float(norm(jnp.array([3e30, 4e30], "float32")) / 1e30)
    5.0
    """
    check_samples(vector=vector)
    _, exponent = jnp.frexp(jnp.max(jnp.abs(vector)))
    return jnp.ldexp(jnp.linalg.norm(jnp.ldexp(vector, -exponent)), exponent)


def orthogonal(vector: Float[Array, " n"], basis: Float[Array, "m n"]) -> Float[Array, " n"]:
    """Without its part in orthonormal rows. Once is not enough where the rest is small beside it; twice is."""
    vector = vector - (basis @ vector) @ basis
    return vector - (basis @ vector) @ basis


def expanded(
    operator: Operator, vector: Float[Array, " n"], basis: Float[Array, "m n"], scale: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, " n"], Float[Array, ""]]:
    """One product of Lanczos's method: α, β and the direction that follows.

    Args:
        operator: v -> Av.
        vector: v, the last row of ``basis`` that is not zero.
        basis: orthonormal rows, and below them zeros.
        scale: the largest ‖Av‖ so far; it comes back last.

    Where the Krylov space is exhausted (β below rounding), β and the direction are zero.
    """
    image = operator(vector)
    scale = jnp.maximum(scale, norm(image))
    rest = orthogonal(image, basis)
    beta = norm(rest)
    tiny = 8 * float(jnp.finfo(vector.dtype).eps) * vector.size**0.5
    broken = beta <= tiny * scale
    following = jnp.where(broken, 0, rest / jnp.where(broken, 1, beta))
    return vector @ image, jnp.where(broken, 0, beta), following, scale


def check_krylov(operator: Operator, start: Float[Array, " n"], num_matvecs: int, fewest: int = 1) -> None:
    """Raise ``ValueError`` unless so many products of this operator can follow from this vector.

    Args:
        operator, start, num_matvecs: as of ``tridiagonalise``.
        fewest: products that are needed, at least 1.
    """
    check_arrays(start=start)
    check_function("operator", operator, "v -> A v")
    check_precision(start.dtype)
    check_count("num_matvecs", num_matvecs, at_least=fewest)
    if num_matvecs > start.size:
        raise ValueError(f"num_matvecs must not exceed the operator's size {start.size}, got {num_matvecs}")


def tridiagonalise(operator: Operator, start: Float[Array, " n"], num_matvecs: int) -> Tridiagonal:
    """Run ``num_matvecs`` steps of Lanczos; the last β couples to the vector that was not added.

    Each new vector is orthogonalised twice against all earlier ones. Where the Krylov space is exhausted, β is recorded
    as 0 and a fresh direction continues, so that no spurious eigenvalue appears and repeated eigenvalues are found.

    Args:
        operator: v -> Av, linear and symmetric, (n,) -> (n,).
        start: the first vector, (n,); its length does not matter.
        num_matvecs: m, products with A; at most n.

    Raises:
        ValueError: for num_matvecs out of range, and for vectors of less than 32 bits.
    """
    check_krylov(operator, start, num_matvecs)
    size, dtype = start.size, start.dtype

    def fresh_direction(index: Array, basis: Array) -> Array:
        # Any fixed vector without structure will do; cosines need no random key.
        guess = jnp.cos(jnp.arange(1, size + 1, dtype=dtype) * (index + 2).astype(dtype))
        guess = orthogonal(guess, basis)
        length = norm(guess)  # zero where the basis is complete, and nothing follows
        return guess / jnp.where(length > 0, length, 1)

    def extend(carry: tuple[Array, Array, Array], index: Array) -> Any:
        basis, vector, scale = carry
        basis = basis.at[index].set(vector)
        alpha, beta, following, scale = expanded(operator, vector, basis, scale)
        following = jax.lax.cond(beta == 0, lambda: fresh_direction(index, basis), lambda: following)
        return (basis, following, scale), (alpha, beta)

    first = start / jnp.linalg.norm(start)
    carry = (jnp.zeros((num_matvecs, size), dtype), first, jnp.zeros((), dtype))
    (basis, _, _), (alphas, betas) = jax.lax.scan(extend, carry, jnp.arange(num_matvecs))
    return Tridiagonal(alphas, betas, basis)


def extreme_eigenvalues(
    operator: Operator,
    size: int,
    k: int = 1,
    *,
    num_matvecs: int = 16,
    which: Literal["largest", "smallest"] = "largest",
    start: Float[Array, " n"] | None = None,
    dtype: Any = None,
) -> Ritz:
    """The k largest (descending) or smallest (ascending) eigenvalues of a symmetric operator, with their eigenvectors.

    Args:
        operator: v -> Av, linear and symmetric, (n,) -> (n,).
        size: n.
        k: how many; at most ``num_matvecs``.
        num_matvecs: m, products with A; no more than n are taken. 16 give the top 3 of the MLP's Hessian in Fig. 4 to
            about 1e-6.
        which: the end of the spectrum.
        start: first vector; by default a fixed Gaussian one, so that the result is a function of A alone.
        dtype: of the default start vector.

    Returns:
        The Ritz values with their vectors and their residuals, relative to nothing: compare them with the eigenvalues.

    Raises:
        ValueError: for k above ``num_matvecs`` or above n.

    >>> top = extreme_eigenvalues(lambda v: jnp.arange(1.0, 6.0) * v, 5, 2, num_matvecs=5)
    >>> top.eigenvalues.round(3).tolist()
    [5.0, 4.0]
    >>> jnp.abs(top.vectors[0]).round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0]
    """
    check_count("k", k, at_least=1)
    check_arrays(start=start)
    check_choice("which", which, ("largest", "smallest"))
    num_matvecs = min(num_matvecs, size)
    if k > num_matvecs:
        raise ValueError(f"k must not exceed num_matvecs = {num_matvecs}, got {k}")
    dtype = jnp.dtype(dtype or jnp.result_type(float)) if start is None else start.dtype
    wide = exact(dtype)  # half precision is for the operator alone
    if start is None:
        start = jnp.asarray(np.random.RandomState(0).randn(size), wide)
    products = operator if wide == dtype else lambda v: operator(v.astype(dtype)).astype(wide)
    # Recent GPUs multiply float32 matrices in TF32, three decimal digits, unless told otherwise.
    with jax.default_matmul_precision("highest"):
        krylov = tridiagonalise(products, start.astype(wide), num_matvecs)
        values, vectors = jnp.linalg.eigh(krylov.matrix)
        residuals = jnp.abs(krylov.betas[-1] * vectors[-1])
        ends = slice(None, -k - 1, -1) if which == "largest" else slice(k)
        return Ritz(values[ends], residuals[ends], vectors.T[ends] @ krylov.basis)
