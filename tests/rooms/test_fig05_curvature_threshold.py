"""Fig. 5: what is drawn is what is given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from dynloss.dynamics import PowerLaw, power_law
from dynloss_book import paper
from dynloss_book.fig05_curvature_threshold import figure

RATES = np.array([0.25, 0.5, 1.0, 2.0])
READINGS = {"threshold": "0.1", "scaled_threshold": "0.1/η"}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def network(scale):
    """λ_th = scale·η^-0.9, and scale/η for the other mark; one point was not found."""
    fixed, scaled = (np.stack([scale * RATES**p, 1.1 * scale * RATES**p], axis=1) for p in (-0.9, -1.0))
    fixed[0, 1] = np.nan
    dims = ("learning_rate", "seed")
    return xr.Dataset(
        {"threshold": (dims, fixed), "scaled_threshold": (dims, scaled)},
        coords={"learning_rate": RATES, "seed": [0, 1]},
    )


def run(level, dim="step_7"):
    steps = np.arange(0, 700, 7)
    values = level + 0.2 * (-1.0) ** np.arange(len(steps))
    return xr.Dataset({"hessian_eigenvalues": ((dim, "rank"), values[:, None])}, coords={dim: steps})


def laws(networks):
    def fit(values):
        return power_law(np.repeat(RATES, 2), values.values.ravel())

    return {name: {label: fit(each[name]) for label, each in networks.items()} for name in READINGS}


def everything(fits=None):
    networks = {"100 units": network(1.7), "1000 units": network(1.8)}
    static = {"100 units": run(2.4), "1000 units": run(1.2)}
    return figure.plot(networks, READINGS, laws(networks) if fits is None else fits, static, rate=1.0), networks


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_every_point_and_every_law_is_drawn():
    drawn, networks = everything()
    power = drawn.axes[0]
    points = [line for label, line in lines(power).items() if "units" in label]
    assert len(points) == 4
    np.testing.assert_array_equal(points[0].get_ydata(), networks["100 units"].threshold.values.ravel())
    np.testing.assert_array_equal(points[0].get_xdata(), np.repeat(RATES, 2))
    assert "exponent −1.00" in points[1].get_label()
    assert points[0].get_label().endswith(figure.exponent_in_words(laws(networks)["threshold"]["100 units"]))
    assert points[0].get_markerfacecolor() == points[0].get_color() and points[1].get_markerfacecolor() == "none"
    assert power.get_xscale() == power.get_yscale() == "log"


def test_the_laws_compared_with_have_their_slopes():
    drawn, _ = everything()
    named = lines(drawn.axes[0])
    (edge,) = [line for label, line in named.items() if "stability" in label]
    np.testing.assert_allclose(edge.get_ydata(), 2 / edge.get_xdata())
    (theirs,) = [line for label, line in named.items() if "paper" in label]
    slope = np.diff(np.log(theirs.get_ydata())) / np.diff(np.log(theirs.get_xdata()))
    np.testing.assert_allclose(slope, paper.EXPONENT)


def test_the_static_runs_with_the_threshold_of_the_first_mark():
    drawn, networks = everything()
    level = laws(networks)["threshold"]["1000 units"].at(1.0)
    ax = drawn.axes[2]
    assert "1000 units" in ax.get_title()
    series, edge, threshold = ax.get_lines()
    np.testing.assert_array_equal(series.get_xdata(), np.arange(0, 700, 7))
    assert threshold.get_ydata() == pytest.approx([level, level])
    assert edge.get_ydata() == pytest.approx([2, 2])
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 2


def test_without_any_law_points_and_edge_remain():
    drawn, _ = everything(fits={mark: {} for mark in READINGS})
    labels = list(lines(drawn.axes[0]))
    assert not any("paper" in label or "exponent" in label for label in labels)
    assert len(drawn.axes[1].get_lines()) == 2


def test_a_run_that_diverged_is_drawn_as_far_as_it_went():
    networks = {"100 units": network(1.7)}
    broken = run(np.nan)
    drawn = figure.plot(networks, READINGS, laws(networks), {"100 units": broken}, rate=0.5)
    assert drawn.axes[1].get_ylim() == pytest.approx((0, 1.15 * 4))
    drawn.canvas.draw()


def test_exponent_in_words():
    law = PowerLaw(exponent=-0.951, low=-1.104, high=-0.798, prefactor=2.0, points=9)
    assert figure.exponent_in_words(law) == "−0.95 [−1.10, −0.80]"
