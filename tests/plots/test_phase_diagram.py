"""The phase diagrams: what is drawn is what is in the data, complete or not."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine import sweeps
from dynloss_book.paper import Region
from dynloss_book.plots import phase_diagram

PERIODS, AMPLITUDES = [10.0, 100.0, 1000.0], [1.0, 10.0, 100.0]
REGION = Region(longest=300, weakest=5, strongest=20)


def plane(values):
    return xr.DataArray(values, dims=("period", "amplitude"), coords={"period": PERIODS, "amplitude": AMPLITUDES})


@pytest.fixture
def means():
    rising = plane(np.linspace(0.5, 0.9, 9).reshape(3, 3))
    return {"100 units": {"accuracy": rising, "validation_accuracy": rising - 0.1}}


def test_a_region_holds_its_borders_and_nothing_outside():
    periods, amplitudes = np.array([300, 301, 10, 10, 10]), np.array([20, 10, 5, 4.9, 21])
    assert REGION.holds(periods, amplitudes).tolist() == [True, False, True, False, False]


def test_contours_share_one_scale_a_row_and_outline_the_region(means):
    figure = phase_diagram.plot(means, {"100 units": REGION})
    left, right = figure.axes[:2]
    (first,), (second,) = ([c for c in ax.collections if hasattr(c, "levels")] for ax in (left, right))
    np.testing.assert_array_equal(first.levels, second.levels)
    assert first.levels[0] <= 0.4 and first.levels[-1] >= 0.9
    (outline,) = left.patches
    assert (outline.get_x(), outline.get_y()) == (10, 5)
    assert outline.get_width() == 290 and outline.get_height() == 15
    assert left.get_xscale() == left.get_yscale() == "log"
    assert left.get_ylabel() == "amplitude $A$" and left.get_xlabel() == "period $T$ (steps)"


UNFINISHED = np.array([[0.5, 0.6, np.nan], [0.7, np.nan, np.nan], [0.6, 0.9, np.nan]])


@pytest.mark.parametrize("values", [UNFINISHED, np.full((3, 3), np.nan), np.full((3, 3), 0.5)])
def test_a_diagram_with_gaps_or_without_contrast_is_drawn(values):
    same = {"accuracy": plane(values), "validation_accuracy": plane(values)}
    phase_diagram.plot({"100 units": same}, {"100 units": REGION}).canvas.draw()


def test_pairs_join_the_networks_of_a_seed_and_show_means_from_three_seeds_on():
    values = xr.DataArray(
        [[0.5, 0.6, 0.7], [0.6, 0.65, 0.9]], dims=("amplitude", "seed"), coords={"amplitude": [1, 50]}
    )
    figure = phase_diagram.plot_pairs({"three": values, "two": values.where([True, True, False])})
    left, right = figure.axes
    lines = [line.get_ydata().tolist() for line in left.lines if len(line.get_ydata()) == 2][:3]
    assert lines == [[0.5, 0.6], [0.6, 0.65], [0.7, 0.9]]
    assert len(left.containers) == 1 and not right.containers
    assert left.get_title() == "three, 3 seeds" and right.get_title() == "two, 2 seeds"


def test_a_network_whose_partner_diverged_is_drawn_hollow_and_does_not_count():
    values = xr.DataArray(
        [[0.5, 0.6, np.nan], [0.6, 0.65, 0.9]], dims=("amplitude", "seed"), coords={"amplitude": [1, 50]}
    )
    (ax,) = phase_diagram.plot_pairs({"three": values}).axes
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    drawn = [value for line in hollow for value in np.asarray(line.get_ydata()) if np.isfinite(value)]
    assert drawn == [0.9] and not ax.containers and ax.get_title() == "three, 2 seeds"


def test_cells_show_each_accuracy_in_its_own_colours_and_leave_gaps_blank(means):
    one = means["100 units"]
    one["validation_accuracy"] = one["validation_accuracy"].where(one["validation_accuracy"] < 0.7)
    figure = phase_diagram.plot_cells(one, REGION)
    left, right = figure.axes[:2]
    np.testing.assert_allclose(left.images[0].get_array().ravel(), one["accuracy"].T.values.ravel())
    assert right.images[0].get_array().mask.sum() == 3
    assert left.images[0].get_clim() == pytest.approx((0.5, 0.9))
    assert right.images[0].get_clim() == pytest.approx((0.4, 0.65))
    assert [(ax.patches[0].get_x(), ax.patches[0].get_y()) for ax in (left, right)] == [(-0.5, 0.5), (-0.5, 0.5)]
    written = {text.get_position(): text.get_text() for text in right.texts if text.get_text() != "(b)"}
    assert len(written) == 6 and written[(1, 0)] == "0.550" and (2, 0) not in written


def test_cells_without_anything_say_so():
    nothing = plane(np.full((3, 3), np.nan))
    figure = phase_diagram.plot_cells({"accuracy": nothing, "validation_accuracy": nothing}, REGION)
    assert all("nothing computed" in [text.get_text() for text in ax.texts] for ax in figure.axes[:2])


def test_certainty_shows_errors_and_numbers():
    errors, numbers = plane(np.full((3, 3), 0.01)), plane(np.full((3, 3), 5))
    errors[0, 0], numbers[0, 0] = np.nan, 1
    figure = phase_diagram.plot_certainty({"100 units": errors}, {"100 units": numbers})
    error, number = (ax.images[0].get_array() for ax in figure.axes[:2])
    assert error.mask.sum() == 1 and np.ma.compressed(error) == pytest.approx(0.01)
    assert (number == numbers.T).all()


def test_certainty_of_equally_many_seeds_has_no_panel_for_their_number():
    alike = plane(np.full((3, 3), 0.01)), plane(np.full((3, 3), 5))
    figure = phase_diagram.plot_certainty(*({"100": each, "1000": each} for each in alike))
    titles = [ax.get_title() for ax in figure.axes if ax.images]
    assert titles == ["100: 5 seeds at each point", "1000: 5 seeds at each point"]


def test_curves_have_bands_only_where_there_is_a_margin():
    along = {"amplitude": AMPLITUDES, "period": 100.0}

    def summary(*mean_and_margin):
        mean, margin = (xr.DataArray(values, along, "amplitude") for values in mean_and_margin)
        return sweeps.Summary(mean, margin, mean, margin)

    curve = {
        "accuracy": summary([0.5, 0.9, 0.4], [0.1, 0.05, np.nan]),
        "validation_accuracy": summary([0.4, 0.8, 0.3], [np.nan] * 3),
    }
    figure = phase_diagram.plot_curves({"100 units": curve}, {"100 units": REGION})
    (ax,) = figure.axes
    training, static, *_ = ax.get_lines()
    np.testing.assert_array_equal(training.get_ydata(), [0.5, 0.9, 0.4])
    assert static.get_ydata()[0] == 0.5
    band = ax.collections[0].get_paths()[0].get_extents()
    assert band.y0 == pytest.approx(0.4) and band.y1 == pytest.approx(0.95)
    assert "$T$ = 100 steps" in ax.get_title(loc="left")


def test_gain_shows_small_gains_beside_large_losses_and_hatches_what_is_unsure():
    gains = plane(np.array([[-0.5, 0.02, 0.04], [0.0, 0.01, 0.03], [0.0, 0.0, 0.02]]))
    margins = plane(np.full((3, 3), 0.015))
    margins[0, 0] = np.nan
    figure = phase_diagram.plot_gain({"100 units": gains}, {"100 units": margins}, {"100 units": REGION})
    (colours,) = figure.axes[0].images
    assert colours.get_clim() == (-0.04, 0.04)
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    places = [(0.5, -0.5), (0.5, 0.5), (1.5, -0.5), (1.5, 0.5)]
    assert sorted((patch.get_x(), patch.get_y()) for patch in hatched) == places
    (alone,) = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    assert (alone.get_x(), alone.get_y()) == (-0.5, -0.5)  # one seed: grey
