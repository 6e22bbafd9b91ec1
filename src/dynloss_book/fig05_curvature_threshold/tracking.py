r"""The largest eigenvalue of an operator that changes little by little, followed from one measurement to the next.

Lanczos's method starts from what the last measurement found, and ends as soon as the residual
:math:`\lVert Av - \lambda v \rVert` of the top Ritz pair is small. That alone would not do: an eigenvalue that
overtakes another belongs to a vector in which the start has hardly a part, and the residual does not see it. So half of
the start is a fixed random vector, and there are at least five products, or four in a measurement a single step after
such a one: ``benchmarks/tracked_curvature.py`` finds λ_max within 0.1 % of that of dense spectra. With fewer, an
overtaking goes unseen now and then; with a tenth of the random vector, for many measurements.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynloss.checks import check_count, check_number
from dynloss.spectral.lanczos import Operator, Tridiagonal, check_krylov, expanded

SHARES = (1.0, 0.3, 0.1)  # of the top Ritz vectors in the next start
FEWEST = 5  # products


class Top(NamedTuple):
    """What a measurement found.

    Attributes:
        eigenvalue: the largest Ritz value λ.
        residual: ‖Av − λv‖; an eigenvalue lies within it, as a rule much closer.
        products: with the operator.
        start: for the next measurement, (n,).
    """

    eigenvalue: Any
    residual: Any
    products: Any
    start: Float[Array, " n"]


def cold_start(size: int, dtype: Any) -> Float[Array, " n"]:
    """Where nothing is known: the fixed Gaussian vector of ``lanczos.extreme_eigenvalues``, of norm 1."""
    vector = np.random.RandomState(0).randn(size)
    return jnp.asarray(vector / np.linalg.norm(vector), dtype)


def largest(
    operator: Operator, start: Float[Array, " n"], *, num_matvecs: int, tolerance: float, fewest: int = FEWEST
) -> Top:
    """The largest eigenvalue of a symmetric operator, from ``start`` on.

    Args:
        operator: v -> Av, (n,) -> (n,).
        start: the ``start`` of the measurement before, or ``cold_start``.
        num_matvecs: at most so many products, from ``fewest`` to n.
        tolerance: the residual that is small enough, in parts of the eigenvalue.
        fewest: at least so many products, whatever the residual.

    Raises:
        ValueError: num_matvecs or a tolerance out of range.

    >>> spectrum = jnp.arange(1.0, 21.0)
    >>> first = largest(lambda v: spectrum * v, cold_start(20, "float32"), num_matvecs=15, tolerance=1e-3)
    >>> then = largest(lambda v: 1.01 * spectrum * v, first.start, num_matvecs=15, tolerance=1e-3)
    >>> round(float(then.eigenvalue), 1), bool(then.products < first.products)
    (20.2, True)
    """
    check_count("fewest", fewest, at_least=1)
    check_krylov(operator, start, num_matvecs, fewest)
    check_number("tolerance", tolerance, at_least=0)
    size, dtype = start.size, start.dtype

    def extend(lanczos: Any, count: Any, filled: int) -> Any:
        """One more product; of the basis only the first ``filled`` vectors are looked at, the others being zero."""
        (alphas, betas, basis), vector, scale = lanczos
        basis = basis.at[count].set(vector)
        alpha, beta, following, scale = expanded(operator, vector, basis[:filled], scale)
        return Tridiagonal(alphas.at[count].set(alpha), betas.at[count].set(beta), basis), following, scale

    def judged(lanczos: Any, count: Any) -> Any:
        (alphas, betas, basis), *_ = lanczos
        # Vectors that are not there yet, or beyond an exhausted Krylov space, are zero. Their part of T goes below all.
        used = jnp.any(basis != 0, axis=1)
        largest = jnp.max(jnp.abs(alphas) + 2 * betas)
        below = -2 * jnp.where(largest > 0, largest, 1)
        followed = jnp.append(used[1:], False)
        krylov = Tridiagonal(jnp.where(used, alphas, below), jnp.where(followed, betas, 0), basis)
        values, vectors = jnp.linalg.eigh(krylov.matrix)
        return lanczos, count, values[-1], jnp.abs(betas[count - 1] * vectors[count - 1, -1]), vectors

    def unfinished(state: Any) -> Any:
        _, count, value, residual, _ = state
        return (count < num_matvecs) & (residual > tolerance * jnp.abs(value))

    def further(state: Any) -> Any:
        lanczos, count, *_ = state
        return judged(extend(lanczos, count, num_matvecs), count + 1)

    vector = start / jnp.linalg.norm(start) + cold_start(size, dtype)
    vector = vector / jnp.linalg.norm(vector)
    nothing = jnp.zeros(num_matvecs, dtype)
    lanczos = Tridiagonal(nothing, nothing, jnp.zeros((num_matvecs, size), dtype)), vector, jnp.zeros((), dtype)
    with jax.default_matmul_precision("highest"):
        for count in range(fewest):  # nobody asks yet how good it is
            lanczos = extend(lanczos, count, count + 1)
        state = jax.lax.while_loop(unfinished, further, judged(lanczos, jnp.asarray(fewest)))
        (krylov, *_), count, value, residual, vectors = state
        shares = jnp.asarray([0.0] * (num_matvecs - len(SHARES)) + list(reversed(SHARES)), dtype)
        following = (vectors @ shares) @ krylov.basis
    return Top(value, residual, count, following)
