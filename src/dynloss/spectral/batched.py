r"""Gradients and spectra of networks whose samples do not fit into memory together: sums over batches, one at a time.

Eq. (1) is a mean over samples, so that its gradient and its Hessian are sums over batches; so is :math:`J^\top v` of
the kernel's product :math:`J J^\top v`, of which :math:`J w` then needs one batch after the other. All batches are of
equal size. What fills up the last one counts as zero, so that any size of a batch gives the same but for rounding.
The functions are those of ``full_batch``, ``hessian`` and ``ntk``, by the same names.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dynloss import losses
from dynloss.checks import check_count, check_samples, is_traced
from dynloss.datasets.base import Dataset, check_data
from dynloss.spectral.hessian import flattened
from dynloss.spectral.lanczos import Operator, Ritz, extreme_eigenvalues
from dynloss.spectral.ntk import Apply, check_model

Loss = Callable[[Any, Any], Array]
Gradient = Callable[[Any, Any], Any]


def loss_gradient(apply: Apply, data: Dataset, batch_size: int, loss: Loss = losses.cross_entropy) -> Gradient:
    r"""The gradient of eq. (1), :math:`\nabla F = \frac1P \sum_b \sum_{j \in b} \Gamma_{y_j} \nabla \ell_j`.

    Args:
        apply: (params, inputs) -> outputs, (B, C).
        data: P samples.
        batch_size: B, the most samples in memory at a time; the batches are made as equal as they can be.
        loss: (outputs, labels) -> (B,) losses.

    Returns:
        (params, weights) -> gradient, shaped as params: the ``gradient`` of ``training.full_batch.train``.

    Raises:
        ValueError: for a batch size that is not an integer, at least 1.

    >>> data = Dataset(np.ones((5, 1), np.float32), np.array([0, 1, 0, 1, 0]), num_classes=2)
    >>> gradient = loss_gradient(lambda w, x: x * w, data, batch_size=2)
    >>> gradient(jnp.zeros(2), jnp.ones(2)).round(3).tolist()  # softmax - one-hot, on average
    [-0.10000000149011612, 0.10000000149011612]
    """
    check_data(data)
    batches = in_batches(batch_size, data.inputs, data.labels)
    samples = len(data)

    def gradient(params: Any, weights: Any) -> Any:
        def objective(params: Any, batch: Any) -> Array:
            (inputs, labels), there = batch
            each = loss(apply(params, inputs), labels) * losses.weights_of(labels, weights)
            return jnp.sum(jnp.where(there, each, 0)) / samples

        return sum_over(batches, lambda batch: jax.grad(objective)(params, batch))

    vars(gradient)["data"] = data  # as of ``full_batch.loss_gradient``
    return gradient


def hessian_operator(gradient: Callable[[Any], Any], params: Any) -> tuple[Operator, int]:
    r"""The product :math:`v \mapsto H v = \partial_\epsilon \nabla F(W + \epsilon v)`, on flattened parameters.

    The gradient is differentiated forwards, anew in each product: about twice a gradient's arithmetic and memory.
    ``hessian.hessian_operator`` linearises once instead, which keeps what every batch went through.

    Args:
        gradient: W -> ∇F(W), shaped as W.
        params: W, any tree of arrays of one floating-point type.

    Returns:
        The operator and its size, the number of parameters.
    """
    flat_gradient, flat = flattened(gradient, params)
    return lambda v: jax.jvp(flat_gradient, (flat,), (v,))[1], flat.size


def hessian_eigenvalues(
    gradient: Callable[[Any], Any],
    params: Any,
    k: int = 1,
    *,
    num_matvecs: int = 16,
    which: Literal["largest", "smallest"] = "largest",
) -> Ritz:
    """``hessian.hessian_eigenvalues`` by the products of this module, with the same arguments and errors.

    Args:
        gradient: W -> ∇F(W), shaped as W.
        params: W.
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


