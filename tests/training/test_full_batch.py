"""Training by all samples in one scan: against NumPy, cut in pieces, interrupted, diverged, misused; by optax too."""

import dataclasses
import errno
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import reference
import xarray as xr
from misuse import refused

from dynloss.datasets import Dataset, spiral
from dynloss.models import MLP
from dynloss.models.mlp import cross_entropy_gradient
from dynloss.schedules import last_period, oscillating, static
from dynloss.training import checkpoints, full_batch, recorders
from dynloss.training.full_batch import descend, train

WIDTH = 12
PARAMS = reference.parameters(0, 2, WIDTH, 3)
DATA = spiral(points_per_class=10)
APPLY = MLP(WIDTH, 3).apply
SCHEDULE = oscillating(20, 10, 3)


def params(dtype=np.float32):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf.astype(dtype)), PARAMS)


def gradient(data):
    arrays = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    return lambda w, weights: cross_entropy_gradient(w, *arrays, weights)


def run(steps, **arguments):
    """A short run in float32, with something recorded every step and something every 7."""
    chosen = {
        "schedule": SCHEDULE,
        "learning_rate": 0.5,
        "recorders": [recorders.training_state(APPLY, DATA.astype(np.float32)), recorders.class_weights(every=7)],
    }
    chosen |= arguments
    data = chosen.pop("data", DATA)
    return train(params(), data, gradient=gradient(data), steps=steps, **chosen)


@pytest.fixture(scope="module")
def whole():
    return run(101)


def assert_same(one, other):
    xr.testing.assert_identical(one.trajectory, other.trajectory)
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


@pytest.mark.parametrize("interpretation", ["text", "code"])
def test_three_hundred_steps_equal_the_reference_loop(x64, interpretation):
    stop = last_period(300, 60, interpretation=interpretation)
    chosen = [recorders.class_weights(), recorders.training_state(APPLY, DATA)]
    schedule = oscillating(60, 10, 3, stop=stop, interpretation=interpretation)
    ours = train(
        params(np.float64), DATA, schedule, gradient=gradient(DATA), learning_rate=1, steps=300, recorders=chosen
    )

    weights = reference.class_weights(300, 60, 10, 3, stop, interpretation)
    path = reference.descend(PARAMS, DATA.inputs, DATA.labels, weights, 1)
    trajectory = ours.trajectory
    np.testing.assert_allclose(trajectory["class_weights"], weights, rtol=1e-12)
    np.testing.assert_allclose(reference.flatten(ours.params), reference.flatten(path[-1]), atol=1e-9)
    for step in range(0, 300, 13):
        expected = reference.loss(path[step], DATA.inputs, DATA.labels, weights[step])
        assert float(trajectory["loss"][step]) == pytest.approx(expected, abs=1e-9)
        outputs = reference.logits(path[step], DATA.inputs)
        expected = reference.cross_entropy(outputs, DATA.labels).mean()
        assert float(trajectory["static_loss"][step]) == pytest.approx(expected, abs=1e-9)
        assert float(trajectory["accuracy"][step]) == np.mean(outputs.argmax(axis=1) == DATA.labels)
    assert trajectory["loss"].dtype == np.float64
    # It is the dynamics that were compared, not a standstill.
    assert float(trajectory["static_loss"][-1]) < 0.9 * float(trajectory["static_loss"][0])


def test_vmapped_descent_equals_each_alone(x64):
    grad = gradient(DATA)
    state = recorders.training_state(APPLY, DATA, every=2)

    def alone(period, amplitude, rate, scale):
        w = jax.tree.map(lambda leaf: scale * leaf, params(np.float64))
        final, records = descend(w, grad, oscillating(period, amplitude, 3), rate, 0, 25, [state])
        return final, records[0]["loss"]

    cases = jnp.array([[5.0, 1.0, 0.5, 1.0], [8.0, 10.0, 0.5, 0.5], [12.5, 70.0, 1.0, 1.5]])
    together, losses = jax.jit(jax.vmap(alone))(*cases.T)
    one = jax.jit(alone)
    for i, case in enumerate(cases):
        expected, loss = one(*case)
        # Between the cadence's steps a scan holds zeros.
        np.testing.assert_array_equal(loss[1::2], 0.0)
        np.testing.assert_allclose(losses[i], loss, rtol=1e-11)
        mine = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        np.testing.assert_allclose(reference.flatten(mine), reference.flatten(expected), rtol=1e-10, atol=1e-12)


def test_cut_in_segments_equals_the_whole_to_the_last_bit(whole):
    assert_same(run(101, segments=7), whole)  # 6 × 15 and 11


