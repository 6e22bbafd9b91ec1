"""The MLP against NumPy: outputs, initialisations, and the gradient written out."""


import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

from dynloss import losses
from dynloss.models import MLP
from dynloss.models.mlp import cross_entropy_gradient, output_averaged_ntk


def test_shapes_and_number_of_parameters():
    params = jax.jit(MLP().init)(jax.random.key(0), jnp.zeros((1, 2)))
    shapes = {layer: {k: v.shape for k, v in leaves.items()} for layer, leaves in params["params"].items()}
    assert shapes == {
        "hidden": {"kernel": (2, 100), "bias": (100,)},
        "output": {"kernel": (100, 3), "bias": (3,)},
    }
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 603


def test_outputs(x64):
    params, (inputs, _) = reference.parameters(0, 5, 7, 4), reference.samples(0, 9, 5, 4)
    model = MLP(width=7, num_classes=4, param_dtype=jnp.float64)
    outputs = model.apply(jax.tree.map(jnp.asarray, params), jnp.asarray(inputs))
    np.testing.assert_allclose(outputs, reference.logits(params, inputs), rtol=1e-13)


WIDE = 20_000


@pytest.mark.parametrize(
    ("initialization", "deviations"),
    [
        ("standard", {"hidden": (1 / 2) ** 0.5, "output": (1 / WIDE) ** 0.5}),
        ("glorot", {"hidden": (2 / (2 + WIDE)) ** 0.5, "output": (2 / (WIDE + 3)) ** 0.5}),
    ],
)
def test_initialisation(initialization, deviations):
    params = jax.jit(MLP(WIDE, 3, initialization).init)(jax.random.key(1), jnp.zeros((1, 2)))["params"]
    for layer, deviation in deviations.items():
        reference.assert_gaussian(params[layer]["kernel"], deviation)
    biases = np.concatenate([params[layer]["bias"] for layer in deviations])
    if initialization == "glorot":
        reference.assert_gaussian(biases, 0.01)
    else:
        assert not biases.any()


test_misuse = refused(
    lambda **given: MLP(**given).init(jax.random.key(0), jnp.zeros((1, 2))),
    {},
    ({"width": 0}, "width must be an integer, at least 1, got 0"),
    ({"num_classes": 0}, "num_classes must be an integer, at least 1, got 0"),
    ({"initialization": "he"}, "initialization must be one of 'standard', 'glorot', got 'he'"),
)


SHAPES = [(2, 16, 3), (5, 9, 4), (3, 1, 2)]


@pytest.mark.parametrize(("dimension", "width", "classes"), SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_gradient_written_out(x64, dimension, width, classes, dtype, tolerance):
    params = reference.parameters(1, dimension, width, classes)
    inputs, labels = reference.samples(2, 23, dimension, classes)
    weights = np.random.RandomState(3).uniform(0.1, 2, classes)
    model = MLP(width, classes, param_dtype=dtype)
    cast = jax.tree.map(lambda leaf: jnp.asarray(leaf.astype(dtype)), (params, inputs, weights))

    def loss(p, x, w):
        return losses.class_weighted_mean(losses.cross_entropy(model.apply(p, x), labels), labels, w)

    labels = jnp.asarray(labels)
    written = jax.jit(cross_entropy_gradient)(cast[0], cast[1], labels, cast[2])
    automatic = jax.jit(jax.grad(loss))(*cast)
    assert jax.tree.structure(written) == jax.tree.structure(automatic)
    assert {leaf.dtype for leaf in jax.tree.leaves(written)} == {np.dtype(dtype)}
    by_hand = reference.flatten(reference.gradient(params, inputs, np.asarray(labels), weights))
    size = np.abs(by_hand).max()
    np.testing.assert_allclose(reference.flatten(written), reference.flatten(automatic), atol=tolerance * size)
    np.testing.assert_allclose(reference.flatten(written), by_hand, atol=tolerance * size)


def test_the_reference_gradient_is_the_derivative_of_the_reference_loss():
    params, (inputs, labels) = reference.parameters(1, 5, 9, 4), reference.samples(2, 23, 5, 4)
    weights = np.array([0.4, 2.0, 1.1, 0.5])
    differences = reference.differences(lambda p: reference.loss(p, inputs, labels, weights), params)
    by_hand = reference.flatten(reference.gradient(params, inputs, labels, weights))
    np.testing.assert_allclose(by_hand, differences, atol=1e-9)


@pytest.mark.parametrize(("dimension", "width", "classes"), [(2, 16, 3), (5, 9, 4)])
def test_averaged_kernel_written_out(x64, dimension, width, classes):
    params = reference.parameters(1, dimension, width, classes)
    inputs, _ = reference.samples(2, 13, dimension, classes)
    kernel = jax.jit(output_averaged_ntk)(jax.tree.map(jnp.asarray, params), jnp.asarray(inputs))
    blocks = reference.ntk(params, inputs).reshape(13, classes, 13, classes)
    np.testing.assert_allclose(kernel, np.einsum("ikjk->ij", blocks) / classes, rtol=1e-12)


def test_gradient_with_labels_of_a_byte_and_more_classes_than_it_holds():
    params = jax.tree.map(jnp.float32, reference.parameters(1, 2, 4, 300))
    inputs, labels = reference.samples(2, 6, 2, 300)
    given = params, jnp.float32(inputs), jnp.linspace(0.5, 1.5, 300)
    gradient = jax.jit(lambda params, inputs, weights, labels: cross_entropy_gradient(params, inputs, labels, weights))
    found, expected = (gradient(*given, jnp.asarray(labels, kind)) for kind in ("uint8", "int32"))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_gradient_refuses_weights_of_another_number_of_classes():
    params = jax.tree.map(jnp.float32, reference.parameters(1, 2, 4, 3))
    with pytest.raises(ValueError, match=r"weights \(4,\) must be one for each of the network's outputs \(3,\)"):
        cross_entropy_gradient(params, jnp.ones((2, 2)), jnp.array([0, 1]), jnp.ones(4))