def ntk_operator(apply: Apply, params: Any, inputs: Any, batch_size: int) -> tuple[Operator, int]:
    r"""The product :math:`v \mapsto J J^\top v` with the full kernel of eq. (11), v flattened from (samples, outputs).

    First :math:`w = J^\top v`, summed over batches; then :math:`J w`, batch by batch.

    Args:
        apply: (W, x) -> f, (P, C).
        params: W.
        inputs: x, P samples.
        batch_size: the most samples in memory at a time.

    Returns:
        The operator and its size, samples × outputs.

    Raises:
        ValueError: for a batch size that is not an integer, at least 1.
    """
    check_model(apply, params, inputs)
    batches = in_batches(batch_size, inputs)
    outputs = jax.eval_shape(apply, params, jax.ShapeDtypeStruct(np.shape(inputs), batches[0][0].dtype))
    samples = outputs.shape[0]

    def backwards(batch: Any) -> Any:
        ((inputs,), there), v = batch
        _, pull = jax.vjp(lambda w: apply(w, inputs), params)
        return pull(jnp.where(there[:, None], v, 0))[0]

    def product(v: Array) -> Any:
        (v,), _ = in_batches(batch_size, v.reshape(outputs.shape))
        w = sum_over((batches, v), backwards)
        images = jax.lax.map(lambda batch: jax.jvp(lambda w: apply(w, batch[0][0]), (params,), (w,))[1], batches)
        return images.reshape(-1, *outputs.shape[1:])[:samples].ravel()

    return product, outputs.size


def ntk_eigenvalues(
    apply: Apply, params: Any, inputs: Any, k: int = 1, *, batch_size: int, num_matvecs: int = 16
) -> Ritz:
    """The k largest eigenvalues of the full kernel of eq. (11) on ``inputs``, by ``num_matvecs`` products.

    It is a sum over samples, so that the eigenvalues grow with their number: state which samples they are.

    Args:
        apply, params, inputs, batch_size: as for ``ntk_operator``, with the same errors.
        k: how many; at most ``num_matvecs``.
        num_matvecs: products with the kernel in Lanczos's method.

    >>> four = jnp.ones((4, 1))
    >>> ritz = ntk_eigenvalues(lambda w, x: x * w, jnp.array([2.0]), four, batch_size=3, num_matvecs=1)
    >>> ritz.eigenvalues.shape
    (1,)
    """
    operator, size = ntk_operator(apply, params, inputs, batch_size)
    return extreme_eigenvalues(operator, size, k, num_matvecs=num_matvecs, dtype=jax.tree.leaves(params)[0].dtype)


def in_batches(batch_size: int, *arrays: Any) -> tuple[tuple[Any, ...], Any]:
    """Arrays over P samples as N equal batches, the smallest number of at most ``batch_size``; (N, B, …) each.

    Returns:
        The arrays, and which places hold a sample for the first time, (N, B): the last places repeat the first samples.

    >>> (batches,), there = in_batches(4, np.arange(6))
    >>> batches.tolist(), in_batches(4, np.arange(5))[1].tolist()
    ([[0, 1, 2], [3, 4, 5]], [[True, True, True], [True, True, False]])
    """
    check_count("batch_size", batch_size, at_least=1)
    check_samples(arrays=arrays)
    samples = len(arrays[0])
    number = math.ceil(samples / batch_size)
    places = np.arange(number * math.ceil(samples / number)).reshape(number, -1)
    # By NumPy, where the samples are known: inside jit JAX would copy all of them in every call.
    known = [array if is_traced(array) else np.asarray(array) for array in arrays]
    return tuple(jnp.asarray(array[places % samples]) for array in known), jnp.asarray(places < samples)


def sum_over(batches: Any, part: Callable[[Any], Any]) -> Any:
    """The sum of ``part(batch)`` over all batches, a tree of arrays (N, B, …), with one of them in memory at a time.

    >>> sum_over(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.sum).tolist()
    10.0
    """
    first = jax.tree.map(lambda array: array[0], batches)
    if len(jax.tree.leaves(batches)[0]) == 1:
        return part(first)  # without a loop, which would stand in the way of XLA

    def add(so_far: Any, batch: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, so_far, part(batch)), None

    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(part, first))
    return jax.lax.scan(add, zero, batches)[0]
