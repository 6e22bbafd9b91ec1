"""The central flow: a valley with a known answer, and every term by finite differences in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from dynloss import losses, schedules
from dynloss.datasets.base import Dataset
from dynloss.models import MLP
from dynloss.training import full_batch
from dynloss_book.central_flow import flow as central_flow
from dynloss_book.useful_cascades import experiment as useful_cascades

S, A, B, Q, RATE = 1.9, 0.5, 0.002, 1.0, 1.0


def gradient(w, gammas):
    """Of Γ₀ [(S + A y) x²/2 - B y] + Γ₁ Q x²/2."""
    x, y = w
    return jnp.stack([(gammas[0] * (S + A * y) + gammas[1] * Q) * x, gammas[0] * (A * x**2 / 2 - B)])


def moving(speed):
    """Γ₁ grows by ``speed`` in each step."""
    return lambda step, dtype=None: jnp.stack([jnp.ones((), dtype), (speed * step).astype(dtype)])


@pytest.mark.parametrize("speed", [0.0, 4e-4, -4e-4])
def test_a_valley_with_an_exact_solution(x64, speed):
    variance = 2 * (A * B + Q * speed / RATE) / A**2
    start = jnp.array([0.0, (2 / RATE - S) / A])
    edge = jax.jit(lambda w, gammas, change: central_flow.edge(gradient, w, gammas, change, RATE))
    at = edge(start, np.array([1.0, 0.0]), np.array([0.0, speed]))
    np.testing.assert_allclose(at.variance, variance, rtol=1e-9)
    np.testing.assert_allclose(at.eigenvalues[0], 2 / RATE, rtol=1e-12)
    # Gradient descent from ±σ stays there, and slides along y so that S stays at 2/η.
    path = [start + jnp.array([variance**0.5, 0.0])]
    step = jax.jit(lambda w, t: w - RATE * gradient(w, moving(speed)(t, jnp.float64)))
    for t in range(20):
        path.append(step(path[-1], t))
    path = np.array(path)
    np.testing.assert_allclose(path[:, 0] ** 2, variance, rtol=1e-9)
    np.testing.assert_allclose(np.diff(path[:, 1]), -Q * speed / A, atol=1e-12)
    centre = central_flow.centre(*path[4:7])
    np.testing.assert_allclose(centre[0], 0, atol=1e-12)


@pytest.mark.parametrize(("height", "expected"), [(0.0, 2 * (A * B + Q * 4e-4) / A**2), (-1.0, 0.0)])
def test_the_flow_holds_the_sharpness_at_the_edge_and_leaves_it_alone_below(x64, height, expected):
    start = jnp.array([0.0, (2 / RATE - S) / A + height])
    schedule = lambda t, dtype=None: moving(4e-4)(jnp.asarray(t), dtype)  # noqa: E731
    _, variance, eigenvalues = central_flow.flow(gradient, start, schedule, RATE, 0, 60, num_matvecs=2)
    np.testing.assert_allclose(variance[10:].mean(), expected, rtol=0.05)
    below = eigenvalues[:, 0] <= 2 / RATE + 0.01
    assert below.all()
    assert (eigenvalues[-1, 0] > 1.99) == (height == 0)


@pytest.mark.parametrize(("width", "points"), [(3, 8), (1, 8)])
def test_every_term_by_finite_differences(x64, width, points):
    params = reference.parameters(1, 2, width, 3)
    inputs, labels = reference.samples(2, points, 2, 3)
    gammas, change = np.array([1.4, 0.9, 0.7]), np.array([-0.02, 0.01, 0.01])

    def hessian(w, g):
        return reference.hessian(w, inputs, labels, g)

    values, vectors = np.linalg.eigh(hessian(params, gammas))
    u = vectors[:, -1]
    sharpening = reference.differences(lambda w: u @ hessian(w, gammas) @ u, params, step=1e-4)
    slope = reference.flatten(reference.gradient(params, inputs, labels, gammas))
    drift, motion = -slope @ sharpening, u @ hessian(params, change) @ u
    variance = 2 * (drift + motion / 0.5) / (sharpening @ sharpening)

    data = Dataset(inputs, labels, 3)
    loss = full_batch.loss_gradient(MLP(width, 3, param_dtype=jnp.float64).apply, data, losses.cross_entropy)
    edge = jax.jit(lambda w, gammas, change: central_flow.edge(loss, w, gammas, change, 0.5, num_matvecs=60))
    at = edge(params, gammas, change)
    np.testing.assert_allclose(at.eigenvalues[0], values[-1], rtol=1e-6)
    np.testing.assert_allclose(at.drift, drift, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(at.motion, motion, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(at.variance, variance, rtol=1e-3)


def test_a_static_loss_does_not_move(x64):
    change = jnp.diff(schedules.weights_over(schedules.static(2), jnp.arange(2)), axis=0)[0]
    look = jax.jit(lambda x: central_flow.edge(gradient, x, jnp.ones(2), change, RATE).motion)
    assert float(look(jnp.array([0.1, 0.2]))) == 0


def test_alignment_of_a_kernel_with_the_labels():
    random, labels = np.random.RandomState(0), jnp.arange(60) % 3
    ideal = np.eye(3)[np.asarray(labels)]
    of = lambda kernel: float(useful_cascades.kernel_target_alignment(jnp.asarray(kernel, "float32"), labels, 3))  # noqa: E731
    assert of(ideal @ ideal.T) == pytest.approx(1, abs=1e-5)
    features = random.randn(60, 200)
    assert abs(of(features @ features.T)) < 0.2
    # A constant added to a kernel says nothing of the classes.
    assert of(ideal @ ideal.T + 5) == pytest.approx(1, abs=1e-5)


def test_cosines():
    rows = jnp.array([[1.0, 1.0], [0.0, -2.0], [0.0, 0.0]])
    np.testing.assert_allclose(useful_cascades.cosines(rows, jnp.array([0.0, 1.0])), [0.5**0.5, -1, 0], atol=1e-6)
