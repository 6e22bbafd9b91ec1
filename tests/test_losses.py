"""Per-sample losses and the class-weighted mean of eq. (1) against NumPy, and what must hold to the last bit."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

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


# Labels of any integer type, and what is no label


@pytest.mark.parametrize(("dtype", "classes"), [("int8", 128), ("uint8", 256), ("uint8", 300), ("uint16", 1000)])
def test_labels_of_any_integer_type(dtype, classes):
    """A byte wraps round at 256 classes: the loss was NaN, or finite and wrong."""
    random = np.random.RandomState(0)
    outputs, weights = jnp.asarray(random.randn(3, classes)), jnp.asarray(random.rand(classes))
    labels = [0, min(classes - 1, np.iinfo(dtype).max), 1]

    def measured(labels):
        each = [loss(outputs, labels) for loss in (losses.cross_entropy, losses.squared_error)]
        gradient = jax.grad(lambda outputs: losses.cross_entropy(outputs, labels).sum())(outputs)
        weighted = losses.class_weighted_mean(each[0], labels, weights)
        return *each, gradient, weighted, losses.accuracy(outputs, labels)

    found, expected = (jax.jit(measured)(jnp.asarray(labels, kind)) for kind in (dtype, "int32"))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert np.isfinite(expected[3])


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize(
    ("labels", "outputs", "said"),
    [
        (jnp.zeros((4, 1), int), jnp.zeros((4, 3)), r"labels \(4, 1\) must be one for each row of outputs \(4, 3\)"),
        (jnp.zeros(4, int), jnp.zeros(4), r"labels \(4,\) must be one for each row"),
        (jnp.zeros((4, 3)), jnp.zeros(4, int), r"labels must be integers.*float32 \(4, 3\)"),
        (jnp.zeros(4), jnp.zeros((4, 3)), "labels must be integers"),
        (jnp.zeros(4, bool), jnp.zeros((4, 3)), "labels must be integers.*bool"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, outputs, said, jitted):
    """They would broadcast: (P, 1) against (P, C) is a loss for each pair of samples."""
    for function in (losses.cross_entropy, losses.squared_error, losses.accuracy):
        plain = inspect.unwrap(function)
        with pytest.raises(ValueError, match=said):
            (jax.jit(plain) if jitted else plain)(outputs, labels)


# An averaged loss leaves nothing to weight: mean Γ times mean ℓ, on balanced data the static loss.
test_losses_that_are_not_one_a_sample_are_refused = refused(
    losses.class_weighted_mean,
    {"labels": jnp.array([0, 1, 0, 1]), "weights": jnp.array([1.5, 0.5])},
    *[({"losses": each}, "must be one for each sample") for each in (jnp.ones((4, 1)), jnp.ones(()), jnp.ones(3))],
)


def test_a_label_without_a_weight_gives_nan():
    weights = jnp.array([1.5, 0.5])
    assert jnp.isnan(losses.class_weighted_mean(jnp.ones(2), jnp.array([0, 2]), weights))
    assert jnp.isnan(losses.class_weighted_mean(jnp.ones(2), jnp.array([0, -1]), weights))


def test_sums_of_half_precision_are_exact():
    """bfloat16 counts to 256: the accuracy was 0.25 or 1.0078 where it is 1."""
    labels = jnp.zeros(1000, int)
    logits = jnp.zeros((1000, 3), "bfloat16").at[:, 0].set(1)
    assert losses.accuracy(logits, labels) == 1 and losses.accuracy(logits, labels).dtype == "float32"


def test_no_nan_is_made_on_valid_data():
    logits, labels, weights = jnp.array([[1.0, 2.0], [0.5, 0.1]]), jnp.array([0, 1]), jnp.array([1.5, 0.5])

    def total(logits, loss):
        return losses.class_weighted_mean(loss(logits, labels), labels, weights)

    with jax.debug_nans(True):
        for loss in (losses.cross_entropy, losses.squared_error):
            assert jnp.isfinite(total(logits, loss)) and jnp.isfinite(jax.grad(total)(logits, loss)).all()
            hessian = jax.jacfwd(jax.grad(total))(logits, loss)
            assert jnp.isfinite(hessian).all()
