"""The playground's engine is the library's arithmetic, the same bits on every run."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import wasmtime
from host import CLASSES, TRAJECTORY, UNIT, WASM, Engine, flat

from dynloss import dynamics, losses, schedules
from dynloss.training import full_batch, recorders
from dynloss_book.tasks import spiral


@pytest.fixture
def engine():
    return Engine()


def objective(task):
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)
    return lambda params, weights: losses.class_weighted_mean(
        losses.cross_entropy(task.model.apply(params, inputs), labels), labels, weights
    )


def size(width):
    return UNIT * width + CLASSES


def test_points_are_the_librarys(x64, engine):
    points = engine.array("points", 600).reshape(300, 2)
    np.testing.assert_allclose(points, spiral.task(1, "float64", 0).training.inputs, rtol=0, atol=2e-16)


@pytest.mark.parametrize(("width", "seed"), [(100, 0), (1, 7), (1000, 123456789)])
def test_initial_weights_are_the_librarys(x64, engine, width, seed):
    engine.reset(width, seed)
    expected = flat(spiral.task(width, "float64", seed).start)
    np.testing.assert_allclose(engine.array("weights", size(width)), expected, rtol=0, atol=2e-14)


@pytest.mark.parametrize("case", [(500.0, 70.0, 1), (7.0, 3.0, 1), (7.0, 1.0, 1), (9.0, 70.0, 0)])
def test_class_weights_are_those_of_the_schedule(x64, engine, case):
    period, amplitude, shape = case
    schedule = schedules.oscillating(period, amplitude, CLASSES) if shape else schedules.static(CLASSES)
    engine.begin(1, period=period, amplitude=amplitude, shape=shape)
    engine.run(2000, 0)
    recorded = engine.array("tilts", 2000 * CLASSES).reshape(2000, CLASSES)
    expected = jax.vmap(lambda step: schedule(step, "float64"))(jnp.arange(2000))
    np.testing.assert_allclose(recorded, expected, rtol=1e-14)


@pytest.mark.parametrize("width", [7, 1000])
def test_gradient_and_hessian_product(x64, engine, width):
    task = spiral.task(width, "float64", 3)
    loss = objective(task)
    random = np.random.RandomState(0)
    # Away from the start, where the biases are zero.
    params = jax.tree.map(lambda w: w + 0.1 * random.randn(*w.shape), task.start)
    direction = jax.tree.map(lambda w: random.randn(*w.shape), task.start)
    gammas = schedules.oscillating(10, 7, CLASSES)(3, "float64")
    engine.begin(width, 3, period=10.0, amplitude=7.0, rate=1e-300)
    engine.record(3)
    engine.fill("weights", flat(params))
    engine.fill("direction", flat(direction))
    assert engine.evaluate() == pytest.approx(float(loss(params, gammas)), rel=1e-13)
    derivative = jax.grad(lambda p: loss(p, gammas))
    gradient, product = jax.jit(lambda p, d: jax.jvp(derivative, (p,), (d,)))(params, direction)
    engine.multiply()
    np.testing.assert_allclose(engine.array("gradient", size(width)), flat(gradient), rtol=0, atol=1e-14)
    np.testing.assert_allclose(engine.array("product", size(width)), flat(product), rtol=0, atol=1e-12)


def test_500_steps_agree_with_the_library(x64, engine):
    task = spiral.task(100, "float64", 0)
    schedule = schedules.oscillating(100, 20, CLASSES)  # five periods of 100 steps
    run = full_batch.train(
        task.start,
        task.training,
        schedule,
        gradient=full_batch.loss_gradient(task.model.apply, task.training),
        learning_rate=1.0,
        steps=500,
        recorders=[recorders.training_state(task.model.apply, task.training)],
    )
    engine.begin(period=100.0, amplitude=20.0)
    engine.fill("weights", flat(task.start))
    loss, accuracy = engine.record(500)
    np.testing.assert_allclose(loss, run.trajectory.loss, rtol=0, atol=1e-10)
    np.testing.assert_allclose(accuracy, run.trajectory.accuracy, rtol=0, atol=1e-15)
    np.testing.assert_allclose(engine.array("weights", size(100)), flat(run.params), rtol=0, atol=1e-10)


def test_largest_eigenvalue(engine):
    """Against all eigenvalues of the Hessian, after some calls that each begin where the last one ended."""
    engine.begin(20, period=100.0, amplitude=10.0)
    engine.record(150)
    for _ in range(6):
        found = engine.curvature(5)
    # The engine's own products, one a column, hold the Hessian; that they are the library's stands above.
    columns = []
    for unit in np.eye(size(20)):
        engine.fill("direction", unit)
        engine.multiply()
        columns.append(engine.array("product", size(20)))
    np.testing.assert_allclose(columns, np.transpose(columns), atol=1e-14)
    exact = np.linalg.eigvalsh(columns)
    assert found == pytest.approx(exact[-1], rel=1e-6)
    assert abs(found - exact[-1]) <= engine.residual() < 1e-2


def test_cascades_are_those_of_the_librarys_reading(engine):
    engine.begin(period=1000.0)
    found, loss = [], []
    for _ in range(60):
        loss.append(engine.record(100)[0])
        if engine.cascades() > len(found):
            found.append(engine.started())
    steps = np.arange(6000)
    expected = dynamics.instabilities(steps[2:], np.diff(np.concatenate(loss), 2), jump=0.008, quiet=100, lasting=4)
    assert len(expected) >= 3
    assert found == [each.start for each in expected]
    assert engine.bounced() == expected[-1].end


@pytest.mark.parametrize(("period", "amplitude"), [(1000.0, 1000.0), (20.0, 30.0)])
def test_a_loss_that_falls_in_jumps_is_no_cascade(engine, period, amplitude):
    """Where Γ is steep the loss jumps at each turn of the classes, but it does not come back."""
    engine.begin(period=period, amplitude=amplitude)
    engine.record(3000)
    assert engine.cascades() == 0


def test_stops_where_a_cascade_begins(engine):
    engine.begin(period=1000.0)
    taken = engine.run(10_000, 1)
    assert engine.cascades() == 1
    assert engine.started() == taken - 4  # known with its fourth step


def test_trajectory_is_the_same_to_the_last_bit(engine):
    def trajectory():
        engine.begin(period=1000.0)
        loss, accuracy = engine.record(2000)
        curvature = np.array([engine.curvature(5) for _ in range(3)])
        arrays = loss, accuracy, engine.array("weights", size(100)), curvature
        return hashlib.sha256(b"".join(each.astype("<f8").tobytes() for each in arrays)).hexdigest()

    first = trajectory()
    assert trajectory() == first
    assert first == TRAJECTORY


def test_no_instruction_may_differ_between_machines():
    """It is valid without relaxed SIMD, whose results do, and without threads; and it asks nothing of its host."""
    strict = wasmtime.Config()
    strict.wasm_relaxed_simd = strict.wasm_threads = False
    module = wasmtime.Module.from_file(wasmtime.Engine(strict), str(WASM))
    assert not module.imports


def test_pieces_make_the_same_run(engine):
    """However often the page asks, the bits are those of one long call, with spectra and pictures in between."""
    engine.begin(50, 1, period=100.0, amplitude=20.0)
    whole = engine.record(300)[0]
    engine.reset(50, 1)
    pieces = []
    for count in (1, 99, 137, 63):
        pieces.append(engine.record(count)[0])
        engine.curvature(5)
        engine.draw(16, 1.15)
        engine.evaluate()
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_divergence_is_recorded_and_moves_nothing(engine):
    engine.begin(rate=1e308)
    loss, _ = engine.record(50)
    assert len(loss) < 50 and not np.isfinite(loss[-1]) and np.isfinite(loss[:-1]).all()
    before = engine.array("weights", size(100))
    assert engine.run(10, 0) == 0
    np.testing.assert_array_equal(engine.array("weights", size(100)), before)
    assert not np.isfinite(engine.curvature(5))
    engine.begin()
    assert np.isfinite(engine.record(10)[0]).all()


def test_picture_is_the_networks_answer(x64, engine):
    task = spiral.task(100, "float64", 0)
    engine.reset(100, 0)
    side, reach = 8, 1.15
    engine.draw(side, reach)
    middles = reach * ((2 * np.arange(side) + 1) / side - 1)
    plane = jnp.array([[x, y] for y in middles[::-1] for x in middles])
    likely = 255 * jax.nn.softmax(task.model.apply(task.start, plane))
    drawn = engine.bytes("picture", 3 * side**2).reshape(-1, 3)
    np.testing.assert_allclose(drawn, likely, atol=0.51)
