"""Reading trajectories, on series whose answer is known."""

import numpy as np
import pytest
from misuse import refused

from dynloss.dynamics import (
    Instability,
    alternation_breaks,
    curvature_at_marks,
    first_crossings,
    instabilities,
    instabilities_of_pairs,
    power_law,
    threshold,
)


def cascades(starts, length=40, size=1000, level=2.0):
    """A quiet curvature that alternates around a level, by ±0.2, for ``length`` steps from each start on."""
    curvature = np.full(size, level)
    for start in starts:
        curvature[start : start + length] = level + 0.2 * (-1.0) ** np.arange(length)
    return curvature


def test_each_cascade_with_its_marks():
    found = instabilities(range(1000), cascades([100, 500]), quiet=100)
    assert [(c.start, c.end) for c in found] == [(100, 140), (500, 540)]
    for cascade in found:
        # Midway across the jump: from 2 up to 2.2 at the start, from 1.8 back to 2 at the end.
        assert cascade.curvature_at_start == pytest.approx(2.1)
        assert cascade.curvature_at_end == pytest.approx(1.9)


def test_quiet_decides_what_is_one_cascade():
    curvature = cascades([100, 200], length=40)  # 59 steps without a jump between 140 and 200
    assert [(c.start, c.end) for c in instabilities(range(1000), curvature, quiet=60)] == [(100, 240)]
    assert len(instabilities(range(1000), curvature, quiet=59)) == 2


def test_the_mark_decides_what_is_a_jump():
    curvature = np.r_[np.zeros(10), 0.25 * np.ones(10)]
    assert [(c.start, c.end) for c in instabilities(range(20), curvature, jump=0.25)] == [(10, 10)]
    assert instabilities(range(20), curvature, jump=0.26) == []
    assert instabilities(range(20), -curvature, jump=0.25)[0].start == 10
    assert instabilities([0], [1.0]) == []


