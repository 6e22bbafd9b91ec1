"""Means over seeds: against the plain formulas, and honest about what is missing."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from dynloss_book.engine.sweeps import best_point, interval, paired, simultaneous, summary
from dynloss_book.engine.sweeps.statistics import SHARE


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
        ([0.5, 0.5, 0.5], "0.500 (3 seeds, all the same)"),
        ([0.25], "0.250 (1 seed)"),
        ([np.nan], "–"),
        ([0.9, 0.91, 0.92], "0.910 ± 0.025 (3 seeds)"),
        ([100.0, 300.0], "100 and 300 (2 seeds)"),
        ([4210.0, 4220.858, 4231.0], "4221 ± 26 (3 seeds)"),
        ([0.0, 1000.0, 3000.0], "1300 ± 3800 (3 seeds)"),
        ([4220.858], "4220 (1 seed)"),
    ],
)
def test_interval_in_words(given, text):
    assert interval(values(given)) == text


def test_a_signed_interval_shows_its_sign():
    assert interval(values([0.5, 0.6, 0.7]), signed=True).startswith("+0.6")
    assert interval(values([-0.5, -0.6, -0.7]), signed=True).startswith("−0.6")
    assert interval(values([-0.5, 0.25]), signed=True) == "−0.500 and +0.250 (2 seeds)"


def test_an_accuracy_stays_within_its_bounds():
    assert interval(values([0.8, 0.9, 1.0]), bounds=SHARE) == "0.90 (0.65 … 1.00) (3 seeds)"
    assert interval(values([0.89, 0.9, 0.91]), bounds=SHARE) == "0.900 ± 0.025 (3 seeds)"


def test_pairs_are_of_the_same_seed():
    first = xr.DataArray([1.0, 2.0, np.nan], {"seed": [0, 1, 2]})
    second = xr.DataArray([0.5, 1.0, 7.0], {"seed": [1, 2, 3]})
    difference = paired(first, second)
    assert difference.seed.values.tolist() == [1, 2]
    np.testing.assert_array_equal(difference, [1.5, np.nan])


def test_pairing_removes_what_the_seeds_share():
    random = np.random.default_rng(1)
    shared = random.normal(size=20)
    static, dynamical = values(shared), values(shared + 0.1 + 0.01 * random.normal(size=20))
    assert summary(paired(dynamical, static)).margin < 0.02 < summary(dynamical).margin


def test_of_a_family_without_effects_hardly_any_shows_one():
    """Families of 40 points and 6 seeds: how often any of them is told from zero, alone and together."""
    families = xr.DataArray(np.random.default_rng(2).normal(size=(2000, 40, 6)), dims=("family", "amplitude", "seed"))
    alone, together = summary(families), summary(families, confidence=1 - 0.05 / 40)
    np.testing.assert_array_equal(simultaneous(families[0]).margin, together.margin[0])
    shown = [float((abs(found.mean) > found.margin).any("amplitude").mean()) for found in (alone, together)]
    assert shown[0] > 0.8
    assert shown[1] == pytest.approx(0.05, abs=0.015)


def test_a_family_counts_points_that_can_be_judged():
    family = values([[1.0, 2.0, 3.0], [5.0, np.nan, np.nan], [1.0, 1.5, np.nan]])
    wide, plain = simultaneous(family), summary(family, confidence=1 - 0.05 / 2)
    xr.testing.assert_equal(wide.margin, plain.margin)


def test_choosing_by_luck_gains_nothing():
    """Points without any effect: the best one seems to gain, and on seeds that did not choose it gains nothing."""
    random = np.random.default_rng(3)
    naive, honest = [], []
    for _ in range(300):
        family = values(random.normal(size=(30, 8)))
        naive.append(float(family.mean("seed").max()))
        honest.append(best_point(family).values)
    found = summary(values(honest))
    assert np.mean(naive) > 0.6
    assert abs(float(found.mean.mean())) < 0.1
    assert float((abs(found.mean) < found.margin).mean()) == pytest.approx(0.95, abs=0.04)


def test_the_best_point_is_found_where_there_is_one():
    random, means = np.random.default_rng(4), np.array([0.0, 0.2, 3.0])
    found = summary(
        values([best_point(values(means[:, None] + random.normal(size=(3, 8)))).values for _ in range(300)])
    )
    assert float((abs(found.mean - 3.0) < found.margin).mean()) == pytest.approx(0.95, abs=0.04)


def test_the_judging_seeds_are_the_others_and_know_their_point():
    family = xr.DataArray(
        [[5.0, 0.0, 5.0, 1.0], [1.0, 9.0, 1.0, 9.0], [np.nan] * 4],
        {"amplitude": [1.0, 2.0, 3.0], "seed": [0, 1, 2, 3]},
        ("amplitude", "seed"),
    )
    best = best_point(family)
    assert (best.seed.values.tolist(), best.values.tolist(), float(best.amplitude)) == ([1, 3], [0.0, 1.0], 1.0)
    assert interval(best_point(family.isel(seed=[0]))) == "–"
