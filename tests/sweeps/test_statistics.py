"""Means over seeds: against the plain formulas, and honest about what is missing."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from dynloss.sweeps import interval, summary


def values(array):
    array = np.asarray(array, dtype=float)
    return xr.DataArray(array, dims=("amplitude", "seed")[-array.ndim :])


def test_summary_is_the_plain_mean_and_students_interval():
    found, sample = summary(values([[0.1, 0.4, 0.7, 0.6]])), np.array([0.1, 0.4, 0.7, 0.6])
    assert found.mean.item() == pytest.approx(sample.mean())
    assert found.error.item() == pytest.approx(stats.sem(sample))
    low, high = stats.t.interval(0.95, 3, sample.mean(), stats.sem(sample))
    assert found.margin.item() == pytest.approx((high - low) / 2)
    assert found.number.item() == 4


def test_what_is_not_finite_is_left_out_and_counted():
    found = summary(values([[1.0, np.nan, 3.0, np.inf], [np.nan] * 4, [5.0, np.nan, np.nan, np.nan]]))
    np.testing.assert_array_equal(found.number, [2, 0, 1])
    np.testing.assert_array_equal(found.mean, [2.0, np.nan, 5.0])
    assert np.isfinite(found.margin).values.tolist() == [True, False, False]


def test_the_interval_covers_the_truth_as_often_as_it_says():
    draws = values(np.random.default_rng(0).normal(size=(4000, 5)))
    found = summary(draws, confidence=0.9)
    covered = float((abs(found.mean) < found.margin).mean())
    assert covered == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_a_confidence_outside_0_and_1_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        summary(values([1.0, 2.0]), confidence)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([0.5, 0.5, 0.5], "0.500 ± 0.000 (3 seeds)"),
        ([0.25], "0.250 (1 seed)"),
        ([np.nan], "–"),
        ([0.9, 0.91, 0.92], "0.910 ± 0.025 (3 seeds)"),
        ([100.0, 300.0], "200 ± 1271 (2 seeds)"),
    ],
)
def test_interval_in_words(given, text):
    assert interval(values(given)) == text


def test_a_signed_interval_shows_its_sign():
    assert interval(values([0.5, 0.7]), signed=True).startswith("+0.6")
    assert interval(values([-0.5, -0.7]), signed=True).startswith("-0.6")
