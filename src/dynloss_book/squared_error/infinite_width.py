r"""What the neural tangent kernel of an untrained ``MLP`` tends to as its hidden layer grows.

The limit exists where each layer's part of the kernel is divided by the layer's inputs, the "NTK parameterisation"
of Jacot et al. (2018): as if W = ω/√fan_in were trained by its ω. The kernel is then a mean over the m hidden units,
which deviates from its expectation by about :math:`m^{-1/2}`.
"""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynloss.models import written_out


def scaled_kernel(params: Any, inputs: Any) -> Float[Array, "P P"]:
    r"""The kernel of an ``MLP`` without biases, each layer's part over its inputs, averaged over the outputs.

    With the units h of the hidden layer,

    .. math:: \frac{1}{m} h \cdot h' + \frac{x \cdot x'}{D} \sum_j \tfrac1C \lVert W_{2,j} \rVert^2 \,
        1_{h_j > 0} \, 1_{h'_j > 0}.
    """
    with jax.default_matmul_precision("highest"):
        units, errors = written_out.layers(params, inputs)
        return units @ units.T / units.shape[1] + inputs @ inputs.T / inputs.shape[1] * errors


def limit(inputs: Float[np.ndarray, "P D"]) -> Float[np.ndarray, "P P"]:
    r"""What ``scaled_kernel`` tends to from "standard" initial weights: with the angle θ between two inputs,

    .. math:: \frac{\lVert x \rVert \lVert x' \rVert}{2 \pi D} [\sin\theta + 2 (\pi - \theta) \cos\theta],

    the arc-cosine kernels of Cho and Saul (2009), once for the units and once for their slopes.

    >>> limit(np.eye(2)).round(4).tolist()
    [[0.5, 0.0796], [0.0796, 0.5]]
    """
    x = np.asarray(inputs, dtype=float)
    norms = np.linalg.norm(x, axis=1)
    sizes = np.outer(norms, norms)
    cosines = np.divide(x @ x.T, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    angles = np.arccos(np.clip(cosines, -1, 1))
    return sizes * (np.sin(angles) + 2 * (np.pi - angles) * cosines) / (2 * np.pi * x.shape[1])


def limit_by_neural_tangents(inputs: Float[np.ndarray, "P D"]) -> Float[np.ndarray, "P P"] | None:
    """The same limit from neural-tangents, an independent source; ``None`` where it is not installed."""
    from dynloss_book.squared_error import neural_tangents

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            neural_tangents.load()
    except ImportError:
        return None
    with warnings.catch_warnings(), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")
        from neural_tangents import stax

        *_, kernel = stax.serial(stax.Dense(1), stax.Relu(), stax.Dense(1))
        return np.asarray(kernel(jnp.asarray(inputs), None, "ntk"))


def relative_deviation(kernel: Any, expected: Any) -> float:
    """The norm of the difference over the norm of what is expected (Frobenius).

    >>> relative_deviation(np.array([[1.1]]), np.array([[1.0]])).__round__(3)
    0.1
    """
    return float(np.linalg.norm(np.asarray(kernel) - expected) / np.linalg.norm(expected))
