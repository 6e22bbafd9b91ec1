"""Paths, cascades read off paths, and onsets in units of the edge; and the extremes."""

import jax
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from dynloss import schedules
from dynloss.training import full_batch
from dynloss_book.analysis import onsets, paths, period_doubling
from dynloss_book.analysis.paths import Path
from dynloss_book.tasks import spiral

TILT = schedules.oscillating(20, 30.0, 3)


def test_a_path_is_that_of_gradient_descent(x64, standard_promotion):
    task, ground = spiral.task(7, "float64", 2), paths.landscape(7, "float64")
    gradient = full_batch.loss_gradient(task.model.apply, task.training)
    path = paths.follower(ground, TILT, optax.sgd(0.7), 12)(ground.start(2))
    expected, _ = full_batch.descend(task.start, gradient, TILT, 0.7, 0, 11)
    np.testing.assert_allclose(path.params[11], ravel_pytree(expected)[0], rtol=1e-9, atol=1e-12)
    assert path.loss[3] == pytest.approx(float(ground.loss(path.params[3], TILT(3, np.float64))))
    assert set(path.preconditioner) == {1.0}


def test_steps_are_looked_at_in_their_order(x64, standard_promotion):
    ground = paths.landscape(2, "float64")
    path = paths.follower(ground, TILT, optax.sgd(0.1), 30)(ground.start(0))
    look = paths.observer(lambda a, b, now, then, scale: (a[0], b[0], then), TILT)
    here, following, weights = look(path, [4, 17])
    np.testing.assert_array_equal(here, path.params[[4, 17], 0])
    np.testing.assert_array_equal(following, path.params[[5, 18], 0])
    np.testing.assert_allclose(weights[1], TILT(18, np.float64))
    with pytest.raises(ValueError, match="no steps"):
        look(path, [])


def made_up(doubles, steps=900, period=400):
    """A network that rests, bounces from step 300 on, and comes back every fourth step only from 380 to 480."""
    t = np.arange(steps)
    bounce = np.where((t >= 300) & (t < 560), (-1.0) ** t, 0)
    fourth = np.where((t >= 380) & (t < 480) & doubles, 0.4 * np.sin(np.pi * t / 2), 0)
    x = 1e-3 * t + bounce + fourth
    return Path(np.stack([x, 0 * x], axis=1), (x - 1e-3 * t - 0.3) ** 2, np.ones(steps)), period


def test_a_cascade_is_found_and_its_break():
    (found,) = period_doubling.bounces(*made_up(True))
    assert abs(found.start - 300) <= 8 and abs(found.broken - 372) <= 20 and abs(found.end - 555) <= 10
    (whole,) = period_doubling.bounces(*made_up(False))
    assert whole.broken == -1 and whole.start == found.start


def test_nothing_is_found_where_nothing_bounces():
    still = Path(np.arange(900.0)[:, None], np.arange(900.0), np.ones(900))
    lost = Path(np.full((900, 1), np.nan), np.full(900, np.nan), np.ones(900))
    assert period_doubling.bounces(still, 400) == period_doubling.bounces(lost, 400) == []


def test_jumps_mark_the_starts():
    step = np.arange(0, 1000, 10)
    width = np.where(step >= 600, np.clip((step - 600) / 290, 0, 1), 0)
    level = np.stack([1 - width, 1 + width], axis=1)
    found = onsets.starts(step, level, 500, most=3)
    assert found.shape == (len(onsets.MARKS), 3)
    assert (np.diff(found[:, 0]) > 0).all() and found[0, 0] == 610  # 5 % of the edge is reached first
    np.testing.assert_allclose(onsets.midway(step, level, found)[:, 0], 1)
    assert np.isnan(found[:, 1:]).all()


@pytest.mark.parametrize("rate", [1e-4, 1e200])
def test_width_one_far_below_and_far_above_the_edge(x64, standard_promotion, rate):
    """Nothing raises; what diverges is kept as it is, and has no cascade."""
    ground, tilt = paths.landscape(1, "float64"), schedules.oscillating(30, 70.0, 3)
    path = paths.follower(ground, tilt, optax.sgd(rate), 60)(ground.start(0))
    assert np.isfinite(path.params).all() == (rate < 1)
    found = period_doubling.examine(ground, tilt, rate, [path], 30, points=2)
    assert found.lowest.shape == (1, 1, 2) and np.isnan(found.start.values).all()


@pytest.mark.slow
def test_kernels_of_width_one_far_above_the_edge(x64, standard_promotion):
    """Nothing raises, and what one of the kernels cannot say the Hessian cannot either."""
    ground, tilt = paths.landscape(1, "float64"), schedules.oscillating(30, 70.0, 3)
    kernel = onsets.by_kernel(ground, tilt, 300.0, 1, 60, 30, 15, 4)
    assert kernel.hessian.shape == (1, 4, 2) and kernel.onset_step.shape == (1, 3, 3)
    assert (np.isfinite(kernel.hessian.values) == np.isfinite(kernel.weighted_kernel.values)).all()
    assert kernel.ntk.values[0, 0, 0] > 2  # already the untrained network is above


def test_optimisers_are_measured_in_their_own_units(x64, standard_promotion):
    ground = paths.landscape(2, "float64")
    rules = {name: onsets.rules(0.5, 0.1, 0.1, 0.01, 0.9)[name] for name in ("heavy ball", "Adam")}
    result = onsets.by_optimiser(ground, TILT, rules, 1, 41, 20, 20, 6)
    assert list(result.optimiser.values) == list(rules) and result.step.values.tolist() == [0, 20]
    start = ground.start(0)
    dense = jax.jit(jax.hessian(lambda w: ground.loss(w, TILT(0, np.float64))))(start)
    largest = np.linalg.eigvalsh(dense)[-1]
    found = result.level.sel(optimiser="heavy ball", step=0, side="before").item()
    assert found == pytest.approx(largest / rules["heavy ball"].edge, rel=1e-3)
