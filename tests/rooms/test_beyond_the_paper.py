"""Beyond the paper: what shapes, losses and optimisers bring, on made-up sweeps."""

import numpy as np
import xarray as xr

from dynloss_book.beyond_the_paper import claims as beyond_claims
from dynloss_book.engine.findings import Kind, Verdict


def by_waveform(held):
    means = {"static": 0.5, "triangle": 0.9, "random, held": held, "random, each step": 0.7}
    dims, at, wobble = ("period", "seed"), {"period": [30.0, 100.0]}, 0.01 * np.array([-1, 1, -1, 1])
    return {
        name: xr.DataArray(np.tile(mean + wobble * (1 if name != "triangle" else -1), (2, 1)), dims=dims, coords=at)
        for name, mean in means.items()
    }


def test_beyond_the_paper():
    accuracies = {"static": [0.8, 0.82], "dynamical": [0.9, 0.91]}
    ways = {"Adam": {name: xr.DataArray(values, dims="seed") for name, values in accuracies.items()}}
    found = beyond_claims.judge(by_waveform(0.9), ways, "4 seeds").summary
    assert found.count("(not significant)") == 2  # held, in the mean and at the best period
    assert "+0.400" in found and "−0.200" in found and " gains" not in found
    assert found.endswith("remains in 1 of 1 combinations of loss and optimiser (Adam).")
    ends = (("static", [0.8, 0.82]), ("dynamical", [0.8, 0.92]))
    alike = {"Adam": {name: xr.DataArray(values, dims="seed") for name, values in ends}}
    assert "remains in 0 of 1 combinations" in beyond_claims.judge(by_waveform(0.9), alike, "4 seeds").summary
    claims = beyond_claims.judge(by_waveform(0.9), alike, "4 seeds").claims
    assert [claim.verdict for claim in claims] == [Verdict.NOT_REPRODUCED, Verdict.UNDECIDED]
    better = beyond_claims.judge(by_waveform(0.99), ways, "4 seeds").claims[0]
    assert (better.verdict, better.here) == (Verdict.REPRODUCED, "yes: random, held")
    assert {claim.kind for claim in claims} == {Kind.QUESTION}
    higher = beyond_claims.judge(by_waveform(0.99), ways, "4 seeds").summary
    assert "(not significant)" not in higher and "+0.090" in higher
    short = by_waveform(0.99)
    short["random, held"] = short["random, held"] - 0.2 * (short["random, held"].period > 50)  # only at short periods
    short["triangle"] = short["triangle"] + 0.01 * (short["triangle"].period > 50)
    partly = beyond_claims.judge(short, ways, "4 seeds")
    plain = beyond_claims.judge(by_waveform(0.99), ways, "4 seeds").plain
    assert "in the mean over the periods other weights gain more. " in plain
    assert "T = 100, held weights gain −0.1" in partly.record()["summary"]


def test_a_rate_is_chosen_by_other_networks_than_those_that_are_compared():
    accuracy = np.full((2, 2, 5), 0.5)
    accuracy[1, :, :2] = 0.9  # lucky while it is searched for
    accuracy[1, 1, 2:] = 0.7
    accuracy[0, 0, 3] = np.nan  # diverged
    sweep = rates_and_amplitudes(accuracy)
    chosen, rates = beyond_claims.choose(sweep, searched=2)
    assert rates == {"static": 1.0, "dynamical": 1.0}
    np.testing.assert_allclose(chosen["static"], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(chosen["dynamical"], [0.7, 0.7, 0.7])
    (row,) = beyond_claims.ways_table({"Adam": chosen}, {"Adam": rates}, {"Adam": beyond_claims.diverged(sweep)})
    assert row["gain"].startswith("+0.2") and row["diverged, at all rates"] == "1 of 20"


def rates_and_amplitudes(accuracy, done=True):
    """A sweep over two of each; NaN has diverged where it is done, and is not computed yet elsewhere."""
    dims, done = ("learning_rate", "amplitude", "seed"), np.broadcast_to(done, accuracy.shape)
    return xr.Dataset(
        {"validation_accuracy": (dims, accuracy), "done": (dims, done), "diverged": (dims, np.isnan(accuracy) & done)},
        coords={"learning_rate": [0.1, 1.0], "amplitude": [1.0, 10.0]},
    )


def test_a_network_that_diverged_guesses_and_one_that_is_not_computed_does_not_count():
    accuracy, done = np.full((2, 2, 4), 0.2), np.full((2, 2, 4), True)
    accuracy[1] = np.nan  # diverged: better than the others, which are worse than chance
    accuracy[1, 0, 2:], done[1, 0, 2:] = np.nan, False
    sweep = rates_and_amplitudes(accuracy, done)
    chosen, rates = beyond_claims.choose(sweep, searched=2)
    assert rates == {"static": 1.0, "dynamical": 1.0}
    np.testing.assert_allclose(chosen["dynamical"], 1 / 3)
    assert chosen["static"].isnull().all()
    assert beyond_claims.diverged(sweep) == "6 of 14"


def test_a_rate_without_a_network_is_not_chosen():
    accuracy, done = np.full((2, 2, 4), 0.2), np.full((2, 2, 4), True)
    accuracy[1, 1], done[1, 1] = np.nan, False
    accuracy[:, 0], done[:, 0] = np.nan, False
    _, rates = beyond_claims.choose(rates_and_amplitudes(accuracy, done), searched=2)
    assert rates == {"static": 0.1, "dynamical": 0.1}
