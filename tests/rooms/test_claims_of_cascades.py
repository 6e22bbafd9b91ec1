"""The findings of "Why the cascades happen", on made-up results of either outcome, and how they are drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from dynloss_book.analysis.period_doubling import ABOUT
from dynloss_book.cascades_edge import claims as cascades_edge
from dynloss_book.cascades_edge import claims as cascades_edge_claims
from dynloss_book.cascades_kernel import claims as cascades_kernel
from dynloss_book.cascades_kernel import claims as cascades_kernel_claims
from dynloss_book.cascades_two_step import claims as cascades_two_step
from dynloss_book.cascades_two_step.experiment import Orbit
from dynloss_book.engine.findings import Verdict
from dynloss_book.plots import why_cascades as figure

YES, NO, SCALE = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.NOT_TESTABLE
SETTINGS = {"width": 100, "seeds": 3, "steps": 8000, "period": 2000, "amplitude": 70.0, "learning_rate": 1.0}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def verdicts(findings):
    return [claim.verdict for claim in findings.claims]


def edges(onset, cascades=2):
    """Two optimisers, three seeds; ``onset`` in units of each one's edge."""
    scatter = np.linspace(-0.02, 0.02, 3)[None, :, None, None]
    values = np.full((2, 3, 2, cascades), np.asarray(onset)[:, None, None, None]) + scatter
    level = np.ones((2, 3, 4, 2))
    return xr.Dataset(
        {
            "level": (("optimiser", "seed", "step", "side"), level),
            "onset": (("optimiser", "seed", "mark", "cascade"), values),
            "onset_step": (("optimiser", "seed", "mark", "cascade"), np.full(values.shape, 10.0)),
            "edge": ("optimiser", [2.0, 12.0]),
            "learning_rate": ("optimiser", [1.0, 0.3]),
        },
        coords={"optimiser": ["gradient descent", "heavy ball"], "mark": [0.05, 0.1], "step": [0, 10, 20, 30]},
    )


def test_the_edge_of_each_optimiser():
    assert "for 2 of 2 optimisers" in cascades_edge.judge(edges([0.95, 1.0]), SETTINGS).summary
    assert "for 1 of 2 optimisers" in cascades_edge.judge(edges([0.95, 0.5]), SETTINGS).summary
    empty = cascades_edge.judge(edges([np.nan, np.nan]), SETTINGS)
    assert "for 0 of 2 optimisers" in empty.summary and "–" in empty.summary
    rows = cascades_edge.table(edges([0.95, 1.0]))
    assert rows[1]["λη / 2"].startswith("1.8") and rows[1]["within 15% of its edge"] == "yes"
    assert "for 1 of 2 optimisers" in cascades_edge.judge(edges([0.95, 1.14]), SETTINGS).summary  # it reaches too far


def doubling(lowest, alternating, broken=True, crosses=True, turning=0.0, points=5, seeds=2):
    """Cascades whose multipliers run from 1 to these values at the last point, 400 steps on."""
    shape = {"seed": seeds, "cascade": 1, "point": points, "side": 2, "rank": 3}
    data = {name: (dims, np.full([shape[dim] for dim in dims], np.nan)) for name, (dims, _) in ABOUT.items()}
    result = xr.Dataset(data)
    way = xr.DataArray(np.linspace(0, 1, points), dims="point")
    result["step"] = (1000 + 400 * way).broadcast_like(result.step)
    result["lowest"] = (1 + (lowest - 1) * way).broadcast_like(result.step)
    result["alternating"] = (alternating * way).broadcast_like(result.step)
    result["curvature"] = result.curvature.fillna(0.5)
    if crosses:
        result["curvature"][:, :, 2:, 0, 1] = 2.5
    for name, value in (("start", 1000), ("broken", 1416 if broken else np.nan), ("end", 1500)):
        result[name] = result[name].fillna(value)
    result["imaginary"], result["residual"] = result.imaginary.fillna(turning), result.residual.fillna(1e-3)
    result["loss"], result["share"] = ("moment", np.ones(50)), ("moment", np.full(50, 1e-3))
    return result.assign_attrs(zoom=990, zoom_seed=0, zoom_cascade=0)


def test_what_breaks_the_bounce():
    judge = cascades_two_step.judge
    theirs = judge(doubling(-1.05, 0.3), SETTINGS)
    assert verdicts(theirs) == [NO, YES, NO] and "2 of them by period doubling" in theirs.summary
    papers = judge(doubling(-0.4, 0.98), SETTINGS)
    assert verdicts(papers)[0] == YES and "2 by a further direction" in papers.summary
    neither = judge(doubling(-0.4, 0.3), SETTINGS)
    assert verdicts(neither)[0] == NO and "2 by neither)" in neither.summary
    whole = judge(doubling(-0.4, 0.3, broken=False), SETTINGS)
    assert verdicts(whole) == [SCALE, YES, SCALE] and "2 cascades 0 break" in whole.summary
    assert verdicts(judge(doubling(-1.05, 0.3, crosses=False), SETTINGS))[1] == NO
    assert "2 by neither)" in judge(doubling(-1.05, 0.3, turning=0.6), SETTINGS).summary  # a complex pair
    hidden = doubling(-0.4, np.nan)  # no eigenvector that turns is found, but both sides have a second eigenvalue at 2
    hidden["curvature"][:, :, :, :, 1] = 2.0
    assert "2 by a further direction" in judge(hidden, SETTINGS).summary
    one_side = doubling(-0.4, np.nan)  # above 2 on one side, below 1 on the other: nothing turns
    assert "by both, 2 by neither)" in judge(one_side, SETTINGS).summary
    at_once = doubling(-1.05, 0.3)
    at_once["step"] = at_once.step * 0 + 1000.0  # broken before a second point
    assert "2 cascades 0 break" in judge(at_once, SETTINGS).summary
    assert "2 more break too soon" in judge(at_once, SETTINGS).summary


