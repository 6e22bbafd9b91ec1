"""The tasks are the paper's, and the plane grows."""

import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from misuse import refused

from dynloss import schedules
from dynloss.training import full_batch
from dynloss_book.engine import archive, sweeps
from dynloss_book.engine.sweeps.store import Store
from dynloss_book.tasks import cifar10, digits, plane, spiral


def test_the_spiral_task_descends_as_automatic_differentiation_does():
    task = spiral.task(20, "float32", 3)
    weights = schedules.oscillating(5, 10, spiral.CLASSES)
    gradient = full_batch.loss_gradient(task.model.apply, task.training)
    expected, _ = jax.jit(lambda w: full_batch.descend(w, gradient, weights, 0.5, 0, 12))(task.start)
    found = task.descend(weights, 0.5, 12)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=2e-6), found, expected)


def test_a_diverged_network_has_no_accuracy():
    task = spiral.task(5, "float32", 0)
    lost = jax.tree.map(lambda w: w * jnp.nan, task.start)
    outcome = task.outcome(lost)
    assert np.isnan(outcome["accuracy"]) and np.isnan(outcome["validation_accuracy"])
    assert set(outcome) == set(spiral.OUTCOME)


test_other_precisions_are_refused = refused(
    spiral.use_precision, {}, *[({"precision": each}, "precision must be one of") for each in ("half", "", "float16")]
)


def test_photographs_are_checked_before_any_are_read():
    with pytest.raises(ValueError, match="image_size must be one of 8, 16, 32, got 12"):
        cifar10.sets("cifar10", 12, 10, 10)
    with pytest.raises(ValueError, match="images must be one of"):
        cifar10.three_classes("stripes", 30)


def test_smaller_photographs_are_averages():
    whole, small = (cifar10.sets("generated", size, 20, 10)[0].inputs for size in (32, 8))
    averages = np.asarray(whole).reshape(20, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(small, averages, atol=1e-5)


@pytest.mark.parametrize("size", cifar10.SIZES)
def test_myrtle5_ends_in_a_single_pixel(size):
    model = cifar10.myrtle5(size, 4)
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    assert 4 * 10 in {leaf.size for leaf in jax.tree.leaves(params)}  # dense: 4 channels to 10 classes


def accuracy(period, amplitude, seed, *, offset):
    return {"accuracy": offset + period * (amplitude - 1) + 0.1 * seed}


def test_a_plane_grows_and_shows_the_static_loss_at_every_period(tmp_path):
    sweep = functools.partial(
        sweeps.run, "plane", accuracy, constants={"offset": 1.0}, vectorize=False, progress=False, results=tmp_path,
        variables={"accuracy": ((), {})},
    )  # fmt: skip
    axes = {"period": plane.axis("periods", [2, 8], 4), "amplitude": plane.axis("amplitudes", [1, 10])}
    plan = [
        sweeps.Stage("static", {"period": [4.0], "amplitude": [1.0, 10.0]}, range(2)),
        sweeps.Stage("whole", axes | {"amplitude": [10.0]}, range(2)),
    ]
    first, progress = plane.staged(sweep, plan, 1)
    assert first.attrs["origin"] == "computed"
    assert progress["computed"].tolist() == [4, 2]
    static = first.accuracy.sel(amplitude=1, seed=1)
    assert static.values.tolist() == [1.1, 1.1, 1.1]
    assert np.isnan(first.accuracy.sel(amplitude=10, period=2)).all()
    whole, _ = plane.staged(sweep, plan, 2)
    assert np.isfinite(whole.accuracy).all()
    assert plane.staged(sweep, plan, 2)[0].attrs["origin"] == "archived"
    with pytest.raises(ValueError, match="stages must be from 0 to 2, got 3"):
        plane.staged(sweep, plan, 3)


def test_what_the_archive_has_with_other_settings_is_read_and_never_computed(monkeypatch, tmp_path):
    sweep = functools.partial(
        sweeps.run, "plane", accuracy, vectorize=False, progress=False, results=tmp_path,
        variables={"accuracy": ((), {})},
    )  # fmt: skip
    other, point = {"offset": 2.0}, {"period": 4.0, "amplitude": 10.0}
    assert plane.elsewhere(sweep, other, point, 3) is None
    sweep(constants=other, axes={"period": [4.0], "amplitude": [1.0]}, seeds=range(3))
    assert plane.elsewhere(sweep, other, point, 3) is None  # never without the pair
    sweep(constants=other, axes={"period": [4.0], "amplitude": [1.0, 10.0]}, seeds=[1])
    found = plane.elsewhere(sweep, other, point, 3)
    assert found.seed.values.tolist() == [1] and found.amplitude.values.tolist() == [1, 10]
    same = functools.partial(sweep, constants=other)
    assert plane.elsewhere(same, other, point, 3) is None
    expected = [accuracy(4.0, amplitude, 1, offset=2.0)["accuracy"] for amplitude in (1.0, 10.0)]
    assert found.accuracy.sel(seed=1).values.tolist() == expected
    monkeypatch.setattr(Store, "stale", lambda self: "its code")
    with pytest.warns(archive.ArchiveWarning, match="STALE"):
        assert plane.elsewhere(sweep, other, point, 3) is None


def test_a_plan_grows_from_a_point_to_the_whole_diagram():
    axes = {"period": [2.0, 4.0, 8.0], "amplitude": [1.0, 5.0, 10.0]}
    region = {"period": [2.0, 4.0], "amplitude": [10.0]}
    plan = plane.grown_from({"period": 4, "amplitude": 10.0}, region, region, axes, 2, 6)
    assert plan[0].axes == {"period": [4.0], "amplitude": [1.0, 10.0]} and len(plan[0].seeds) == 2
    assert [len(stage.seeds) for stage in plan] == [2, 6, 2, 2, 2, 2, 2, 6, 6]
    assert plan[-1].axes == {"period": [2.0, 4.0, 8.0], "amplitude": [5.0, 10.0]}  # A = 1 has no period


test_an_axis_is_of_numbers_from_one_on = refused(
    functools.partial(plane.axis, "periods"),
    {},
    *[({"values": each}, "periods must be") for each in ([], [0.5, 2], [float("nan")])],
)


def test_the_digits_training_is_gradient_descent():
    training, _, _ = digits.split(50)
    start, schedule = digits.initial(0, 4), schedules.oscillating(5, 10, 10)
    params, static = digits.train(start, training, schedule, 0.2, 8)
    gradient = full_batch.loss_gradient(digits.network, training)
    expected, _ = jax.jit(lambda w: full_batch.descend(w, gradient, schedule, 0.2, 0, 8))(start)
    np.testing.assert_allclose(params["hidden"], expected["hidden"], rtol=1e-4, atol=1e-6)
    assert static.shape == (8,)


def test_rare_digits_are_thinned_to_a_tenth():
    training, _, _ = digits.split(900)
    thinned = digits.thinned(training, [2, 5])
    assert thinned.counts[2] == -(-training.counts[2] // 10) and thinned.counts[3] == training.counts[3]
    with pytest.raises(ValueError, match="samples must be from 10 to 900"):
        digits.split(5)
