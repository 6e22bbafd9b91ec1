"""The two parts of the Hessian and the weighted kernel, against dense ones in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss.models import MLP
from dynloss.models.mlp import cross_entropy_gradient
from dynloss.spectral import gauss_newton
from dynloss_book.analysis import onsets

WEIGHTS = np.array([2.0, 0.7, 0.3])


def middle(outputs, labels):
    """A, block by block, written from its formula."""
    size = outputs.size
    matrix = np.zeros((size, size))
    for j, (f, y) in enumerate(zip(outputs, labels, strict=True)):
        p = np.exp(f - f.max())
        p /= p.sum()
        block = slice(3 * j, 3 * j + 3)
        matrix[block, block] = WEIGHTS[y] * (np.diag(p) - np.outer(p, p))
    return matrix


def case(width, points):
    params = reference.parameters(5, 2, width, 3)
    inputs, labels = reference.samples(6, points, 2, 3)
    return params, inputs, labels


@pytest.mark.parametrize(("width", "points"), [(6, 15), (1, 15), (1, 1)])
def test_weighted_kernel_and_gauss_newton_share_their_eigenvalues(x64, width, points):
    """JᵀAJ / P, dense, against the products of the library with A^½ Θ A^½ / P."""
    params, inputs, labels = case(width, points)
    middles = middle(reference.logits(params, inputs), labels)
    jacobian = reference.differences(lambda p: reference.logits(p, inputs).ravel(), params).T
    newton = np.linalg.eigvalsh(jacobian.T @ middles @ jacobian / points)[::-1]
    tree = jax.tree.map(jnp.asarray, params)
    given = MLP(width, 3, param_dtype=jnp.float64).apply, tree, jnp.asarray(inputs), jnp.asarray(labels)
    apply, *arrays = given

    def leading(*arrays):
        return gauss_newton.weighted_kernel_eigenvalues(apply, *arrays, 2, num_matvecs=3 * points)

    ritz = jax.jit(leading)(*arrays, jnp.asarray(WEIGHTS))
    np.testing.assert_allclose(ritz.eigenvalues, newton[:2], atol=1e-7)


@pytest.mark.parametrize(("width", "points"), [(6, 15), (1, 1)])
def test_the_parts_add_up_to_the_hessian(x64, width, points):
    params, inputs, labels = case(width, points)
    whole = reference.hessian(params, inputs, labels, WEIGHTS)
    values, vectors = np.linalg.eigh(whole)
    jacobian = reference.differences(lambda p: reference.logits(p, inputs).ravel(), params).T
    newton = jacobian.T @ middle(reference.logits(params, inputs), labels) @ jacobian / points
    share = vectors[:, -1] @ newton @ vectors[:, -1]
    x, y, gammas = jnp.asarray(inputs), jnp.asarray(labels), jnp.asarray(WEIGHTS)
    apply = MLP(width, 3, param_dtype=jnp.float64).apply

    @jax.jit
    def found(w):
        gradient = partial(cross_entropy_gradient, inputs=x, labels=y, weights=gammas)
        return gauss_newton.parts(gradient, apply, w, x, y, gammas, num_matvecs=len(whole))

    parts = found(jax.tree.map(jnp.asarray, params))
    assert parts.curvature == pytest.approx(values[-1], abs=1e-7)
    assert parts.gauss_newton == pytest.approx(share, abs=1e-6)
    assert parts.gauss_newton + parts.residual == pytest.approx(float(parts.curvature), abs=1e-12)


def test_a_linear_network_has_no_residual(x64):
    for whole, kernel in onsets.linear_network().values():
        assert whole == pytest.approx(kernel, rel=1e-8)
