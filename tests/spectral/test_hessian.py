"""The Hessian through its products against a dense one by differences of a NumPy gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss.datasets import Dataset
from dynloss.models import MLP
from dynloss.models.mlp import cross_entropy_gradient
from dynloss.spectral.hessian import hessian_eigenvalues, hessian_matrix, hessian_operator
from dynloss.training.full_batch import loss_gradient

PARAMS = reference.parameters(1, 2, 10, 3)
INPUTS, LABELS = reference.samples(2, 30, 2, 3)
WEIGHTS = np.array([2.0, 0.5, 0.5])


@pytest.fixture(scope="module")
def dense():
    return reference.hessian(PARAMS, INPUTS, LABELS, WEIGHTS)


@pytest.fixture
def params(x64):
    return jax.tree.map(jnp.asarray, PARAMS)


def written_out(w):
    return cross_entropy_gradient(w, jnp.asarray(INPUTS), jnp.asarray(LABELS), jnp.asarray(WEIGHTS))


def automatic(w):
    apply = MLP(10, 3, param_dtype=jnp.float64).apply
    return loss_gradient(apply, Dataset(INPUTS, LABELS, 3))(w, jnp.asarray(WEIGHTS))


@pytest.mark.parametrize("gradient", [written_out, automatic])
def test_matrix(params, dense, gradient):
    matrix = np.asarray(jax.jit(partial(hessian_matrix, gradient))(params))
    assert matrix.shape == (63, 63)
    np.testing.assert_allclose(matrix, dense, atol=1e-8)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-14)


def test_both_ends_of_the_spectrum(params, dense):
    def ends(w):
        operator, size = hessian_operator(written_out, w)
        found = [hessian_eigenvalues(written_out, w, 5, num_matvecs=size, which=end) for end in ("largest", "smallest")]
        return *found, operator(jnp.ones(size))

    expected = np.linalg.eigvalsh(dense)
    largest, smallest, product = jax.jit(ends)(params)
    np.testing.assert_allclose(largest.eigenvalues, expected[:-6:-1], atol=1e-7)
    np.testing.assert_allclose(smallest.eigenvalues, expected[:5], atol=1e-7)
    np.testing.assert_allclose(product, dense.sum(axis=1), atol=1e-7)
    assert expected[0] < 0 < expected[-1]
