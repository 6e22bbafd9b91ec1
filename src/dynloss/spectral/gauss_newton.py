r"""The Hessian of a weighted cross-entropy in two parts, and the neural tangent kernel that is one of them.

The loss of eq. (1) depends on the parameters through the outputs f. Differentiating twice,

.. math::

    H = \underbrace{\tfrac1P J^\top A J}_{G} + \underbrace{\tfrac1P \sum_{j,k} \Gamma_{y_j} (p_j - e_{y_j})_k
    \nabla^2 f_k(x_j)}_{R}, \qquad A = \operatorname{blockdiag}\,\Gamma_{y_j} (\operatorname{diag} p_j - p_j p_j^\top)

with J = ∂f/∂W and p the softmax of the outputs. G is the *Gauss-Newton* part. With A = BBᵀ its non-zero eigenvalues are
those of :math:`B^\top \Theta B / P`, where Θ = JJᵀ is the kernel of eq. (11): a kernel between samples that counts each
by its class's weight and by the network's uncertainty about it. (G = XXᵀ and XᵀX, with X = JᵀB/√P, share them.)
Source of the decomposition: N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent",
Neural Computation 14, 1723 (2002).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Integer

from dynloss import losses
from dynloss.checks import check_arrays, check_precision
from dynloss.spectral.hessian import hessian_operator
from dynloss.spectral.lanczos import Operator, Ritz, extreme_eigenvalues
from dynloss.spectral.ntk import Apply, jacobian_products


class Parts(NamedTuple):
    """λ_max of the Hessian, and what its two parts make of it: uᵀGu and uᵀRu, with Hu = λu."""

    curvature: Float[Array, ""]
    gauss_newton: Float[Array, ""]
    residual: Float[Array, ""]


def root(outputs: Float[Array, "P C"], weights: Float[Array, " P"]) -> Float[Array, "P C C"]:
    r"""B of each sample, :math:`B B^\top = \Gamma (\operatorname{diag} p - p p^\top)`.

    In closed form: :math:`B = \sqrt\Gamma \operatorname{diag}(\sqrt p)\,(I - \sqrt p \sqrt p^\top)`, whose last factor
    is a projection since the p of a sample add up to 1.

    >>> b = root(jnp.zeros((1, 2)), jnp.array([2.0]))[0]
    >>> (b @ b.T).round(3).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    check_arrays(outputs=outputs, weights=weights)
    q = jnp.sqrt(jax.nn.softmax(outputs, -1))
    projection = jnp.eye(outputs.shape[-1], dtype=outputs.dtype)[None] - q[:, :, None] * q[:, None, :]
    return jnp.sqrt(weights)[:, None, None] * q[:, :, None] * projection


def weighted_kernel_operator(
    apply: Apply, params: Any, inputs: Any, labels: Integer[Array, " P"], weights: Float[Array, " C"]
) -> tuple[Operator, int]:
    """The product v -> BᵀΘBv/P, v flattened from (samples, outputs); neither Θ nor J is formed.

    Args:
        apply: (W, x) -> f, (P, C).
        params: W.
        inputs: x, P samples.
        labels: y, (P,).
        weights: Γ of each class, (C,).

    Returns:
        The operator and its size, samples × outputs.

    Raises:
        ValueError: a model that gives no row of outputs a sample, and labels that are not integers.
    """
    outputs, forward, backward = jacobian_products(apply, params, inputs)
    factor = root(outputs, losses.weights_of(labels, weights))

    def product(v: Array) -> Array:
        spread = jnp.einsum("jab,jb->ja", factor, v.reshape(outputs.shape))
        return (jnp.einsum("jba,jb->ja", factor, forward(backward(spread)[0])) / len(labels)).ravel()

    return product, outputs.size


def weighted_kernel_eigenvalues(
    apply: Apply, params: Any, inputs: Any, labels: Any, weights: Any, k: int = 1, *, num_matvecs: int = 16
) -> Ritz:
    """The k largest eigenvalues of BᵀΘB/P, which are those of the Gauss-Newton matrix G.

    Args:
        apply, params, inputs, labels, weights: as for ``weighted_kernel_operator``, with the same errors.
        k: how many.
        num_matvecs: products with the kernel in Lanczos's method.
    """
    operator, size = weighted_kernel_operator(apply, params, inputs, labels, weights)
    return extreme_eigenvalues(operator, size, k, num_matvecs=num_matvecs, dtype=jax.tree.leaves(params)[0].dtype)


def parts(
    gradient: Callable[[Any], Any],
    apply: Apply,
    params: Any,
    inputs: Any,
    labels: Any,
    weights: Any,
    *,
    num_matvecs: int = 16,
) -> Parts:
    """λ_max of the Hessian and the shares of G and R in it, along its eigenvector.

    Args:
        gradient: W -> ∇F(W; Γ), shaped as W.
        apply, params, inputs, labels, weights: as for ``weighted_kernel_operator``.
        num_matvecs: products with H; the shares are as exact as the eigenvector.

    Raises:
        ValueError: as there, for a gradient that is none, and for parameters of less than 32 bits.
    """
    operator, size = hessian_operator(gradient, params)
    flat, unravel = ravel_pytree(params)
    check_precision(flat.dtype)
    start = jnp.cos(jnp.arange(1, size + 1, dtype=flat.dtype))  # any vector without structure
    top = extreme_eigenvalues(operator, size, num_matvecs=num_matvecs, start=start)
    outputs, forward, _ = jacobian_products(apply, params, inputs)
    with jax.default_matmul_precision("highest"):
        factor = root(outputs, losses.weights_of(labels, weights))
        seen = jnp.einsum("jba,jb->ja", factor, forward(unravel(top.vectors[0])))
    quadratic = jnp.sum(seen**2) / len(labels)
    curvature = top.eigenvalues[0]
    return Parts(curvature, quadratic, curvature - quadratic)
