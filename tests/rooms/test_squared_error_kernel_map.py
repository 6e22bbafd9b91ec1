"""Eq. (14) against NumPy in float64: what it predicts, what it leaves out, and its regimes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss.models import MLP
from dynloss.spectral import ntk
from dynloss.spectral.lanczos import extreme_eigenvalues
from dynloss_book.squared_error import infinite_width, kernel_map
from dynloss_book.squared_error import neural_tangents as adapter

INPUTS, LABELS = reference.samples(5, 7, 2, 3)
TARGETS = np.eye(3)[LABELS]
CASES = {"a few": (4, 7), "width 1": (1, 7), "one sample": (4, 1), "both": (1, 1)}


@pytest.fixture(params=CASES)
def case(request, x64):
    width, samples = CASES[request.param]
    params = reference.parameters(4, 2, width, 3)
    return MLP(width, 3, param_dtype=jnp.float64).apply, params, INPUTS[:samples], TARGETS[:samples]


def test_the_prediction_is_the_kernel_written_out(case):
    apply, params, inputs, targets = case
    residuals = reference.logits(params, inputs) - targets
    kernel = reference.ntk(params, inputs)
    expected = residuals - 0.3 / len(inputs) * (kernel @ residuals.ravel()).reshape(residuals.shape)
    weights = np.linspace(0.5, 2, len(inputs))
    weighted = residuals - 0.3 / len(inputs) * (kernel @ (weights[:, None] * residuals).ravel()).reshape(-1, 3)
    predicted = jax.jit(lambda *arrays: kernel_map.next_residuals(apply, *arrays[:3], 0.3, *arrays[3:]))
    np.testing.assert_allclose(predicted(params, inputs, residuals), expected, rtol=1e-12)
    np.testing.assert_allclose(predicted(params, inputs, residuals, weights), weighted, rtol=1e-12)


def test_the_weighted_kernel_has_the_eigenvalues_of_the_weighted_map(case):
    apply, params, inputs, _ = case
    weights = np.linspace(0.2, 2.0, len(inputs))
    dense = reference.ntk(params, inputs) * np.repeat(weights, 3)[None, :]
    operator, size = kernel_map.weighted_operator(
        apply, jax.tree.map(jnp.asarray, params), jnp.asarray(inputs), jnp.asarray(weights)
    )
    found = extreme_eigenvalues(operator, size, 2, num_matvecs=32, dtype=jnp.float64)
    expected = np.sort(np.linalg.eigvals(dense).real)[::-1][:2]
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-8, atol=1e-10)


def test_the_scaled_kernel_is_that_of_rescaled_parameters(x64):
    """As if W = ω/√fan_in were trained by its ω, without biases."""
    params = jax.tree.map(jnp.asarray, reference.parameters(4, 2, 6, 3))
    root = {"hidden": 2**0.5, "output": 6**0.5}

    def apply(omega, inputs):
        layers = params["params"]
        new = {n: {"kernel": omega[n] / root[n], "bias": layers[n]["bias"]} for n in root}
        return MLP(6, 3, param_dtype=jnp.float64).apply({"params": new}, inputs)

    omega = {n: params["params"][n]["kernel"] * root[n] for n in root}
    expected = jax.jit(lambda omega: ntk.output_averaged_ntk_matrix(apply, omega, jnp.asarray(INPUTS)))(omega)
    np.testing.assert_allclose(jax.jit(infinite_width.scaled_kernel)(params, INPUTS), expected, rtol=1e-10)


def test_the_limit_of_infinite_width(x64):
    model = MLP(20_000, 3, param_dtype=jnp.float64)
    params = jax.jit(model.init)(jax.random.key(0), INPUTS)
    found = jax.jit(infinite_width.scaled_kernel)(params, INPUTS)
    assert infinite_width.relative_deviation(found, infinite_width.limit(INPUTS)) < 0.03
    # Parallel and opposite inputs, where the angle's rounding matters, and the origin.
    x = np.array([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0], [0.0, 0.0]])
    np.testing.assert_allclose(infinite_width.limit(x)[0], [1.0, 2.0, 0.0, 0.0], atol=1e-7)


def test_the_limit_by_neural_tangents_is_none_without_it(monkeypatch):
    def missing():
        raise ImportError("not here")

    monkeypatch.setattr(adapter, "load", missing)
    assert infinite_width.limit_by_neural_tangents(INPUTS) is None


def test_the_limit_by_neural_tangents(x64):
    theirs = infinite_width.limit_by_neural_tangents(INPUTS)
    if theirs is None:
        pytest.skip("neural-tangents is not installed")
    np.testing.assert_allclose(theirs, infinite_width.limit(INPUTS), rtol=1e-6)
