"""Training by any optimiser of optax: against NumPy's own Adam, against plain descent, recorded, and misused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import reference
import xarray as xr

from dynloss.datasets import spiral
from dynloss.models import MLP
from dynloss.models.mlp import cross_entropy_gradient
from dynloss.schedules import oscillating
from dynloss.training import full_batch, recorders

WIDTH = 12
PARAMS = reference.parameters(0, 2, WIDTH, 3)
DATA = spiral(points_per_class=10)
APPLY = MLP(WIDTH, 3).apply
STEPS = 60
SCHEDULE = oscillating(20, 10, 3)


@pytest.fixture
def params(x64):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf.astype(np.float64)), PARAMS)


@pytest.fixture
def gradient(x64):
    arrays = jnp.asarray(DATA.inputs), jnp.asarray(DATA.labels)
    return lambda w, weights: cross_entropy_gradient(w, *arrays, weights)


@pytest.fixture
def recording(x64):
    return [recorders.training_state(APPLY, DATA), recorders.class_weights(every=7)]


def by_hand(update, steps=STEPS):
    """The path of w ← w + update(∇F, t), flat, in NumPy."""
    weights = reference.class_weights(steps, 20, 10, 3)
    w, memory = reference.flatten(PARAMS), {}
    for step in range(steps):
        slope = reference.gradient(reference.unflatten(w, PARAMS), DATA.inputs, DATA.labels, weights[step])
        w = w + update(memory, reference.flatten(slope), step + 1)
    return w


def adam(memory, slope, count, rate=0.01, decays=(0.9, 0.999)):
    first = memory["m"] = decays[0] * memory.get("m", 0) + (1 - decays[0]) * slope
    second = memory["v"] = decays[1] * memory.get("v", 0) + (1 - decays[1]) * slope**2
    return -rate * first / (1 - decays[0] ** count) / (np.sqrt(second / (1 - decays[1] ** count)) + 1e-8)


def momentum(memory, slope, count, rate=0.1):
    memory["m"] = 0.9 * memory.get("m", 0) + slope
    return -rate * memory["m"]


@pytest.mark.parametrize(
    ("optimizer", "update"), [(optax.adam(0.01), adam), (optax.sgd(0.1, 0.9), momentum)], ids=["Adam", "momentum"]
)
def test_the_path_is_the_textbook_s(params, gradient, standard_promotion, optimizer, update):
    run = full_batch.train(params, DATA, SCHEDULE, gradient=gradient, optimizer=optimizer, steps=STEPS)
    np.testing.assert_allclose(reference.flatten(run.params), by_hand(update), rtol=1e-8, atol=1e-10)


def test_without_memory_it_is_plain_descent(params, gradient, recording):
    common = {"gradient": gradient, "steps": STEPS, "recorders": recording}
    ours = full_batch.train(params, DATA, SCHEDULE, optimizer=optax.sgd(0.5), **common)
    plain = full_batch.train(params, DATA, SCHEDULE, learning_rate=0.5, **common)
    xr.testing.assert_allclose(ours.trajectory, plain.trajectory, rtol=1e-9)
    assert ours.trajectory.attrs == plain.trajectory.attrs
    assert ours.trajectory["class_weights"].dims == ("step_7", "class")
    assert float(abs(ours.trajectory["static_loss"][-1] - ours.trajectory["static_loss"][0])) > 0.1  # it has moved


def test_a_run_that_goes_on_is_the_whole_one(params, gradient, standard_promotion):
    optimizer = optax.adam(0.01)
    state = optimizer.init(params)
    whole, _ = full_batch.optimize((params, state), gradient, SCHEDULE, optimizer, 0, 40)
    half, _ = full_batch.optimize((params, state), gradient, SCHEDULE, optimizer, 0, 25)
    rest, _ = full_batch.optimize(half, gradient, SCHEDULE, optimizer, 25, 15)
    for one, other in zip(jax.tree.leaves(rest), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (optax.trace(0.9), "the optimiser goes uphill"),
        (optax.scale(1.0), "the optimiser goes uphill"),
        (optax.lbfgs(), "cannot take a step from a gradient and parameters alone"),
        (optax.polyak_sgd(), "cannot take a step from a gradient and parameters alone"),
    ],
)
def test_what_is_no_optimiser_here_is_refused(params, gradient, optimizer, said, standard_promotion):
    with pytest.raises(ValueError, match=said):
        full_batch.train(params, DATA, SCHEDULE, gradient=gradient, optimizer=optimizer, steps=3)


def test_a_warm_up_passes(params, gradient, standard_promotion):
    rate = optax.linear_schedule(0.0, 0.1, 5)
    full_batch.train(params, DATA, SCHEDULE, gradient=gradient, optimizer=optax.sgd(rate), steps=3)


def test_a_schedule_of_ones_own_and_parameters_that_diverge_unseen(params, gradient):
    own = lambda t: jnp.ones(3) * SCHEDULE(t)  # noqa: E731
    one, other = (full_batch.train(params, DATA, each, gradient=gradient, optimizer=optax.sgd(0.5), steps=9)
                  for each in (SCHEDULE, own))  # fmt: skip
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    assert one.trajectory.diverged_at == -1
    lost = full_batch.train(params, DATA, SCHEDULE, gradient=gradient, optimizer=optax.sgd(1e300), steps=9)
    assert lost.trajectory.diverged_at == 9
