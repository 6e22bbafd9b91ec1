r"""How a kernel fits the labels, and how gradients lie to a direction."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from dynloss import losses
from dynloss.checks import check_arrays


def kernel_target_alignment(
    kernel: Float[Array, "P P"], labels: Integer[Array, " P"], num_classes: int
) -> Float[Array, ""]:
    r"""The cosine between a kernel K and the ideal one, with both centred (Cortes et al. 2012),

    .. math:: \frac{\langle K_c, Y_c Y_c^\top \rangle}{\lVert K_c \rVert \lVert Y_c Y_c^\top \rVert},

    where Y holds the one-hot labels and c means that rows and columns have a mean of 0. It is 1 for a kernel that only
    knows the classes, and 0 for one that knows nothing of them.

    >>> labels = jnp.array([0, 0, 1, 1])
    >>> ideal = (labels[:, None] == labels[None, :]).astype(float)
    >>> round(float(kernel_target_alignment(ideal, labels, 2)), 3)
    1.0
    """
    check_arrays(kernel=kernel)
    onehot = losses.one_hot(labels, num_classes).astype(kernel.dtype)
    ideal, centred = _centred(onehot @ onehot.T), _centred(kernel)
    return jnp.sum(centred * ideal) / (jnp.linalg.norm(centred) * jnp.linalg.norm(ideal))


def cosines(rows: Float[Array, "k n"], direction: Float[Array, " n"]) -> Float[Array, " k"]:
    """The cosine of each row with a unit vector; 0 for a row of zeros.

    >>> cosines(jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([1.0, 0.0])).round(3).tolist()
    [0.6000000238418579, 0.0]
    """
    check_arrays(rows=rows, direction=direction)
    norms = jnp.linalg.norm(rows, axis=1)
    return jnp.where(norms > 0, rows @ direction / jnp.where(norms > 0, norms, 1), 0)


def _centred(matrix):
    rows = matrix - jnp.mean(matrix, axis=0)[None, :]
    return rows - jnp.mean(rows, axis=1)[:, None]
