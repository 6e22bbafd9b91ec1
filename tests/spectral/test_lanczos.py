"""Lanczos on matrices with a prescribed spectrum, against dense eigenvalues and matfree's implementation."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from misuse import refused

from dynloss.spectral.lanczos import extreme_eigenvalues, tridiagonalise

SIZE = 12
SPECTRA = {
    "spread": np.linspace(-3, 40, SIZE),
    "repeated": np.array([5.0] * 4 + [2.0] * 3 + [-1.0] * 5),
    "identity": np.full(SIZE, 2.5),
    "rank 2": np.array([7.0, 3.0] + [0.0] * (SIZE - 2)),
    "negative definite": -np.arange(1.0, SIZE + 1),
    "clustered": np.r_[100.0, 99.999, 99.99, np.linspace(0, 1, SIZE - 3)],
    "tiny": 1e-8 * np.linspace(-3, 40, SIZE),
    "zero": np.zeros(SIZE),
}


def with_spectrum(values):
    basis, _ = np.linalg.qr(np.random.RandomState(7).randn(len(values), len(values)))
    return (basis * values) @ basis.T


@partial(jax.jit, static_argnames=("k", "num_matvecs", "which"))
def extreme(matrix, k=3, num_matvecs=SIZE, which="largest"):
    how = {"num_matvecs": num_matvecs, "which": which, "dtype": matrix.dtype}
    return extreme_eigenvalues(lambda v: matrix @ v, len(matrix), k, **how)


@partial(jax.jit, static_argnames="num_matvecs")
def tridiagonal(matrix, start, num_matvecs):
    return tridiagonalise(lambda v: matrix @ v, start, num_matvecs)


@pytest.mark.parametrize("which", ["largest", "smallest"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 3e-6)])
@pytest.mark.parametrize("name", SPECTRA)
def test_order_n_gives_every_eigenvalue(x64, name, dtype, tolerance, which):
    spectrum = np.sort(SPECTRA[name])
    matrix = with_spectrum(SPECTRA[name]).astype(dtype)
    ritz = extreme(jnp.asarray(matrix), k=SIZE, which=which)
    expected = spectrum[::-1] if which == "largest" else spectrum
    scale = np.abs(spectrum).max()
    assert ritz.eigenvalues.dtype == dtype
    np.testing.assert_allclose(ritz.eigenvalues, expected, atol=tolerance * scale)
    assert (np.asarray(ritz.residuals) <= 10 * tolerance * scale).all()
    vectors = np.asarray(ritz.vectors)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(SIZE), atol=10 * tolerance)
    np.testing.assert_allclose(vectors @ matrix, expected[:, None] * vectors, atol=10 * tolerance * scale)


def test_repeated_top_eigenvalues_are_found_before_order_n(x64):
    ritz = extreme(jnp.asarray(with_spectrum(SPECTRA["repeated"])), k=2, num_matvecs=8)
    np.testing.assert_allclose(ritz.eigenvalues, [5, 5], rtol=1e-13)


@pytest.mark.parametrize("num_matvecs", [4, 9])
@pytest.mark.parametrize("which", ["largest", "smallest"])
def test_the_residual_is_the_true_one_and_bounds_the_error(x64, num_matvecs, which):
    values = np.r_[np.linspace(0, 1, 30), 1.5, 2.5, 2.6, -0.7]
    matrix = with_spectrum(values)
    ritz = extreme(jnp.asarray(matrix), k=2, num_matvecs=num_matvecs, which=which)
    # ‖Av - λv‖, from the basis and the dense matrix.
    start = jnp.asarray(np.random.RandomState(0).randn(len(values)))
    _, _, basis = tridiagonal(jnp.asarray(matrix), start, num_matvecs)
    small, vectors = np.linalg.eigh(basis @ matrix @ basis.T)
    ends = [-1, -2] if which == "largest" else [0, 1]
    for found, residual, ours, i in zip(ritz.eigenvalues, ritz.residuals, ritz.vectors, ends, strict=True):
        vector = vectors[:, i] @ np.asarray(basis)
        assert float(found) == pytest.approx(small[i], abs=1e-12)
        assert abs(ours @ vector) == pytest.approx(1)
        assert float(residual) == pytest.approx(np.linalg.norm(matrix @ vector - small[i] * vector), abs=1e-12)
        assert np.abs(values - float(found)).min() <= float(residual) + 1e-12
    assert num_matvecs > 6 or float(ritz.residuals[0]) > 1e-6  # not converged yet: the bound says something


def test_the_basis_is_orthonormal_after_a_breakdown():
    matrix = jnp.asarray(with_spectrum(SPECTRA["rank 2"]), jnp.float32)
    alphas, betas, basis = tridiagonal(matrix, jnp.ones(SIZE), SIZE)
    np.testing.assert_allclose(basis @ basis.T, np.eye(SIZE), atol=2e-6)
    assert (np.asarray(betas) == 0).sum() >= SIZE - 3
    expected = np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1)
    np.testing.assert_allclose(np.asarray(basis @ matrix @ basis.T), expected, atol=5e-6)


def test_against_matfree(x64):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matfree.decomp import tridiag_sym

    matrix = jnp.asarray(with_spectrum(SPECTRA["spread"]))
    start = jnp.asarray(np.random.RandomState(5).randn(SIZE))
    ours = tridiagonal(matrix, start, 7)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        theirs = jax.jit(tridiag_sym(7, custom_vjp=False), static_argnums=0)(lambda v: matrix @ v, start).J_small
    np.testing.assert_allclose(ours.alphas, np.diag(theirs), rtol=1e-11)
    np.testing.assert_allclose(ours.betas[:-1], np.abs(np.diag(theirs, 1)), rtol=1e-11)


def test_deterministic_and_vmappable():
    matrices = jnp.asarray(np.stack([with_spectrum(SPECTRA[name]) for name in SPECTRA]), jnp.float32)
    together = jax.vmap(lambda matrix: extreme(matrix, num_matvecs=8))(matrices)
    for matrix, values in zip(matrices, together.eigenvalues, strict=True):
        alone = extreme(matrix, num_matvecs=8).eigenvalues
        scale = max(float(jnp.abs(matrix).max()), 1e-30)
        np.testing.assert_allclose(values, alone, atol=2e-5 * scale)
        np.testing.assert_array_equal(alone, extreme(matrix, num_matvecs=8).eigenvalues)


def test_an_operator_that_gives_nan_gives_nan():
    ritz = extreme(jnp.full((SIZE, SIZE), jnp.nan), num_matvecs=8)
    assert np.isnan(ritz.eigenvalues).all() and np.isnan(ritz.residuals).all()


test_misuse = refused(
    partial(extreme_eigenvalues, lambda v: v, SIZE),
    {"k": 1, "num_matvecs": 4},
    ({"k": 0}, "k must be an integer, at least 1, got 0"),
    ({"k": 5, "num_matvecs": 4}, "k must not exceed num_matvecs = 4, got 5"),
    ({"k": 13, "num_matvecs": 16}, "k must not exceed num_matvecs = 12, got 13"),
    ({"k": 1, "num_matvecs": 0}, "num_matvecs"),
)


def test_more_products_than_the_operators_size(x64):
    with pytest.raises(ValueError, match="num_matvecs must not exceed the operator's size 12, got 13"):
        tridiagonalise(lambda v: v, jnp.ones(SIZE), 13)
    matrix = jnp.asarray(with_spectrum(SPECTRA["spread"]))
    np.testing.assert_array_equal(extreme(matrix, num_matvecs=100).eigenvalues, extreme(matrix).eigenvalues)


@pytest.mark.parametrize("scale", [1e-20, 1e19])
@pytest.mark.parametrize("which", ["largest", "smallest"])
def test_operators_of_any_norm(scale, which):
    """Squares of such numbers are zero or infinite in float32: the answer was wrong, with a residual of 0."""
    spectrum = scale * np.linspace(1, 5, 30, dtype="float32")
    found = extreme(jnp.diag(spectrum), k=2, num_matvecs=30, which=which)
    expected = np.sort(spectrum)[::-1][:2] if which == "largest" else np.sort(spectrum)[:2]
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-4)
    half = extreme(jnp.diag(spectrum), k=1, num_matvecs=5, which=which)
    assert 0 < half.residuals[0] / scale < 1


def test_an_operator_of_size_one_makes_no_nan():
    with jax.debug_nans(True):
        found = extreme_eigenvalues(lambda v: 3 * v, 1, num_matvecs=1)
    assert found.eigenvalues.tolist() == [3.0] and found.residuals.tolist() == [0.0]
