"""Reading trajectories, on series whose answer is known."""

import numpy as np
import pytest

from dynloss.dynamics import Instability, alternation_breaks, first_crossings, instabilities, threshold


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"jump": 0}, "jump must be finite and greater than 0, got 0"),
        ({"jump": float("nan")}, "got nan"),
        ({"quiet": 0}, "quiet must be a whole number, at least 1, got 0"),
        ({"steps": range(4)}, r"steps \(4,\) and curvature \(5,\)"),
        ({"steps": np.zeros((5, 1)), "curvature": np.zeros((5, 1))}, "one series"),
    ],
)
def test_misuse(arguments, said):
    with pytest.raises(ValueError, match=said):
        instabilities(**{"steps": range(5), "curvature": np.zeros(5)} | arguments)


def test_threshold_is_the_mean_at_the_marks():
    result = threshold([Instability(1, 9, 1.8, 2.0), Instability(20, 30, 2.4, 2.2)])
    assert result.value == pytest.approx(2.1) and result.marks == 4
    assert result.standard_error == pytest.approx(np.std([1.8, 2.0, 2.4, 2.2], ddof=1) / 2)
    nothing = threshold([])
    assert np.isnan(nothing.value) and np.isnan(nothing.standard_error) and nothing.marks == 0


def test_a_bounce_between_two_walls_has_its_threshold_at_the_middle():
    # Gradient descent on a valley whose walls differ: the marks see both branches, the mean is between them.
    series = cascades([100, 300, 500], length=41, level=3.0)
    assert threshold(instabilities(range(1000), series, quiet=100)).value == pytest.approx(3.1)
    even = cascades([100, 300, 500], length=40, level=3.0)
    assert threshold(instabilities(range(1000), even, quiet=100)).value == pytest.approx(3.0)


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
