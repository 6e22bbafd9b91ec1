"""Figure 3's claims, on made-up results that agree with the paper and on some that contradict it."""

import numpy as np
import pytest
import xarray as xr
from made_up import MIXED, NO, OPEN, SCALE, YES, scattered, verdicts

from dynloss_book.engine.findings import Kind
from dynloss_book.fig03_spiral_phase_diagram import claims as spiral_phase_diagram


def spiral_plane(static, inside, corner, validation_static, validation_inside, longer=0.4, optimum=0.02):
    """Over T and A: static at 1, something inside the region, more or less at A = 25, and a corner of large A."""
    period, amplitude = np.array([10.0, 100.0, 1000.0]), np.array([1.0, 10.0, 25.0, 100.0])

    def values(low, high):
        row = [low, high, high + optimum, corner]
        mean = np.array([row, row, [low, longer, longer, corner]])
        return scattered(mean, ("period", "amplitude"))

    data = {"accuracy": values(static, inside), "validation_accuracy": values(validation_static, validation_inside)}
    return xr.Dataset(data, coords={"period": period, "amplitude": amplitude}, attrs={"scale": "6 seeds"})


SETTINGS = {"steps": 35_000, "learning_rate": 1.0}


WIDTHS = {"narrow": 100, "wide": 1000}


def test_figure_3():
    judge = spiral_phase_diagram.judge
    agreeing = {
        "narrow": spiral_plane(0.65, 0.97, 0.4, 0.6, 0.91),
        "wide": spiral_plane(1.0, 1.0, 0.9, 0.93, 0.95),
    }
    assert verdicts(judge(agreeing, WIDTHS, SETTINGS)) == [YES] * 11
    assert "differs from that in the region by −0.5" in judge(agreeing, WIDTHS, SETTINGS).summary
    contrary = {
        "narrow": spiral_plane(0.9, 0.5, 0.99, 0.9, 0.5, longer=0.99, optimum=-0.1),
        "wide": spiral_plane(0.7, 1.0, 0.9, 0.95, 0.93),
    }
    assert verdicts(judge(contrary, WIDTHS, SETTINGS)) == [NO] * 11
    found = judge(agreeing, WIDTHS, SETTINGS | {"steps": 200})
    assert [verdicts(found)[place] for place in (3, 4, 5, 6, 8, 9)] == [SCALE] * 6
    assert all(claim.reduced for claim in found.claims) and found.claims[-1].kind == Kind.QUESTION
    level = agreeing | {"wide": spiral_plane(1.0, 1.0, 0.9, 0.94, 0.94)}
    level["wide"]["validation_accuracy"] = level["wide"].validation_accuracy + xr.DataArray(
        np.outer([0, 0.01, 0.01, 0.01], [-1, 1, -1, 1, -1, 1]), dims=("amplitude", "seed")
    )
    assert verdicts(judge(level, WIDTHS, SETTINGS))[1] == OPEN
    parts = agreeing["narrow"].copy(deep=True)
    parts["accuracy"][0, 1] = 0.5  # at short periods only
    assert verdicts(judge(agreeing | {"narrow": parts}, WIDTHS, SETTINGS))[4] == MIXED


def test_periods_that_stop_amid_a_turn_are_left_out():
    """Of 35,000 steps, T = 100 stops at a turn and T = 16 in the middle of one."""
    network = spiral_plane(0.65, 0.97, 0.4, 0.6, 0.9).assign_coords(period=[16.0, 100.0, 1000.0])
    network["validation_accuracy"] = network.validation_accuracy.where(network.period != 16, 0.1)
    region = spiral_phase_diagram.REGIONS["narrow"]
    found = spiral_phase_diagram.at_a_turn(network, region, 35_000)
    assert float(found.mean()) == pytest.approx(0.9)
