r"""Convolutions whose derivatives of every order are fast on a processor too.

XLA's processor backend hands a plain convolution to a good matrix product, but the gradients of one to loops that are
several times as slow, many times inside another loop (jax-ml/jax#12868). Here all three products of images x, a kernel
k and the cotangents g = ∂L/∂y of its outputs are plain convolutions:

.. math::
    y_{r} = \sum_i x_{r + i}\, k_i, \qquad
    \frac{\partial L}{\partial x_s} = \sum_i g_{s - i}\, k_i^\mathsf{T}, \qquad
    \frac{\partial L}{\partial k_i} = \sum_r x_{r + i}^\mathsf{T}\, g_r .

The first is ``convolve``; the second too, with the kernel turned around; the third is ``correlate``, a convolution of
images with images, in groups of them that fit into the cache. Each is the derivative of the others, so both are
primitives of JAX that know each other: reverse mode, forward mode and one over the other, as Hessians need it, stay
among them. On a GPU or TPU ``convolution`` is the plain one.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from dynloss.checks import check_arrays

_Padding = tuple[tuple[int, int], ...]
_LAYOUT = ("NHWC", "HWIO", "NHWC")
_PLAIN = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
# Images that enter a product together in ``correlate``: of 32 × 32 pixels and 64 channels they fill 2 MB.
_GROUP = 8


def convolution(
    inputs: Float[Array, "P ... D"],
    kernel: Float[Array, "... C"],
    strides: Sequence[int] = (1, 1),
    padding: Any = "SAME",
    **options: Any,
) -> Float[Array, "P ..."]:
    """``lax.conv_general_dilated`` of images, for ``flax.linen.Conv(conv_general_dilated=convolution)``.

    Args:
        inputs: (P, H, W, D).
        kernel: (h, w, D, C), of the same type.
        strides: pixels from one output to the next, along either side.
        padding: "SAME", "VALID", or pixels of zeros before and after, along either side.
        options: the others of ``lax.conv_general_dilated``. With dilations, groups of channels or another layout it
            is that function itself.

    Raises:
        ValueError: for what is no array.

    >>> convolution(jnp.ones((1, 3, 3, 1)), jnp.ones((3, 3, 1, 1)))[0, :, :, 0].tolist()
    [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    check_arrays(inputs=inputs, kernel=kernel)
    strides = tuple(strides)
    if jax.default_backend() != "cpu" or not _is_plain(inputs, kernel, options):
        options.setdefault("dimension_numbers", _LAYOUT)
        return lax.conv_general_dilated(inputs, kernel, strides, padding, **options)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(inputs.shape[1:3], kernel.shape[:2], strides, padding)
    padding = tuple((int(before), int(after)) for before, after in padding)
    if strides != (1, 1):
        inputs, kernel = _without_strides(inputs, kernel, strides, padding)
        padding = ((0, 0), (0, 0))
    outputs: Array = _convolve.bind(inputs, kernel, padding=padding)
    return outputs


def _is_plain(inputs: Array, kernel: Array, options: dict[str, Any]) -> bool:
    ones = {"lhs_dilation", "rhs_dilation", "feature_group_count", "batch_group_count"}
    layout = options.get("dimension_numbers")
    return (
        inputs.ndim == kernel.ndim == 4
        and inputs.dtype == kernel.dtype
        and inputs.shape[3] == kernel.shape[2]
        and (layout in (None, _LAYOUT) or layout == _PLAIN)
        and all(set(jax.tree.leaves(options.get(name))) <= {1} for name in ones)
        and options.get("preferred_element_type") in (None, inputs.dtype)
    )


def _without_strides(inputs: Array, kernel: Array, strides: tuple[int, ...], padding: _Padding) -> tuple[Array, Array]:
    """Images and a kernel whose convolution, without strides or padding, is the same.

    Each patch of as many pixels as the strides becomes one pixel with all their channels; the kernel's likewise.
    """
    sides = zip(inputs.shape[1:3], kernel.shape[:2], strides, padding, strict=True)
    around, ends, used = [], [], []
    for side, window, stride, (before, after) in sides:
        patches = -(-window // stride)
        outputs = (side + before + after - window) // stride + 1
        around.append((before, (outputs + patches - 1) * stride - side - before, 0))
        ends.append((0, patches * stride - window, 0))
        used.append(min(window, stride))
    none = (0, 0, 0)
    inputs = lax.pad(inputs, jnp.zeros((), inputs.dtype), [none, *around, none])
    kernel = lax.pad(kernel, jnp.zeros((), kernel.dtype), [*ends, none, none])
    (down, across), (rows, columns) = strides, used
    places = [(row, column) for row in range(rows) for column in range(columns)]
    inputs = jnp.concatenate([inputs[:, row::down, column::across] for row, column in places], axis=3)
    kernel = jnp.concatenate([kernel[row::down, column::across] for row, column in places], axis=2)
    return inputs, kernel


def _convolved(inputs: Array, kernel: Array, *, padding: _Padding) -> Array:
    # The barrier keeps XLA from undoing that a kernel was turned around, in favour of its own, slow, reversed windows.
    kernel = lax.optimization_barrier(kernel)
    return lax.conv_general_dilated(inputs, kernel, (1, 1), padding, dimension_numbers=_LAYOUT)


def _correlated(inputs: Array, cotangents: Array, *, padding: _Padding) -> Any:
    """A convolution whose kernel is the cotangents; images take the part of channels, and channels that of images.

    XLA would move the axes by strides, slowly: the barriers make it copy.
    """
    narrow = inputs.dtype
    wide = narrow if jnp.finfo(narrow).bits >= 32 else jnp.float32  # of a sum over many groups

    def product(inputs: Array, cotangents: Array) -> Array:
        inputs, cotangents = inputs.astype(wide).transpose(3, 1, 2, 0), cotangents.astype(wide).transpose(1, 2, 0, 3)
        inputs, cotangents = lax.optimization_barrier((inputs, cotangents))
        return lax.conv_general_dilated(inputs, cotangents, (1, 1), padding, dimension_numbers=_LAYOUT)

    def add(total: Array, group: tuple[Array, ...]) -> tuple[Array, None]:
        return total + product(*group), None

    rest = -len(inputs) % _GROUP if len(inputs) > _GROUP else 0
    if rest:  # images of zeros add nothing
        inputs, cotangents = (jnp.pad(each, ((0, rest), (0, 0), (0, 0), (0, 0))) for each in (inputs, cotangents))
    if len(inputs) > _GROUP:
        groups = tuple(each.reshape(-1, _GROUP, *each.shape[1:]) for each in (inputs, cotangents))
        first = jax.eval_shape(product, *(each[0] for each in groups))
        total, _ = lax.scan(add, jnp.zeros(first.shape, wide), groups)
    else:
        total = product(inputs, cotangents)
    return lax.optimization_barrier(total).transpose(1, 2, 0, 3).astype(narrow)


def _primitive(name: str, compute: Callable[..., Any]) -> Primitive:
    def shaped(first: Any, second: Any, **options: Any) -> Any:
        return first.update(shape=jax.eval_shape(partial(compute, **options), first, second).shape)

    primitive = Primitive(name)
    primitive.def_abstract_eval(shaped)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="padding"))
    mlir.register_lowering(primitive, mlir.lower_fun(compute, multiple_results=False))
    return primitive


