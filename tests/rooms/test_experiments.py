"""What the experiments are made of: tasks are the paper's, the plane grows, cascades are read where they are."""

import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest
import xarray as xr

from dynloss import losses, schedules
from dynloss.training import full_batch
from dynloss_book.analysis import cascades
from dynloss_book.engine import archive, deadline, sweeps
from dynloss_book.engine.sweeps.store import Store
from dynloss_book.fig05_curvature_threshold import experiment as curvature_threshold
from dynloss_book.tasks import cifar10 as photographs
from dynloss_book.tasks import digits, plane, spiral


def test_the_spiral_task_descends_as_automatic_differentiation_does():
    task = spiral.task(20, "float32", 3)
    weights = schedules.oscillating(5, 10, spiral.CLASSES)
    gradient = full_batch.loss_gradient(task.model.apply, task.training)
    expected, _ = full_batch.descend(gradient, weights, 0.5, task.start, 0, 12)
    found = task.descend(weights, 0.5, 12)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-6)


def test_a_diverged_network_has_no_accuracy():
    task = spiral.task(5, "float32", 0)
    lost = jax.tree.map(lambda w: w * jnp.nan, task.start)
    outcome = task.outcome(lost)
    assert np.isnan(outcome["accuracy"]) and np.isnan(outcome["validation_accuracy"])
    assert set(outcome) == set(spiral.OUTCOME)


@pytest.mark.parametrize("precision", ["half", "", "float16"])
def test_other_precisions_are_refused(precision):
    with pytest.raises(ValueError, match="precision must be one of"):
        spiral.use_precision(precision)


def test_photographs_are_checked_before_any_are_read():
    with pytest.raises(ValueError, match="image_size must be one of 8, 16, 32, got 12"):
        photographs.sets("cifar10", 12, 10, 10)
    with pytest.raises(ValueError, match="images must be one of"):
        photographs.three_classes("stripes", 30)


