"""The chapter on the cascades, and beyond the paper: findings on made-up data that agree and that contradict."""

import numpy as np
import pytest
import xarray as xr

from dynloss.dynamics import PowerLaw
from dynloss_book.beyond_the_paper import claims as beyond_claims
from dynloss_book.central_flow import claims as central_flow
from dynloss_book.engine.findings import Verdict
from dynloss_book.squared_error import claims as squared_error_claims
from dynloss_book.squared_error.experiment import RATIOS
from dynloss_book.useful_cascades import claims as useful_cascades

YES, NO = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED
RATES = [0.003, 0.01, 0.03, 0.1]
LAW = PowerLaw(-0.5, -0.55, -0.45, 1.0, 20)


def verdicts(findings):
    return [claim.verdict for claim in findings.claims]


def seeds(values, number=4, spread=0.002):
    """The same for each seed, but for a small factor."""
    factor = 1 + spread * np.linspace(-1, 1, number)
    return np.asarray(values)[..., None, :] * factor[:, None]


def squared_error(power=2.0, edge=1.0, ratio_of_growth=-1.3, last=1.7, end=0.1):
    """Eq. (14) as it should be, or with another order, edge, growth and kernel."""
    steps = np.arange(8)
    growing = np.where(steps < 4, ratio_of_growth**steps, end)
    mode = np.stack([0.5**steps, (-0.5) ** steps, growing])
    eigenvalue = np.stack([np.full(8, 0.5), np.full(8, 1.5), np.linspace(2.2, last, 8)])
    regimes = xr.Dataset(
        {name: (("ratio", "seed", "step"), seeds(values)) for name, values in
         (("mode", mode), ("eigenvalue", eigenvalue))},
        coords={"ratio": [0.5, 1.5, 2.2]},
        attrs={"scale": "4 seeds"},
    )
    error = np.stack([np.asarray(RATES) ** power, np.asarray(RATES) ** 2])
    errors = np.tile(seeds(error).swapaxes(0, 1)[None], (2, 1, 1, 1))
    factor = np.tile(seeds(np.asarray(RATIOS)), (2, 1, 1)) * -edge + 1
    probes = xr.Dataset(
        {"error": (("moment", "seed", "unit", "rate"), errors),
         "factor": (("moment", "seed", "ratio"), factor),
         "disturbance": (("moment", "seed", "ratio"), np.ones_like(factor) - np.asarray(RATIOS))},
        coords={"moment": [3.0, 30.0], "unit": ["relu", "tanh"], "seed": range(4)},
    )  # fmt: skip
    loss = np.tile(np.r_[np.full(20, 0.3), 0.3 + 0.01 * (-1.0) ** np.arange(20)], (4, 1))
    run = xr.Dataset(
        {"plain": (("seed", "measurement"), seeds(np.linspace(1, 1.8, 8))),
         "weighted": (("seed", "measurement"), seeds(np.linspace(1, 2.2, 8))),
         "loss": (("seed", "step"), loss)}
    )  # fmt: skip
    starts = squared_error_claims.cascade_starts(run.loss, 30)
    return squared_error_claims.judge(regimes, probes, RATES, RATIOS, run, starts, 5, LAW), starts


def test_the_squared_error():
    found, starts = squared_error()
    assert verdicts(found) == [YES] * 4 + [NO, YES]  # it grows, but does not diverge
    assert all(len(each) == 1 and abs(each[0] - 20) <= 3 for each in starts)
    assert squared_error_claims.cascade_starts(xr.DataArray(np.ones((2, 40)), dims=("seed", "step")), 30) == [[], []]
    assert "eta^{2.00}" in found.summary and "grows from 2.000 ± 0.000 (4 seeds) on" in found.summary
    contrary, _ = squared_error(power=1.0, edge=0.8, ratio_of_growth=0.5, last=2.6)
    assert verdicts(contrary) == [NO] * 6
    for end in (-9.0, np.nan):
        diverging, _ = squared_error(end=end)
        assert verdicts(diverging)[4] == YES and "the kernel has changed" not in str(diverging.claims[4])


@pytest.mark.parametrize(("edge", "expected"), [(1.0, 2.0), (0.98, 2 / 0.98), (0.2, np.nan)])
def test_where_a_factor_crosses(edge, expected):
    factor = xr.DataArray(1 - edge * np.asarray(RATIOS)[None], dims=("seed", "ratio"))
    found = squared_error_claims.crossings(factor, RATIOS, -1.0)
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


