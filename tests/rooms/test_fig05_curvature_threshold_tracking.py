"""λ_max followed from one measurement to the next, with products written out: against dense spectra."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from misuse import refused

from dynloss import schedules
from dynloss.models import mlp
from dynloss.spectral import hessian
from dynloss_book.fig05_curvature_threshold import mlp_hessian, tracking
from dynloss_book.tasks import spiral


@partial(jax.jit, static_argnames=("num_matvecs", "tolerance", "fewest"))
def largest(spectrum, start=None, **how):
    """Of the diagonal operator with these eigenvalues."""
    start = tracking.cold_start(len(spectrum), spectrum.dtype) if start is None else start
    return tracking.largest(lambda v: spectrum * v, start, **how)


@pytest.fixture
def point(x64):
    """A network after some steps, its data and weights, and the gradient by the other way."""
    task = spiral.task(12, "float64", 0)
    params = task.descend(schedules.oscillating(40, 20, 3), 0.5, 30)
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)
    weights = jnp.asarray([2.0, 0.7, 0.3])
    return params, inputs, labels, weights, lambda w: mlp.cross_entropy_gradient(w, inputs, labels, weights)


def test_gradient_and_products_are_those_of_automatic_differentiation(point):
    params, inputs, labels, weights, gradient = point
    at = mlp_hessian.from_params(params)

    def local():
        return mlp_hessian.derivatives(at, inputs, labels, weights)

    ours, outputs = jax.jit(lambda: (mlp_hessian.to_params(local().gradient), local().outputs))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), ours, jax.jit(gradient)(params))
    jax.tree.map(np.testing.assert_array_equal, mlp_hessian.to_params(at), params)
    _, unravel = ravel_pytree(params)
    operator, size = hessian.hessian_operator(gradient, params)
    expected = jax.jit(operator)

    @jax.jit
    def product(v):
        return ravel_pytree(mlp_hessian.to_params(local().product(mlp_hessian.from_params(unravel(v)))))[0]

    for seed in range(3):
        v = np.random.RandomState(seed).randn(size)
        np.testing.assert_allclose(product(v), expected(v), atol=1e-12)
    logits = np.asarray(jax.jit(mlp.MLP(12, param_dtype="float64").apply)(params, inputs)).T
    np.testing.assert_allclose(outputs, logits - logits[-1:], atol=1e-12)


def test_the_largest_is_that_of_a_dense_spectrum(point):
    params, *_, gradient = point
    dense = np.linalg.eigvalsh(jax.jit(lambda w: hessian.hessian_matrix(gradient, w))(params))
    operator, size = hessian.hessian_operator(gradient, params)
    track = jax.jit(lambda start: tracking.largest(operator, start, num_matvecs=40, tolerance=1e-6))
    found = track(tracking.cold_start(size, "float64"))
    assert found.eigenvalue == pytest.approx(dense[-1], rel=1e-9)
    assert found.residual <= 1e-6 * found.eigenvalue and tracking.FEWEST <= found.products < 40
    again = track(found.start)
    assert again.eigenvalue == pytest.approx(dense[-1], rel=1e-9)
    assert again.products < found.products


def test_an_eigenvalue_that_overtakes_is_seen():
    """The new top vector had no part in the old one, and the old one is an eigenvector still: its residual is zero."""
    spectrum, start = jnp.linspace(-0.2, 0.9, 502).at[1].set(2.0), tracking.cold_start(502, "float32")
    for first in np.linspace(3, 1, 21):
        found = largest(spectrum.at[0].set(first), start, num_matvecs=10, tolerance=0.01)
        assert found.eigenvalue == pytest.approx(max(first, 2.0), rel=0.01)
        start = found.start


def test_what_is_not_finite_ends_and_stays_so():
    found = largest(jnp.full(9, jnp.nan), num_matvecs=8, tolerance=0.01)
    assert np.isnan(found.eigenvalue) and found.products == tracking.FEWEST


def test_small_and_exhausted_spaces():
    found = largest(jnp.zeros(7), num_matvecs=7, tolerance=0.0)
    assert found.eigenvalue == 0 and found.residual == 0
    twice = jnp.asarray([2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    found = largest(twice, num_matvecs=7, tolerance=0.0)
    assert found.eigenvalue == pytest.approx(2.0, rel=1e-5)


test_misuse = refused(
    partial(tracking.largest, lambda v: v, tracking.cold_start(9, "float32")),
    {"num_matvecs": 9, "tolerance": 0.01},
    ({"num_matvecs": 4}, "num_matvecs must be"),
    ({"num_matvecs": 10}, "must not exceed the operator's size 9"),
    ({"fewest": 0}, "fewest"),
)


def test_fewer_products_where_they_will_do():
    spectrum = jnp.linspace(0, 1, 30).at[-1].set(5)
    first = largest(spectrum, num_matvecs=9, tolerance=0.01)
    then = largest(spectrum, first.start, num_matvecs=9, tolerance=0.01, fewest=3)
    assert then.eigenvalue == pytest.approx(5, rel=1e-3) and 3 <= then.products < first.products


@pytest.mark.slow
@pytest.mark.parametrize(
    ("low", "high", "dtype", "num_matvecs"),
    [(1, 5, "float32", 32), (-100, -90, "float32", 32), (1, 5, "float64", 50), (1000, 1001, "float32", 20),
     (5, 5, "float32", 10), (-3, -3, "float64", 10)],
)  # fmt: skip
def test_a_spectrum_away_from_zero(x64, low, high, dtype, num_matvecs):
    """No Ritz value lies outside the spectrum, and the residual is a bound: one orthogonalisation gave 84.6 for 5."""
    spectrum = jnp.linspace(low, high, 100, dtype=dtype)
    found = largest(spectrum, num_matvecs=num_matvecs, tolerance=1e-3)
    rounding = 100 * float(jnp.finfo(dtype).eps) * max(abs(low), abs(high))
    assert low - rounding <= found.eigenvalue <= high + rounding
    assert np.min(np.abs(spectrum - found.eigenvalue)) <= found.residual + rounding
    assert found.residual <= 1e-3 * abs(found.eigenvalue) or found.products == num_matvecs


@pytest.mark.parametrize("scale", [1e-20, 1e19, 1e-3, 1.0])
def test_operators_of_any_norm(scale):
    found = largest(scale * jnp.linspace(1, 5, 30), num_matvecs=12, tolerance=1e-3)
    assert found.eigenvalue == pytest.approx(5 * scale, rel=1e-3)
    assert found.residual <= 0.05 * found.eigenvalue