_convolve = _primitive("convolve", _convolved)
_correlate = _primitive("correlate", _correlated)


def _to_inputs(cotangents: Array, _: Any, kernel: Array, *, padding: _Padding) -> Any:
    """The transposed convolution: the kernel turned around, and as much padding as makes up for the inputs' size."""
    sides = zip(kernel.shape[:2], padding, strict=True)
    beyond = tuple((size - 1 - before, size - 1 - after) for size, (before, after) in sides)
    return _convolve.bind(cotangents, jnp.swapaxes(kernel[::-1, ::-1], 2, 3), padding=beyond)


def _to_kernel(cotangents: Array, inputs: Array, _: Any, *, padding: _Padding) -> Any:
    return _correlate.bind(inputs, cotangents, padding=padding)


def _correlate_to_inputs(kernel: Array, _: Any, cotangents: Array, *, padding: _Padding) -> Any:
    return _to_inputs(cotangents, _, kernel, padding=padding)


def _correlate_to_cotangents(kernel: Array, inputs: Array, _: Any, *, padding: _Padding) -> Any:
    return _convolve.bind(inputs, kernel, padding=padding)


ad.defbilinear(_convolve, _to_inputs, _to_kernel)
ad.defbilinear(_correlate, _correlate_to_inputs, _correlate_to_cotangents)


def _one_by_one(primitive: Primitive, arguments: Any, axes: Any, **options: Any) -> tuple[Any, int]:
    """Under ``vmap``: one after another, for one convolution with many kernels is far slower on a processor."""
    many = [jnp.moveaxis(each, axis, 0) for each, axis in zip(arguments, axes, strict=True) if axis is not None]

    def one(own: list[Array]) -> Any:
        left = iter(own)
        return primitive.bind(
            *(each if axis is None else next(left) for each, axis in zip(arguments, axes, strict=True)), **options
        )

    return lax.map(one, many), 0


def _convolve_many(arguments: Any, axes: Any, **options: Any) -> tuple[Any, int]:
    """Images of many, with the same kernel, go together."""
    (inputs, kernel), (axis, other) = arguments, axes
    if other is not None:
        return _one_by_one(_convolve, arguments, axes, **options)
    inputs = jnp.moveaxis(inputs, axis, 0)
    outputs = _convolve.bind(inputs.reshape(-1, *inputs.shape[2:]), kernel, **options)
    return outputs.reshape(*inputs.shape[:2], *outputs.shape[1:]), 0


batching.primitive_batchers[_convolve] = _convolve_many
batching.primitive_batchers[_correlate] = partial(_one_by_one, _correlate)
