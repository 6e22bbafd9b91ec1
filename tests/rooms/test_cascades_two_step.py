"""What breaks the bounce: toy losses with a known answer, made-up cascades, and how they are drawn."""

import numpy as np
import pytest
import xarray as xr
from made_up import NO, SCALE, SETTINGS, YES, labelled, verdicts

from dynloss_book.analysis.period_doubling import ABOUT
from dynloss_book.cascades_two_step import claims as cascades_two_step
from dynloss_book.cascades_two_step import experiment as toy_losses
from dynloss_book.plots import why_cascades as figure


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
    assert verdicts(theirs) == [YES, YES, NO] and "2 by period doubling alone" in theirs.summary
    assert "recognised at" in theirs.claims[0].tolerance
    papers = judge(doubling(-0.4, 0.98), SETTINGS)
    assert verdicts(papers)[0] == NO and "2 by a second unstable mode" in papers.summary
    neither = judge(doubling(-0.4, 0.3), SETTINGS)
    assert verdicts(neither)[0] == NO and "and 2 by neither." in neither.summary
    whole = judge(doubling(-0.4, 0.3, broken=False), SETTINGS)
    assert verdicts(whole) == [SCALE, YES, SCALE] and "2 cascades 0 break slowly" in whole.summary
    assert verdicts(judge(doubling(-1.05, 0.3, crosses=False), SETTINGS))[1] == NO
    assert "and 2 by neither." in judge(doubling(-1.05, 0.3, turning=0.6), SETTINGS).summary  # a complex pair
    hidden = doubling(-0.4, np.nan)  # no eigenvector that turns is found, but both sides have a second eigenvalue at 2
    hidden["curvature"][:, :, :, :, 1] = 2.0
    assert "2 by a second unstable mode" in judge(hidden, SETTINGS).summary
    one_side = doubling(-0.4, np.nan)  # above 2 on one side, below 1 on the other: nothing turns
    assert "by both, and 2 by neither." in judge(one_side, SETTINGS).summary
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


def test_the_lopsided_valley_has_its_multiplier_and_doubles_at_the_root_of_six(x64):
    steepness = [2.1, 2.3, 2.4, 6**0.5 - 0.01]
    *found, above = toy_losses.orbits("lopsided", [*steepness, 6**0.5 + 0.01])
    assert [orbit.period for orbit in found] == [2] * 4 and above.period == 4
    for a, orbit in zip(steepness, found, strict=True):
        assert orbit.lowest == pytest.approx(5 - a**2, abs=1e-6)


def test_one_direction_of_the_scalar_network_doubles_its_period(x64):
    """The account of Zhu et al.: −1 is crossed where the period becomes four, and nothing else bounces."""
    before, after = toy_losses.orbits("scalar_network", [0.31, 0.318])
    assert (before.period, after.period) == (2, 4)
    assert -1 < before.lowest < -0.9 and after.lowest < -1


def test_a_second_valley_reaches_plus_one_and_leaves_the_period(x64):
    """The paper's account: y rests with (1 − ca)² until ca = 2; the multiplier of x is (2a − 5)² all along."""
    edge = 2 / toy_losses.SECOND
    before, at, after = toy_losses.orbits("two_valleys", [edge - 0.02, edge - 0.001, edge + 0.1])
    assert (before.period, at.period, after.period) == (2, 2, 2)
    assert before.alternating == pytest.approx((1 - toy_losses.SECOND * (edge - 0.02)) ** 2, abs=1e-6)
    assert at.alternating > 0.99 and at.lowest == pytest.approx((2 * (edge - 0.001) - 5) ** 2, abs=1e-6)


def test_the_pictures_show_what_they_are_given():
    result = doubling(-1.05, 0.3)
    drawn = figure.plot_two_step(result, cascades_two_step.cascades(result, 1.0))
    assert all(labelled(drawn)) and len(drawn.axes) == 4
    assert len(drawn.legends[0].get_texts()) == 6
    orbits = {2.0: toy_losses.Orbit(2, 1.0, 1.0, 1.0), 2.5: toy_losses.Orbit(4, -3.0, -3.0, np.nan)}
    panel = figure.plot_toy_losses({"lopsided": orbits}).axes[0]
    assert [list(line.get_xdata()) for line in panel.get_lines()[:2]] == [[2.0], [2.0]]


def test_it_is_drawn_without_any_cascade():
    empty = doubling(-1.05, 0.3)
    empty["start"] = empty.start * np.nan
    assert len(figure.plot_two_step(empty, []).legends[0].get_texts()) == 2