def test_a_resumed_run_equals_the_uninterrupted_one(killed, monkeypatch, tmp_path, whole):
    path = tmp_path / "run.npz"
    assert killed(2, run, 101, checkpoint=path, segments=7) == [15, 30]
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    # It goes on from step 30: what it does not compute again cannot come from anywhere but the file.
    seen, kept = [], full_batch._kept
    monkeypatch.setattr(full_batch, "_kept", lambda *args: seen.append(args[2]) or kept(*args))
    assert_same(run(101, checkpoint=path, segments=7), whole)
    assert seen == [30, 45, 60, 75, 90]
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_the_older_checkpoint(killed, monkeypatch, tmp_path, whole):
    path = tmp_path / "run.npz"
    killed(1, run, 101, checkpoint=path, segments=7)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", lambda *names: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(101, checkpoint=path, segments=7)
    assert path.read_bytes() == before
    assert_same(run(101, checkpoint=path, segments=7), whole)


def test_a_checkpoint_cut_in_half_is_left_aside_with_a_warning(killed, tmp_path, whole):
    path = tmp_path / "run.npz"
    killed(2, run, 101, checkpoint=path, segments=7)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"checkpoint run.npz cannot be read .*: starting again"):
        assert_same(run(101, checkpoint=path, segments=7), whole)
    assert not path.exists()


def test_a_checkpoint_of_another_network_or_other_recorders_is_left_aside(tmp_path, whole):
    path = tmp_path / "run.npz"
    other = jax.tree.map(lambda leaf: leaf[..., :1], params())
    records = {name: np.zeros((5, *values.shape[1:])) for name, values in whole.trajectory.data_vars.items()}
    checkpoints.save(path, "any", 5, other, records)
    with pytest.warns(UserWarning, match="checkpoint run.npz is of another run: starting again"):
        assert_same(run(101, checkpoint=path, segments=1), whole)
    checkpoints.save(path, "any", 5, params(), {})
    with pytest.warns(UserWarning, match="checkpoint run.npz is of another run"):
        assert_same(run(101, checkpoint=str(path), segments=1), whole)


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 0.3},
        {"schedule": oscillating(20, 4, 3)},
        {"learning_rate": None, "optimizer": optax.sgd(0.5, momentum=0.9)},
        {"data": dataclasses.replace(DATA, inputs=DATA.inputs + 0.1)},
    ],
)
def test_a_checkpoint_of_another_run_is_left_aside(killed, tmp_path, whole, other):
    """Else one trajectory would be of both runs."""
    path = tmp_path / "run.npz"
    killed(2, run, 101, checkpoint=path, segments=7, **other)
    with pytest.warns(UserWarning, match="checkpoint run.npz is of another run: starting again"):
        assert_same(run(101, checkpoint=path, segments=7), whole)


def test_recorded_at_their_cadences(whole):
    trajectory = whole.trajectory
    assert trajectory["loss"].dims == ("step",)
    assert trajectory["class_weights"].dims == ("step_7", "class")
    np.testing.assert_array_equal(trajectory["step"], np.arange(101))
    np.testing.assert_array_equal(trajectory["step_7"], np.arange(0, 101, 7))
    expected = reference.class_weights(101, 20, 10, 3)[::7]
    np.testing.assert_allclose(trajectory["class_weights"], expected, rtol=1e-6)
    assert trajectory["step_7"].attrs["units"] == "steps"
    assert trajectory.attrs == {"steps": 101, "diverged_at": -1}


def test_a_diverged_run_is_recorded_not_raised():
    state = recorders.training_state(APPLY, DATA.astype(np.float32))
    diverged = run(30, learning_rate=1e38, recorders=[state, recorders.hessian(1, num_matvecs=3, every=7)])
    at = diverged.trajectory.attrs["diverged_at"]
    assert 0 < at < 30
    finite = np.isfinite(diverged.trajectory["loss"].values)
    assert finite[:at].all() and not finite[at]
    assert not np.isfinite(diverged.trajectory["hessian_eigenvalues"].values[-1]).any()


def test_progress_is_shown_on_request(capsys):
    run(6, recorders=[], progress="Figure 4", segments=2)
    shown = capsys.readouterr().err
    assert "Figure 4" in shown and "6/6" in shown
    run(6, recorders=[])
    assert capsys.readouterr().err == ""


