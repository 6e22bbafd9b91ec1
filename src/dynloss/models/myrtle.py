"""Myrtle networks (Shankar et al. 2020, arXiv:2003.02237), the convolutional networks of Figs. 1, S2 and S3."""

from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from dynloss.checks import check_arrays, check_count, check_samples
from dynloss.models.convolution import convolution

# Convolutions before the first pooling, between the first and the second, and after the second.
_CONVOLUTIONS = {5: (2, 1, 1), 7: (2, 2, 2), 10: (3, 3, 3)}
# He et al. 2015: 2/fan_in keeps the mean square of what passes a layer and its ReLU.
HE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class Myrtle(nn.Module):
    r"""Groups of 3 × 3 convolutions with ReLU, an average over 2 × 2 pixels after each, and one dense layer.

    For images of 32 × 32 pixels the groups see 32 × 32, 16 × 16 and 8 × 8 pixels; three poolings after the last one
    leave a single pixel. W ~ N(0, 2/fan_in) in every layer, the dense one too; b = 0 at the start, and trained. Layers
    and weights at the start are those of the notebook on Myrtle kernels in neural-tangents.

    Attributes:
        depth: layers with parameters: 5, 7 or 10, with (2, 1, 1), (2, 2, 2) or (3, 3, 3) convolutions in the groups.
        channels: of every convolution; the paper has 64, Shankar et al. 1024.
        num_classes: C, the outputs.
        final_pools: poolings after the last group. With p of them an image's sides must be multiples of 2^(2 + p);
            for small images take fewer than 3.
        param_dtype: of the parameters, the dense layer and the outputs.
        dtype: of the convolutions, ``jnp.bfloat16`` for example; None means ``param_dtype``.

    >>> import jax
    >>> params = jax.eval_shape(Myrtle().init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    113226
    """

    depth: int = 5
    channels: int = 64
    num_classes: int = 10
    final_pools: int = 3
    param_dtype: Any = jnp.float32
    dtype: Any = None

    @nn.compact
    def __call__(self, inputs: Float[Array, "P H W D"]) -> Float[Array, "P C"]:
        if self.depth not in _CONVOLUTIONS:
            raise ValueError(f"depth must be one of {', '.join(map(str, _CONVOLUTIONS))}, got {self.depth!r}")
        check_count("channels", self.channels, at_least=1)
        check_count("num_classes", self.num_classes, at_least=1)
        check_count("final_pools", self.final_pools, at_least=0)
        check_images(inputs, 2 ** (2 + self.final_pools))
        types = {"param_dtype": self.param_dtype, "dtype": self.dtype or self.param_dtype}
        convolve = partial(nn.Conv, kernel_size=(3, 3), kernel_init=HE, conv_general_dilated=convolution, **types)
        # One average over the last pixels is the same as averages of averages, and cheaper.
        windows = (2, 2, 2**self.final_pools)
        x, number = inputs, 0
        for convolutions, window in zip(_CONVOLUTIONS[self.depth], windows, strict=True):
            for _ in range(convolutions):
                number += 1
                x = nn.relu(convolve(features=self.channels, name=f"convolution_{number}")(x))
            x = average_pool(x, window)
        types["dtype"] = self.param_dtype
        return nn.Dense(self.num_classes, kernel_init=HE, name="output", **types)(x.reshape(len(x), -1))


def average_pool(images: Float[Array, "P H W D"], window: int) -> Float[Array, "P _ _ D"]:
    """Averages over squares of ``window`` pixels a side.

    Written as a mean, because flax's own pooling divides integers into halves, which strict promotion refuses.
    """
    check_arrays(images=images)
    samples, height, width, channels = images.shape
    squares = images.reshape(samples, height // window, window, width // window, window, channels)
    return jnp.mean(squares, axis=(2, 4))


def check_images(inputs: Any, divisor: int) -> None:
    """Raise ``ValueError`` unless these are floating-point images whose sides are multiples of ``divisor``."""
    check_samples(inputs=inputs)
    if inputs.ndim != 4 or not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise ValueError(
            f"inputs must be floating-point images (P, H, W, D), got {inputs.dtype} {inputs.shape}; "
            "images of bytes have to be normalised first"
        )
    height, width = inputs.shape[1:3]
    if not height or not width or height % divisor or width % divisor:
        raise ValueError(f"the sides of the images must be multiples of {divisor}, got {height} × {width} pixels")
