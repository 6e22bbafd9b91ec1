"""neural-tangents as the independent oracle of our NTK, on every JAX that we support."""

import importlib.util
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from dynloss.models import MLP
from dynloss.spectral import ntk
from dynloss_book.squared_error import neural_tangents as adapter

needs_it = pytest.mark.skipif(
    importlib.util.find_spec("neural_tangents") is None, reason="neural-tangents is not installed"
)


@pytest.fixture
def nt():
    """neural-tangents, with the promotions that it (2024) counts on; what it warns of is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            yield adapter.load()


class SmallConvolutional(nn.Module):
    """A convolution, a pool and a dense layer."""

    @nn.compact
    def __call__(self, images):
        x = nn.relu(nn.Conv(4, (3, 3), param_dtype=images.dtype)(images))
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        return nn.Dense(3, param_dtype=images.dtype)(x.reshape(len(x), -1))


MODELS = {
    "mlp": (lambda: MLP(width=8, num_classes=3, initialization="glorot", param_dtype=jnp.float64), (5, 2)),
    "convolutional": (SmallConvolutional, (4, 6, 6, 2)),
}


@needs_it
@pytest.mark.parametrize("name", MODELS)
def test_our_kernels_are_theirs(x64, nt, name):
    make, shape = MODELS[name]
    model, inputs = make(), jnp.asarray(np.random.RandomState(0).randn(*shape))
    params = jax.jit(model.init)(jax.random.key(0), inputs)

    @jax.jit
    def theirs(params):
        # Pairs of samples first; then the authors' call, with the trace_axes=(-1,) that they leave as it is.
        full = nt.empirical_ntk_fn(model.apply, trace_axes=())(inputs, None, params)
        products = nt.NtkImplementation.NTK_VECTOR_PRODUCTS  # instead of whole Jacobians
        averaged = nt.empirical_ntk_fn(model.apply, implementation=products)(inputs, None, params)
        return full.transpose(0, 2, 1, 3), averaged

    @jax.jit
    def ours(params):
        operator, size = ntk.ntk_operator(model.apply, params, inputs)
        full = ntk.ntk_matrix(model.apply, params, inputs)
        averaged = ntk.output_averaged_ntk_matrix(model.apply, params, inputs)
        return full, averaged, jax.vmap(operator)(jnp.eye(size)).reshape(full.shape)

    (their_full, their_averaged), (full, averaged, products) = theirs(params), ours(params)
    np.testing.assert_allclose(full, their_full, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(products, their_full, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(averaged, their_averaged, rtol=1e-10, atol=1e-12)


@needs_it
def test_loading_twice_gives_the_same_module(nt):
    assert adapter.load() is nt
    assert "tensorflow" not in sys.modules


def test_without_it_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "neural_tangents", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install --no-deps neural-tangents==0\.6\.5 frozendict"):
        adapter.load()
