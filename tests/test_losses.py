"""Per-sample losses and the class-weighted mean of eq. (1) against NumPy, and what must hold to the last bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss import losses
from dynloss.schedules import oscillating


@pytest.fixture(scope="module")
def case():
    random = np.random.RandomState(3)
    return 3 * random.randn(50, 4), random.randint(0, 4, 50)


def test_cross_entropy(x64, case):
    outputs, labels = case
    values = losses.cross_entropy(jnp.asarray(outputs), jnp.asarray(labels))
    np.testing.assert_allclose(values, reference.cross_entropy(outputs, labels), rtol=1e-13)


def test_cross_entropy_of_large_outputs_is_finite():
    values = losses.cross_entropy(jnp.array([[1e4, 0.0], [1e4, 0.0]]), jnp.array([0, 1]))
    assert values.tolist() == [0.0, 1e4]


def test_cross_entropy_gradient_is_softmax_minus_one_hot(x64, case):
    outputs, labels = case
    gradient = jax.grad(lambda f: losses.cross_entropy(f, jnp.asarray(labels)).sum())(jnp.asarray(outputs))
    softmax = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, softmax - np.eye(4)[labels], atol=1e-14)


def test_squared_error(x64, case):
    outputs, labels = case
    values = losses.squared_error(jnp.asarray(outputs), jnp.asarray(labels))
    np.testing.assert_allclose(values, ((outputs - np.eye(4)[labels]) ** 2).sum(axis=1) / 2, rtol=1e-14)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.squared_error])
@pytest.mark.parametrize("label", [-1, 4, 100])
def test_a_label_out_of_range_is_nan_and_spoils_the_mean(loss, label):
    labels = jnp.array([0, label, 3])
    values = loss(jnp.ones((3, 4)), labels)
    assert np.isnan(values).tolist() == [False, True, False]
    assert np.isnan(losses.class_weighted_mean(values, labels, jnp.ones(4)))


def test_weighted_mean(x64, case):
    outputs, labels = case
    weights = np.array([0.5, 2.0, 1.25, 0.25])
    each = losses.cross_entropy(jnp.asarray(outputs), jnp.asarray(labels))
    value = losses.class_weighted_mean(each, jnp.asarray(labels), jnp.asarray(weights))
    expected = sum(weights[y] * v for y, v in zip(labels, reference.cross_entropy(outputs, labels), strict=True)) / 50
    assert float(value) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("compile_", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_amplitude_one_is_the_static_loss_to_the_last_bit(x64, case, compile_):
    outputs, labels = map(jnp.asarray, case)
    schedule = oscillating(17, 1, 4)

    def dynamical(f, step):
        return losses.class_weighted_mean(losses.cross_entropy(f, labels), labels, schedule(step))

    def static(f):
        return jnp.mean(losses.cross_entropy(f, labels))

    for step in (0, 5, 8, 40):
        assert float(compile_(dynamical)(outputs, step)) == float(compile_(static)(outputs))
    gradients = compile_(jax.grad(dynamical))(outputs, 5), compile_(jax.grad(static))(outputs)
    np.testing.assert_array_equal(*gradients)


def test_accuracy(case):
    outputs, labels = case
    value = losses.accuracy(jnp.asarray(outputs), jnp.asarray(labels))
    assert float(value) == pytest.approx((outputs.argmax(axis=1) == labels).mean(), rel=1e-6)
    assert float(losses.accuracy(jnp.asarray(outputs), jnp.asarray(outputs.argmax(axis=1)))) == 1