def test_no_cascade_is_no_threshold():
    run = xr.Dataset({"loss": (("seed", "step"), np.full((2, 40), 0.3)),
                      "plain": (("seed", "measurement"), np.ones((2, 8))),
                      "weighted": (("seed", "measurement"), np.ones((2, 8)))})  # fmt: skip
    starts = squared_error_claims.cascade_starts(run.loss, 100)
    assert starts == [[], []]
    assert squared_error_claims.table(run, starts, 5)[0]["ηλ_max/N where a cascade starts"] == "–"


def window(factor, second=1.0):
    """Bounces of ``factor`` times the predicted variance; λ₂ at ``second``."""
    moments, steps = 6, 20
    predicted = np.full((3, moments), 0.1)
    measured = factor * predicted * (1 + 0.01 * np.array([-1, 0, 1]))[:, None]
    curvature = np.stack([np.full((3, moments), 2.0), np.full((3, moments), second)], axis=-1)
    flow_curvature = np.full((3, steps, 2), 1.0)
    flow_curvature[:, 15:, 1] = 2.0  # from there on the flow knows a second direction, and its loss does not count
    data = {
        "measured_at": (("seed", "moment"), np.tile(101 + 3 * np.arange(moments), (3, 1))),
        "predicted": (("seed", "moment"), predicted),
        "measured": (("seed", "moment"), measured),
        "all_directions": (("seed", "moment"), measured * 1.1),
        "drift": (("seed", "moment"), np.ones((3, moments))),
        "motion": (("seed", "moment"), np.full((3, moments), 0.25)),
        "curvature": (("seed", "moment", "rank"), curvature),
        "loss": (("seed", "step"), np.ones((3, steps))),
        "flow_loss": (("seed", "step"), np.where(np.arange(steps) < 15, 1.1, 9.0) * np.ones((3, 1))),
        "flow_curvature": (("seed", "step", "rank_flow"), flow_curvature),
        "flow_variance": (("seed", "step"), np.full((3, steps), 0.2)),
    }
    return xr.Dataset(data)


def test_the_central_flow():
    def judge(early, late):
        return central_flow.judge({2: early, 4: late}, 1.0, "3 seeds")

    found = judge(window(1.0), window(0.5, second=2.1))
    for words in ("is 1.000 ± 0.025 (3 seeds) times", "off by 10 %", "makes up 20 %", "it is 0.500 ±"):
        assert words in found.summary, found.summary
    few = window(0.5)
    few["curvature"][:, :2, 1] = 2.1
    assert "6 moments of 3 networks only, too few" in judge(window(1.0), few).summary
    still = window(1.0)
    still["measured"][:, :2] = 0.0  # before it bounces: chosen by what is predicted, such moments count
    assert central_flow.table(still, 1.0)[3]["moments counted"] == 15  # at 5 of 6 the flow has one direction
    assert "no second direction" in judge(window(1.0), window(1.0)).summary
    one, broken, two, flow = central_flow.table(window(1.0), 1.0)
    assert (one["networks"], broken["networks"], two["networks"]) == (3, 0, 0)
    assert flow["measured over predicted"].startswith("0.500")
    assert one["displacement in other directions"].startswith("0.0909")


def test_a_bounce_whose_period_doubles_is_taken_apart():
    runs, steps = window(1.0), np.arange(200)
    clean, doubled = np.tile([1.0, 2.0], 100), np.tile([1.0, 2.0, 1.5, 2.0], 50)
    loss = np.where(steps < 120, clean, doubled)
    long = runs.drop_vars(["loss", "flow_loss", "flow_curvature", "flow_variance"]).assign(
        measured_at=(("seed", "moment"), np.tile(1001 + 36 * np.arange(6), (3, 1))),
        loss=(("seed", "step"), np.stack([loss, loss, clean])),
    )
    found = central_flow.breaks(long, 1.0).values
    assert np.all(abs(found[:2] - 1120) <= 16) and found[2] == np.inf


