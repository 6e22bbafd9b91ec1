"""Myrtle networks against NumPy and the literature: layers, weights at the start, precision."""


import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

from dynloss.models.myrtle import Myrtle, average_pool, check_images

SMALL = {"channels": 4, "num_classes": 3, "final_pools": 1}


def pictures(samples, side, colours=3, dtype=np.float32):
    return jnp.asarray(np.random.RandomState(0).randn(samples, side, side, colours).astype(dtype))


# Every convolution of c channels on c has 9 c² + c parameters, the first one 27 c + c, the dense layer 10 c + 10.
@pytest.mark.parametrize(
    ("depth", "channels", "parameters"),
    [(5, 64, 113_226), (7, 64, 187_082), (10, 64, 297_866), (5, 1024, 28_353_546)],
)
def test_shapes_and_number_of_parameters(depth, channels, parameters):
    model = Myrtle(depth, channels)
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    shapes = {layer: {name: leaf.shape for name, leaf in leaves.items()} for layer, leaves in params.items()}
    layer = {"kernel": (3, 3, channels, channels), "bias": (channels,)}
    expected = {f"convolution_{n}": dict(layer) for n in range(1, depth)}
    expected["convolution_1"]["kernel"] = (3, 3, 3, channels)
    assert shapes == expected | {"output": {"kernel": (channels, 10), "bias": (10,)}}
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters


def by_hand(params, inputs, groups, final_pools):
    """The network in NumPy, pixel by pixel and pooling by pooling."""

    def pooled(x):
        return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4

    params = jax.tree.map(np.asarray, params["params"])
    x, layers = np.asarray(inputs), iter(range(1, 10))
    for convolutions, pools in zip(groups, (1, 1, final_pools), strict=True):
        for _ in range(convolutions):
            layer = params[f"convolution_{next(layers)}"]
            x = np.maximum(reference.convolved(x, layer["kernel"]) + layer["bias"], 0)
        for _ in range(pools):
            x = pooled(x)
    return x.reshape(len(x), -1) @ params["output"]["kernel"] + params["output"]["bias"]


@pytest.mark.parametrize(
    ("depth", "groups", "side", "final_pools"),
    [(5, (2, 1, 1), 8, 1), (5, (2, 1, 1), 16, 2), (7, (2, 2, 2), 8, 1), (10, (3, 3, 3), 8, 0)],
)
def test_outputs(x64, depth, groups, side, final_pools):
    model = Myrtle(depth, 4, 3, final_pools, param_dtype=jnp.float64)
    inputs = pictures(3, side, dtype=np.float64)
    params = reference.drawn(model, inputs)
    outputs = jax.jit(model.apply)(params, inputs)
    assert outputs.dtype == jnp.float64
    np.testing.assert_allclose(outputs, by_hand(params, inputs, groups, final_pools), rtol=1e-12, atol=1e-13)


def test_initialisation():
    params = jax.jit(Myrtle(channels=128).init)(jax.random.key(1), jnp.zeros((1, 32, 32, 3)))["params"]
    for leaves in params.values():
        reference.assert_gaussian(leaves["kernel"], (2 / np.prod(leaves["kernel"].shape[:-1])) ** 0.5)
        np.testing.assert_array_equal(leaves["bias"], 0)


def test_bfloat16_computes_and_float32_remembers():
    inputs = pictures(4, 8)
    model, exact = Myrtle(**SMALL, dtype=jnp.bfloat16), Myrtle(**SMALL)
    params = reference.drawn(model, inputs)
    declared = jax.eval_shape(model.init, jax.random.key(0), inputs)
    assert {leaf.dtype for leaf in jax.tree.leaves(declared)} == {jnp.dtype(jnp.float32)}
    _, seen = jax.eval_shape(lambda p, x: model.apply(p, x, capture_intermediates=True), params, inputs)
    layers = {name: calls for name, calls in seen["intermediates"].items() if name != "__call__"}
    kinds = {name: calls["__call__"][0].dtype for name, calls in layers.items()}
    assert kinds == {**{f"convolution_{n}": jnp.bfloat16 for n in range(1, 5)}, "output": jnp.float32}

    def slope(model):
        def loss(params):
            outputs = model.apply(params, inputs)
            return jnp.sum(outputs**2), outputs

        gradient, outputs = jax.jit(jax.grad(loss, has_aux=True))(params)
        return outputs, gradient

    (outputs, gradient), (expected, _) = slope(model), slope(exact)
    assert {leaf.dtype for leaf in jax.tree.leaves((outputs, gradient))} == {jnp.dtype(jnp.float32)}
    # bfloat16 rounds to 8 bits, 0.4 %.
    error = np.abs(np.asarray(outputs - expected)).max() / np.abs(np.asarray(expected)).max()
    assert 0 < error < 0.03


def test_pooling():
    images = np.random.RandomState(0).randn(2, 4, 8, 3).astype(np.float32)
    pooled = average_pool(jnp.asarray(images), 4)
    assert pooled.shape == (2, 1, 2, 3)
    np.testing.assert_allclose(pooled[:, 0, 1], images[:, :, 4:].mean(axis=(1, 2)), rtol=1e-5)


test_misuse = refused(
    lambda shape, **given: Myrtle(**given).init(jax.random.key(0), jnp.zeros(shape)),
    {"shape": (1, 32, 32, 3)},
    ({"depth": 6}, "depth must be one of 5, 7, 10, got 6"),
    ({"channels": 0}, "channels must be an integer, at least 1, got 0"),
    ({"num_classes": 0}, "num_classes must be an integer, at least 1, got 0"),
    ({"final_pools": -1}, "final_pools must be an integer, at least 0, got -1"),
    ({"shape": (1, 16, 32, 3)}, "the sides of the images must be multiples of 32, got 16 × 32 pixels"),
    ({"final_pools": 1, "shape": (1, 12, 12, 3)}, "multiples of 8, got 12 × 12"),
    ({"shape": (1, 0, 32, 3)}, "multiples of 32, got 0 × 32"),
)


FLOATING = r"inputs must be floating-point images \(P, H, W, D\), got .*normalised first"
test_only_images_of_floating_point_numbers = refused(
    check_images,
    {"divisor": 32},
    ({"inputs": np.zeros((1, 32, 32, 3), np.uint8)}, FLOATING),
    ({"inputs": np.zeros((32, 32, 3), np.float32)}, FLOATING),
)


def test_many_networks_at_once_are_each_alone():
    model, inputs = Myrtle(**SMALL), pictures(3, 8)
    both = [reference.drawn(model, inputs, seed) for seed in (1, 2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *both)
    many = jax.jit(jax.vmap(model.apply, in_axes=(0, None)))(stacked, inputs)
    apply = jax.jit(model.apply)
    np.testing.assert_allclose(many, np.stack([apply(each, inputs) for each in both]), rtol=1e-5, atol=1e-5)
    assert np.abs(many[0] - many[1]).max() > 1e-3
