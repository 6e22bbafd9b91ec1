r"""The central flow of gradient descent on a time-dependent loss: how far it bounces at the edge of stability.

Let gradient descent bounce along one unit direction u, the eigenvector of the largest Hessian eigenvalue S, so that
:math:`w_t = \bar w_t + x_t u` with x of alternating sign. Averaged over a bounce the gradient is
:math:`\nabla L(\bar w) + \tfrac12 \sigma^2 \nabla S`, where :math:`\sigma^2 = \langle x^2 \rangle`, since
:math:`\nabla (u^\top H u) = \nabla^3 L[u, u]` is what the second order of the Taylor series leaves. So a step moves the
mean by :math:`-\eta(\nabla L + \tfrac12 \sigma^2 \nabla S)`, and changes the sharpness by

.. math:: \dot S = -\eta \langle \nabla L + \tfrac12 \sigma^2 \nabla S, \nabla S \rangle + \partial_t S, \qquad
    \partial_t S = u^\top \Big( \sum_c \dot\Gamma_c H_c \Big) u,

the last term because the loss itself moves: :math:`\dot\Gamma` is the change of the weights in one step, and H_c the
Hessian of class c's part of the loss. The bounces hold the sharpness at its edge, :math:`\dot S = 0`, where

.. math:: \sigma^2 = \frac{2 (\langle -\nabla L, \nabla S \rangle + \partial_t S / \eta)}{\lVert \nabla S \rVert^2}.

Cohen et al. (2024, arXiv:2410.24206) derive it for a loss that stands still; only :math:`\partial_t S` is new here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from dynloss.checks import check_precision
from dynloss.schedules import Schedule
from dynloss.spectral.lanczos import extreme_eigenvalues

Gradient = Callable[[Any, Any], Any]


class Edge(NamedTuple):
    r"""The landscape at the mean of the bounces, and what the central flow predicts from it.

    Attributes:
        eigenvalues: the k largest of the Hessian, descending; the first is S.
        direction: u, on flattened parameters, (n,).
        residual: ‖Hu - Su‖.
        drift: :math:`\langle -\nabla L, \nabla S \rangle`, by which the descent itself sharpens, per η.
        motion: :math:`\partial_t S`, by which the moving loss sharpens, per step.
        variance: σ² of the formula; negative where nothing would have to hold the sharpness back.
        slope, sharpening: ∇L and ∇S, on flattened parameters, (n,).
    """

    eigenvalues: Float[Array, " k"]
    direction: Float[Array, " n"]
    residual: Float[Array, ""]
    drift: Float[Array, ""]
    motion: Float[Array, ""]
    variance: Float[Array, ""]
    slope: Float[Array, " n"]
    sharpening: Float[Array, " n"]


def edge(
    gradient: Gradient,
    params: Any,
    weights: Float[Array, " C"],
    change: Any,
    learning_rate: Any,
    *,
    k: int = 1,
    num_matvecs: int = 32,
) -> Edge:
    """The terms of the central flow at one moment.

    Args:
        gradient: (W, Γ) -> ∇L, shaped as W and linear in Γ.
        params: W, the mean of the bounces.
        weights: Γ, (C,).
        change: Γ at the next step minus Γ at this one, (C,); 0 for a loss that stands still.
        learning_rate: η.
        k: eigenvalues to return.
        num_matvecs: products with the Hessian in Lanczos's method.

    Raises:
        ValueError: for k above ``num_matvecs``, and for parameters of less than 32 bits.
    """
    flat, unravel = ravel_pytree(params)
    check_precision(flat.dtype)

    def slope(w: Array, gammas: Any) -> Array:
        return ravel_pytree(gradient(unravel(w), gammas))[0]

    def curve(w: Array, gammas: Any, u: Array) -> Any:
        """uᵀHu, by a derivative of the gradient along u."""
        return u @ jax.jvp(lambda at: slope(at, gammas), (w,), (u,))[1]

    with jax.default_matmul_precision("highest"):
        here, product = jax.linearize(lambda w: slope(w, weights), flat)
        top = extreme_eigenvalues(product, flat.size, k, num_matvecs=num_matvecs, dtype=flat.dtype)
        u = top.vectors[0]
        sharpening = jax.grad(curve)(flat, weights, u)
        drift = -here @ sharpening
        motion = curve(flat, jnp.asarray(change, flat.dtype), u)
    variance = 2 * (drift + motion / learning_rate) / (sharpening @ sharpening)
    return Edge(top.eigenvalues, u, top.residuals[0], drift, motion, variance, here, sharpening)


def centre(before: Any, here: Any, after: Any) -> Any:
    """The mean of a bounce, (w₋ + 2w + w₊)/4: what alternates drops out, whether or not it grows evenly.

    Args:
        before, here, after: the parameters of three steps in a row, trees of the same shapes.
    """
    return jax.tree.map(lambda a, b, c: (a + 2 * b + c) / 4, before, here, after)


def flow(
    gradient: Gradient,
    params: Any,
    schedule: Schedule,
    learning_rate: Any,
    first: Any,
    steps: int,
    *,
    parts: int = 4,
    num_matvecs: int = 16,
) -> tuple[Float[Array, "steps n"], Float[Array, " steps"], Float[Array, "steps 2"]]:
    r"""Follow the central flow for as long as ``steps`` steps of gradient descent, by Euler's method.

    :math:`\mathrm{d}w / \mathrm{d}t = -\eta (\nabla L + \tfrac12 \sigma^2 \nabla S)`, with σ² from the formula above
    where S has reached 2/η and the formula is positive, and 0 elsewhere: below the edge it is the gradient flow. It
    knows one unstable direction only.

    Args:
        gradient: (W, Γ) -> ∇L, linear in Γ.
        params: W at step ``first``.
        schedule: step -> Γ, (C,), at fractions of a step too.
        learning_rate: η.
        first: the step to begin at.
        steps: how many.
        parts: of Euler's method in a step; with a single one it would bounce itself.
        num_matvecs: products with the Hessian in Lanczos's method.

    Returns:
        The parameters at every step, flattened, (steps, n), with σ² and the two largest eigenvalues there.

    Raises:
        ValueError: for fewer than two parameters or products, and for parameters of less than 32 bits.
    """
    flat, unravel = ravel_pytree(params)

    def advance(w: Array, number: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        time = first + number / parts
        weights = schedule(time, flat.dtype)
        change = schedule(time + 1 / parts, flat.dtype) - weights
        at = edge(gradient, unravel(w), weights, parts * change, learning_rate, k=2, num_matvecs=num_matvecs)
        held = at.eigenvalues[0] >= 2 / learning_rate
        variance = jnp.where(held, jnp.maximum(at.variance, 0), 0)
        return w - learning_rate / parts * (at.slope + variance / 2 * at.sharpening), (w, variance, at.eigenvalues)

    _, (path, variance, eigenvalues) = jax.lax.scan(advance, flat, jnp.arange(steps * parts))
    return path[::parts], variance[::parts], eigenvalues[::parts]
