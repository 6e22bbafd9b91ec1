"""The NTK of eq. (11), whole, as products and averaged, against Jacobians written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss.models import MLP
from dynloss.spectral import ntk

PARAMS = reference.parameters(4, 2, 5, 3)  # 33 parameters
INPUTS, _ = reference.samples(5, 14, 2, 3)  # 42 rows: the kernel has rank 33 at most
APPLY = MLP(5, 3, param_dtype=jnp.float64).apply


@pytest.fixture(scope="module")
def dense():
    return reference.ntk(PARAMS, INPUTS)


@pytest.fixture
def case(x64):
    return jax.tree.map(jnp.asarray, PARAMS), jnp.asarray(INPUTS)


def test_matrix(case, dense):
    kernel = jax.jit(lambda w, x: ntk.ntk_matrix(APPLY, w, x))(*case)
    assert kernel.shape == (14, 3, 14, 3)
    np.testing.assert_allclose(np.asarray(kernel).reshape(42, 42), dense, rtol=1e-12, atol=1e-12)


def test_products(case, dense):
    operator, size = ntk.ntk_operator(APPLY, *case)
    assert size == 42
    columns = jax.jit(jax.vmap(operator))(jnp.eye(size))
    np.testing.assert_allclose(columns, dense, rtol=1e-12, atol=1e-12)


def test_eigenvalues(case, dense):
    ritz = jax.jit(lambda w, x: ntk.ntk_eigenvalues(APPLY, w, x, 42, num_matvecs=42))(*case)
    np.testing.assert_allclose(ritz.eigenvalues, np.linalg.eigvalsh(dense)[::-1], atol=1e-11)
    top = jax.jit(lambda w, x: ntk.ntk_eigenvalues(APPLY, w, x))(*case)
    np.testing.assert_allclose(top.eigenvalues, np.linalg.eigvalsh(dense)[-1:], rtol=1e-8)


def test_averaged_over_outputs(case, dense):
    kernel = jax.jit(lambda w, x: ntk.output_averaged_ntk_matrix(APPLY, w, x))(*case)
    blocks = dense.reshape(14, 3, 14, 3)
    expected = (blocks[:, 0, :, 0] + blocks[:, 1, :, 1] + blocks[:, 2, :, 2]) / 3
    np.testing.assert_allclose(kernel, expected, rtol=1e-12, atol=1e-12)
    ritz = jax.jit(lambda kernel: ntk.kernel_eigenvalues(kernel, 2))(kernel)
    np.testing.assert_allclose(ritz.eigenvalues, np.linalg.eigvalsh(expected)[:-3:-1], rtol=1e-7)


def test_a_kernel_of_few_samples_lowers_the_order(x64):
    ritz = ntk.kernel_eigenvalues(jnp.array([[2.0, 1.0], [1.0, 2.0]]))
    np.testing.assert_allclose(ritz.eigenvalues, [3.0], rtol=1e-14)
    with pytest.raises(ValueError, match="k must not exceed num_matvecs = 2, got 3"):
        ntk.kernel_eigenvalues(jnp.eye(2), 3)
