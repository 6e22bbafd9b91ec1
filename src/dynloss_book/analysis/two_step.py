r"""Two steps of gradient descent as one map, and what its multipliers say about a bouncing network.

While the network bounces between two walls it comes back every second step, so the orbit is a fixed point of the
*two-step* map. A small displacement v of it becomes, after two steps,

.. math::

    v \mapsto M v, \qquad M = (I - \eta H_{t+1})(I - \eta H_t),

and the eigenvalues μ of M, its **multipliers**, say what becomes of the orbit: it is stable while :math:`|\mu| < 1`.

- Where one falls through **−1**, the displacement changes its sign every two steps: the period doubles, to four.
- Where one rises through **+1** in a direction that alternates at each step, one more direction has begun to bounce.
  The period stays two: this is what a further eigenvalue of the Hessian above 2/η would do.

Flat directions have μ ≈ 1, too, but do not alternate: :math:`(I - \eta H_t) v` points along v, not against it.

Multipliers of a periodic orbit are Floquet's; that a bounce breaks by doubling its period is the account of Zhu et al.,
arXiv:2210.03294.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynloss.spectral.lanczos import Operator, Tridiagonal, tridiagonalise

# The cosine of a displacement and its image after one step, below which it alternates: -1 for an eigenvector of both
# Hessians, and nearer 0 the more it mixes with others, so that some that alternate are missed.
AGAINST = -0.2
Gradient = Callable[[Any, Any], Any]


class TwoStep(NamedTuple):
    """M on the Krylov spaces of both Hessians.

    Attributes:
        basis: orthonormal columns Q, (n, 2m).
        half: (I - ηH_t) Q, (n, 2m).
        full: (I - ηH_{t+1})(I - ηH_t) Q, (n, 2m).
        curvatures: the three largest eigenvalues of H_t and of H_{t+1}, (2, 3).
    """

    basis: Any
    half: Any
    full: Any
    curvatures: Any


class Multipliers(NamedTuple):
    """The eigenvalues of M, by increasing real part.

    Attributes:
        values: μ, complex, (k,).
        alternation: the cosine between each eigenvector and its image after the first of the two steps, (k,).
        residuals: ‖Mv − μv‖ with ‖v‖ = 1, (k,).
    """

    values: np.ndarray
    alternation: np.ndarray
    residuals: np.ndarray

    @property
    def lowest(self) -> float:
        """The smallest real part: below −1 the period doubles."""
        return float(self.values[0].real)

    @property
    def alternating(self) -> float:
        """The largest real part among directions that alternate at each step; NaN where none does."""
        values = self.values.real[self.alternation < AGAINST]
        return float(values.max()) if len(values) else float("nan")


def two_step(
    gradient: Gradient, first: Any, second: Any, learning_rate: float, size: int, num_matvecs: int = 32
) -> TwoStep:
    """M on the span of both Hessians' Krylov spaces; traceable.

    What matters of M lies in the few directions in which H is large; in all others it is nearly the identity.
    m products with each Hessian find these, as in Lanczos's method, and 4·m more apply M to them.

    Args:
        gradient: (params, weights) -> gradient, on flat parameters.
        first, second: (params, weights) at steps t and t + 1.
        learning_rate: η.
        size: n.
        num_matvecs: m; at most n.

    Raises:
        ValueError: for num_matvecs out of range, and for parameters of less than 32 bits.
    """
    with jax.default_matmul_precision("highest"):
        operators = [_hessian(gradient, *at) for at in (first, second)]
        start = jnp.asarray(np.random.RandomState(0).randn(size), first[0].dtype)
        spaces = [tridiagonalise(operator, start, num_matvecs) for operator in operators]
        basis, _ = jnp.linalg.qr(jnp.concatenate([space.basis for space in spaces]).T)
        half = basis - learning_rate * jax.vmap(operators[0], 1, 1)(basis)
        full = half - learning_rate * jax.vmap(operators[1], 1, 1)(half)
    return TwoStep(basis, half, full, jnp.stack([_largest(space) for space in spaces]))


def multipliers(found: TwoStep) -> Multipliers:
    """The eigenvalues of M on these spaces; by NumPy, since JAX has no such decomposition on a GPU."""
    basis, half, full = (np.asarray(each) for each in found[:3])
    if not all(np.isfinite(each).all() for each in (basis, half, full)):
        unknown = np.full(1, np.nan)
        return Multipliers(unknown.astype(complex), unknown, unknown)
    values, vectors = np.linalg.eig(basis.T @ full)
    after = half @ vectors
    cosine = np.real(np.sum(np.conj(basis @ vectors) * after, axis=0)) / np.linalg.norm(after, axis=0).clip(1e-300)
    residuals = np.linalg.norm(full @ vectors - (basis @ vectors) * values, axis=0)
    order = np.argsort(values.real)
    return Multipliers(values[order].astype(complex), cosine[order], residuals[order])


def _hessian(gradient: Gradient, params: Any, weights: Any) -> Operator:
    return jax.linearize(lambda w: gradient(w, weights), params)[1]


def _largest(space: Tridiagonal, k: int = 3) -> Float[Array, " k"]:
    values = jnp.linalg.eigvalsh(space.matrix)[::-1][:k]
    return jnp.concatenate([values, jnp.full(k - len(values), jnp.nan, values.dtype)])
