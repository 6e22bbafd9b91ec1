"""Fig. 5: what is drawn is what is given."""


import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from made_up import MIXED, NO, ONE, YES, scattered, verdicts

from dynloss import losses, schedules
from dynloss.dynamics import PowerLaw, power_law
from dynloss_book import paper
from dynloss_book.engine import deadline
from dynloss_book.engine.findings import Verdict
from dynloss_book.fig05_curvature_threshold import claims, figure
from dynloss_book.fig05_curvature_threshold import experiment as curvature_threshold
from dynloss_book.plots.style import exponent_in_words
from dynloss_book.tasks import spiral

RATES = np.array([0.25, 0.5, 1.0, 2.0])
CRITERIA = {"threshold": "0.1", "scaled_threshold": "0.1/η"}


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

    return {name: {label: fit(each[name]) for label, each in networks.items()} for name in CRITERIA}


def everything(fits=None):
    networks = {"100 units": network(1.7), "1000 units": network(1.8)}
    static = {"100 units": run(2.4), "1000 units": run(1.2)}
    return figure.plot(networks, CRITERIA, laws(networks) if fits is None else fits, static, rate=1.0), networks


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
    assert points[0].get_label().endswith(exponent_in_words(laws(networks)["threshold"]["100 units"]))
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
    drawn, _ = everything(fits={name: {} for name in CRITERIA})
    labels = list(lines(drawn.axes[0]))
    assert not any("paper" in label or "exponent" in label for label in labels)
    assert len(drawn.axes[1].get_lines()) == 2


def test_a_run_that_diverged_is_drawn_as_far_as_it_went():
    networks = {"100 units": network(1.7)}
    broken = run(np.nan)
    drawn = figure.plot(networks, CRITERIA, laws(networks), {"100 units": broken}, rate=0.5)
    assert drawn.axes[1].get_ylim() == pytest.approx((0, 1.15 * 4))
    drawn.canvas.draw()


def threshold_networks(ratio=1.0, power=-0.92, scaled=-1.04):
    rate = np.array([0.5, 1.0, 2.0])

    def of(factor):
        values = {
            name: scattered(factor * 2 * rate**exponent, ("learning_rate",))
            for name, exponent in (("threshold", power), ("scaled_threshold", scaled), ("accuracy", 0))
        }
        return xr.Dataset(values, coords={"learning_rate": rate, "seed": range(6)}, attrs={"scale": "6 seeds"})

    return {"100 units": of(1.0), "1000 units": of(ratio)}


def static_runs(level, accuracy, seeds=5):
    """λ_max within 0.2 of this level, in the second half of runs at η = 1."""
    values = {"lower": level - 0.2, "middle": level, "upper": level + 0.2, "accuracy": accuracy}
    ones = xr.DataArray(np.ones((1, seeds)), dims=("learning_rate", "seed"))
    return xr.Dataset({name: value * ones for name, value in values.items()})


def test_figure_5():
    settings = {"period": 5000, "steps": 70_000, "static_steps": 70_000}
    judge = claims.judge
    law = PowerLaw(-0.92, -0.93, -0.91, 2.0, 18)  # -0.9 to the paper's one digit
    laws = {mark: {"100 units": law, "1000 units": law} for mark in ("threshold", "scaled_threshold")}
    runs = {"100 units": static_runs(3.0, 0.5), "1000 units": static_runs(1.0, 1.0)}
    assert verdicts(judge(threshold_networks(), laws, runs, settings)) == [YES] * 8
    off = PowerLaw(-1.24, -1.26, -1.22, 2.0, 18)
    other = {mark: {"100 units": off, "1000 units": off} for mark in laws}
    swapped = {"100 units": runs["1000 units"], "1000 units": runs["100 units"]}
    assert verdicts(judge(threshold_networks(1.5, -1.24, -1.24), other, swapped, settings)) == [NO] * 8
    assert "largest deviation 1.50 at η" in judge(threshold_networks(1.5), laws, runs, settings).claims[2].here
    one = {label: each.isel(seed=[0]) for label, each in runs.items()}
    assert verdicts(judge(threshold_networks(), laws, one, settings))[3:7] == [ONE] * 4
    none = {"threshold": {}, "scaled_threshold": {}}
    unknown = verdicts(judge(threshold_networks(), none, runs, settings))
    assert [unknown[place] for place in (0, 1, 3, 5)] == [Verdict.NOT_COMPUTED] * 4
    straddling = {label: static_runs(2.1, 0.9) for label in runs}  # a tenth of the second half is on the other side
    assert verdicts(judge(threshold_networks(), laws, straddling, settings))[3:7] == [NO] * 4
    apart = {label: xr.concat([static_runs(3.0, 0.5, 3), static_runs(1.0, 1.0, 2)], "seed") for label in runs}
    assert [verdicts(judge(threshold_networks(), laws, apart, settings))[place] for place in (3, 5)] == [MIXED] * 2


