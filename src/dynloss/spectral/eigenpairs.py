"""The largest eigenvalues of a symmetric operator together with their eigenvectors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynloss.checks import check_count
from dynloss.spectral.lanczos import Operator, tridiagonalise


class Pairs(NamedTuple):
    """Approximate eigenpairs, largest first, and for each the norm ‖Av - λv‖."""

    eigenvalues: Float[Array, " k"]
    vectors: Float[Array, "k n"]
    residuals: Float[Array, " k"]


def largest(operator: Operator, size: int, k: int = 1, *, order: int = 32, dtype=None) -> Pairs:
    """The k largest eigenvalues and their unit eigenvectors, by Lanczos from a fixed Gaussian vector.

    Args:
        operator: v -> Av, linear and symmetric, (n,) -> (n,).
        size: n.
        k: how many; at most ``order``.
        order: products with A; no more than n are taken.
        dtype: of the vectors.

    Raises:
        ValueError: for k above ``order`` or above n.

    >>> pairs = largest(lambda v: jnp.arange(1.0, 6.0) * v, 5, 2)
    >>> jnp.abs(pairs.vectors).round(2).tolist()[0]
    [0.0, 0.0, 0.0, 0.0, 1.0]
    """
    check_count("k", k, at_least=1)
    order = min(order, size)
    if k > order:
        raise ValueError(f"k must not exceed the order {order}, got {k}")
    start = jnp.asarray(np.random.RandomState(0).randn(size), dtype or jnp.result_type(float))
    with jax.default_matmul_precision("highest"):
        krylov = tridiagonalise(operator, start, order)
        values, vectors = jnp.linalg.eigh(krylov.matrix)
        last = jnp.abs(krylov.betas[-1] * vectors[-1])
        ends = slice(None, -k - 1, -1)
        return Pairs(values[ends], vectors.T[ends] @ krylov.basis, last[ends])
