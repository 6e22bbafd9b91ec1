"""The data of pictures to explore: thinned without losing what reaches out, plain, and small."""

import json

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

from dynloss.dynamics import Instability, PowerLaw
from dynloss_book.engine import sweeps
from dynloss_book.engine.runner import page
from dynloss_book.fig05_curvature_threshold import figure as curvature_threshold
from dynloss_book.plots import interactive, learning_dynamics, phase_diagram
from dynloss_book.plots.style import extent


def test_thinning_keeps_single_spikes_and_both_branches():
    steps = np.arange(10_000)
    values = np.where(steps > 5000, np.where(steps % 2, 1.0, -1.0), 0.0)
    values[1234] = 50.0
    places = interactive.kept([values], 100)
    assert len(places) < 250 and 1234 in places and places[0] == 0 and places[-1] == 9999
    late = values[places][places > 5100]
    assert {-1.0, 1.0} == set(late) and abs(late.mean()) < 0.1


def test_a_window_of_as_many_buckets_as_steps_is_whole():
    places = interactive.kept([np.sin(np.arange(1000.0))], 5, [(300, 350, 50)])
    assert set(range(300, 350)) <= set(places.tolist())


def test_what_is_not_finite_is_left_out_or_none():
    values = np.full(100, np.nan)
    values[40] = 1.0
    assert interactive.kept([values], 10).tolist() == [0, 40, 50, 99]  # 50, the middle, is always there
    assert interactive.rounded([np.nan, np.inf, 1.0]) == [None, None, 1.0]
    assert extent([np.nan], rarest=0.01) == (-0.06, 1.06)


def record_of(explorable):
    shown = explorable._repr_mimebundle_()
    assert shown["text/plain"] == ""  # in Colab, nothing
    return json.loads(json.dumps(shown[interactive.MIME], allow_nan=False))


@pytest.fixture(scope="module")
def run_of_figure_4():
    """A made-up run of the paper's length with ten cascades, its class weights, and the cascades."""
    steps = 70_000
    t = np.arange(steps)
    loss = 1 / (1 + t) + np.where((t // 5000 < 10) & (t % 5000 > 4000), 0.1 * (-1.0) ** t, 0) + 0.2
    run = xr.Dataset(
        {
            "loss": ("step", loss),
            "accuracy": ("step", np.linspace(0.3, 1, steps)),
            "hessian_eigenvalues": (("step", "rank"), np.abs(np.sin(t / 700))[:, None] * [2, 1, 0.5]),
            "ntk_eigenvalues": (("step", "ntk_rank"), np.sqrt(t)[:, None]),
        },
        coords={"step": t},
    )
    weights = np.stack([np.cos(t / 5000 + shift) for shift in range(3)], axis=1) + 1
    cascades = [Instability(at + 4000, at + 4999, 1.8, 1.8) for at in range(0, 50_000, 5000)]
    return run, weights, cascades


def test_a_run_of_figure_4(run_of_figure_4):
    run, weights, cascades = run_of_figure_4
    loss, steps = run.loss.values, len(run.step)
    record = record_of(learning_dynamics.explore(run, weights, cascades, 1.8))
    assert len(json.dumps(record, separators=(",", ":"))) < 350_000
    assert len(record["panels"]) == 6 and {panel["group"] for panel in record["panels"]} == {"steps"}
    panel = record["panels"][1]
    (shown,) = panel["series"]
    at = np.cumsum(panel["x"]["steps"])
    assert at[0] == 0 and at[-1] == steps - 1 and len(at) == len(shown["values"])
    np.testing.assert_allclose(shown["values"], loss[at], rtol=1e-3)
    assert {"axis": "x", "at": 4000.0, "colour": learning_dynamics.START} in panel["marks"]


def test_a_plane_of_figure_3():
    values = np.random.default_rng(1).uniform(0.5, 1, (2, 3, 4))
    values[0, 1, 2:] = np.nan
    axes = {"period": [10.0, 3000.0], "amplitude": [1.0, 10.0, 100.0], "seed": range(4)}
    accuracy = xr.DataArray(values, axes, tuple(axes))
    summary = sweeps.summary(accuracy)
    names = dict.fromkeys(phase_diagram.ACCURACIES, summary)
    record = record_of(phase_diagram.explore({"100 units": names}))
    panel = record["panels"][0]
    assert (panel["columns"], panel["rows"]) == ([10, 3000], [1, 10, 100])
    assert panel["means"][2] == pytest.approx(np.nanmean(values[0, 1]), rel=1e-3)
    assert panel["seeds"][2] == 2 and panel["margins"][3] == pytest.approx(float(summary.margin[1, 1]), rel=0.1)


def test_the_points_of_figure_5():
    networks = {
        label: xr.Dataset({"threshold": (("learning_rate", "seed"), values)}, {"learning_rate": rates, "seed": [0, 1]})
        for label, rates, values in (
            ("100 units", [0.5, 1.0], [[4.0, 4.2], [2.0, np.nan]]),
            ("1000 units", [1.0, 2.0], [[2.1, 2.2], [1.0, 1.1]]),
        )
    }
    flat = xr.Dataset({"hessian_eigenvalues": (("step", "rank"), np.ones((50, 1)))}, {"step": range(50)})
    law = PowerLaw(exponent=-1.0, low=-1.1, high=-0.9, prefactor=2.0, points=3)
    fits, static = {"threshold": {"100 units": law}}, {"100 units": flat}
    record = record_of(curvature_threshold.explore(networks, {"threshold": "0.1"}, fits, static, rate=1.0))
    points, run = record["panels"]
    assert points["x"]["values"] == [0.5, 1.0, 2.0]
    named = [each["values"] for each in points["series"] if each["label"] == "100 units, jumps of 0.1:"]
    assert named == [[4.0, 2.0, None], [4.2, None, None]]
    assert run["title"].startswith("100 units") and run["marks"][-1]["at"] == 2.0


def smallest_type(figure) -> float:
    """In points, once the picture is as wide as the paper."""
    words = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return min(text.get_fontsize() for text in words) * page.WIDTH / figure.get_figwidth()


def test_the_papers_panels_at_the_papers_size(run_of_figure_4):
    """The letters, axes and ranges of Figure 4's and S1's panels, in type that can be read at the paper's width."""
    run, weights, cascades = run_of_figure_4
    figure = learning_dynamics.plot(run, weights, cascades, 1.8, (4000, 6000))
    letters = [ax.texts[0].get_text() for ax in figure.axes]
    assert letters == [f"({left})" for pair in zip("abcdef", "ghijkl", strict=True) for left in pair]
    assert [ax.get_xlim() for ax in figure.axes[:2]] == [(0, 70_000), (4000, 6000)]
    assert figure.axes[0].get_ylim()[1] > 2 and figure.axes[6].get_ylabel() == "training\naccuracy"
    assert smallest_type(figure) >= 6
    assert figure.get_figheight() * page.WIDTH / figure.get_figwidth() <= 9  # inches of the paper's page
    eigenvalues = learning_dynamics.plot_eigenvalues(run, cascades, 1.8, {"λ₁ crosses": 4100}, (4000, 6000))
    assert [ax.get_xlim() for ax in eigenvalues.axes[::2]] == [(0, 70_000)] * 2
    assert smallest_type(eigenvalues) >= 6
