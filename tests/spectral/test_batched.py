"""Sums over batches: the gradient, the Hessian and the kernel of a tiny Myrtle network, against all samples at once."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from reference import drawn

from dynloss import losses, schedules
from dynloss.datasets import Dataset
from dynloss.models import MLP
from dynloss.models.myrtle import Myrtle
from dynloss.spectral import batched, ntk
from dynloss.training import full_batch, recorders
from dynloss_book.figS2_myrtle_bifurcations import batched_recorders

SAMPLES = 7
MODEL = Myrtle(channels=2, num_classes=3, final_pools=0, param_dtype=jnp.float64)
WEIGHTS = np.array([2.0, 0.7, 0.3])


def data(samples=SAMPLES, dtype=np.float64):
    random = np.random.RandomState(0)
    images = random.randn(samples, 4, 4, 3).astype(dtype)
    return Dataset(images, np.arange(samples) % 3, num_classes=3)


@pytest.fixture
def params(x64):
    return drawn(MODEL, jnp.asarray(data().inputs))


def flat_objective(params, dataset):
    """Eq. (1) of all samples at once, on flattened parameters, without anything of what is tested."""
    flat, unravel = ravel_pytree(params)
    inputs, labels = jnp.asarray(dataset.inputs), np.asarray(dataset.labels)

    def objective(w):
        log_p = jax.nn.log_softmax(MODEL.apply(unravel(w), inputs))
        return -jnp.sum(jnp.asarray(WEIGHTS[labels]) * log_p[np.arange(len(labels)), labels]) / len(labels)

    return objective, flat


@cache
def reference(what):
    """The gradient, the Hessian or the kernel, whole; made once, in float64."""
    params = drawn(MODEL, jnp.asarray(data().inputs))
    if what == "kernel":
        whole = jax.jit(lambda w, x: ntk.ntk_matrix(MODEL.apply, w, x))(params, jnp.asarray(data().inputs))
        return np.asarray(whole).reshape(3 * SAMPLES, -1)
    objective, flat = flat_objective(params, data())
    return np.asarray(jax.jit({"gradient": jax.grad, "hessian": jax.hessian}[what](objective))(flat))


def at_weights(dataset, batch_size, weights=WEIGHTS):
    gradient = batched.loss_gradient(MODEL.apply, dataset, batch_size)
    return lambda w: gradient(w, jnp.asarray(weights))


# 3 does not divide 7, and 100 are more than there are.
@pytest.mark.parametrize("batch_size", [3, 100])
def test_gradient(params, batch_size):
    found, _ = ravel_pytree(jax.jit(at_weights(data(), batch_size))(params))
    np.testing.assert_allclose(found, reference("gradient"), rtol=1e-12, atol=1e-14)


@pytest.fixture
def small(x64):
    """A network that compiles faster, and its parameters."""
    model = MLP(4, param_dtype=jnp.float64)
    return model.apply, jax.jit(model.init)(jax.random.key(0), jnp.ones((1, 5)))


def test_gradient_is_that_of_full_batch_training(small):
    (apply, params), dataset = small, data_of_rows(8, np.float64)
    whole = full_batch.loss_gradient(apply, dataset, losses.squared_error)
    parts = batched.loss_gradient(apply, dataset, 3, losses.squared_error)
    both = jax.jit(lambda w, weights: (parts(w, weights), whole(w, weights)))(params, jnp.asarray(WEIGHTS))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-14), *both)


def test_a_loss_that_is_no_number_shows(small):
    apply, params = small
    broken = data_of_rows(8, np.float64)
    broken.inputs[0] = np.nan
    leaves = jax.tree.leaves(jax.jit(batched.loss_gradient(apply, broken, 3))(params, jnp.asarray(WEIGHTS)))
    assert not all(np.isfinite(leaf).all() for leaf in leaves)


def test_hessian_products(params):
    def matrix(w):
        operator, size = batched.hessian_operator(at_weights(data(), 3), w)
        return jax.lax.map(operator, jnp.eye(size))

    np.testing.assert_allclose(jax.jit(matrix)(params), reference("hessian"), rtol=1e-10, atol=1e-12)


def test_both_ends_of_the_spectrum(params):
    def ends(w):
        gradient = at_weights(data(), 3)
        return [
            batched.hessian_eigenvalues(gradient, w, k=1, num_matvecs=30, which=end).eigenvalues[0]
            for end in ("largest", "smallest")
        ]

    exact = np.linalg.eigvalsh(reference("hessian"))
    np.testing.assert_allclose(jax.jit(ends)(params), [exact[-1], exact[0]], rtol=1e-6)


def test_products_ask_for_full_precision():
    """TF32 on recent GPUs has three digits; what Lanczos traces says how exactly it is to be multiplied."""
    gradient = batched.loss_gradient(lambda w, x: x @ w, data_of_rows(6), 2)

    def eigenvalue(w):
        return batched.hessian_eigenvalues(lambda w: gradient(w, jnp.ones(3)), w, num_matvecs=2)

    text = jax.jit(eigenvalue).lower(jnp.ones((5, 3))).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert products and all("HIGHEST" in line for line in products)


def data_of_rows(samples, dtype=np.float32):
    random = np.random.RandomState(3)
    return Dataset(random.randn(samples, 5).astype(dtype), np.arange(samples) % 3, num_classes=3)


def test_ntk_products(params):
    def matrix(w):
        operator, size = batched.ntk_operator(MODEL.apply, w, data().inputs, 3)
        return jax.lax.map(operator, jnp.eye(size))

    np.testing.assert_allclose(jax.jit(matrix)(params), reference("kernel"), rtol=1e-10, atol=1e-12)


@cache
def scratch(samples, batch_size, what):
    """Bytes that the compiled program needs beside its arguments and results, for a network of 50 hidden units."""
    model, dataset = MLP(50), data_of_rows(samples)
    gradient = batched.loss_gradient(model.apply, dataset, batch_size)

    def at_ones(w):
        return gradient(w, jnp.ones(3))

    how = {"batch_size": batch_size, "num_matvecs": 2}
    programs = {
        "gradient": at_ones,
        "hessian": lambda w: batched.hessian_eigenvalues(at_ones, w, num_matvecs=2),
        "ntk": lambda w: batched.ntk_eigenvalues(model.apply, w, dataset.inputs, **how),
    }
    params = jax.eval_shape(model.init, jax.random.key(0), dataset.inputs)
    return jax.jit(programs[what]).lower(params).compile().memory_analysis().temp_size_in_bytes


# A byte or so a sample is the mask of the places; Lanczos's vectors of the kernel have three numbers a sample.
@pytest.mark.parametrize(("what", "bytes_a_sample"), [("gradient", 4), ("hessian", 4), ("ntk", 8 * 3 * 4)])
def test_memory_does_not_grow_with_the_number_of_batches(what, bytes_a_sample):
    few, many = scratch(1000, 500, what), scratch(8000, 500, what)
    assert many - few <= bytes_a_sample * (8000 - 1000)
    # All at once keep at least the 50 hidden units of every sample.
    assert scratch(8000, 8000, what) - few > 50 * 4 * (8000 - 1000)


def test_recorders_are_those_of_all_samples_at_once(small):
    training = data_of_rows(8, np.float64)
    apply, start = small

    def trajectory(gradient, recorders):
        schedule = schedules.oscillating(4, 5, 3)
        run = full_batch.train(
            start, training, schedule, gradient=gradient, learning_rate=0.1, steps=6, recorders=recorders
        )
        return run.trajectory

    parts = trajectory(
        batched.loss_gradient(apply, training, 3),
        [
            batched_recorders.training_state(apply, training, 3),
            batched_recorders.hessian(k=2, num_matvecs=12, every=3),
        ],
    )
    whole = trajectory(
        full_batch.loss_gradient(apply, training),
        [
            recorders.training_state(apply, training),
            recorders.hessian(k=2, num_matvecs=12, every=3),
        ],
    )
    assert parts.hessian_eigenvalues.dims == ("step_3", "rank") and parts.loss.sizes == {"step": 6}
    for name in whole.data_vars:
        assert parts[name].attrs == whole[name].attrs and parts[name].dims == whole[name].dims
        if "residuals" not in name:  # which are rounding, or nearly so
            np.testing.assert_allclose(parts[name], whole[name], rtol=1e-9, err_msg=name)
    assert not np.allclose(parts.loss, parts.static_loss)


def test_batches_are_equal_and_hold_every_sample_once():
    for samples, batch_size, shape in [(7, 3, (3, 3)), (10, 6, (2, 5)), (300, 256, (2, 150)), (5, 9, (1, 5))]:
        (batches,), there = batched.in_batches(batch_size, np.arange(samples))
        assert batches.shape == there.shape == shape
        assert np.asarray(batches)[np.asarray(there)].tolist() == list(range(samples))


@pytest.mark.parametrize("batch_size", [0, -1, True])
def test_misuse_of_the_batch_size(batch_size):
    expected = f"batch_size must be an integer, at least 1, got {batch_size!r}"
    for call in (
        lambda: batched.loss_gradient(MODEL.apply, data(), batch_size),
        lambda: batched.ntk_operator(lambda w, x: x * w, jnp.ones(5), data_of_rows(4).inputs, batch_size),
        lambda: batched_recorders.training_state(MODEL.apply, data(), batch_size),
    ):
        with pytest.raises(ValueError, match=expected):
            call()


def test_misuse_of_counts():
    with pytest.raises(ValueError, match="every must be an integer, at least 1, got 0"):
        batched_recorders.hessian(every=0)
    with pytest.raises(ValueError, match="k must be an integer, at least 1, got 0"):
        batched_recorders.hessian(k=0)
    with pytest.raises(ValueError, match="k must not exceed num_matvecs = 2, got 3"):
        batched.hessian_eigenvalues(lambda w: w, jnp.ones(4), 3, num_matvecs=2)
