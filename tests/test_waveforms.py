"""Other shapes of Γ(t): what they share with the paper's, and where they differ."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

from dynloss import schedules, waveforms

KEY = jax.random.key(3)
ALL = {
    "triangle": waveforms.pulses("triangle", 6, 5, 3),
    "sine": waveforms.pulses("sine", 6, 5, 3),
    "square": waveforms.pulses("square", 6, 5, 3),
    "random order": waveforms.pulses("triangle", 6, 5, 3, key=KEY),
    "one at a time": waveforms.one_at_a_time(6, 3),
    "random": waveforms.without_period(waveforms.pulses("triangle", 6, 5, 3), 18, 1, KEY),
}


def over(schedule, steps):
    """Γ at many steps, compiled as one."""
    return np.asarray(jax.jit(partial(schedules.weights_over, schedule))(steps))


@pytest.mark.parametrize("name", ALL)
def test_weights_are_never_negative_and_sum_to_the_number_of_classes(name):
    table = over(ALL[name], jnp.arange(60))
    assert table.shape == (60, 3)
    assert table.min() >= 0
    np.testing.assert_allclose(table.sum(1), 3, rtol=1e-6)
    assert table.std() > 0.1


def test_triangles_are_the_papers():
    table = over(waveforms.pulses("triangle", 6, 5, 3), jnp.arange(40))
    np.testing.assert_allclose(table, reference.class_weights(40, 6, 5, 3), rtol=1e-5)


@pytest.mark.parametrize(("wave", "expected"), [("sine", 1 + 4 * np.sin(np.pi * np.arange(6) / 6) ** 2),
                                                ("square", np.full(6, 5.0))])  # fmt: skip
def test_waves(wave, expected):
    table = over(waveforms.pulses(wave, 6, 5, 3), jnp.arange(6))
    np.testing.assert_allclose(table[:, 0] / table[:, 1], expected, rtol=1e-5)


@pytest.mark.parametrize("wave", waveforms.WAVES)
def test_amplitude_1_is_the_static_loss(wave):
    table = over(waveforms.pulses(wave, 6, 1, 3), jnp.arange(20))
    np.testing.assert_array_equal(table, np.ones((20, 3)))


def test_one_at_a_time_is_the_limit_of_large_amplitudes():
    steps = jnp.arange(40)
    limit = over(waveforms.one_at_a_time(6, 3), steps)
    table = over(waveforms.pulses("triangle", 6, 1e6, 3), steps)
    np.testing.assert_allclose(limit, table, atol=1e-4)


def test_a_random_order_emphasises_every_class_once_a_cycle():
    table = over(ALL["random order"], 3 + 6 * jnp.arange(30))
    turns = table.argmax(1).reshape(10, 3)
    np.testing.assert_array_equal(np.sort(turns, axis=1), np.tile([0, 1, 2], (10, 1)))
    assert len({tuple(turn) for turn in turns}) > 1


@pytest.mark.parametrize("hold", [1, 6])
def test_without_a_period_the_same_weights_occur_as_often(hold):
    triangles = ALL["triangle"]
    table = over(waveforms.without_period(triangles, 18, hold, KEY), jnp.arange(6000))
    cycle = over(triangles, jnp.arange(18))
    distance = abs(table[:, None, :] - cycle[None]).max(2)
    assert distance.min(1).max() < 1e-6
    np.testing.assert_allclose(table.mean(0), cycle.mean(0), atol=0.15)
    assert np.all(table.reshape(-1, hold, 3) == table.reshape(-1, hold, 3)[:, :1])
    assert any((table[:18] != table[18 * i : 18 * (i + 1)]).any() for i in range(1, 5))


test_misuse = refused(
    waveforms.pulses,
    {"wave": "sine", "period": 5, "amplitude": 2, "num_classes": 3},
    ({"period": 0}, "period"),
    ({"amplitude": 0.5}, "amplitude"),
    ({"wave": "saw"}, "wave"),
)


@pytest.mark.parametrize("step", [1001, 65_536, 123_456_789])
def test_the_clock_is_exact_whatever_the_type(step):
    for gamma in (waveforms.pulses("sine", 100, 10, 3), waveforms.one_at_a_time(100, 3)):
        expected = gamma(step % 300, "float32")
        np.testing.assert_array_equal(gamma(step), expected)
        np.testing.assert_array_equal(gamma(step, "bfloat16"), expected.astype("bfloat16"))
        assert gamma(jnp.array([step, 3, 4, 5])).shape == (4, 3)
    ordered = waveforms.pulses("triangle", 100, 10, 3, key=jax.random.key(0))
    np.testing.assert_array_equal(ordered(step, "bfloat16"), ordered(step).astype("bfloat16"))


def test_schedules_of_ones_own_can_be_stopped_and_shuffled():
    own = lambda t: jnp.array([2.0, 1.0]) * waveforms.one_at_a_time(4, 2)(t)  # noqa: E731
    assert waveforms.stopped(own, 3)(1).tolist() == [4.0, 0.0] and waveforms.stopped(own, 3)(3).tolist() == [1.0, 1.0]
    assert waveforms.without_period(own, 8, 4, jax.random.key(0))(jnp.arange(5)).shape == (5, 2)
