"""Our convolutions against JAX's own: values, derivatives of either mode and second order, strides, vmap, bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from jax import lax

from dynloss.models import convolution as module
from dynloss.models.convolution import convolution
from dynloss.models.myrtle import Myrtle

LAYOUT = ("NHWC", "HWIO", "NHWC")
on_a_processor = pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere it is JAX's own")

# images, pixels, channels before and after, window, strides, padding
CASES = {
    "3 x 3": (3, (6, 8), 2, 4, (3, 3), (1, 1), "SAME"),
    "groups of images": (37, (4, 5), 2, 3, (3, 3), (1, 1), "SAME"),
    "1 x 1": (3, (4, 4), 2, 4, (1, 1), (1, 1), "VALID"),
    "strides": (3, (6, 7), 2, 4, (3, 3), (2, 2), ((1, 1), (1, 1))),
    "strides beyond the window": (3, (7, 8), 2, 4, (1, 1), (2, 2), ((0, 0), (0, 0))),
    "everything uneven": (2, (7, 9), 2, 3, (5, 2), (3, 1), "SAME"),
    "one-sided padding": (2, (6, 8), 2, 3, (2, 4), (1, 2), ((2, 0), (1, 3))),
}


def plain(strides, padding):
    def convolved(inputs, kernel):
        return lax.conv_general_dilated(inputs, kernel, strides, padding, dimension_numbers=LAYOUT)

    return convolved


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request, x64):
    """Ours, JAX's own, images with a kernel, and a direction in which to change them."""
    samples, sides, before, after, window, strides, padding = request.param
    random = np.random.RandomState(0)

    def draw():
        inputs, kernel = random.randn(samples, *sides, before), random.randn(*window, before, after)
        return jnp.asarray(inputs), jnp.asarray(kernel)

    return (lambda x, k: convolution(x, k, strides, padding)), plain(strides, padding), draw(), draw()


def agree(found, expected):
    def close(one, other):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12 * float(np.abs(other).max()))

    jax.tree.map(close, found, expected)


def cotangents(convolved):
    """Of a loss with curvature, with respect to images and kernel."""
    return jax.grad(lambda x, k: jnp.sum(jnp.sin(convolved(x, k))), (0, 1))


def test_values_and_all_derivatives(case):
    ours, theirs, point, direction = case

    def everything(convolved):
        def run(point, direction):
            outputs, forward = jax.jvp(convolved, point, direction)
            gradient, curved = jax.jvp(cotangents(convolved), point, direction)
            linear = jax.linearize(cotangents(convolved), *point)[1](*direction)
            mixed = jax.grad(lambda x: jnp.vdot(cotangents(convolved)(x, point[1])[1], direction[1]))(point[0])
            twice = jax.jvp(lambda *at: jax.jvp(convolved, at, direction)[1], point, direction)[1]
            (back,) = jax.linear_transpose(lambda x: convolved(x, point[1]), point[0])(outputs)
            return outputs, forward, gradient, curved, linear, mixed, twice, back

        return jax.jit(run)(point, direction)

    agree(everything(ours), everything(theirs))


@pytest.mark.parametrize("axes", [(2, 1), (2, None), (None, 1)])
def test_many_at_once(x64, axes):
    random = np.random.RandomState(0)
    inputs, kernel = jnp.asarray(random.randn(3, 5, 2, 4, 2)), jnp.asarray(random.randn(3, 2, 3, 2, 4))
    inputs, kernel = inputs if axes[0] else inputs[:, :, 0], kernel if axes[1] else kernel[:, 0]

    def everything(convolved):
        many = jax.vmap(convolved, axes)
        return jax.jit(lambda *at: (many(*at), jax.vmap(cotangents(convolved), axes)(*at), cotangents(many)(*at)))(
            inputs, kernel
        )

    agree(everything(convolution), everything(plain((1, 1), "SAME")))


def test_short_numbers():
    random = np.random.RandomState(0)
    inputs, kernel = (jnp.asarray(random.randn(*shape), jnp.bfloat16) for shape in ((40, 6, 6, 4), (3, 3, 4, 4)))
    exact = jax.jit(cotangents(plain((1, 1), "SAME")))(inputs.astype(jnp.float32), kernel.astype(jnp.float32))
    found = jax.jit(cotangents(convolution))(inputs, kernel)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == jnp.bfloat16
        assert np.linalg.norm(one.astype(jnp.float32) - other) < 0.03 * np.linalg.norm(other)


@on_a_processor
@pytest.mark.parametrize(
    "options",
    [
        {"rhs_dilation": (2, 2)},
        {"feature_group_count": 2},
        {"dimension_numbers": ("NHWC", "HWOI", "NHWC")},
        {"preferred_element_type": jnp.float64},
    ],
)
def test_what_else_jax_can_do_is_jaxs_own(x64, options):
    random = np.random.RandomState(0)
    inputs, kernel = jnp.asarray(random.randn(2, 6, 6, 4), jnp.float32), jnp.asarray(random.randn(3, 3, 4, 4))
    kernel = kernel[:, :, :2] if "feature_group_count" in options else kernel
    kernel = kernel.astype(jnp.float32)
    found = convolution(inputs, kernel, (1, 1), "SAME", **options)
    agree(found, lax.conv_general_dilated(inputs, kernel, (1, 1), "SAME", **{"dimension_numbers": LAYOUT} | options))
    assert "convolve" not in str(
        jax.make_jaxpr(lambda *at: convolution(*at, (1, 1), "SAME", **options))(inputs, kernel)
    )


@on_a_processor
def test_elsewhere_it_is_jaxs_own(monkeypatch):
    at = jnp.zeros((2, 4, 4, 2)), jnp.zeros((3, 3, 2, 2))
    assert "convolve" in str(jax.make_jaxpr(convolution)(*at))
    monkeypatch.setattr(module.jax, "default_backend", lambda: "gpu")
    assert "convolve" not in str(jax.make_jaxpr(lambda *at: convolution(*at))(*at))


def test_a_network_is_the_same_with_plain_convolutions(x64, monkeypatch):
    """The outputs, the gradient and a Hessian-vector product, forward over reverse, of a whole network."""
    random, model = np.random.RandomState(0), Myrtle(5, 4, 3, 1, param_dtype=jnp.float64)
    inputs = jnp.asarray(random.randn(4, 8, 8, 3))
    params, direction = (reference.drawn(model, inputs, seed) for seed in (1, 2))

    def everything():
        def outputs(params):
            return model.apply(params, inputs)

        gradient = jax.grad(lambda params: jnp.sum(jnp.sin(outputs(params))))
        return jax.jit(lambda at: (outputs(at), jax.jvp(gradient, (at,), (direction,))))(params)

    found = everything()
    monkeypatch.setattr("dynloss.models.myrtle.convolution", lax.conv_general_dilated)
    agree(found, everything())