def test_a_class_without_samples_is_warned_of():
    some = Dataset(DATA.inputs, np.where(DATA.labels == 1, 0, DATA.labels), 3)
    with pytest.warns(UserWarning, match="class 1 has no samples: its turn of the schedule emphasises nothing"):
        result = train(params(), some, static(3), gradient=gradient(some), learning_rate=1, steps=2)
    assert np.isfinite(reference.flatten(result.params)).all()


test_misuse = refused(
    run,
    {"steps": 3},
    ({"learning_rate": 0}, "learning_rate must be finite and greater than 0, got 0"),
    ({"learning_rate": -1.0}, "got -1.0"),
    ({"learning_rate": float("nan")}, "got nan"),
    ({"steps": 0}, "steps must be an integer, at least 1, got 0"),
    ({"segments": 0}, "segments must be an integer, at least 1, got 0"),
    ({"segments": -2}, "segments must be an integer, at least 1, got -2"),
    ({"schedule": oscillating(20, 10, 4)}, r"the schedule gives weights \(4,\) for 3 classes"),
    ({"recorders": [recorders.class_weights(), recorders.class_weights()]}, "two recorders give the same variable"),
    ({"learning_rate": None, "optimizer": optax.sgd(0.1), "steps": 0}, "steps must be an integer, at least 1, got 0"),
)


def test_a_full_disk_is_warned_of_and_the_run_goes_on(monkeypatch, tmp_path, whole):
    def full(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="no checkpoint could be written to .*run.npz .No space left on device."):
        found = run(101, checkpoint=tmp_path / "run.npz", segments=7)
    assert_same(found, whole)
    assert list(tmp_path.iterdir()) == []


# By any optimiser of optax


def by_optax(optimizer, steps, schedule=SCHEDULE, **options):
    """In float64."""
    start = params(np.float64)
    return train(start, DATA, schedule, gradient=gradient(DATA), optimizer=optimizer, steps=steps, **options)


def by_hand(update):
    """The path of w ← w + update(∇F, t), flat, in NumPy."""
    weights = reference.class_weights(60, 20, 10, 3)
    w, memory = reference.flatten(PARAMS), {}
    for step in range(60):
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
def test_the_path_is_the_textbook_s(x64, standard_promotion, optimizer, update):
    run = by_optax(optimizer, 60)
    np.testing.assert_allclose(reference.flatten(run.params), by_hand(update), rtol=1e-8, atol=1e-10)


def test_without_memory_it_is_plain_descent(x64):
    recording = [recorders.training_state(APPLY, DATA), recorders.class_weights(every=7)]
    ours = by_optax(optax.sgd(0.5), 60, recorders=recording)
    plain = by_optax(None, 60, learning_rate=0.5, recorders=recording)
    xr.testing.assert_allclose(ours.trajectory, plain.trajectory, rtol=1e-9)
    assert ours.trajectory.attrs == plain.trajectory.attrs
    assert ours.trajectory["class_weights"].dims == ("step_7", "class")
    assert float(abs(ours.trajectory["static_loss"][-1] - ours.trajectory["static_loss"][0])) > 0.1  # it has moved


def test_a_run_that_goes_on_is_the_whole_one(x64, standard_promotion):
    optimizer, start = optax.adam(0.01), params(np.float64)
    given, state = (gradient(DATA), SCHEDULE, optimizer), (start, optimizer.init(start))
    whole, _ = full_batch.optimize(state, *given, 0, 40)
    half, _ = full_batch.optimize(state, *given, 0, 25)
    rest, _ = full_batch.optimize(half, *given, 25, 15)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12), rest, whole)


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (optax.trace(0.9), "the optimiser goes uphill"),
        (optax.scale(1.0), "the optimiser goes uphill"),
        (optax.lbfgs(), "cannot take a step from a gradient and parameters alone"),
        (optax.polyak_sgd(), "cannot take a step from a gradient and parameters alone"),
    ],
)
def test_what_is_no_optimiser_here_is_refused(x64, standard_promotion, optimizer, said):
    with pytest.raises(ValueError, match=said):
        by_optax(optimizer, 3)


def test_a_warm_up_passes(x64, standard_promotion):
    by_optax(optax.sgd(optax.linear_schedule(0.0, 0.1, 5)), 3)


def test_a_schedule_of_ones_own_and_parameters_that_diverge_unseen(x64):
    own = lambda t: jnp.ones(3) * SCHEDULE(t)  # noqa: E731
    one, other = (by_optax(optax.sgd(0.5), 9, schedule=each) for each in (SCHEDULE, own))
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    assert one.trajectory.diverged_at == -1
    assert by_optax(optax.sgd(1e300), 9).trajectory.diverged_at == 9