def test_how_often_the_first_direction_is_recognised():
    result = doubling(-1.05, 0.3)
    result["curvature"][:, :, :, :, 0] = 1.5  # a multiplier of 0.25 at every point
    found = np.where(np.arange(5) < 3, 0.26, np.nan)
    result["alternating"] = xr.DataArray(found, dims="point").broadcast_like(result.step)
    assert cascades_two_step.recognised(result, 1.0) == "6 of 10 points"


def test_one_row_a_cascade_with_its_events():
    rows = cascades_two_step.cascades(doubling(-1.05, 0.3), 1.0)
    assert [row["seed"] for row in rows] == [0, 1]
    assert 1380 < rows[0]["lowest_crosses"] < 1400 and 1100 < rows[0]["second_crosses"] <= 1200
    empty = doubling(-1.05, 0.3)
    empty["start"] = empty.start * np.nan
    assert cascades_two_step.cascades(empty, 1.0) == []
    assert "0 cascades 0 break" in cascades_two_step.judge(empty, SETTINGS).summary


def kernels(hessian, weighted, plain):
    """Onsets of three seeds with four cascades each."""
    def values(row):
        return np.tile(np.asarray(row, dtype=float), (3, 2, 1))

    data = {f"onset_{name}": (("seed", "mark", "cascade"), values(row)) for name, row in
            (("hessian", hessian), ("weighted_kernel", weighted), ("ntk", plain), ("residual_share", [1e-4] * 4))}
    data["onset_step"] = (("seed", "mark", "cascade"), values([10, 20, 30, 40]))
    for name in ("hessian", "weighted_kernel", "ntk", "residual_share"):
        data[name] = (("seed", "step", "side"), np.full((3, 6, 2), 0.5))
    return xr.Dataset(data, coords={"step": np.arange(0, 60, 10), "mark": [0.05, 0.1]})


def test_which_kernel_has_a_threshold():
    near, far = [1.8, 1.9, 2.0, 1.9], [9.0, 12.0, 16.0, 21.0]
    judge = cascades_kernel.judge
    assert verdicts(judge(kernels(near, near, far), SETTINGS)) == [YES, YES]
    assert verdicts(judge(kernels(far, far, near), SETTINGS)) == [NO, NO]
    wide = kernels(near, near, far)
    wide["onset_hessian"][0] = 8 * wide.onset_hessian[0] ** 3  # one network scatters: its interval decides
    assert verdicts(judge(wide, SETTINGS))[1] == Verdict.UNDECIDED
    assert "is a matrix" in judge(kernels(near, near, far), SETTINGS).summary
    assert "is a matrix" not in judge(kernels(near, far, far), SETTINGS).summary
    none = judge(kernels([np.nan] * 4, [np.nan] * 4, [np.nan] * 4), SETTINGS)
    assert verdicts(none) == [SCALE] * 2 and none.summary == "No cascade in these runs."
    assert cascades_kernel.deviation(kernels([2.0] * 4, [1.9] * 4, far)) == pytest.approx(0.05)
    assert cascades_kernel.table(kernels(near, near, far))[2]["scatter"].startswith("35.8")


def labelled(drawn):
    """Every panel says what is along its lower or left side, itself or for its column."""
    return [bool(ax.get_ylabel() or ax.get_xlabel() or ax.get_title()) for ax in drawn.axes]


def test_the_pictures_show_what_they_are_given():
    drawn = figure.plot_edges(edges([0.95, 1.0]))
    assert all(labelled(drawn)) and len(drawn.axes) == 3
    (side,) = (ax for ax in drawn.axes if ax.get_yscale() == "log")
    points = np.concatenate([line.get_ydata() for line in side.get_lines()])
    assert np.isclose(points, 1.0 * 12 * 0.3 / 2 + 0.02 * 1.8).any()  # open: in units of 2/η
    assert all(labelled(figure.plot_kernels(kernels([1.9] * 4, [1.9] * 4, [9.0, 12, 16, 21]))))
    result = doubling(-1.05, 0.3)
    drawn = figure.plot_two_step(result, cascades_two_step.cascades(result, 1.0))
    assert all(labelled(drawn)) and len(drawn.axes) == 4
    assert len(drawn.legends[0].get_texts()) == 6
    orbits = {2.0: Orbit(2, 1.0, 1.0, 1.0), 2.5: Orbit(4, -3.0, -3.0, np.nan)}
    panel = figure.plot_valleys({"lopsided": orbits}).axes[0]
    assert [list(line.get_xdata()) for line in panel.get_lines()[:2]] == [[2.0], [2.0]]


def test_they_are_drawn_without_any_cascade():
    empty = doubling(-1.05, 0.3)
    empty["start"] = empty.start * np.nan
    assert len(figure.plot_two_step(empty, []).legends[0].get_texts()) == 2
    assert figure.plot_edges(edges([np.nan, np.nan])).axes
    assert figure.plot_kernels(kernels([np.nan] * 4, [np.nan] * 4, [np.nan] * 4)).axes


def test_the_modules_load_by_their_names():
    assert cascades_edge_claims is cascades_edge and cascades_kernel_claims is cascades_kernel
