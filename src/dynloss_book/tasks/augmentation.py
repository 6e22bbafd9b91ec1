"""Random changes of training images, made anew for every batch inside the compiled step."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from dynloss.checks import check_arrays, check_count


def flips_and_crops(key: PRNGKeyArray, images: Float[Array, "P H W D"], padding: int = 4) -> Float[Array, "P H W D"]:
    """Mirror every other image, left to right, and shift each one by up to ``padding`` pixels either way.

    What a shift brings in is the image's own reflection at its edge, as the authors of wide residual networks have it.

    Args:
        key: of the random choices, made for each image by itself.
        images: (P, H, W, D).
        padding: the largest shift in pixels, less than either side of the images.

    Raises:
        ValueError: images that are no array of numbers, or a padding out of range.

    >>> images = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> flips_and_crops(jax.random.key(0), images, padding=0)[0, 0, :, 0].tolist() in ([0, 1, 2, 3], [3, 2, 1, 0])
    True
    """
    check_arrays(images=images)
    check_count("padding", padding, at_least=0)
    if padding >= min(images.shape[1:3]):
        raise ValueError(f"padding must be less than the sides of the images, {images.shape[1:3]}, got {padding}")
    where, whether = jax.random.split(key)
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = jnp.pad(images, around, mode="reflect")
    corners = jax.random.randint(where, (len(images), 2), 0, 2 * padding + 1)
    cropped = jax.vmap(lambda image, at: jax.lax.dynamic_slice(image, (at[0], at[1], 0), images.shape[1:]))(
        padded, corners
    )
    mirrored = jax.random.bernoulli(whether, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, cropped[:, :, ::-1], cropped)
