"""The multipliers of two steps, against dense Hessians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from jax.flatten_util import ravel_pytree

from dynloss.models.mlp import cross_entropy_gradient
from dynloss_book.analysis import two_step

RATE = 1.3
WEIGHTS = np.array([[2.0, 0.5, 0.5], [1.8, 0.6, 0.6]])


def case(width, points):
    """Two consecutive states of gradient descent, with different class weights."""
    params = reference.parameters(3, 2, width, 3)
    inputs, labels = reference.samples(4, points, 2, 3)
    path = reference.descend(params, inputs, labels, WEIGHTS, RATE)
    return path, inputs, labels


def found(path, inputs, labels, num_matvecs=None):
    flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, path[0]))
    x, y = jnp.asarray(inputs), jnp.asarray(labels)

    def gradient(w, weights):
        return ravel_pytree(cross_entropy_gradient(unravel(w), x, y, weights))[0]

    states = [(jnp.asarray(reference.flatten(path[t])), jnp.asarray(WEIGHTS[t])) for t in (0, 1)]
    space = jax.jit(lambda a, b: two_step.two_step(gradient, a, b, RATE, flat.size, num_matvecs or flat.size))(*states)
    return two_step.multipliers(space), space


def dense(path, inputs, labels):
    """(I − ηH₁)(I − ηH₀) in NumPy, and both Hessians."""
    hessians = [reference.hessian(path[t], inputs, labels, WEIGHTS[t]) for t in (0, 1)]
    first, second = (np.eye(len(each)) - RATE * each for each in hessians)
    return second @ first, hessians


@pytest.mark.parametrize(("width", "points"), [(5, 12), (1, 12), (1, 1)])
def test_multipliers_are_those_of_the_dense_product(x64, width, points):
    path, inputs, labels = case(width, points)
    multipliers, space = found(path, inputs, labels)
    matrix, hessians = dense(path, inputs, labels)
    expected = np.linalg.eigvals(matrix)
    for value in expected:
        assert np.abs(multipliers.values - value).min() < 2e-4  # a repeated one is exact to a root of the rounding
    assert multipliers.lowest == pytest.approx(expected.real.min(), abs=2e-4)
    assert multipliers.residuals.max() < 1e-8
    for row, each in zip(np.asarray(space.curvatures), hessians, strict=True):
        np.testing.assert_allclose(row, np.linalg.eigvalsh(each)[::-1][:3], atol=1e-7)


def test_few_products_find_the_lowest(x64):
    path, inputs, labels = case(8, 20)
    lowest = np.linalg.eigvals(dense(path, inputs, labels)[0]).real.min()
    few, _ = found(path, inputs, labels, num_matvecs=20)
    assert few.lowest == pytest.approx(lowest, abs=10 * few.residuals[0] + 1e-6)


@pytest.mark.parametrize(("curvature", "alternates"), [(0.1, False), (1.9, True)])
def test_what_turns_round_is_told_from_what_stays(x64, curvature, alternates):
    """1 − ηλ = ±0.9: the same multiplier, 0.81, of a flat direction and of one that bounces."""
    scale = jnp.array([curvature])
    at = (jnp.zeros(1), None)
    multipliers = two_step.multipliers(two_step.two_step(lambda w, _: scale * w, at, at, 1.0, 1, 1))
    assert multipliers.lowest == pytest.approx(0.81)
    assert np.isfinite(multipliers.alternating) == alternates


def test_what_is_not_finite_has_no_multipliers():
    lost = two_step.TwoStep(*(np.full((2, 2), np.nan) for _ in range(4)))
    multipliers = two_step.multipliers(lost)
    assert np.isnan(multipliers.lowest) and np.isnan(multipliers.alternating)
