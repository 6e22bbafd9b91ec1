"""Wide residual networks against the literature's sizes and a plain implementation; batch statistics; precision."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

from dynloss_book.figS4_wide_resnet.model import WideResNet


def pictures(samples, side, dtype=np.float32, seed=0):
    return jnp.asarray(np.random.RandomState(seed).randn(samples, side, side, 3).astype(dtype))


# WRN-28-10 for CIFAR-10 and CIFAR-100, WRN-22-8 and WRN-40-2: as published with many a copy of the network; the paper
# rounds them to 36.5, 17.2 and 2.2 million.
@pytest.mark.parametrize(
    ("depth", "widening", "classes", "parameters", "statistics"),
    [
        (28, 10, 10, 36_479_194, 17_952),
        (28, 10, 100, 36_536_884, 17_952),
        (22, 8, 10, 17_158_106, 10_784),
        (40, 2, 10, 2_243_546, 5_408),
    ],
)
def test_number_of_parameters(depth, widening, classes, parameters, statistics):
    model = WideResNet(depth, widening, classes)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in shapes.items()}
    assert sizes == {"params": parameters, "batch_stats": statistics}
    outputs = jax.eval_shape(model.apply, shapes, jnp.zeros((5, 32, 32, 3)))
    assert outputs.shape == (5, classes) and outputs.dtype == jnp.float32


def test_an_unwidened_first_group_needs_no_shortcut():
    params = jax.eval_shape(WideResNet(10, 1).init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    assert sorted(name for name in params if name.endswith("shortcut")) == [
        "group_2_block_1_shortcut",
        "group_3_block_1_shortcut",
    ]


def by_hand(variables, inputs, blocks, statistics):
    """The network after the authors' PyTorch code; ``statistics(name, x)`` gives what to normalise by."""
    params = jax.tree.map(np.asarray, variables["params"])

    def rectified(x, name):
        mean, variance = statistics(name, x)
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * params[name]["scale"] + params[name]["bias"], 0)

    x = reference.convolved(np.asarray(inputs), params["convolution"]["kernel"], 1)
    for group in (1, 2, 3):
        for block in range(1, blocks + 1):
            name = f"group_{group}_block_{block}"
            stride = 2 if block == 1 and group > 1 else 1
            before = rectified(x, f"{name}_normalisation_1")
            change = reference.convolved(before, params[f"{name}_convolution_1"]["kernel"], stride)
            change = rectified(change, f"{name}_normalisation_2")
            change = reference.convolved(change, params[f"{name}_convolution_2"]["kernel"], 1)
            shortcut = params.get(f"{name}_shortcut")
            x = change + (reference.convolved(before, shortcut["kernel"], stride) if shortcut else x)
    pixels = rectified(x, "normalisation").mean(axis=(1, 2))
    return pixels @ params["output"]["kernel"] + params["output"]["bias"]


@pytest.fixture(scope="module")
def small():
    """A network of two blocks a group, its variables, images, and its step in training."""
    model, inputs = WideResNet(16, 2, 3, momentum=0.7), pictures(4, 8)
    train = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]))
    return model, reference.drawn(model, inputs), inputs, train


def test_outputs_in_evaluation(small):
    model, variables, inputs, _ = small
    kept = jax.tree.map(np.asarray, variables["batch_stats"])
    expected = by_hand(variables, inputs, 2, lambda name, x: (kept[name]["mean"], kept[name]["var"]))
    outputs = jax.jit(model.apply)(variables, inputs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_outputs_in_training_and_running_statistics(small):
    _, variables, inputs, train = small
    found = {}

    def of_the_batch(name, x):
        found[name] = {"mean": x.mean(axis=(0, 1, 2)), "var": x.var(axis=(0, 1, 2))}
        return found[name]["mean"], found[name]["var"]

    expected = by_hand(variables, inputs, 2, of_the_batch)
    outputs, changed = train(variables, inputs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    running = jax.tree.map(lambda old, new: 0.7 * np.asarray(old) + 0.3 * new, variables["batch_stats"], found)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), changed["batch_stats"], running)


def test_initialisation():
    variables = jax.jit(WideResNet(10, 2).init)(jax.random.key(1), jnp.zeros((1, 8, 8, 3)))
    weights = {name: leaves for name, leaves in variables["params"].items() if "kernel" in leaves}
    assert len(weights) == 7 + 3 + 1  # 3 × 3 convolutions, shortcuts, and the dense layer
    for name, leaves in weights.items():
        reference.assert_gaussian(leaves["kernel"], (2 / np.prod(leaves["kernel"].shape[:-1])) ** 0.5)
        assert ("bias" in leaves) == (name == "output")
    others = {name: leaves for name, leaves in variables["params"].items() if "kernel" not in leaves}
    assert len(others) == 7
    for leaves in others.values():
        np.testing.assert_array_equal(leaves["scale"], 1)
        np.testing.assert_array_equal(leaves["bias"], 0)
    np.testing.assert_array_equal(variables["params"]["output"]["bias"], 0)
    for leaves in variables["batch_stats"].values():
        np.testing.assert_array_equal(leaves["mean"], 0)
        np.testing.assert_array_equal(leaves["var"], 1)


@pytest.mark.slow
def test_bfloat16_computes_and_float32_remembers():
    inputs = pictures(8, 8)
    model, exact = WideResNet(10, 1, 3, dtype=jnp.bfloat16), WideResNet(10, 1, 3)
    variables = reference.drawn(model, inputs)

    def slope(network):
        def loss(params):
            outputs, changed = network.apply(
                variables | {"params": params}, inputs, train=True, mutable=["batch_stats"]
            )
            return jnp.sum(outputs**2), (outputs, changed)

        return jax.jit(jax.grad(loss, has_aux=True))(variables["params"])

    gradient, (outputs, changed) = slope(model)
    exact_gradient, (expected, _) = slope(exact)
    declared = jax.eval_shape(model.init, jax.random.key(0), inputs)
    kinds = {leaf.dtype for leaf in jax.tree.leaves((declared, gradient, outputs, changed))}
    assert kinds == {jnp.dtype(jnp.float32)}
    error = np.abs(np.asarray(outputs - expected)).max() / np.abs(np.asarray(expected)).max()
    assert 0 < error < 0.1
    one, other = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(g)]) for g in (gradient, exact_gradient))
    assert one @ other > 0.98 * np.linalg.norm(one) * np.linalg.norm(other)
    _, seen = jax.eval_shape(lambda v, x: model.apply(v, x, capture_intermediates=True), variables, inputs)
    convolutions = [calls["__call__"][0] for name, calls in seen["intermediates"].items() if "convolution" in name]
    assert len(convolutions) == 7 and {each.dtype for each in convolutions} == {jnp.dtype(jnp.bfloat16)}


test_misuse = refused(
    lambda shape, **given: WideResNet(**given).init(jax.random.key(0), jnp.zeros(shape)),
    {"shape": (1, 8, 8, 3)},
    ({"depth": 12}, r"depth must be 6 n \+ 4 for n blocks a group: 10, 16, 22, 28, …; got 12"),
    ({"depth": 4}, "depth must be an integer, at least 10, got 4"),
    ({"widening": 0}, "widening must be an integer, at least 1, got 0"),
    ({"num_classes": 0}, "num_classes must be an integer, at least 1, got 0"),
    ({"momentum": 1.5}, "momentum must be at most 1, got 1.5"),
    ({"momentum": float("nan")}, "momentum must be finite and at least 0, got nan"),
    ({"shape": (1, 6, 8, 3)}, "the sides of the images must be multiples of 4, got 6 × 8 pixels"),
)