def cascades(ends, wider=0.0):
    """Whole runs, and branches whose accuracy grows with the bounces; ``wider``: how much λ_max falls in a period."""
    sharpness = [2, 9, 2, 9]
    runs = xr.Dataset(
        {"validation_accuracy": (("seed", "run"), seeds(ends)), "sharpness": (("seed", "run"), seeds(sharpness))},
        coords={"run": ["oscillating", "oscillating, calm", "static", "static, calm"]},
        attrs={"scale": "4 seeds"},
    )
    gain = np.linspace(0, 0.2, 5)
    scores = np.stack([np.full(5, 0.5), 0.5 + gain, np.full(5, 0.5)], axis=-1)
    values = np.tile(scores, (4, 1, 1)) * (1 + 0.001 * np.arange(4))[:, None, None]
    names = ("validation_accuracy", "accuracy", "loss", "alignment", "sharpness")
    branches = xr.Dataset(
        {name: (("seed", "turn", "way"), values) for name in names}
        | {"bounces": (("seed", "turn", "way"), np.tile(np.arange(5)[:, None] * [0, 1, 0], (4, 1, 1))),
           "curvature": (("seed", "turn", "moment", "rank"), np.full((4, 5, 2, 3), 2.5)),
           "cosine": (("seed", "turn", "moment", "class"), np.full((4, 5, 2, 3), 0.5)),
           "share": (("seed", "turn", "moment", "class"), np.full((4, 5, 2, 3), 0.3))},
        coords={"way": ["before", "bouncing", "calm"]},
    )  # fmt: skip
    wobble = 0.1 * np.array([-1, 1, -1, 1])
    branches["sharpness"] = xr.DataArray(
        np.stack([np.full(4, 9.0), 9 - wider + wobble, 12 + wobble])[None] * np.ones((5, 1, 1)),
        dims=("turn", "way", "seed"), coords={"way": ["before", "bouncing", "calm"]},
    ).transpose("seed", "turn", "way")  # fmt: skip
    return branches, runs


def test_useful_cascades():
    judge = useful_cascades.judge
    assert verdicts(judge(*cascades([0.7, 0.5, 0.4, 0.5], wider=3.0))) == [YES, YES]
    assert verdicts(judge(*cascades([0.5, 0.7, 0.4, 0.5], wider=-2.0))) == [NO, NO]
    kept = judge(*cascades([0.7, 0.5, 0.4, 0.5]))  # narrower than before only in small steps: no wider valley
    assert verdicts(kept) == [YES, Verdict.UNDECIDED] and "keeps the valley from narrowing" in kept.summary
    for narrowing in (-5.0, -2.0):
        assert "keeps" not in judge(*cascades([0.7, 0.5, 0.4, 0.5], wider=narrowing)).summary
    assert verdicts(judge(*cascades([0.7, 0.5, 0.9, 0.5])))[0] == NO  # the static loss gains more by large steps
    branches, runs = cascades([0.7, 0.5, 0.4, 0.5])
    large, small, *_ = useful_cascades.edges(runs, 1.0, 8)
    assert (large["its edge, 2 over the step"], small["its edge, 2 over the step"]) == ("2", "16")
    assert large["over the edge"].startswith("1.00") and small["over the edge"].startswith("0.56")
    rows = useful_cascades.correlations(branches, 1.0)
    assert rows[0]["rank correlation with what it adds"].startswith("+1")
    assert rows[1]["rank correlation with what it adds"] == "–"  # what does not vary tells nothing
    assert useful_cascades.table(branches)[0]["what the large steps add"].startswith("+0.100")


def by_shape(held):
    means = {"static": 0.5, "triangle": 0.9, "random, held": held, "random, each step": 0.7}
    dims, at, wobble = ("period", "seed"), {"period": [30.0, 100.0]}, 0.01 * np.array([-1, 1, -1, 1])
    return {
        name: xr.DataArray(np.tile(mean + wobble * (1 if name != "triangle" else -1), (2, 1)), dims=dims, coords=at)
        for name, mean in means.items()
    }


def test_beyond_the_paper():
    accuracies = {"static": [0.8, 0.82], "dynamical": [0.9, 0.91]}
    ways = {"Adam": {name: xr.DataArray(values, dims="seed") for name, values in accuracies.items()}}
    found = beyond_claims.judge(by_shape(0.9), ways, "4 seeds").summary
    assert found.count("not told from zero") == 2  # held, at both periods
    assert "+0.400" in found and "-0.200" in found and "Adam +0.095 ± " in found and " gains" not in found
    ends = (("static", [0.8, 0.82]), ("dynamical", [0.8, 0.92]))
    alike = {"Adam": {name: xr.DataArray(values, dims="seed") for name, values in ends}}
    assert beyond_claims.judge(by_shape(0.9), alike, "4 seeds").summary.endswith("not told from zero.")
    higher = beyond_claims.judge(by_shape(0.99), ways, "4 seeds").summary
    assert "not told from zero" not in higher and "+0.090" in higher


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
