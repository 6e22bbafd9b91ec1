"""Fig. S4: what is drawn is what is given, complete or not."""


import numpy as np
import xarray as xr
from made_up import NO, NOTHING, OPEN, SCALE, YES, scattered, verdicts

from dynloss_book import paper
from dynloss_book.figS4_wide_resnet import claims as wide_resnet
from dynloss_book.figS4_wide_resnet import figure

PERIODS, AMPLITUDES = [2.0, 10.0, 50.0], [1.0, 2.0, 5.0]


def along(values):
    return xr.DataArray(values, dims="amplitude", coords={"amplitude": AMPLITUDES})


def plane(values):
    return xr.DataArray(values, dims=("period", "amplitude"), coords={"period": PERIODS, "amplitude": AMPLITUDES})


CURVE = {"mean": along([0.9, 0.88, 0.7]), "deviation": along([0.01, 0.02, np.nan])}


def test_the_curve_with_its_band_and_the_static_loss():
    drawn = figure.plot(CURVE, plane(np.full((3, 3), 0.9)), 10)
    curve, static = drawn.axes[0].get_lines()
    np.testing.assert_array_equal(curve.get_ydata(), [0.9, 0.88, 0.7])
    assert list(static.get_ydata()) == [0.9, 0.9]
    (band,) = drawn.axes[0].collections
    corners = band.get_paths()[0].vertices
    assert {(1.0, 0.89), (1.0, 0.91), (2.0, 0.86), (2.0, 0.9), (5.0, 0.7)} <= {tuple(each) for each in corners.round(6)}
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()] == ["1", "2", "5"]


def test_the_plane_has_a_cell_for_each_point_and_outlines_the_curve():
    values = np.arange(9.0).reshape(3, 3)
    drawn = figure.plot(CURVE, plane(values), 50)
    ax = drawn.axes[1]
    np.testing.assert_array_equal(ax.images[0].get_array(), values.T)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "10", "50"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2", "5"]
    (outline,) = ax.patches
    assert (outline.get_x(), outline.get_width(), outline.get_height()) == (1.5, 1, 3)


def test_what_is_not_computed_stays_blank():
    values = np.full((3, 3), np.nan)
    values[1] = [0.5, 0.6, np.nan]
    drawn = figure.plot({name: each * np.nan for name, each in CURVE.items()}, plane(values), 10)
    drawn.canvas.draw()
    assert np.ma.getmaskarray(drawn.axes[1].images[0].get_array()).sum() == 7


def test_the_gain_with_its_intervals():
    gain, margin = along([np.nan, -0.01, 0.02])[1:], along([np.nan, 0.005, np.nan])[1:]
    drawn = figure.plot_gain(gain, margin, 10)
    (ax,) = drawn.axes
    points = ax.containers[0]
    np.testing.assert_array_equal(points[0].get_ydata(), [-0.01, 0.02])
    first, second = (segment[:, 1] for segment in points[2][0].get_segments())
    np.testing.assert_allclose(first, [-0.015, -0.005])
    assert second[0] == second[1] == 0.02
    assert list(ax.get_lines()[0].get_ydata()) == [0, 0]


def test_figure_s4():
    def of(gain):
        mean = np.array([[0.955, 0.955 + gain, 0.955 - gain]])
        noise = scattered(mean, ("period", "amplitude"), seeds=8)
        wobble = xr.DataArray(np.random.RandomState(0).normal(scale=0.001, size=(3, 8)), dims=("amplitude", "seed"))
        coords = {"period": [200.0], "amplitude": [1.0, 2.0, 50.0]}
        return xr.Dataset({"test_accuracy": noise + wobble}, coords=coords, attrs={"scale": "8 seeds"})

    judge, theirs = wide_resnet.judge, paper.FIGURE_S4
    assert verdicts(judge(of(0.0), 200.0, theirs)) == [YES, YES, YES, SCALE, NOTHING]
    assert verdicts(judge(of(0.02), 200.0, theirs)) == [NO, NO, YES, SCALE, NOTHING]
    assert verdicts(judge(of(0.02), 200.0, theirs | {"images": "generated"})) == [SCALE] * 4 + [NOTHING]
    few = judge(of(0.0).isel(seed=[0, 1]), 200.0, theirs)
    assert verdicts(few)[:2] == [OPEN, OPEN] and "too few" in few.plain
    along = of(0.0).isel(seed=[0, 1, 2]).reindex(period=[200.0, 300.0])
    assert "No amplitude gains at T = 200, as in the paper" in judge(along, 200.0, theirs).plain
    many, three = (judge(each, 200.0, theirs).claims[0].here for each in (of(0.0), along))
    assert "at each of the 2 points with 8 seeds; the point best for half of the seeds" in many
    assert three.endswith("at each of the 2 points with 3 seeds")  # a half would be one seed
