"""Γ(t): closed forms, the two interpretations, exactness at the boundaries, tracing, and misuse."""

from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

from dynloss import schedules
from dynloss.schedules import last_period, oscillating, static, weights_over


@partial(jax.jit, static_argnames=("num_classes", "interpretation"))
def over(steps, period, amplitude, num_classes=3, stop=None, interpretation="text"):
    """Γ at many steps, with every parameter traced."""
    return weights_over(oscillating(period, amplitude, num_classes, stop=stop, interpretation=interpretation), steps)


@pytest.mark.parametrize(("num_classes", "amplitude", "period"), [(2, 3.0, 4), (3, 70.0, 100), (10, 5.5, 40)])
def test_closed_forms(x64, num_classes, amplitude, period):
    quarters = jnp.arange(4 * num_classes + 1) * (period // 4)
    weights = np.asarray(over(quarters, float(period), amplitude, num_classes))
    for quarter, row in enumerate(weights):
        emphasised = (quarter // 4) % num_classes
        height = [1, (1 + amplitude) / 2, amplitude, (1 + amplitude) / 2][quarter % 4]
        expected = np.full(num_classes, num_classes / (num_classes - 1 + height))
        expected[emphasised] *= height
        np.testing.assert_allclose(row, expected, rtol=1e-14)
    # The wave starts anew for the next class, and the cycle after the last.
    np.testing.assert_array_equal(weights[::4], 1.0)
    assert weights[2::4].argmax(axis=1).tolist() == list(range(num_classes))


@pytest.mark.parametrize("interpretation", ["text", "code"])
@pytest.mark.parametrize(
    ("period", "amplitude", "num_classes", "stop"), [(20, 10.0, 3, 170), (7, 3.5, 4, 55), (1, 9.0, 2, 30)]
)
def test_equals_the_reference(x64, interpretation, period, amplitude, num_classes, stop):
    weights = over(jnp.arange(200), float(period), amplitude, num_classes, float(stop), interpretation)
    expected = reference.class_weights(200, period, amplitude, num_classes, stop, interpretation)
    np.testing.assert_allclose(weights, expected, rtol=1e-13)
    np.testing.assert_array_equal(weights[stop:], 1.0)
    np.testing.assert_allclose(weights.sum(axis=1), num_classes)
    assert (weights > 0).all()
    assert period == 1 or (np.asarray(weights[stop - 3 : stop]) != 1).any()


@pytest.mark.parametrize("period", [3.0, 333.0, 1000.0, 5000.0])
def test_float32_is_exact_at_the_boundaries_of_late_periods(period):
    last = int(2**24 / period) - 1
    turns = np.arange(last - 1000, last)
    at_boundary = over(jnp.asarray(turns * int(period)), period, 70.0)
    assert at_boundary.dtype == jnp.float32
    np.testing.assert_array_equal(at_boundary, 1.0)
    in_the_middle = over(jnp.asarray(turns * int(period) + max(1, int(period // 2))), period, 70.0)
    np.testing.assert_array_equal(np.asarray(in_the_middle).argmax(axis=1), turns % 3)
    just_before = over(jnp.asarray(turns * int(period) - 1), period, 70.0)
    np.testing.assert_array_equal(np.asarray(just_before).argmax(axis=1), (turns - 1) % 3)


@pytest.mark.parametrize("period", [1.1, 12.3, 777.7])
def test_a_fractional_period_keeps_time(period):
    steps = np.random.RandomState(0).randint(0, 1_000_000, 300)
    weights = np.asarray(over(jnp.asarray(steps), period, 70.0))
    exact = Fraction(float(np.float32(period)))
    for step, row in zip(steps.tolist(), weights, strict=True):
        turn, phase = divmod(Fraction(step), exact)
        height = float(1 + 69 * (1 - abs(2 * phase / exact - 1)))
        expected = np.ones(3)
        expected[turn % 3] = height
        np.testing.assert_allclose(row, 3 * expected / expected.sum(), rtol=3e-5)


def test_vmap_over_period_and_amplitude_equals_each_alone():
    steps, periods, amplitudes = jnp.arange(60), jnp.array([5.0, 8.0, 13.5]), jnp.array([1.0, 10.0, 70.0])
    together = jax.jit(jax.vmap(over, (None, 0, 0)))(steps, periods, amplitudes)
    for i in range(3):
        np.testing.assert_allclose(together[i], over(steps, periods[i], amplitudes[i]), rtol=1e-6)
    np.testing.assert_array_equal(together[0], 1.0)


def test_differentiable_in_the_amplitude(x64):
    slope = jax.grad(lambda a: oscillating(8, a, 3)(4)[0])(5.0)
    assert float(slope) == pytest.approx(6 / (5 + 2) ** 2, rel=1e-12)  # of 3A / (A + 2)


def test_traced_nonsense_comes_back_as_nan():
    assert np.isnan(over(jnp.array([3]), jnp.nan, 5.0)).all()
    assert np.isnan(over(jnp.array([3]), 0.0, 5.0)).all()


@pytest.mark.parametrize("num_classes", [1, 3, 10, 41, 47, 49, 100])
def test_without_oscillations_every_weight_is_exactly_one(x64, num_classes):
    unweighted, stopped = oscillating(50, 1, num_classes), oscillating(50, 70, num_classes, stop=10)
    for dtype in (jnp.float32, jnp.float64):
        for schedule in (unweighted, stopped, static(num_classes)):
            weights = schedule(20, dtype)
            assert weights.dtype == dtype
            np.testing.assert_array_equal(weights, 1.0)


test_misuse_names_the_value = refused(
    oscillating,
    {"period": 100, "amplitude": 10, "num_classes": 3},
    ({"period": 0}, "period must be finite and at least 1, got 0"),
    ({"amplitude": 0.5}, "amplitude must be finite and at least 1, got 0.5"),
    ({"amplitude": float("nan")}, "amplitude must be finite and at least 1, got nan"),
    ({"num_classes": 0}, "num_classes must be an integer, at least 1, got 0"),
    ({"stop": -1}, "stop must be finite and at least 0, got -1"),
)


@pytest.mark.parametrize(("steps", "period"), [(70_000, 5000), (1000, 60), (305, 100), (50, 100), (100, 100)])
def test_last_period(steps, period):
    assert last_period(steps, period) == max(steps - period, 0)
    # The authors set A := 1 where their clock resets, once step > total - T.
    clock, stop = 0, None
    for step in range(steps + period + 2):
        if clock > period:
            clock = 0
        if clock == 0 and step > steps - period:
            stop = step
            break
        clock += 1
    assert last_period(steps, period, interpretation="code") == stop
    traced = jax.jit(lambda steps, period: last_period(steps, period, interpretation="code"))
    assert int(traced(steps, period)) == stop


# The clock


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("interpretation", ["text", "code"])
@pytest.mark.parametrize("step", [1001, 65_536, 2**24 + 1, 123_456_789, 2**31 - 1])
def test_the_clock_is_exact_below_two_to_the_31(step, dtype, interpretation):
    gamma = schedules.oscillating(100, 10, 3, interpretation=interpretation)
    cycle = 3 * (100 if interpretation == "text" else 101)
    expected = gamma(step % cycle, "float32").astype(dtype)
    assert gamma(step, dtype).dtype == dtype
    np.testing.assert_array_equal(gamma(step, dtype), expected)
    np.testing.assert_array_equal(jax.jit(lambda t: gamma(t, dtype))(jnp.asarray(step)), expected)
    traced = jax.jit(lambda t, T: schedules.oscillating(T, 10, 3, interpretation=interpretation)(t, dtype))
    np.testing.assert_array_equal(traced(jnp.asarray(step), 100.0), expected)
    stopped = schedules.oscillating(100, 10, 3, stop=step, interpretation=interpretation)
    np.testing.assert_array_equal(stopped(step), np.ones(3))
    np.testing.assert_array_equal(stopped(step - 1), gamma(step - 1))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0,)])
def test_weights_at_arrays_of_steps(shape):
    """An array of C steps was taken for classes, and others raised an error."""
    steps = np.arange(np.prod(shape)).reshape(shape).astype("uint8") * 7
    for gamma in (schedules.oscillating(10, 4, 3), schedules.static(3)):
        found = gamma(jnp.asarray(steps))
        assert found.shape == (*shape, 3)
        for place, step in np.ndenumerate(steps):
            np.testing.assert_array_equal(found[place], gamma(int(step)))


def test_a_schedule_of_ones_own_takes_a_step_alone():
    balance = jnp.array([2.0, 0.5, 0.5])
    own = lambda t: balance * schedules.oscillating(5, 10, 3)(t)  # noqa: E731
    found = schedules.weights_at(own, 7, "bfloat16")
    assert found.dtype == "bfloat16"
    np.testing.assert_array_equal(found, own(7).astype("bfloat16"))


def test_epochs_and_shares_of_a_run_are_no_steps():
    with pytest.warns(UserWarning, match="period=1 is in minimisation steps, not in epochs"):
        oscillating(1, 10, 3)
    with pytest.raises(ValueError, match=r"stop is a minimisation step, not a share of the run: stop=0.9"):
        oscillating(100, 10, 3, stop=0.9)