def test_smaller_photographs_are_averages(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the pooling takes NumPy's arrays too
    whole, small = (photographs.sets("generated", size, 20, 10)[0].inputs for size in (32, 8))
    averages = np.asarray(whole).reshape(20, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(small, averages, atol=1e-5)


@pytest.mark.parametrize("size", photographs.SIZES)
def test_myrtle5_ends_in_a_single_pixel(size):
    model = photographs.myrtle5(size, 4)
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    assert 4 * 10 in {leaf.size for leaf in jax.tree.leaves(params)}  # dense: 4 channels to 10 classes


def accuracy(period, amplitude, seed, *, offset):
    return {"accuracy": offset + period * (amplitude - 1) + 0.1 * seed}


def test_a_plane_grows_and_shows_the_static_loss_at_every_period(tmp_path):
    sweep = functools.partial(
        sweeps.run, "plane", accuracy, constants={"offset": 1.0}, vectorize=False, progress=False, results=tmp_path,
        variables={"accuracy": ((), {})},
    )  # fmt: skip
    axes = {"period": plane.axis("periods", "2 8", 4), "amplitude": plane.axis("amplitudes", "1 10")}
    plan = [
        sweeps.Stage("static", {"period": [4.0], "amplitude": [1.0, 10.0]}, range(2)),
        sweeps.Stage("whole", axes | {"amplitude": [10.0]}, range(2)),
    ]
    first = plane.staged(sweep, plan, 1)
    assert first.values.attrs["origin"] == "computed"
    assert first.progress["computed"].tolist() == [4, 2]
    static = first.values.accuracy.sel(amplitude=1, seed=1)
    assert static.values.tolist() == [1.1, 1.1, 1.1]
    assert np.isnan(first.values.accuracy.sel(amplitude=10, period=2)).all()
    whole = plane.staged(sweep, plan, 2)
    assert np.isfinite(whole.values.accuracy).all()
    assert plane.staged(sweep, plan, 2).values.attrs["origin"] == "archived"
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


@pytest.mark.parametrize("text", ["", "2 x", "0.5 2", "nan"])
def test_an_axis_is_of_numbers_from_one_on(text):
    with pytest.raises(ValueError, match="periods must be"):
        plane.axis("periods", text)


def bouncing_run(steps=400, start=200, end=260, width=0.05):
    """A loss that alternates between two values for a while, and λ₁ that rises to it and falls after."""
    step = np.arange(steps)
    loss = 1 - step / 1000 + np.where((step >= start) & (step <= end), width * (-1.0) ** step, 0)
    curvature = np.interp(step, [0, start, end, steps], [1, 3, 3, 1])
    eigenvalues = np.stack([curvature, curvature - 0.5, curvature - 1.5], axis=1)
    data = {"loss": ("step", loss), "hessian_eigenvalues": (("step", "rank"), eigenvalues)}
    return xr.Dataset(data, coords={"step": step}, attrs={"steps": steps})


def test_cascades_are_read_from_the_loss_alone():
    run = bouncing_run()
    (found,) = cascades.by_loss(run, period=100)
    assert abs(found.start - 200) <= 4 and abs(found.end - 260) <= 4
    assert 2.9 < found.curvature_at_start < 3.1
    assert cascades.by_loss(bouncing_run(width=0.0005), period=100) == []
    assert cascades.threshold(run, [found], 100) == pytest.approx(3.0, abs=0.1)
    assert np.isnan(cascades.threshold(run, [], 100)) and len(cascades.marks(run, [], 100)) == 0
    both = [found.curvature_at_start, found.curvature_at_end]
    assert cascades.marks(run, [found], 100).values.tolist() == both
    assert cascades.marks(run, [found._replace(end=run.attrs["steps"] - 1)], 100).values.tolist() == both[:1]


def test_crossings_come_in_order_and_no_cascade_gives_an_empty_table():
    run = bouncing_run()
    found = cascades.by_loss(run, period=100)
    row = cascades.crossings(run, found, 2.2, period=800).loc[1]
    assert row["first"] < row["second"] and row.isna()["third"]
    assert len(cascades.crossings(run, [], 2.2, 100)) == 0
    table = cascades.beside_the_edge(run, found, learning_rate=1.0)
    assert table.loc[1, "λ₁ exceeds 2/η"] == 101 and table.loc[1, "ηλ₁ before the start"] == pytest.approx(3, abs=0.1)
    assert len(cascades.beside_the_edge(run, [], 1.0)) == 0


def test_zoom_stays_in_the_run():
    found = cascades.by_loss(bouncing_run(), period=100)
    assert cascades.zoom(found, 7, 400, margin=50)[1] <= 399
    assert cascades.zoom(found, 1, 400, margin=10**6) == (0, 399)
    assert cascades.zoom([], 1, 400, margin=50) == (0, 399)


def test_thresholds_are_medians_over_the_marks():
    step = np.arange(0, 4000, 10)
    bounce = np.where((step > 2500) & (step < 3000), 0.3, 0.0)
    curvature = np.stack([2.0 - bounce / 2, 2.0 + bounce / 2], axis=1)
    run = xr.Dataset(
        {"curvature": (("step", "side"), curvature), "accuracy": ("step", np.full(len(step), 0.7))},
        coords={"step": step},
    )
    found = curvature_threshold.thresholds(run, 1000, 1.0)
    assert found["threshold"] == pytest.approx(2.0, abs=0.2) and found["marks"] == 2
    assert found["accuracy"] == pytest.approx(0.7)
    assert np.isnan(curvature_threshold.thresholds(run, 1000, 0.1)["scaled_threshold_twice"])  # no jump is of 2


def test_both_sides_of_a_step_hold_the_weights():
    """λ_max at W and at W − η∇F(W), of one and the same loss: against dense Hessians."""
    task = spiral.task(2, "float32", 0)
    weights = schedules.oscillating(3, 20, 3)
    run = curvature_threshold.pairs(2, "float32", 0, (3, 20, 4), 0.5, 4, 2, 15)
    gammas = jnp.asarray(schedules.weights_over(weights, np.array([0]))[0])
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)
    flat, back = jax.flatten_util.ravel_pytree(task.start)

    def loss(w):
        each = losses.cross_entropy(task.model.apply(back(w), inputs), labels)
        return losses.class_weighted_mean(each, labels, gammas)

    after, hessian = flat - 0.5 * jax.jit(jax.grad(loss))(flat), jax.jit(jax.hessian(loss))
    expected = [np.linalg.eigvalsh(hessian(w))[-1] for w in (flat, after)]
    np.testing.assert_allclose(run.curvature.values[0], expected, rtol=2e-3)


@pytest.fixture
def programs():
    """Those of `curvature_threshold`, compiled anew for the test and after it."""
    curvature_threshold._program.cache_clear()
    yield curvature_threshold._program
    curvature_threshold._program.cache_clear()


def test_the_steps_between_two_pairs_are_the_same_by_xla_and_by_the_kernel(programs, monkeypatch):
    given, called = (6, "float32", 0, (20, 20, 60), 0.5, 60, 5, 8), []
    descend = curvature_threshold.compiled.descend
    spy = lambda *arguments, **named: called.append(arguments[-1]) or descend(*arguments, **named)  # noqa: E731
    monkeypatch.setattr(curvature_threshold.compiled, "descend", spy)
    by_xla = curvature_threshold.pairs(*given)
    assert called == []
    monkeypatch.setattr(curvature_threshold, "FEW", 6 * 4 - 1)
    programs.cache_clear()
    by_kernel = curvature_threshold.pairs(*given)
    assert called == [4]
    np.testing.assert_allclose(by_kernel.curvature, by_xla.curvature, rtol=1e-3)
    np.testing.assert_array_equal(by_kernel.accuracy, by_xla.accuracy)


def test_pairs_go_on_from_their_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(curvature_threshold, "CHUNK", 4)
    given = 6, "float32", 0, (20, 20, 60), 0.5, 60, 5, 8
    whole = curvature_threshold.pairs(*given)
    file = tmp_path / "run"
    with pytest.raises(deadline.OutOfTime), deadline.until(0.0):
        curvature_threshold.pairs(*given, file)
    assert file.exists()
    assert curvature_threshold.pairs(*given, file).identical(whole) and not file.exists()
    assert whole.step.values.tolist() == list(range(0, 60, 5))


def test_the_digits_training_is_the_notebooks_loop():
    training, _, _ = digits.split(50)
    start, schedule = digits.initial(0, 4), schedules.oscillating(5, 10, 10)
    params, static = digits.train(start, training, schedule, 0.2, 8)
    labels = jnp.asarray(training.labels)
    optimizer, expected = optax.sgd(0.2), start
    memory = optimizer.init(start)

    @jax.jit
    def gradient(p, gammas):
        def loss(p):
            each = losses.cross_entropy(digits.network(p, training.inputs), labels)
            return losses.class_weighted_mean(each, labels, gammas)

        return jax.grad(loss)(p)

    for step in range(8):
        change, memory = optimizer.update(gradient(expected, schedule(step)), memory)
        expected = optax.apply_updates(expected, change)
    np.testing.assert_allclose(params["hidden"], expected["hidden"], rtol=1e-4, atol=1e-6)
    assert static.shape == (8,)


def test_rare_digits_are_thinned_to_a_tenth():
    training, _, _ = digits.split(900)
    thinned = digits.thinned(training, [2, 5])
    assert thinned.counts[2] == -(-training.counts[2] // 10) and thinned.counts[3] == training.counts[3]
    with pytest.raises(ValueError, match="samples must be from 10 to 900"):
        digits.split(5)
