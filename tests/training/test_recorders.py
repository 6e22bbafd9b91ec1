"""What each recorder measures, against NumPy, and what it says of its variables."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss import losses
from dynloss.datasets import Dataset
from dynloss.models import MLP
from dynloss.models.mlp import cross_entropy_gradient
from dynloss.spectral.ntk import output_averaged_ntk_matrix
from dynloss.training import recorders
from dynloss.training.full_batch import Snapshot

PARAMS = reference.parameters(0, 2, 6, 3)
DATA = Dataset(*reference.samples(1, 12, 2, 3), 3)
WEIGHTS = np.array([2.0, 0.75, 0.25])
APPLY = MLP(6, 3, param_dtype=jnp.float64).apply
SIZE = 6 * 3 + 7 * 3


def every_recorder():
    return {
        "class_weights": recorders.class_weights(),
        "state": recorders.training_state(APPLY, DATA),
        "squared": recorders.training_state(APPLY, DATA, loss=losses.squared_error),
        "validation": recorders.validation_accuracy(APPLY, Dataset(-DATA.inputs, DATA.labels, 3)),
        "hessian": recorders.hessian(2, num_matvecs=SIZE),
        "ntk": recorders.ntk(APPLY, DATA.inputs, num_matvecs=36),
        "averaged": recorders.output_averaged_ntk(partial(output_averaged_ntk_matrix, APPLY), DATA.inputs[:5]),
    }


@cache
def measure():
    """All of them, measured in one compiled program."""
    arrays = jnp.asarray(DATA.inputs), jnp.asarray(DATA.labels)

    def all_at_once(params, weights):
        snapshot = Snapshot(0, params, weights, lambda w: cross_entropy_gradient(w, *arrays, weights))
        return {name: recorder.measure(snapshot) for name, recorder in every_recorder().items()}

    return jax.jit(all_at_once)(jax.tree.map(jnp.asarray, PARAMS), jnp.asarray(WEIGHTS))


@pytest.fixture
def measured(x64):
    return measure()


def test_losses_and_accuracies(measured):
    outputs = reference.logits(PARAMS, DATA.inputs)
    state = {name: float(value) for name, value in measured["state"].items()}
    assert state["loss"] == pytest.approx(reference.loss(PARAMS, DATA.inputs, DATA.labels, WEIGHTS), rel=1e-12)
    assert state["static_loss"] == pytest.approx(reference.cross_entropy(outputs, DATA.labels).mean(), rel=1e-12)
    assert state["accuracy"] == pytest.approx(np.mean(outputs.argmax(axis=1) == DATA.labels), rel=1e-12)
    other = reference.logits(PARAMS, -DATA.inputs).argmax(axis=1) == DATA.labels
    assert float(measured["validation"]["validation_accuracy"]) == pytest.approx(other.mean(), rel=1e-12)
    np.testing.assert_array_equal(measured["class_weights"]["class_weights"], WEIGHTS)


def test_another_loss(measured):
    errors = ((reference.logits(PARAMS, DATA.inputs) - np.eye(3)[DATA.labels]) ** 2).sum(axis=1) / 2
    assert float(measured["squared"]["static_loss"]) == pytest.approx(errors.mean(), rel=1e-12)
    assert float(measured["squared"]["loss"]) == pytest.approx((WEIGHTS[DATA.labels] * errors).mean(), rel=1e-12)


def test_spectra(measured):
    dense = np.linalg.eigvalsh(reference.hessian(PARAMS, DATA.inputs, DATA.labels, WEIGHTS))
    np.testing.assert_allclose(measured["hessian"]["hessian_eigenvalues"], dense[:-3:-1], atol=1e-7)
    assert (np.asarray(measured["hessian"]["hessian_residuals"]) < 1e-9).all()
    kernel = np.linalg.eigvalsh(reference.ntk(PARAMS, DATA.inputs))
    np.testing.assert_allclose(measured["ntk"]["ntk_eigenvalues"], kernel[-1:], rtol=1e-11)
    blocks = reference.ntk(PARAMS, DATA.inputs[:5]).reshape(5, 3, 5, 3)
    averaged = np.linalg.eigvalsh(np.einsum("ikjk->ij", blocks) / 3)
    np.testing.assert_allclose(measured["averaged"]["averaged_ntk_eigenvalues"], averaged[-1:], rtol=1e-11)


def test_each_declares_what_it_measures(measured):
    for name, recorder in every_recorder().items():
        assert set(measured[name]) == set(recorder.variables)
        for variable, (dims, attributes) in recorder.variables.items():
            assert measured[name][variable].ndim == len(dims)
            assert attributes["long_name"] and attributes["units"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: recorders.class_weights(every=0), "every must be an integer, at least 1, got 0"),
        (lambda: recorders.hessian(every=-5), "every must be an integer, at least 1, got -5"),
        (lambda: recorders.hessian(0), "k must be an integer, at least 1, got 0"),
    ],
)
def test_misuse(make, said):
    with pytest.raises(ValueError, match=said):
        make()
