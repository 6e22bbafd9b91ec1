"""The central flow: how well made-up bounces follow it, and where they break."""

import numpy as np
import xarray as xr

from dynloss_book.central_flow import claims as central_flow


def window(factor, second=1.0):
    """Bounces of ``factor`` times the predicted variance; λ₂ at ``second``."""
    moments, steps = 6, 20
    predicted = np.full((3, moments), 0.1)
    measured = factor * predicted * (1 + 0.01 * np.array([-1, 0, 1]))[:, None]
    curvature = np.stack([np.full((3, moments), 2.0), np.full((3, moments), second)], axis=-1)
    flow_curvature = np.full((3, steps, 2), 1.0)
    flow_curvature[:, 15:, 1] = 2.0  # from there on the flow knows a second mode, and its loss does not count
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
    for words in ("is 1.000 ± 0.025 (3 seeds) times", "off by at most 10 %", "accounts for 20 %", "factor is 0.500 ±"):
        assert words in found.summary, found.summary
    assert "(variance 1.000 of the formula's)" in found.plain
    assert "the flow alone is off by factors of 0.500 and, later, 0.2500." in found.plain
    few = window(0.5)
    few["curvature"][:, :2, 1] = 2.1
    assert "6 moments of 3 networks only, too few" in judge(window(1.0), few).summary
    still = window(1.0)
    still["measured"][:, :2] = 0.0  # before it bounces: chosen by what is predicted, such moments count
    assert central_flow.table(still, 1.0)[3]["moments counted"] == 15  # at 5 of 6 the flow has one direction
    assert "no second mode became unstable" in judge(window(1.0), window(1.0)).summary
    one, broken, two, flow = central_flow.table(window(1.0), 1.0)
    assert (one["networks"], broken["networks"], two["networks"]) == (3, 0, 0)
    assert flow["measured over predicted"].startswith("0.500")
    assert one["displacement along other modes"].startswith("0.091")


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
