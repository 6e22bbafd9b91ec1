"""Training in batches: against a plain loop with optax, resumed, killed, diverged, augmented, and misused."""

import dataclasses
import inspect
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from misuse import refused

from dynloss import losses
from dynloss.datasets import Dataset, cifar10
from dynloss.models.myrtle import Myrtle
from dynloss.schedules import oscillating, static
from dynloss.training import batches, checkpoints, minibatch
from dynloss.training.minibatch import piecewise_linear, steps_per_epoch, train
from dynloss_book.figS4_wide_resnet.model import WideResNet
from dynloss_book.tasks import augmentation

TRAINING, VALIDATION = cifar10.normalised(*cifar10.generated(50, 21, num_classes=3, image_size=8))
BATCH, EPOCHS = 16, 5
STEPS = steps_per_epoch(50, BATCH)  # 4: three batches of 16, and one of 2
MODEL = Myrtle(channels=4, num_classes=3, final_pools=1)
VARIABLES = jax.jit(MODEL.init)(jax.random.key(1), jnp.asarray(TRAINING.inputs[:1]))
SCHEDULE = oscillating(5.0, 4.0, 3, stop=4 * STEPS)
RATE = piecewise_linear((0, 2, 5), (0, 0.1, 0.01), STEPS)


def run(training=TRAINING, validation=VALIDATION, model=MODEL, variables=VARIABLES, **arguments):
    chosen = {"schedule": SCHEDULE, "learning_rate": RATE, "epochs": EPOCHS, "batch_size": BATCH} | arguments
    return train(model, variables, training, validation, **chosen)


@pytest.fixture(scope="module")
def whole():
    return run()


def assert_same(one, other):
    xr.testing.assert_identical(one.trajectory, other.trajectory)
    jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)


def largest_difference(one, other):
    differences = jax.tree.map(lambda a, b: np.max(np.abs(np.asarray(a, float) - np.asarray(b, float))), one, other)
    return max(jax.tree.leaves(differences))


def plain_loop(model, variables, data, schedule, rate, epochs, seed=0):
    """The same training as an optax user writes it: the order of the samples is all that it takes from us."""
    optimizer = optax.sgd(rate, momentum=0.9, nesterov=True)
    inputs, labels = np.asarray(data.inputs), np.asarray(data.labels)

    def objective(variables, x, y, weights):
        each = optax.softmax_cross_entropy_with_integer_labels(model.apply(variables, x), y)
        return jnp.sum(weights[y] * each) / len(y)

    @jax.jit
    def moved(variables, state, x, y, weights):
        updates, state = optimizer.update(jax.grad(objective)(variables, x, y, weights), state)
        return optax.apply_updates(variables, updates), state

    weights_at = jax.jit(schedule)
    state, step, path = optimizer.init(variables), 0, [variables]
    for epoch in range(epochs):
        order, _ = batches.shuffled(jax.random.key(np.uint32(seed)), epoch, len(data), BATCH)
        order = np.asarray(order).ravel()[: len(data)]
        assert sorted(order) == list(range(len(data)))
        for start in range(0, len(data), BATCH):
            chosen = order[start : start + BATCH]
            variables, state = moved(variables, state, inputs[chosen], labels[chosen], weights_at(step))
            step += 1
        path.append(variables)
    return path


@pytest.mark.parametrize("looped", [False, True])
def test_equals_a_plain_loop_in_float64(x64, monkeypatch, looped):
    if looped:  # as on a GPU: all the steps of an epoch in one compiled loop
        monkeypatch.setattr(batches, "calls", lambda steps, *_: [(0, steps)])
    model, data = MODEL.clone(param_dtype=jnp.float64), TRAINING.astype(np.float64)
    validation = VALIDATION.astype(np.float64)
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), VARIABLES)
    # A table in float64, as x64 makes it; the stop and the corners lie within the three epochs.
    arguments = {
        "schedule": oscillating(5, 4, 3, stop=9),
        "learning_rate": piecewise_linear((0, 1, 3), (0, 0.1, 0.01), 4),
    }
    ours = run(data, validation, model, variables, epochs=3, seed=7, **arguments)
    path = plain_loop(model, variables, data, arguments["schedule"], arguments["learning_rate"], 3, seed=7)
    assert largest_difference(ours.variables, path[-1]) < 1e-12
    assert largest_difference(path[0], path[-1]) > 1e-2  # it moved

    @jax.jit
    def outcome(variables, inputs, labels):
        logits = model.apply(variables, inputs)
        return logits, optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    for epoch, now in enumerate(path):
        for prefix, some in (("", data), ("validation_", validation)):
            logits, loss = outcome(now, some.inputs, some.labels)
            row = ours.trajectory.sel(epoch=epoch)
            assert float(row[f"{prefix}static_loss"]) == pytest.approx(float(loss), rel=1e-10)
            assert float(row[f"{prefix}accuracy"]) == pytest.approx(
                np.mean(np.asarray(logits).argmax(axis=1) == some.labels)
            )


