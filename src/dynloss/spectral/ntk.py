r"""The empirical neural tangent kernel, eq. (11), in full and in the authors' version.

In full it is a matrix over pairs of a sample and an output, Θ = J Jᵀ with J = ∂f/∂W: 900×900 for the spiral. The
authors' code averages it over the outputs and takes the first 50 samples: a 50×50 matrix. The names keep them apart.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from dynloss.checks import check_arrays, check_function, check_parameters, check_samples
from dynloss.spectral.lanczos import Operator, Ritz, extreme_eigenvalues

Apply = Callable[[Any, Any], Float[Array, "P C"]]
Linear = Callable[[Any], Any]


def check_model(apply: Apply, params: Any, inputs: Any) -> None:
    """Raise ``ValueError`` unless these are a function, parameters and arrays of at least one sample.

    Args:
        apply, params, inputs: as of ``jacobian_products``.
    """
    check_function("apply", apply, "(parameters, inputs) -> outputs")
    check_parameters(params)
    check_samples(inputs=inputs)


def check_outputs(outputs: Any) -> None:
    """Raise ``ValueError`` unless a model gives one row of outputs per sample."""
    if outputs.ndim != 2:
        raise ValueError(f"apply must give outputs (P, C), one row per sample, got {outputs.shape}")


def jacobian_products(apply: Apply, params: Any, inputs: Any) -> tuple[Float[Array, "P C"], Linear, Linear]:
    r"""The outputs, and the products :math:`w \mapsto J w` and :math:`v \mapsto (J^\top v,)`; w is shaped as params.

    Args:
        apply: (W, x) -> f, (P, C).
        params: W, any tree of arrays of one floating-point type.
        inputs: x, P samples.

    Raises:
        ValueError: a model instead of its function, parameters that are none, no samples, and outputs that are not one
            row per sample.
    """
    check_model(apply, params, inputs)
    with jax.default_matmul_precision("highest"):
        outputs, forward = jax.linearize(lambda w: apply(w, inputs), params)
    check_outputs(outputs)
    return outputs, forward, jax.linear_transpose(forward, params)


def ntk_operator(apply: Apply, params: Any, inputs: Any) -> tuple[Operator, int]:
    r"""The product :math:`v \mapsto J J^\top v` with the full kernel, v flattened from (samples, outputs).

    One product is one backward and one forward pass; Θ is never formed.

    Args:
        apply, params, inputs: as for ``jacobian_products``, with the same errors.

    Returns:
        The operator and its size, samples × outputs.
    """
    outputs, forward, backward = jacobian_products(apply, params, inputs)
    return lambda v: forward(backward(v.reshape(outputs.shape))[0]).ravel(), outputs.size


def ntk_eigenvalues(apply: Apply, params: Any, inputs: Any, k: int = 1, *, num_matvecs: int = 16) -> Ritz:
    """The k largest eigenvalues of the full kernel of eq. (11), by ``num_matvecs`` products, or as many as outputs.

    Args:
        apply, params, inputs: as for ``jacobian_products``, with the same errors.
        k: how many; at most ``num_matvecs``.
        num_matvecs: products with the kernel in Lanczos's method.

    >>> ntk_eigenvalues(lambda w, x: x * w, jnp.array([2.0]), jnp.ones((4, 1)), num_matvecs=1).eigenvalues.shape
    (1,)
    """
    operator, size = ntk_operator(apply, params, inputs)
    return extreme_eigenvalues(operator, size, k, num_matvecs=num_matvecs, dtype=jax.tree.leaves(params)[0].dtype)


def ntk_matrix(apply: Apply, params: Any, inputs: Any) -> Float[Array, "P C P C"]:
    r"""The full kernel :math:`\Theta_{k'k''}(x', x'')` of eq. (11), as (P, C, P, C).

    Args:
        apply, params, inputs: as for ``jacobian_products``, with the same errors.
    """
    jacobian = _jacobian(apply, params, inputs)
    with jax.default_matmul_precision("highest"):
        return jnp.einsum("ikp,jlp->ikjl", jacobian, jacobian)


def output_averaged_ntk_matrix(apply: Apply, params: Any, inputs: Any) -> Float[Array, "P P"]:
    r"""The kernel averaged over the outputs, :math:`\frac1C \sum_k \Theta_{kk}(x', x'')`, as in the authors' code.

    Args:
        apply, params, inputs: as for ``jacobian_products``, with the same errors.
    """
    jacobian: Array = _jacobian(apply, params, inputs)
    samples, outputs, _ = jacobian.shape
    flat = jacobian.reshape(samples, -1)
    with jax.default_matmul_precision("highest"):
        return flat @ flat.T / outputs


def kernel_eigenvalues(kernel: Float[Array, "P P"], k: int = 1, *, num_matvecs: int = 10) -> Ritz:
    """The k largest eigenvalues of a kernel that is small enough to be a matrix in memory.

    Args:
        kernel: (P, P), symmetric.
        k: how many; at most ``num_matvecs`` and P.
        num_matvecs: products with the kernel in Lanczos's method.

    Raises:
        ValueError: for another k, and for what is no array.

    >>> round(float(kernel_eigenvalues(jnp.diag(jnp.array([1.0, 3.0])), num_matvecs=2).eigenvalues[0]), 3)
    3.0
    """
    check_arrays(kernel=kernel)
    return extreme_eigenvalues(lambda v: kernel @ v, len(kernel), k, num_matvecs=num_matvecs, dtype=kernel.dtype)


def _jacobian(apply: Apply, params: Any, inputs: Any) -> Any:
    """∂f/∂W with flattened parameters, (P, C, n), by one backward pass an output and sample."""
    check_model(apply, params, inputs)
    flat, unravel = ravel_pytree(params)

    def one(x: Array) -> Any:
        def outputs(w: Array) -> Array:
            found = apply(unravel(w), x[None])
            check_outputs(found)
            return found[0]

        return jax.jacrev(outputs)(flat)

    return jax.vmap(one)(inputs)