def test_one_power_law_that_does_not_fit():
    rate = np.geomspace(0.2, 2, 9)
    noise = xr.DataArray(np.random.RandomState(0).normal(scale=0.02, size=(9, 5)), dims=("learning_rate", "seed"))
    straight = np.exp(noise) * xr.DataArray(2 / rate, {"learning_rate": rate})
    bent = straight * xr.DataArray(np.exp(0.1 * np.log(rate) ** 2), dims="learning_rate")
    assert claims.misfit(straight) > 0.05 > 1e-3 > claims.misfit(bent)
    assert np.isnan(claims.misfit(straight.isel(seed=[0]))) and np.isnan(claims.misfit(straight[:2]))
    assert claims.misfit(straight.where(straight.learning_rate > 0.21)) > 0.05
    assert "in the lower half of the rates −1.0" in claims.curved(straight)
    network = xr.Dataset({"threshold": straight, "accuracy": straight * 0 + 0.99})
    network["accuracy"][-1] = 0.8
    assert claims._not_learnt(network) == "; at η = 2 the networks do not learn (below 0.95)"


def test_thresholds_are_medians_over_the_marks():
    step = np.arange(0, 4000, 10)
    bounce = np.where((step > 2500) & (step < 3000), 0.3, 0.0)
    curvature = np.stack([2.0 - bounce / 2, 2.0 + bounce / 2], axis=1)
    run = xr.Dataset(
        {"curvature": (("step", "side"), curvature), "accuracy": ("step", np.full(len(step), 0.7))},
        coords={"step": step},
    )
    found = curvature_threshold.thresholds(run, 1000, 1.0)
    assert found["threshold"] == pytest.approx(2.0, abs=0.2) and found["marks"] == 2
    assert found["accuracy"] == pytest.approx(0.7)
    assert np.isnan(curvature_threshold.thresholds(run, 1000, 0.1)["scaled_threshold_twice"])  # no jump is of 2


@pytest.mark.slow
def test_both_sides_of_a_step_hold_the_weights():
    """λ_max at W and at W − η∇F(W), of one and the same loss: against dense Hessians."""
    task = spiral.task(2, "float32", 0)
    weights = schedules.oscillating(3, 20, 3)
    run = curvature_threshold.pairs(2, "float32", 0, (3, 20, 4), 0.5, 4, 2, 15)
    gammas = jnp.asarray(schedules.weights_over(weights, np.array([0]))[0])
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)
    flat, back = jax.flatten_util.ravel_pytree(task.start)

    def loss(w):
        each = losses.cross_entropy(task.model.apply(back(w), inputs), labels)
        return losses.class_weighted_mean(each, labels, gammas)

    after, hessian = flat - 0.5 * jax.jit(jax.grad(loss))(flat), jax.jit(jax.hessian(loss))
    expected = [np.linalg.eigvalsh(hessian(w))[-1] for w in (flat, after)]
    np.testing.assert_allclose(run.curvature.values[0], expected, rtol=2e-3)


@pytest.fixture
def programs():
    """Those of `curvature_threshold`, compiled anew for the test and after it."""
    curvature_threshold._program.cache_clear()
    yield curvature_threshold._program
    curvature_threshold._program.cache_clear()


@pytest.mark.slow
def test_the_steps_between_two_pairs_are_the_same_by_xla_and_by_the_kernel(programs, monkeypatch):
    given, called = (6, "float32", 0, (20, 20, 60), 0.5, 60, 5, 8), []
    descend = curvature_threshold.compiled.descend
    spy = lambda *arguments, **named: called.append(arguments[-1]) or descend(*arguments, **named)  # noqa: E731
    monkeypatch.setattr(curvature_threshold.compiled, "descend", spy)
    by_xla = curvature_threshold.pairs(*given)
    assert called == []
    monkeypatch.setattr(curvature_threshold, "FEW", 6 * 4 - 1)
    programs.cache_clear()
    by_kernel = curvature_threshold.pairs(*given)
    assert called == [4]
    np.testing.assert_allclose(by_kernel.curvature, by_xla.curvature, rtol=1e-3)
    np.testing.assert_array_equal(by_kernel.accuracy, by_xla.accuracy)


def test_pairs_go_on_from_their_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(curvature_threshold, "CHUNK", 4)
    given = 6, "float32", 0, (20, 20, 60), 0.5, 60, 5, 8
    whole = curvature_threshold.pairs(*given)
    file = tmp_path / "run"
    with pytest.raises(deadline.OutOfTime), deadline.until(0.0):
        curvature_threshold.pairs(*given, file)
    assert file.exists()
    assert curvature_threshold.pairs(*given, file).identical(whole) and not file.exists()
    assert whole.step.values.tolist() == list(range(0, 60, 5))
