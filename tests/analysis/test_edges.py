"""Each optimiser's edge: against the roots of its recurrence, its steps on quadratics, and dense eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from misuse import refused

from dynloss_book.analysis import edges, onsets

BETA = 0.9


def roots(name, product, beta=BETA):
    """Growth factors on a quadratic with ηλ = ``product``, from the companion matrix of the rule's recurrence."""
    if name == "gradient descent":
        return np.array([1 - product])
    if name == "Nesterov":
        return np.roots([1, -(1 + beta) * (1 - product), beta * (1 - product)])
    scale = 1 - beta if name == "Adam" else 1
    return np.roots([1, -(1 + beta - scale * product), beta])


@pytest.mark.parametrize("name", ["gradient descent", "heavy ball", "Nesterov", "Adam"])
def test_at_the_edge_a_root_is_minus_one(name):
    rate = 0.05
    edge = onsets.rules(rate, rate, rate, rate, BETA)[name].edge
    assert np.abs(roots(name, rate * edge) + 1).min() < 1e-9
    assert np.abs(roots(name, 0.99 * rate * edge)).max() < 1 < np.abs(roots(name, 1.01 * rate * edge)).max()


@pytest.mark.parametrize("name", ["gradient descent", "heavy ball", "Nesterov", "Adam"])
def test_steps_on_a_quadratic_grow_above_it(x64, standard_promotion, name):
    rule = onsets.rules(1.0, 0.3, 0.3, 0.01, BETA)[name]
    if name == "Adam":
        rule = rule._replace(optimizer=onsets.adam_with_preconditioner_held(0.01))
    assert onsets.growth_on_quadratic(rule, 0.98) < 1e-3 < 1e3 < onsets.growth_on_quadratic(rule, 1.02)


def test_the_preconditioner_is_what_adam_divides_by(x64, standard_promotion):
    """The average is Adam's before its correction: both corrections are in the preconditioner."""
    random, optimizer = np.random.RandomState(0), optax.adam(0.01)
    diagonal = onsets.adam_preconditioner()
    state = optimizer.init(jnp.zeros(4))
    average = np.zeros(4)
    for _ in range(8):
        gradient = random.randn(4)
        change, state = optimizer.update(jnp.asarray(gradient), state)
        average = 0.9 * average + 0.1 * gradient
        np.testing.assert_allclose(change, -0.01 * average / np.asarray(diagonal(state)), rtol=1e-9)


def test_preconditioned_eigenvalues_are_those_of_the_product(x64):
    random = np.random.RandomState(1)
    matrix = random.randn(6, 6)
    matrix, scale = matrix + matrix.T, random.uniform(0.1, 3, 6)
    expected = np.sort(np.linalg.eigvals(np.diag(1 / scale) @ matrix).real)[::-1]
    given = jnp.asarray(matrix), jnp.zeros(6), jnp.asarray(scale)
    ritz = jax.jit(lambda a, w, p: edges.preconditioned_eigenvalues(lambda v: a @ v, w, p, 3, num_matvecs=6))(*given)
    np.testing.assert_allclose(ritz.eigenvalues, expected[:3], rtol=1e-9)


test_momentum_is_checked = refused(
    edges.heavy_ball,
    {"learning_rate": 1.0, "momentum": 0.9},
    *[({"momentum": each}, "momentum must be") for each in (1.0, -0.1, float("nan"))],
    ({"learning_rate": 0.0}, "learning_rate must be"),
)
