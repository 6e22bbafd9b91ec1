"""The squared error: findings on made-up data that agree with eq. (14) and that contradict it."""

import numpy as np
import pytest
import xarray as xr
from made_up import NO, YES, seeds, verdicts

from dynloss.dynamics import PowerLaw
from dynloss_book.squared_error import claims as squared_error_claims
from dynloss_book.squared_error.experiment import RATIOS

RATES = [0.003, 0.01, 0.03, 0.1]


LAW = PowerLaw(-0.5, -0.55, -0.45, 1.0, 20)


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
    assert "eta^{2.00}" in found.summary
    assert "grows from 2.00 (4 seeds, all the same) on" in found.summary, found.summary
    contrary, _ = squared_error(power=1.0, edge=0.8, ratio_of_growth=0.5, last=2.6)
    assert verdicts(contrary) == [NO] * 6
    for end in (-9.0, np.nan):
        diverging, _ = squared_error(end=end)
        assert verdicts(diverging)[4] == YES and "the kernel has changed" not in str(diverging.claims[4])


@pytest.mark.parametrize(
    ("made", "expected"),
    [({"power": 2.08}, YES), ({"power": 2.12}, NO), ({"power": 1.92}, YES), ({"power": 1.88}, NO)],
)
def test_the_exponent_of_the_error_is_two_to_a_tenth(made, expected):
    assert verdicts(squared_error(**made)[0])[0] == expected


@pytest.mark.parametrize(("edge", "expected"), [(1 / 1.04, YES), (1 / 1.06, NO), (1 / 0.96, YES), (1 / 0.94, NO)])
def test_a_boundary_is_met_to_a_twentieth(edge, expected):
    assert verdicts(squared_error(edge=edge)[0])[1:3] == [expected, expected]


@pytest.mark.parametrize(("edge", "expected"), [(1.0, 2.0), (0.98, 2 / 0.98), (0.2, np.nan), (10, np.nan)])
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