def test_steps_are_counted_as_given():
    found = instabilities(np.arange(0, 25_000, 25), cascades([100, 500]), quiet=500)
    assert [(c.start, c.end) for c in found] == [(2500, 3500), (12_500, 13_500)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_belongs_to_no_instability(value):
    curvature = cascades([100])
    curvature[700:] = value
    curvature[300] = value
    assert [(c.start, c.end) for c in instabilities(range(1000), curvature, quiet=100)] == [(100, 140)]


test_misuse = refused(
    instabilities,
    {"steps": range(5), "curvature": np.zeros(5)},
    ({"jump": 0}, "jump must be finite and greater than 0, got 0"),
    ({"jump": float("nan")}, "got nan"),
    ({"quiet": 0}, "quiet must be an integer, at least 1, got 0"),
    ({"steps": range(4)}, r"steps \(4,\) and curvature \(5,\)"),
    ({"steps": np.zeros((5, 1)), "curvature": np.zeros((5, 1))}, "one series"),
)


def test_threshold_is_the_mean_at_the_marks():
    result = threshold([Instability(1, 9, 1.8, 2.0), Instability(20, 30, 2.4, 2.2)])
    assert result.value == pytest.approx(2.1) and result.marks == 4
    assert result.standard_error == pytest.approx(np.std([1.8, 2.0, 2.4, 2.2], ddof=1) / 2)
    nothing = threshold([])
    assert np.isnan(nothing.value) and np.isnan(nothing.standard_error) and nothing.marks == 0


def test_first_crossings():
    steps = np.arange(0, 1000, 10)
    rising = np.stack([steps / 100, steps / 200, steps / 1000], axis=1)
    assert first_crossings(steps, rising, 2.0, (0, 1000)) == [210, 410, None]
    assert first_crossings(steps, rising, 2.0, (300, 400)) == [300, None, None]
    rising[25:] = np.nan
    assert first_crossings(steps, rising, 2.0, (0, 1000)) == [210, None, None]


def test_alternation_breaks_where_the_period_doubles():
    two = np.tile([1.0, 2.0], 100)
    four = np.tile([0.0, 3.0, 1.5, 2.0], 50)
    broken = alternation_breaks(range(400), np.r_[two, four], (0, 400))
    assert broken is not None and 192 <= broken <= 208
    assert alternation_breaks(range(200), two, (0, 200)) is None
    assert alternation_breaks(range(400), np.r_[two, four], (0, 150)) is None


def test_alternation_of_a_drifting_loss_holds():
    t = np.arange(200)
    drifting = 1 + 0.001 * t + 0.1 * (-1.0) ** t
    assert alternation_breaks(t, drifting, (0, 200)) is None
    drifting[90] += 0.5  # a single step does not count
    assert alternation_breaks(t, drifting, (0, 200)) is None


def test_alternation_of_too_short_a_window():
    assert alternation_breaks(range(50), np.random.RandomState(0).rand(50), (0, 8)) is None
    with pytest.raises(ValueError, match="fraction must be finite and greater than 0, got 0"):
        alternation_breaks(range(50), np.zeros(50), (0, 50), fraction=0)


def test_a_lone_kink_is_no_instability_where_jumps_must_last():
    series = cascades([500])
    series[100] += 0.5  # a sample crosses a kink for one step: two jumps, in and out
    assert [c.start for c in instabilities(range(1000), series, quiet=100)] == [100, 500]
    assert [(c.start, c.end) for c in instabilities(range(1000), series, quiet=100, lasting=3)] == [(500, 540)]
    # It does not move the start of a cascade that follows closely either.
    series[470] += 0.5
    assert instabilities(range(1000), series, quiet=100, lasting=3)[0].start == 500
    # The cascade has 41 jumps in a row.
    assert instabilities(range(1000), series, quiet=100, lasting=41)[0].start == 500
    assert instabilities(range(1000), series, quiet=100, lasting=42) == []


def test_pairs_at_every_step_are_the_whole_series():
    series = cascades([100, 500])
    series[700] = np.nan
    whole = instabilities(range(1000), series, quiet=100, lasting=2)
    assert instabilities_of_pairs(range(1, 1000), series[:-1], series[1:], quiet=100, lasting=2) == whole


def test_pairs_at_a_cadence_find_the_same_cascades():
    series = cascades([100, 500])
    at = np.arange(0, 999, 7)
    found = instabilities_of_pairs(at, series[at], series[at + 1], quiet=100, lasting=2)
    # From inside: the first pair that jumps is at most a cadence late, the last at most a cadence early.
    for cascade, start, end in zip(found, (99, 499), (139, 539), strict=True):
        assert 0 <= cascade.start - start < 7 and 0 <= end - cascade.end < 7
    # The last pair of the second cascade is its last jump, from 1.8 back to 2.
    assert curvature_at_marks(found) == pytest.approx([2.0, 2.0, 2.0, 1.9])
    assert curvature_at_marks([]).shape == (0,)


test_misuse_of_pairs = refused(
    instabilities_of_pairs,
    {"steps": range(5), "before": np.zeros(5), "after": np.zeros(5)},
    ({"lasting": 0}, "lasting must be an integer, at least 1, got 0"),
    ({"jump": -1}, "jump must be finite and greater than 0, got -1"),
    ({"after": np.zeros(4)}, r"before \(5,\) and after \(4,\)"),
)


@pytest.mark.parametrize(("exponent", "prefactor"), [(-0.9, 2.0), (0.0, 3.0), (1.5, 1e-3)])
def test_an_exact_power_law(exponent, prefactor):
    x = np.array([0.2, 0.5, 0.5, 1.0, 2.0])
    law = power_law(x, prefactor * x**exponent)
    assert law.exponent == pytest.approx(exponent, abs=1e-12)
    assert law.prefactor == pytest.approx(prefactor)
    assert law.low == pytest.approx(exponent, abs=1e-6) and law.high == pytest.approx(exponent, abs=1e-6)
    assert law.points == 5
    np.testing.assert_allclose(law.at([0.1, 4.0]), prefactor * np.array([0.1, 4.0]) ** exponent)


def test_the_interval_is_that_of_linear_regression():
    from scipy.stats import linregress, t

    random = np.random.RandomState(0)
    x = np.geomspace(0.2, 2, 7)
    y = 2 / x * np.exp(0.1 * random.randn(7))
    law, line = power_law(x, y, confidence=0.9), linregress(np.log(x), np.log(y))
    assert law.exponent == pytest.approx(line.slope) and np.log(law.prefactor) == pytest.approx(line.intercept)
    assert law.high - law.exponent == pytest.approx(t.ppf(0.95, 5) * line.stderr)
    assert law.exponent - law.low == pytest.approx(t.ppf(0.95, 5) * line.stderr)


def test_points_without_a_threshold_are_left_out():
    x, y = np.array([0.5, 1.0, 1.5, 2.0]), np.array([4.0, 2.0, np.nan, 1.0])
    law = power_law(x, y)
    assert law.points == 3 and law.exponent == pytest.approx(-1)


test_misuse_of_the_power_law = refused(
    power_law,
    {"x": [1, 2, 3], "y": [1, 2, 3]},
    ({"x": [1, 2], "y": [1, 2]}, "at least 3 points and 2 values of x, got 2"),
    ({"y": [1, 2, np.nan]}, "at least 3 points"),
    ({"x": [2, 2, 2]}, "2 values of x"),
    ({"y": [1, -2, 3]}, "y must be finite and greater than 0"),
    ({"x": [0, 2, 3]}, "x must be finite and greater than 0"),
    ({"x": [1, 2, np.nan]}, "x must be finite"),
    ({"y": [1, 2, np.inf]}, "y must be finite"),
    ({"y": [1, 2]}, r"x \(3,\) and y \(2,\)"),
    ({"confidence": 1}, "confidence must be below 1, got 1"),
    ({"confidence": 0}, "confidence must be finite and greater than 0, got 0"),
)
