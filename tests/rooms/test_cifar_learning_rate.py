"""The answer of cifar_learning_rate with made-up accuracies."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.cifar_learning_rate import claims, figure
from dynloss_book.engine.findings import Verdict

# Validation accuracy at the end by (peak rate, amplitude), of three seeds.
BROKEN = {(0.01, 1): [0.79, 0.80, 0.79], (0.01, 50): [0.80, 0.81, 0.80],
          (0.02, 1): [0.74, 0.78, np.nan], (0.02, 50): [0.80, 0.81, 0.80]}  # fmt: skip


def made_up(ends, best=0.0):
    """Curves over three epochs whose second is higher than the end by ``best``."""
    rates, amplitudes = (sorted({key[place] for key in ends}) for place in (0, 1))
    last = np.array([[ends[rate, amplitude] for amplitude in amplitudes] for rate in rates], float)
    curves = np.stack([np.full_like(last, 0.1), last + best, last], axis=-1)
    dims = ("peak_rate", "amplitude", "seed", "epoch")
    coordinates = {"peak_rate": rates, "amplitude": amplitudes, "epoch": [0, 1, 2]}
    done = dims[:-1], np.isfinite(last)
    return xr.Dataset({"validation_accuracy": (dims, curves), "done": done}, coordinates)


def test_the_gain_is_measured_where_the_static_loss_is_at_its_best():
    both = made_up(BROKEN)
    assert claims.best_rates(both) == [0.01, 0.01]
    np.testing.assert_allclose(claims.at_their_best(both), 0.01, atol=1e-12)


def test_a_rate_with_fewer_seeds_is_not_chosen():
    lucky = BROKEN | {(0.02, 1): [0.9, np.nan, np.nan], (0.02, 50): [0.9, np.nan, np.nan]}
    assert claims.best_rates(made_up(lucky)) == [0.01, 0.01]


def beside(static, oscillating):
    """Ends of three rates, of which the middle one is best for both losses."""
    return {(rate, amplitude): np.array(ends) - 0.1 * (rate != 0.01)
            for rate in (0.005, 0.01, 0.02) for amplitude, ends in ((1, static), (50, oscillating))}  # fmt: skip


@pytest.mark.parametrize(
    ("gain", "word"),
    [([0.005, 0.006, 0.007], "A small part"), ([-0.005, -0.006, -0.007], "No"), ([0.03, -0.03, 0.0], "Inconclusive")],
)
def test_the_answer_follows_the_interval(gain, word):
    ends = beside([0.79] * 3, 0.79 + np.array(gain))
    assert claims.judge(made_up(ends), "a scale", {}).plain.startswith(word)


@pytest.mark.parametrize(
    ("gain", "word"), [(0.006, "A small part of the gain remains"), (0.06, "Most of the gain remains")]
)
def test_a_gain_is_called_little_where_it_is(gain, word):
    ends = beside([0.7] * 3, 0.7 + gain + np.array([0.001, -0.001, 0.0]))
    assert claims.judge(made_up(ends), "a scale", {}).plain.startswith(word)


@pytest.mark.parametrize("gain", [0.006, -0.006])
def test_a_rate_that_no_others_enclose_decides_nothing(gain):
    ends = beside([0.79] * 3, 0.79 + gain + np.array([0.001, -0.001, 0.0]))
    judged = claims.judge(made_up(ends), "", {}).claims[0]
    assert judged.verdict == (Verdict.REPRODUCED if gain > 0 else Verdict.NOT_REPRODUCED)
    one = {place: values for place, values in ends.items() if place[0] == 0.01}
    higher = {place: values for place, values in ends.items() if place[0] > 0.005}
    fewer = ends | {(0.02, 1): [0.9, np.nan, np.nan]}  # no network to compare with two of three
    better_beyond = ends | {(0.02, 50): [0.95, 0.96, 0.95]}  # for one of the two losses
    for each in (one, higher, fewer, better_beyond):
        found = claims.judge(made_up(each), "", {})
        assert found.claims[0].verdict == Verdict.UNDECIDED and "too few learning rates" in found.plain


def test_a_rate_at_which_a_network_diverges_is_no_better_one():
    both = made_up(beside([0.79] * 3, [0.80, 0.81, 0.80]) | {(0.02, 1): [0.9, 0.9, np.nan]})
    both["done"] = both.done | (both.peak_rate == 0.02)  # it was computed
    assert claims.best_rates(both) == [0.01, 0.01] and claims.enclosed(both)


def test_networks_that_have_not_learned_answer_nothing():
    assert "too small" in claims.judge(made_up({(0.01, 1): [0.1] * 3, (0.01, 50): [0.12] * 3}), "", {}).plain
    assert claims.judge(made_up({(0.01, 1): [np.nan], (0.01, 50): [0.8]}), "", {}).plain == "Not computed yet."


def test_the_table_counts_networks_that_fell_from_their_best():
    rows = claims.table(made_up(BROKEN, best=0.02))
    assert [list(row.values())[2] for row in rows] == ["3 of 3", "2 of 2", "–"]
    assert [list(row.values())[2] for row in claims.table(made_up(BROKEN, best=0.005))][:2] == ["0 of 3", "0 of 2"]


def test_the_picture_has_a_panel_for_each_rate_and_one_for_the_ends():
    drawn = figure.plot(made_up(BROKEN), 1.0, 2.0)
    assert [ax.get_title("left") for ax in drawn.axes] == ["peak rate 0.01", "peak rate 0.02", "after training"]
