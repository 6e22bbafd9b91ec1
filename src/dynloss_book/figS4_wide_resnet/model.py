"""Wide residual networks (Zagoruyko & Komodakis 2016, arXiv:1605.07146), the networks of Fig. S4."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from dynloss.checks import check_count, check_number
from dynloss.models.convolution import convolution
from dynloss.models.myrtle import HE, check_images


class WideResNet(nn.Module):
    r"""WRN-depth-widening: residual blocks that normalise and rectify before each of their two convolutions.

    After a convolution to 16 channels come three groups of (depth - 4)/6 blocks with 16k, 32k and 64k channels, k the
    widening; the second and the third group halve the image. Then batch normalisation, ReLU, the average over all
    pixels, and a dense layer. W ~ N(0, 2/fan_in) everywhere; only the dense layer has biases, 0 at the start; scale 1
    and shift 0 in the normalisations, all trained. No dropout. The authors' PyTorch code has the same layers and
    weights at the start, but for the normalisations' scales, uniform from 0 to 1 there.

    In training a batch is normalised by its own mean and variance, in evaluation by their running averages, the
    collection ``batch_stats``::

        variables = model.init(key, images)  # {"params": …, "batch_stats": …}
        logits, changed = model.apply(variables, images, train=True, mutable=["batch_stats"])
        variables = variables | changed
        logits = model.apply(variables, images)

    Attributes:
        depth: 6n + 4 for n blocks a group; at least 10. The paper has 28.
        widening: k; the paper has 10.
        num_classes: C, the outputs.
        momentum: of the running averages, which become momentum · old + (1 - momentum) · new with each batch.
        dtype: of the convolutions, ``jnp.bfloat16`` for example. Parameters, normalisations and outputs are float32.

    >>> import jax
    >>> variables = jax.eval_shape(WideResNet().init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    36479194
    """

    depth: int = 28
    widening: int = 10
    num_classes: int = 10
    momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, inputs: Float[Array, "P H W D"], train: bool = False) -> Float[Array, "P C"]:
        check_count("depth", self.depth, at_least=10)
        if (self.depth - 4) % 6:
            raise ValueError(f"depth must be 6 n + 4 for n blocks a group: 10, 16, 22, 28, …; got {self.depth}")
        check_count("widening", self.widening, at_least=1)
        check_count("num_classes", self.num_classes, at_least=1)
        check_number("momentum", self.momentum, at_least=0)
        if self.momentum > 1:
            raise ValueError(f"momentum must be at most 1, got {self.momentum!r}")
        check_images(inputs, 4)
        x = _convolution(self, 16, 3, "convolution")(inputs)
        for group, stride in enumerate((1, 2, 2), start=1):
            for block in range(1, (self.depth - 4) // 6 + 1):
                channels = 16 * self.widening * 2 ** (group - 1)
                x = self._block(x, channels, stride if block == 1 else 1, train, f"group_{group}_block_{block}")
        x = _normalised(self, x, train, "normalisation")
        # Over all pixels; for CIFAR-10 these are the 8 × 8 of the authors' code.
        pixels = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
        return nn.Dense(self.num_classes, kernel_init=HE, name="output")(pixels)

    def _block(self, x: Array, channels: int, stride: int, train: bool, name: str) -> Array:
        """x plus two convolutions of it; where the shape changes, x goes through a 1 × 1 convolution of its own."""
        before = _normalised(self, x, train, f"{name}_normalisation_1")
        change = _convolution(self, channels, 3, f"{name}_convolution_1", stride)(before)
        change = _normalised(self, change, train, f"{name}_normalisation_2")
        change = _convolution(self, channels, 3, f"{name}_convolution_2")(change)
        if x.shape[-1] != channels or stride > 1:
            x = _convolution(self, channels, 1, f"{name}_shortcut", stride)(before)
        return x + change


def _convolution(model: WideResNet, channels: int, window: int, name: str, stride: int = 1) -> nn.Conv:
    """Without bias. With stride 2, "SAME" would add pixels on one side only; the authors add them on both."""
    return nn.Conv(
        channels,
        (window, window),
        strides=stride,
        padding=window // 2,
        use_bias=False,
        kernel_init=HE,
        conv_general_dilated=convolution,
        dtype=model.dtype,
        name=name,
    )


def _normalised(model: WideResNet, x: Array, train: bool, name: str) -> Array:
    """Batch normalisation in float32 and ReLU; the result has the type of ``x`` again."""
    normalise = nn.BatchNorm(use_running_average=not train, momentum=model.momentum, epsilon=1e-5, name=name)
    return nn.relu(normalise(x.astype(jnp.float32)).astype(x.dtype))
