"""Fig. S2: what is drawn is what is given."""

import numpy as np
import pytest
import xarray as xr
from made_up import NO, ONE, SCALE, YES, verdicts

from dynloss.dynamics import Instability
from dynloss_book.analysis import cascades
from dynloss_book.figS2_myrtle_bifurcations import claims, figure
from dynloss_book.plots.style import END, START

STEPS, EVERY = 200, 9
CASCADES = [Instability(60, 80, 45.0, 39.0), Instability(150, 170, 44.0, 38.0)]
WEIGHTS = np.stack([1 + np.sin(np.arange(STEPS) / 30) * shift for shift in (0.5, -0.25, 0)], axis=1)


def trajectory(ranks=2):
    step = np.arange(STEPS)
    at = np.arange(0, STEPS, EVERY)
    loss = 1 - 0.003 * step
    loss[60:80:2] += 0.1
    eigenvalues = np.stack([30 + 0.1 * at, 10 + 0.05 * at, 5 + 0 * at], axis=1)[:, :ranks]
    return xr.Dataset(
        {
            "loss": ("step", loss),
            "accuracy": ("step", 0.3 + 0.003 * step),
            "hessian_eigenvalues": ((f"step_{EVERY}", "rank"), eigenvalues),
        },
        coords={"step": step, f"step_{EVERY}": at},
        attrs={"steps": STEPS},
    )


def drawn(run=None, cascades=CASCADES, threshold=41.5, zoom=(50, 100)):
    return figure.plot(trajectory() if run is None else run, WEIGHTS, cascades, threshold, 40.0, zoom)


def series(ax, length):
    """The data of the lines with so many points, in the order in which they were drawn."""
    return [line.get_ydata() for line in ax.get_lines() if len(line.get_xdata()) == length]


def test_every_series_is_drawn_in_both_columns():
    whole, axes = trajectory(), drawn().axes
    for column, window in enumerate((slice(0, STEPS - 1), slice(50, 100))):
        run = whole.sel({"step": window, f"step_{EVERY}": window})
        tilt, accuracy, change, curvature = axes[column::2]
        steps = run.sizes["step"]
        np.testing.assert_array_equal(np.stack(series(tilt, steps), axis=1), WEIGHTS[run.step])
        np.testing.assert_array_equal(series(accuracy, steps)[0], run.accuracy)
        np.testing.assert_array_equal(series(change, steps)[0][1:], np.diff(run.loss))
        second, first = series(curvature, run.sizes[f"step_{EVERY}"])
        np.testing.assert_array_equal(np.stack([first, second], axis=1), run.hessian_eigenvalues)
    assert axes[7].get_xlim() == (50, 100) and axes[6].get_xlim() == (0, STEPS)


def test_edge_threshold_and_marks():
    shown = drawn()
    for ax in shown.axes[6:]:
        levels = {line.get_ydata()[0]: line.get_linestyle() for line in series_of_levels(ax)}
        assert levels == {40.0: ":", 41.5: "--"}
    marks = [(line.get_xdata()[0], line.get_color()) for line in shown.axes[2].get_lines()[1:]]
    assert sorted(marks) == [(60, START), (80, END), (150, START), (170, END)]
    labels = [text.get_text() for text in shown.legends[0].get_texts()]
    assert any("$2/\\eta$ = 40" in label for label in labels) and any("= 41.5" in label for label in labels)
    assert shown.axes[6].get_ylim()[1] >= 44 and shown.axes[6].get_ylim()[0] <= 0


def series_of_levels(ax):
    return [line for line in ax.get_lines() if list(line.get_xdata()) == [0, 1] and len(set(line.get_ydata())) == 1]


def test_without_cascades_there_is_neither_a_mark_nor_a_threshold():
    shown = drawn(cascades=[], threshold=float("nan"), zoom=(0, STEPS))
    shown.canvas.draw()
    assert len(shown.axes[2].get_lines()) == 1
    assert not any("lambda_{th}" in text.get_text() for text in shown.legends[0].get_texts())


@pytest.mark.parametrize("ranks", [1, 3])
def test_other_numbers_of_eigenvalues(ranks):
    shown = drawn(trajectory(ranks))
    assert len(series(shown.axes[6], len(range(0, STEPS, EVERY)))) == ranks
    labels = [text.get_text() for text in shown.legends[0].get_texts()]
    assert sum(label.startswith("$\\lambda_") for label in labels) == ranks


def test_a_run_that_diverged_is_drawn_as_far_as_it_went():
    run = trajectory()
    run["loss"][100:] = np.nan
    run["hessian_eigenvalues"][11:] = np.nan
    drawn(run).canvas.draw()
    everything = run.copy(deep=True)
    everything["loss"][:] = np.nan
    everything["hessian_eigenvalues"][:] = np.nan
    drawn(everything, cascades=[], threshold=float("nan")).canvas.draw()


def bursting(inside):
    """A run whose accuracy changes by so much a step in its cascades, and by little outside."""
    run = trajectory()
    step = np.full(STEPS, 0.001)
    for each in CASCADES:
        step[each.start : each.end + 1] = inside
    return run.assign(accuracy=("step", np.cumsum(step * (-1.0) ** np.arange(STEPS))))


def test_the_last_rise_before_each_start():
    run = trajectory()
    curvature = np.full((STEPS + EVERY - 1) // EVERY, 30.0)
    curvature[[2, 3, 5, 9, 10]] = 45.0  # above 2/η at steps 18 and 27, at 45, and at 81 and 90, amid the first cascade
    run["hessian_eigenvalues"][:, 0] = curvature
    found = cascades.beside_the_edge(run, CASCADES, 0.05)
    assert found["λ₁ exceeds 2/η"].tolist() == [45, 81]
    run["hessian_eigenvalues"][:, 0] = 30.0
    assert cascades.beside_the_edge(run, CASCADES, 0.05)["λ₁ exceeds 2/η"].isna().all()


def test_figure_s2():
    settings = {"images": "cifar10", "size": 3000, "channels": 64, "period": 25, "steps": 200, "learning_rate": 0.05}
    judge = claims.judge
    assert verdicts(judge([(bursting(0.1), CASCADES)] * 2, settings)) == [YES] * 3
    assert judge([(bursting(0.1), CASCADES)] * 2, settings).plain.startswith("Yes: ")
    one = judge([(bursting(0.1), CASCADES)], settings)
    assert one.plain.startswith("In this one run, yes: ")
    assert verdicts(one) == [ONE] * 3 and "1 seed" in one.scale and not one.claims[0].reduced
    low = [each._replace(curvature_at_start=30.0, curvature_at_end=80.0) for each in CASCADES]
    assert verdicts(judge([(bursting(0.001), low)] * 2, settings | {"channels": 8})) == [NO] * 3
    assert verdicts(judge([(bursting(0.1), CASCADES)], settings | {"images": "generated"})) == [SCALE] * 3
    late = claims.while_moving(CASCADES, settings | {"period": 60})  # the weights stop at step 140
    assert late == CASCADES[:1]
    assert "goes through 1 cascades" in judge([(bursting(0.1), CASCADES)], settings | {"period": 60}).summary
