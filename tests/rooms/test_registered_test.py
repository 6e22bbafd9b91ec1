"""The registered test: its claims with made-up results, its search, and the networks that it trains."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine.findings import Verdict
from dynloss_book.engine.sweeps.statistics import simultaneous
from dynloss_book.engine.sweeps.store import NothingYet
from dynloss_book.registered_test import claims, experiment

SEARCH = [list(trial.values()) for trial in experiment.settings(2, 20)]


def gains(clean: float, noisy: float, unequal: float, spread: float = 0.002, seeds: int = 20) -> xr.DataArray:
    noise = spread * np.random.RandomState(1).normal(size=(3, 2, seeds))
    values = np.array([clean, noisy, unequal])[:, None, None] + noise
    return xr.DataArray(values, {"task": list(experiment.TASKS), "width": [3, 12]}, ("task", "width", "seed"))


@pytest.mark.parametrize(
    ("made_up", "verdicts"),
    [
        (gains(0.03, 0, 0.005), [Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.NOT_REPRODUCED]),
        (gains(0.03, 0, 0, spread=0.5), [Verdict.UNDECIDED] * 3),
        (gains(0.03, 0, 0, seeds=1), [Verdict.ONE_RUN] * 3),
        (gains(np.nan, np.nan, np.nan), [Verdict.NOT_COMPUTED] * 3),
    ],
)
def test_a_gain_has_to_be_large_and_certain(made_up, verdicts):
    assert [claim.verdict for claim in claims.judge(made_up, "").claims[:3]] == verdicts


def test_the_largest_network_is_asked_for_by_itself_with_intervals_for_all():
    made_up = gains(0, 0.006, 0, spread=0.01)
    found = claims.judge(made_up, "")
    assert [claim.verdict for claim in found.claims[3:]] == [Verdict.UNDECIDED, Verdict.NOT_REPRODUCED]
    alone, together = (float(each.margin[0, -1]) for each in map(simultaneous, (made_up[:1, 1:], made_up)))
    assert f"± {together:.3f}" in found.claims[4].here and f"{together:.3f}" != f"{alone:.3f}"
    assert found.plain.endswith("0 lose, and such a gain is excluded in 4.")
    small = claims.judge(gains(0.005, 0, 0, spread=0.001), "")  # certain, and too small to matter
    assert "none of 6 conditions shows a significant gain of a hundredth" in small.plain
    assert claims.judge(gains(0, 0, 0), "").plain.endswith("such a gain is excluded in 6.")


@pytest.mark.parametrize(
    ("made_up", "outcomes"),
    [
        (gains(0, 0, 0).where(lambda each: each.width > 3, 0.02), ("held", "held", "failed")),
        (gains(0.03, 0, 0).where(lambda each: each.width > 3, 0), ("failed", "failed", "held")),
        (gains(0, 0.006, 0, spread=0.01), ("inconclusive", "held", "inconclusive")),
        (gains(0, 0, np.nan), ("not computed", "held", "not computed")),
    ],
)
def test_each_hypothesis_has_an_outcome(made_up, outcomes):
    said = claims.judge(made_up, "").summary
    for number, outcome in enumerate(outcomes, 1):
        assert said.partition(f"({number})")[2].split(";")[0].rstrip(".").endswith(f": {outcome}")


def test_a_task_that_is_not_computed_leaves_the_others_as_they_are():
    found = claims.judge(gains(0.03, np.nan, 0), "")
    assert [claim.verdict for claim in found.claims[:3]] == [
        Verdict.REPRODUCED, Verdict.NOT_COMPUTED, Verdict.NOT_REPRODUCED,
    ]  # fmt: skip
    assert "clean labels" in found.plain


def test_a_trial_does_not_depend_on_their_number():
    assert experiment.settings(3, 400)[1] == experiment.settings(2, 400)[1]
    drawn = experiment.settings(200, 400)
    assert {trial["balanced"] for trial in drawn} == {0, 1} and all(40 <= trial["stop"] <= 400 for trial in drawn)
    assert all(0.01 <= trial["learning_rate"] <= 0.5 and 2 <= trial["amplitude"] <= 100 for trial in drawn)


def test_the_best_trial_is_chosen_for_each_task_and_loss():
    values = np.full((3, 4, 2, 2), 0.5)
    values[0, 3, 0], values[0, 1, 1], values[2, 2, 1] = 0.9, 0.8, np.nan
    values[2, 0, 1] = 0.6
    axes = {"task": [0, 1, 2], "trial": [0, 1, 2, 3], "oscillating": [0, 1], "seed": [0, 1]}
    tuning = xr.Dataset({"validation_accuracy": (tuple(axes), values)}, axes)
    assert experiment.best(tuning.assign(done=xr.ones_like(tuning.validation_accuracy, bool))) == [
        [3, 1],
        [0, 0],
        [0, 0],
    ]
    with pytest.raises(NothingYet, match="0 of 48"):
        experiment.best(tuning.assign(done=xr.zeros_like(tuning.validation_accuracy, bool)))


def test_the_static_loss_knows_no_period_and_no_amplitude():
    def test_accuracy(oscillating, period, amplitude):
        search = [[*SEARCH[0][:5], period, amplitude]]
        picks = [[9, 9], [0, 0], [9, 9]]
        found = experiment.tested(1.0, oscillating, 0, picks=picks, width=3, search=search, steps=20)
        return float(found["test_accuracy"])

    assert test_accuracy(0, 10, 5) == test_accuracy(0, 50, 90) > 0.1
    assert test_accuracy(1, 10, 5) != test_accuracy(1, 50, 90)
