"""Figure 4's claims, on a made-up run in which they hold and on one in which they do not."""

import numpy as np
import pytest
import xarray as xr
from made_up import MIXED, NO, ONE, OPEN, SCALE, YES, verdicts

from dynloss.dynamics import Instability
from dynloss_book import paper
from dynloss_book.analysis import learning
from dynloss_book.fig04_learning_dynamics import claims as learning_dynamics


def learning_run(period=100, cycles=14, quiet_from=10, reverse=False):
    """In every period λ_max and the loss fall and rise; the kernel rises until a cascade, and falls in it.

    In a cascade the loss alternates between two branches; after the last one the valleys are wider. In reverse nothing
    of this holds.
    """
    steps = np.arange(period * cycles)
    phase, cycle = steps % period / period, steps // period
    wave = np.abs(2 * phase - 1)
    bounce = np.where((phase >= 0.8) | (phase <= 0.1), 0.5 * (-1.0) ** steps, 0)
    curvature = np.where(cycle < quiet_from, 1.0, 0.5) * (1 + wave)
    kernel = (1 + cycle) * np.where(phase < 0.8, phase, 4 * (1 - phase))
    accuracy = np.linspace(0.3, 1.0, len(steps))
    static = np.linspace(1.0, 0.1, len(steps)) + phase * (cycle < quiet_from)
    at, places = [1.9, 2.0], (0.8, 1.1)
    if reverse:
        curvature, kernel, bounce = np.where(cycle < 10, 1.0, 4.0) * (2 - wave), 1 + phase, 0
        accuracy, static = 0.3 + 0.3 * phase, np.linspace(1.0, 0.1, len(steps))
        at, places = [1.9, 3.9], (0.1, 0.8)
    run = xr.Dataset(
        {
            "hessian_eigenvalues": (("step", "rank"), curvature[:, None] * [1.0, 0.9, 0.1]),
            "ntk_eigenvalues": (("step", "ntk_rank"), kernel[:, None]),
            "loss": ("step", 1 - wave if reverse else 2 + wave + bounce),
            "static_loss": ("step", static),
            "accuracy": ("step", accuracy),
        },
        coords={"step": steps},
        attrs={"scale": "1 seed", "steps": len(steps)},
    )
    first, last = (round(each * period) for each in places)
    return run, [Instability(period * i + first, period * i + last, *at) for i in range(quiet_from)]


SCALED = (0, 14, 15)  # of the claims of Figure 4, those that take the paper's scale
BY_RUN, PAPERS = {0, 10, 14}, 16  # those that are judged run by run, and how many are of the paper; the rest, ours


def judged(runs, settings, static=((0.9, 0.9), (3.0, 3.0))):
    """What is found of runs and cascades, each a seed; beside static ends: their accuracy and λ_max at two rates."""
    first, *others = (learning.measure(run, settings["period"], cascades) for run, cascades in runs)
    swept = [xr.Dataset(each | {"done": True}).expand_dims(seed=[seed]) for seed, each in enumerate(others, 1)]
    missing = xr.Dataset(dict.fromkeys(first, np.nan) | {"done": False}).expand_dims(seed=[99])
    names = "end_accuracy", "end_curvature"
    ends = {name: ("learning_rate", list(each)) for name, each in zip(names, static, strict=True)}
    beside = xr.Dataset(ends, {"learning_rate": [1.0, 0.1]}).expand_dims(seed=range(len(runs)))
    return learning_dynamics.judge(learning.of_seeds(first, 0, [*swept, missing]), beside, settings)


def with_scale(found):
    return [SCALE if place in SCALED else each for place, each in enumerate(found)]


def test_figure_4():
    settings = paper.FIGURE_4 | {"period": 100, "steps": 1400}
    agreeing = judged([learning_run()], settings)
    assert verdicts(agreeing) == with_scale([ONE] * (PAPERS + 3))
    assert agreeing.claims[0].reduced and agreeing.scale.startswith("1 seed, 1,400 steps")
    assert verdicts(judged([learning_run()] * 3, settings)) == with_scale([YES] * (PAPERS + 3))
    contrary = judged([learning_run(reverse=True)] * 3, settings, static=((1.0, 1.0), (1.0, 1.0)))
    assert verdicts(contrary) == with_scale([NO] * (PAPERS + 3))
    both = verdicts(judged([learning_run(), learning_run(reverse=True)], settings))[:PAPERS]
    assert both == with_scale([MIXED if place in BY_RUN else OPEN for place in range(PAPERS)])
    none = judged([(learning_run()[0], [])] * 2, settings)
    assert "No cascade" in none.summary and YES not in verdicts(none)[:PAPERS]


def test_figure_4_at_the_papers_scale():
    settings = paper.FIGURE_4
    found = judged([learning_run(period=5000)] * 2, settings)
    assert verdicts(found) == [YES] * (PAPERS + 3) and not found.claims[0].reduced
    run = learning_run(period=5000, quiet_from=13, reverse=True)
    assert verdicts(judged([run] * 2, settings))[:PAPERS] == [NO] * PAPERS


def test_changes_that_flip_by_chance_are_no_branches():
    run, cascades = learning_run()
    settings = paper.FIGURE_4 | {"period": 100}
    noises = [np.cumsum(np.random.RandomState(seed).normal(size=run.sizes["step"])) for seed in range(5)]
    noisy = [(run.assign(loss=run.loss * 0 + noise), cascades) for noise in noises]
    claims = [judged(runs, settings).claims for runs in (noisy, [(run, cascades)] * 5)]
    place = next(i for i, claim in enumerate(claims[0]) if "branches" in claim.statement)
    assert [each[place].verdict for each in claims] == [OPEN, YES]


def test_static_training_is_compared_at_the_better_rate():
    settings = paper.FIGURE_4 | {"period": 100, "steps": 1400}
    found = judged([learning_run()] * 2, settings, static=((0.5, 1.1), (3.0, 0.1))).claims[PAPERS:]
    assert [each.verdict for each in found] == [NO, YES, NO] and "−0.100" in found[0].here


def test_what_is_measured_of_a_run_is_named_and_right():
    run, cascades = learning_run()
    found = learning.measure(run, 100, cascades)
    assert found.keys() == learning.MEASURED.keys() == learning.variables(learning.MEASURED).keys()
    assert found["cascades"] == 10 and found["threshold"] == pytest.approx(1.95)
    assert found["onset"] == pytest.approx(1.9)
    assert found["quiet"] == pytest.approx((1400 - 1010) / 100)
    assert found["largest_after"] == pytest.approx(1.0 / 1.95) and found["wider"] == pytest.approx(0.5)
    assert found["end_curvature"] == pytest.approx(run.hessian_eigenvalues[-100:, 0].mean().item())
    none = learning.measure(run, 100, [])
    assert none["cascades"] == 0 and np.isnan(none["starts_late"]) and np.isnan(none["lateness"])
