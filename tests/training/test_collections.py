"""Models with more than parameters, batch normalisation's running averages above all: what is trained, and what not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import dynloss
from dynloss.datasets import Dataset
from dynloss.schedules import oscillating
from dynloss.spectral import batched, hessian, ntk
from dynloss.training import full_batch, minibatch

INPUTS = np.random.RandomState(0).randn(12, 3).astype("float32") * 5
DATA = Dataset(INPUTS, np.arange(12) % 3, 3)
SCHEDULE = oscillating(5, 4, 3)


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, inputs, train: bool = False):
        hidden = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(4)(inputs))
        return nn.Dense(3)(nn.relu(hidden))


MODEL = Normalised()
VARIABLES = jax.jit(MODEL.init)(jax.random.key(0), INPUTS[:1])
PARAMS = {"params": VARIABLES["params"]}


def apply(params, inputs):
    """As the message tells: the other collections are held."""
    return MODEL.apply({**VARIABLES, **params}, inputs)


def gradient(params):
    return full_batch.loss_gradient(apply, DATA)(params, jnp.ones(3))


@pytest.mark.parametrize(
    "use",
    [
        lambda v: full_batch.train(v, DATA, SCHEDULE, gradient=gradient, learning_rate=0.1, steps=2),
        lambda v: full_batch.train(v, DATA, SCHEDULE, gradient=gradient, optimizer=optax.sgd(0.1), steps=2),
        lambda v: hessian.hessian_eigenvalues(gradient, v, num_matvecs=3),
        lambda v: batched.hessian_eigenvalues(gradient, v, num_matvecs=3),
        lambda v: ntk.ntk_eigenvalues(MODEL.apply, v, INPUTS, num_matvecs=3),
        lambda v: ntk.ntk_matrix(MODEL.apply, v, INPUTS),
        lambda v: batched.ntk_eigenvalues(MODEL.apply, v, INPUTS, batch_size=4, num_matvecs=3),
    ],
)
def test_running_averages_are_no_parameters(use):
    """They were trained by gradient, and counted by the Hessian: 1.73 for 1.63."""
    with pytest.raises(ValueError, match=r"besides params there is batch_stats, which would be trained too"):
        use(VARIABLES)


def test_as_the_message_tells_only_parameters_are_trained_and_counted():
    run = full_batch.train(
        PARAMS, DATA, SCHEDULE, gradient=full_batch.loss_gradient(apply, DATA), learning_rate=0.1, steps=20
    )
    assert run.params.keys() == {"params"}
    size = hessian.hessian_operator(gradient, PARAMS)[1]
    assert size == sum(leaf.size for leaf in jax.tree.leaves(VARIABLES["params"]))


def test_whole_numbers_are_no_parameters():
    with pytest.raises(ValueError, match="floating-point numbers, got int32"):
        hessian.hessian_eigenvalues(lambda w: w, {"w": jnp.arange(3)}, num_matvecs=2)


@pytest.mark.parametrize(
    ("model", "loss", "said"),
    [
        (lambda w, x: x @ jnp.ones((3, 20)) * w, None, r"outputs \(12, 20\) for 12 samples of 3 classes"),
        (lambda w, x: jnp.sum(x, 1) * w, None, r"outputs \(12,\) for 12 samples"),
        (lambda w, x: x * w, lambda outputs, labels: jnp.mean(outputs), r"losses \(\) and labels \(12,\)"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(model, loss, said):
    options = {} if loss is None else {"loss": loss}
    with pytest.raises(ValueError, match=said):
        full_batch.loss_gradient(model, DATA, **options)(jnp.ones(()), jnp.ones(3))
    with pytest.raises(ValueError, match=r"weights \(4,\) for 3 classes"):
        full_batch.loss_gradient(lambda w, x: x * w, DATA)(jnp.ones(()), jnp.ones(4))


class Training(Normalised):
    def __call__(self, inputs, training=False):
        return super().__call__(inputs, train=training)


class Deterministic(Normalised):
    def __call__(self, inputs, deterministic=True):
        return super().__call__(inputs, train=not deterministic)


@pytest.mark.parametrize("model", [Training(), Deterministic()])
def test_a_model_is_told_that_it_is_trained_by_whatever_name_it_has_for_it(model):
    """Only ``train`` was known: with the others there was no dropout, and the averages stayed as at the start."""
    variables = jax.jit(model.init)(jax.random.key(0), INPUTS[:1])
    run = minibatch.train(model, variables, DATA, schedule=SCHEDULE, learning_rate=0.1, epochs=2, batch_size=4)
    before, after = (each["batch_stats"]["BatchNorm_0"]["var"] for each in (variables, run.variables))
    assert np.all(np.asarray(before) != np.asarray(after))


def test_half_precision_and_small_models_have_a_spectrum():
    matrix = np.diag([1.0, 2.0, 4.0])
    gradient = lambda w: (jnp.asarray(matrix, w.dtype) @ w)  # noqa: E731
    found = hessian.hessian_eigenvalues(gradient, jnp.zeros(3, "bfloat16"), num_matvecs=16)
    assert found.eigenvalues.dtype == "float32" and found.eigenvalues[0] == pytest.approx(4, rel=0.02)


def test_what_is_no_module_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        dynloss.training.nothing  # noqa: B018