def test_how_many_steps_go_into_a_call(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert batches.calls(3) == [(0, 1), (1, 1), (2, 1)]
    assert batches.calls(98, True) == [(start, 14) for start in range(0, 98, 14)]
    assert batches.calls(16, True) == [(0, 16)]
    assert batches.calls(17, True) == [(start, 1) for start in range(17)]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert batches.calls(98) == batches.calls(98, True) == [(0, 98)]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere all of them do")
def test_plain_convolutions_do_not_go_into_loops_on_a_processor():
    class Plain(nn.Module):
        @nn.compact
        def __call__(self, inputs):
            return nn.Dense(3)(jnp.mean(nn.Conv(2, (3, 3))(inputs), axis=(1, 2)))

    def fits(model):
        inputs = jax.ShapeDtypeStruct((50, 8, 8, 3), jnp.float32)
        return batches.fits_a_loop(model, jax.eval_shape(model.init, jax.random.key(0), inputs), inputs)

    assert fits(MODEL) and fits(WideResNet(10, 1, 3))
    assert not fits(Plain())


def test_no_amplitude_equals_the_static_loss_to_the_last_bit(whole):
    one = run(schedule=oscillating(5, 1, 3))
    assert_same(one, run(schedule=static(3)))
    assert_same(one, run(schedule=oscillating(5, 4, 3, stop=0)))
    assert largest_difference(one.variables, whole.variables) > 1e-3


def test_a_seed_gives_one_run_and_another_seed_another(whole):
    assert_same(run(), whole)
    other = run(seed=2**32 - 1)
    assert largest_difference(other.variables, whole.variables) > 1e-4
    assert float(other.trajectory["accuracy"][0]) == float(whole.trajectory["accuracy"][0])


def test_another_run_compiles_nothing(whole):
    rate = piecewise_linear((0, 3, 5), (0, 0.05, 0.02), STEPS)
    schedule = oscillating(4.0, 9.0, 3, stop=3 * STEPS)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    # Networks that are equal, not the same.
    model, data = Myrtle(channels=4, num_classes=3, final_pools=1), Dataset(TRAINING.inputs, TRAINING.labels, 3)
    sizes = batches.advance._cache_size(), batches._sums._cache_size(), batches.shuffled._cache_size()
    other = run(data, model=model, seed=5, schedule=schedule, learning_rate=rate)
    assert (batches.advance._cache_size(), batches._sums._cache_size(), batches.shuffled._cache_size()) == sizes
    assert compiled == []
    assert largest_difference(other.variables, whole.variables) > 1e-3
    # The listener does hear compilations.
    jax.jit(lambda x: x + 1.25)(jnp.ones(7)).block_until_ready()
    assert compiled


def test_the_order_depends_on_seed_and_epoch():
    orders = [batches.shuffled(jax.random.key(seed), epoch, 50, 50)[0] for seed in (0, 1) for epoch in (0, 1)]
    for one in orders:
        np.testing.assert_array_equal(np.sort(one[0]), np.arange(50))
    assert len({tuple(np.asarray(one[0]).tolist()) for one in orders}) == 4


@pytest.mark.parametrize("batch_size", [1, 50])
def test_batches_of_any_size(batch_size):
    ours = run(batch_size=batch_size, epochs=1, validation=None, learning_rate=0.01)
    assert ours.trajectory.attrs == {"epochs": 1, "steps": -(-50 // batch_size), "diverged_at": -1}
    assert set(ours.trajectory.data_vars) == {"static_loss", "accuracy"}
    assert float(ours.trajectory["static_loss"][1]) != float(ours.trajectory["static_loss"][0])


def test_the_paper_s_learning_rate():
    assert steps_per_epoch(50_000, 512) == 98
    rate = piecewise_linear((0, 300, 700), (0, 0.02, 0.002), steps=98)
    at = {0: 0, 98: 0.02 / 300, 150 * 98: 0.01, 300 * 98: 0.02, 500 * 98: 0.011, 700 * 98: 0.002, 900 * 98: 0.002}
    np.testing.assert_allclose([rate(step) for step in at], list(at.values()), rtol=1e-5)
    assert float(rate(300 * 98 - 1)) < float(rate(300 * 98)) > float(rate(300 * 98 + 1))
    peak = jax.jit(lambda peak: piecewise_linear((0, 3), (0, peak), steps=2)(3))
    assert float(peak(0.4)) == pytest.approx(0.2)


def test_cosine_decay_of_optax_and_a_number(standard_promotion, whole):
    cosine = optax.cosine_decay_schedule(0.1, 2 * STEPS)
    rates, _ = minibatch._tables(static(3), cosine, 3, 2 * STEPS)
    expected = [0.05 * (1 + np.cos(np.pi * step / (2 * STEPS))) for step in range(2 * STEPS)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    constant, _ = minibatch._tables(static(3), optax.constant_schedule(0.3), 3, 4)
    np.testing.assert_array_equal(constant, minibatch._tables(static(3), 0.3, 3, 4)[0])


def test_recorded(whole):
    trajectory = whole.trajectory
    np.testing.assert_array_equal(trajectory["epoch"], np.arange(EPOCHS + 1))
    assert trajectory["epoch"].attrs["units"] == "epochs"
    assert trajectory["validation_static_loss"].attrs == {
        "long_name": "validation static loss (Γ = 1)",
        "units": "nats",
    }
    assert trajectory.attrs == {"epochs": EPOCHS, "steps": EPOCHS * STEPS, "diverged_at": -1}
    sparse = run(evaluate_every=3)
    np.testing.assert_array_equal(sparse.trajectory["epoch"], [0, 3, 5])
    xr.testing.assert_equal(sparse.trajectory, trajectory.sel(epoch=[0, 3, 5]))


def test_a_diverged_run_is_recorded_not_raised():
    diverged = run(learning_rate=1e20)
    bad = ~np.isfinite(diverged.trajectory["static_loss"].values)
    assert not bad[0] and bad[-1] and diverged.trajectory.attrs["diverged_at"] == bad.argmax()


@pytest.fixture(autouse=True)
def _checkpoints_at_every_epoch(monkeypatch):
    monkeypatch.setattr(minibatch, "CHECKPOINT_SECONDS", 0.0)


def test_epochs_that_pass_fast_share_a_checkpoint(monkeypatch, tmp_path, whole):
    saved = []
    monkeypatch.setattr(checkpoints, "save", lambda *args: saved.append(args[2]))
    now = iter(range(100))  # a second an epoch: the clock is read once at the start, at each epoch, at each checkpoint
    monkeypatch.setattr(minibatch.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(minibatch, "CHECKPOINT_SECONDS", 2.0)
    assert_same(run(checkpoint=tmp_path / "run.npz"), whole)
    assert saved == [2, 4]


def test_a_resumed_run_equals_the_uninterrupted_one(killed, monkeypatch, tmp_path, whole):
    path = tmp_path / "runs" / "run.npz"
    assert killed(3, run, checkpoint=path) == [1, 2, 3]
    (path.parent / ".run.npz.123.part").write_bytes(b"half")  # of a kill in the middle of writing
    seen, one_epoch = [], minibatch._one_epoch
    monkeypatch.setattr(minibatch, "_one_epoch", lambda *args: seen.append(args[4]) or one_epoch(*args))
    assert_same(run(checkpoint=str(path)), whole)
    assert seen == [3, 4]
    assert list(path.parent.iterdir()) == []


def test_checkpoints_and_evaluations_at_their_own_cadences(killed, tmp_path):
    path, cadences = tmp_path / "run.npz", {"evaluate_every": 3, "checkpoint_every": 2}
    assert killed(2, run, checkpoint=path, **cadences) == [2, 4]
    assert_same(run(checkpoint=path, **cadences), run(**cadences))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"schedule": static(3)},
        {"learning_rate": 0.05},
        {"variables": jax.tree.map(lambda leaf: 0.5 * leaf, VARIABLES)},
        {"epochs": 6},
        {"training": dataclasses.replace(TRAINING, inputs=1.1 * TRAINING.inputs)},
        {"direction": minibatch.MOMENTUM},
        {"learning_rate": None, "optimizer": optax.sgd(0.05)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_checkpoint_of_another_run_is_left_aside(killed, tmp_path, whole, other):
    path = tmp_path / "run.npz"
    killed(1, run, checkpoint=path, **other)
    with pytest.warns(UserWarning, match=r"checkpoint run.npz is of another run: starting again"):
        assert_same(run(checkpoint=path), whole)


def test_checkpoints_keep_every_type_of_number(tmp_path):
    state = {"a": jnp.arange(3, dtype=jnp.bfloat16) / 3, "b": jnp.ones((2, 2)), "c": jnp.array(7)}
    checkpoints.save(tmp_path / "x.npz", "me", 4, state, {"loss": [1.0, np.nan], "half": state["a"]})
    epoch, restored, records = checkpoints.load(tmp_path / "x.npz", "me", state, ["loss", "half"])
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    assert epoch == 4 and records["loss"][0] == 1.0 and np.isnan(records["loss"][1])
    assert restored["a"].dtype == jnp.asarray(records["half"]).dtype == jnp.bfloat16
    wider = state | {"b": jnp.ones((2, 3))}
    with pytest.warns(UserWarning, match=r"it holds float32 \(2, 2\) for float32 \(2, 3\)"):
        assert checkpoints.load(tmp_path / "x.npz", "me", wider, ["loss"]) is None
    assert checkpoints.load(tmp_path / "none.npz", "me", state, ["loss"]) is None


class Normalised(nn.Module):
    """A small network with batch normalisation."""

    @nn.compact
    def __call__(self, inputs, train: bool = False):
        x = nn.Conv(4, (3, 3), strides=2)(inputs)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.Dense(3)(x.reshape(len(x), -1))


@pytest.fixture(scope="module")
def normalising():
    model = Normalised()
    variables = jax.jit(model.init)(jax.random.key(0), TRAINING.inputs[:1])
    arguments = {"augment": augmentation.flips_and_crops, "epochs": 2, "learning_rate": 0.05}
    return model, variables, arguments, run(model=model, variables=variables, **arguments)


def test_batch_statistics_and_augmentation_are_resumed_too(killed, tmp_path, normalising):
    model, variables, arguments, whole = normalising
    moved = jax.tree.map(
        lambda a, b: not np.array_equal(a, b), whole.variables["batch_stats"], variables["batch_stats"]
    )
    assert all(jax.tree.leaves(moved)) and whole.trajectory.attrs["diverged_at"] == -1
    path = tmp_path / "run.npz"
    killed(1, run, model=model, variables=variables, checkpoint=path, **arguments)
    assert_same(run(model=model, variables=variables, checkpoint=path, **arguments), whole)


def test_running_averages_are_those_of_the_batches(normalising):
    """One step of one batch: flax's own average of it, and evaluation by the averages."""
    model, variables, *_ = normalising
    ours = run(model=model, variables=variables, epochs=1, batch_size=50, learning_rate=0.0)
    # The order within the batch changes nothing but rounding.
    _, expected = model.apply(variables, jnp.asarray(TRAINING.inputs), train=True, mutable=["batch_stats"])
    assert largest_difference(ours.variables["batch_stats"], expected["batch_stats"]) < 1e-5
    assert largest_difference(ours.variables["params"], variables["params"]) == 0
    logits = model.apply(ours.variables, jnp.asarray(VALIDATION.inputs))
    each = losses.cross_entropy(logits, jnp.asarray(VALIDATION.labels))
    assert float(ours.trajectory["validation_static_loss"][1]) == pytest.approx(float(each.mean()), rel=1e-4)


class Dropping(nn.Module):
    rate: float = 0.5

    @nn.compact
    def __call__(self, inputs, train: bool):
        x = nn.Dropout(self.rate, deterministic=not train)(inputs.reshape(len(inputs), -1))
        return nn.Dense(3)(x)


def test_dropout_drops_in_training_alone():
    model = Dropping()
    variables = model.init(jax.random.key(0), jnp.asarray(TRAINING.inputs[:1]), train=False)
    arguments = {"model": model, "variables": variables, "epochs": 1, "batch_size": 50, "learning_rate": 0.1}
    ours = run(schedule=static(3), **arguments)
    assert_same(run(schedule=static(3), **arguments), ours)
    without = run(schedule=static(3), **arguments | {"model": Dropping(rate=0.0)})
    assert largest_difference(ours.variables, without.variables) > 1e-3
    # Evaluation of the same network, the untrained one, drops nothing.
    xr.testing.assert_equal(ours.trajectory.sel(epoch=0), without.trajectory.sel(epoch=0))


class Linear:
    """A model without flax, as a user may have one."""

    def apply(self, variables: Any, inputs: Any) -> Any:
        return inputs @ variables["params"]


def test_a_model_and_data_of_one_s_own():
    random = np.random.RandomState(0)
    inputs = random.randn(60, 2).astype(np.float32)
    data = Dataset(inputs, (inputs[:, 0] > inputs[:, 1]).astype(np.int32), 2)
    arguments = {"schedule": oscillating(10, 3, 2), "learning_rate": 1.0, "direction": minibatch.MOMENTUM, "epochs": 5}
    ours = run(data, None, Linear(), {"params": jnp.zeros((2, 2))}, **arguments)
    assert float(ours.trajectory["accuracy"][-1]) > 0.9
    squared = run(data, None, Linear(), {"params": jnp.zeros((2, 2))}, **arguments, loss=losses.squared_error)
    assert float(squared.trajectory["static_loss"][0]) == 0.5


def test_bfloat16_keeps_float32_weights(whole):
    half = run(model=MODEL.clone(dtype=jnp.bfloat16))
    assert {leaf.dtype for leaf in jax.tree.leaves(half.variables)} == {jnp.dtype(jnp.float32)}
    # Steps smaller than bfloat16 resolves are kept.
    kernel = half.variables["params"]["convolution_1"]["kernel"]
    assert not np.array_equal(kernel, kernel.astype(jnp.bfloat16).astype(jnp.float32))
    assert 0 < largest_difference(half.variables, whole.variables) < 0.1


def test_classes_without_samples_are_warned_of():
    some = Dataset(TRAINING.inputs, np.where(TRAINING.labels == 1, 0, 2).astype(np.int32), 3)
    with pytest.warns(UserWarning, match="class 1 has no samples: its turn of the schedule emphasises nothing"):
        ours = run(some, epochs=2)
    assert np.isfinite(ours.trajectory["static_loss"]).all()


def test_flips_and_crops_are_shifts_and_mirrors():
    originals = np.random.RandomState(0).rand(200, 16, 16, 2).astype(np.float32)
    changed = np.asarray(augmentation.flips_and_crops(jax.random.key(3), jnp.asarray(originals)))
    padded = np.pad(originals, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    found = [
        (row, column, mirrored)
        for image, around in zip(changed, padded, strict=True)
        for row, column, mirrored in np.ndindex(9, 9, 2)
        if np.array_equal(image, around[row : row + 16, column : column + 16][:, :: 1 - 2 * mirrored])
    ]
    assert len(found) == 200  # each is one
    rows, columns, mirrored = zip(*found, strict=True)
    assert set(rows) == set(columns) == set(range(9)) and 70 < sum(mirrored) < 130
    other = augmentation.flips_and_crops(jax.random.key(4), jnp.asarray(originals))
    assert not np.array_equal(other, changed)


test_misuse_of_crops = refused(
    augmentation.flips_and_crops,
    {"key": jax.random.key(0), "images": jnp.zeros((2, 8, 9, 3))},
    ({"padding": 8}, "less than the sides"),
    ({"padding": -1}, "at least 0, got -1"),
)


def test_every_batch_is_augmented_anew():
    seen = []

    def watch(key, images):
        jax.debug.callback(lambda data: seen.append(tuple(np.ravel(data).tolist())), jax.random.key_data(key))
        return images

    watched = run(augment=watch, epochs=2)
    jax.effects_barrier()
    assert len(seen) == len(set(seen)) == 2 * STEPS
    assert largest_difference(watched.variables, run(epochs=2).variables) < 1e-5


def test_progress_is_shown_on_request(capsys):
    run(epochs=1, progress="Figure 1")
    shown = capsys.readouterr().err
    assert "Figure 1" in shown and f"{STEPS}/{STEPS}" in shown and "validation_accuracy=" in shown
    run(epochs=1)
    assert capsys.readouterr().err == ""


SMALLER = Dataset(VALIDATION.inputs[:, :4], VALIDATION.labels, 3)


test_misuse = refused(
    run,
    {},
    ({"batch_size": 0}, "batch_size must be an integer, at least 1, got 0"),
    ({"batch_size": 51}, "batch_size must be at most the 50 training samples, got 51"),
    ({"epochs": 0}, "epochs must be an integer, at least 1, got 0"),
    ({"evaluate_every": 0}, "evaluate_every must"),
    ({"checkpoint_every": 0}, "checkpoint_every must"),
    ({"seed": -1}, "seed must be an integer, at least 0, got -1"),
    ({"seed": 2**32}, "seed must be less than 2³²"),
    ({"learning_rate": float("nan")}, "learning_rate must be finite and at least 0, got nan"),
    ({"learning_rate": -0.1}, "learning_rate must be finite and at least 0, got -0.1"),
    ({"learning_rate": lambda step: 1.0 - jnp.float32(step)}, "learning_rate must be .* got -1.0 at step 2"),
    (
        {"learning_rate": lambda step: jnp.log(jnp.float32(step) - 3.0)},
        "learning_rate must be .* got nan at step 0",
    ),
    (
        {"learning_rate": lambda step: jnp.ones(2)},
        r"learning_rate must give one number per step, got an array \(2,\)",
    ),
    ({"schedule": static(4)}, r"the schedule gives weights \(4,\) for 3 classes"),
    ({"schedule": lambda step: jnp.array([1.0, 3.0, -1.0])}, "the schedule's weights must be .* at step 0"),
    ({"validation": SMALLER}, r"validation inputs \(4, 8, 3\) of float32 in 3 classes do not match"),
    ({"validation": Dataset(VALIDATION.inputs, VALIDATION.labels, 4)}, "in 4 classes do not match"),
    ({"training": SMALLER, "validation": None}, "multiples of 8, got 4 × 8 pixels"),
    ({"variables": VARIABLES["params"]}, "variables must be what model.init returns"),
    ({"model": MODEL.clone(num_classes=4)}, "the model with these variables does not take inputs"),
    ({"model": Dropping(), "variables": {"params": {}}}, "the model with these variables does not take inputs"),
    ({"augment": lambda key, images: images[:, 1:]}, r"augment must keep inputs \(16, 8, 8, 3\) of float32, but"),
)


def test_misuse_by_images_of_bytes():
    with pytest.raises(ValueError, match=r"images of bytes|does not take inputs \(16, 8, 8, 3\)"):
        run(Dataset(np.zeros((50, 8, 8, 3), np.uint8), TRAINING.labels, 3), None)


def test_misuse_by_outputs_of_other_classes():
    model = MODEL.clone(num_classes=4)
    variables = jax.jit(model.init)(jax.random.key(0), TRAINING.inputs[:1])
    with pytest.raises(ValueError, match=r"the model gives outputs \(16, 4\) for 16 samples of 3 classes"):
        run(model=model, variables=variables)


def test_misuse_by_what_cannot_be_compiled_in():
    class Unhashable(Linear):
        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(ValueError, match="must be hashable"):
        run(model=Unhashable())


test_misuse_of_the_learning_rate = refused(
    inspect.unwrap(piecewise_linear),
    {"epochs": (0, 3), "rates": (0, 1), "steps": 4},
    ({"epochs": (0, 3, 3), "rates": (0, 1, 0)}, "epochs must grow, with a rate for each, got"),
    ({"rates": (0, 1, 0)}, "epochs must grow"),
    ({"epochs": (), "rates": ()}, "epochs must grow"),
    ({"rates": (0, -1)}, "rates must be finite and at least 0, got -1"),
    ({"rates": (0, float("nan"))}, "rates must be .* got nan"),
    ({"epochs": (0, float("inf"))}, "epochs must be finite, got inf"),
    ({"steps": 0}, "steps must be an integer, at least 1, got 0"),
)


# One convention for optimisers: optax's


def test_an_optimiser_of_optax_is_the_same_as_its_learning_rate_and_direction():
    by_rate = run(learning_rate=0.05, direction=optax.trace(0.9), epochs=2)
    by_optax = run(learning_rate=None, optimizer=optax.sgd(0.05, momentum=0.9), epochs=2)
    assert largest_difference(by_rate.variables, by_optax.variables) < 1e-6


def test_adam_goes_down(standard_promotion):
    """It went up, from 1.44 to 4.05: the rule was taken for a direction."""
    found = run(learning_rate=None, optimizer=optax.adam(1e-2), epochs=4).trajectory.static_loss.values
    assert found[-1] < found[0]


test_an_optimiser_that_goes_uphill_is_refused = refused(
    run,
    {},
    ({"optimizer": minibatch.MOMENTUM, "learning_rate": None}, "the optimiser goes uphill"),
    ({"direction": optax.sgd(0.1)}, "the optimiser goes uphill"),
    ({"optimizer": optax.sgd(0.1)}, "give either an optimizer"),
    ({"learning_rate": None}, "give either an optimizer"),
)
