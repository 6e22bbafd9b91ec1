"""The network with one hidden layer of Figs. 3-5."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from dynloss.checks import check_choice, check_count
from dynloss.models.written_out import check_vectors
from dynloss.models.written_out import cross_entropy_gradient as cross_entropy_gradient
from dynloss.models.written_out import output_averaged_ntk as output_averaged_ntk

_KERNELS = {
    "standard": nn.initializers.variance_scaling(1.0, "fan_in", "normal"),
    "glorot": nn.initializers.variance_scaling(1.0, "fan_avg", "normal"),
}
_BIASES = {"standard": nn.initializers.zeros, "glorot": nn.initializers.normal(0.01)}


class MLP(nn.Module):
    r"""One hidden layer of ReLU units: :math:`f(x) = W_2^\top \max(W_1^\top x + b_1, 0) + b_2`.

    Attributes:
        width: hidden units; the paper's narrow network has 100, the wide one 1000.
        num_classes: C, the outputs.
        initialization: ``"standard"``, the paper's: W ~ N(0, 1/fan_in) and b = 0. ``"glorot"``, that of the authors'
            later notebook: W ~ N(0, 2/(fan_in + fan_out)) and b ~ N(0, 0.01²). Biases are trained in both.
        param_dtype: of the parameters; the inputs' type should agree.

    >>> import jax
    >>> model = MLP(width=100, num_classes=3)
    >>> params = model.init(jax.random.key(0), jnp.zeros((1, 2)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    603
    """

    width: int = 100
    num_classes: int = 3
    initialization: str = "standard"
    param_dtype: Any = jnp.float32

    def setup(self) -> None:
        check_count("width", self.width, at_least=1)
        check_count("num_classes", self.num_classes, at_least=1)
        check_choice("initialization", self.initialization, tuple(_KERNELS))
        options = {
            "kernel_init": _KERNELS[self.initialization],
            "bias_init": _BIASES[self.initialization],
            "param_dtype": self.param_dtype,
        }
        self.hidden = nn.Dense(self.width, **options)
        self.output = nn.Dense(self.num_classes, **options)

    def __call__(self, inputs: Float[Array, "P D"]) -> Float[Array, "P C"]:
        check_vectors(inputs)
        return self.output(nn.relu(self.hidden(inputs)))
