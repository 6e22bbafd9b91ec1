"""The page on one's own data says what it gains."""

import numpy as np
import pytest
import xarray as xr
from made_up import scattered

from dynloss_book.own_data import claims as own_data
from dynloss_book.plots import own_data as figure


def test_other_data_say_what_they_gain():
    def of(mean):
        values = scattered(np.full(10, mean), ("digit",))
        return xr.Dataset({"test": values, "training": values}, coords={"digit": range(10)})

    results = {"4 units": {"static": of(0.8), "dynamical": of(0.9), "static at the same rate": of(0.85)}}
    assert "4 units: yes (+0.100" in own_data.judge(results, "small").summary
    alone = {"4 units": {name: each.isel(seed=[0]) for name, each in results["4 units"].items()}}
    assert "4 units: one run of each decides nothing (+0.100" in own_data.judge(alone, "small").summary
    rows = own_data.gains(results)
    assert rows[1]["gain"].startswith("+0.100") and rows[1]["gain at the same rate"].startswith("+0.050")


RATES, PERIODS, AMPLITUDES = [0.1, 0.2], [30.0, 100.0], [1.0, 10.0, 100.0]


def search(seeds):
    """A = 1 is best at the lower rate, with 0.8; the others are at the higher one, and gain 0.01 and 0.02."""
    names = ("learning_rate", "period", "amplitude", "seed")
    values = np.full((2, 2, 3, seeds), 0.7)
    values[0, :, 0] = 0.8
    values[1, :, 1], values[1, :, 2] = 0.81, 0.82
    values += 0.1 * np.arange(seeds)
    coordinates = dict(zip(names, (RATES, PERIODS, AMPLITUDES, range(seeds)), strict=True))
    return xr.DataArray(values, dims=names, coords=coordinates)


def test_a_run_shows_weights_and_losses():
    weights, curves = np.arange(12.0).reshape(4, 3), {"static": [4.0, 3, 2, 1], "dynamical": [4.0, 5, 2, 0.5]}
    above, below = figure.plot_run(weights, curves).axes[:2]
    np.testing.assert_array_equal(above.collections[0].get_array().reshape(3, 4), weights.T)
    assert {line.get_label(): list(line.get_ydata()) for line in below.get_lines()} == curves
    assert below.get_yscale() == "log"


def test_the_search_compares_the_same_seeds_at_the_best_rates():
    drawn = figure.plot_search({"4 units": search(3), "16 units": search(3)})
    assert [ax.get_title(loc="left") for ax in drawn.axes] == ["4 units", "16 units"]
    lines = drawn.axes[0].containers
    assert len(lines) == len(PERIODS)
    for line in lines:
        np.testing.assert_allclose(line[0].get_ydata(), [0.01, 0.02])
        # The seeds differ by 0.1 from each other, and not at all in what they gain.
        for low, high in (segment[:, 1] for segment in line[2][0].get_segments()):
            assert high - low == pytest.approx(0, abs=1e-12)


def test_a_search_with_one_seed_or_with_gaps_is_drawn():
    one = search(1)
    figure.plot_search({"4 units": one, "16 units": one.where(one.amplitude < 100)}).canvas.draw()


def test_each_class_with_its_interval_and_the_rare_ones_on_grey():
    values = xr.DataArray(np.array([[0.9, 0.7], [0.5, 0.3], [0.8, 0.8]]), dims=("digit", "seed"))
    drawn = figure.plot_classes({"4 units": {"static": values, "balanced": values + 0.1}}, rare=[1])
    (ax,) = drawn.axes
    static, balanced = ax.containers
    np.testing.assert_allclose(static[0].get_ydata(), [0.8, 0.4, 0.8])
    np.testing.assert_allclose(balanced[0].get_ydata(), [0.9, 0.5, 0.9])
    assert (static[0].get_xdata() < balanced[0].get_xdata()).all()
    lengths = [np.ptp(segment[:, 1]) for segment in static[2][0].get_segments()]
    np.testing.assert_allclose(lengths, [2 * 12.706 * 0.1, 2 * 12.706 * 0.1, 0], rtol=1e-4, atol=1e-12)
    (grey,) = ax.patches
    assert (grey.get_x(), grey.get_width()) == (0.5, 1)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["static", "balanced"]
