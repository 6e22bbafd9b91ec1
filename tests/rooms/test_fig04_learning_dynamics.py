"""Figure 4's claims, on a made-up run in which they hold and on one in which they do not."""

import numpy as np
import xarray as xr
from made_up import MIXED, NO, ONE, SCALE, YES, verdicts

from dynloss.dynamics import Instability
from dynloss_book import paper
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
            "hessian_eigenvalues": (("step", "rank"), curvature[:, None]),
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


def test_figure_4():
    settings = paper.FIGURE_4 | {"period": 100, "steps": 1400}
    agreeing = learning_dynamics.judge([learning_run()], settings)
    assert verdicts(agreeing) == [SCALE if place in SCALED else ONE for place in range(16)]
    assert agreeing.claims[1].here.endswith("(1 run, as in the paper)") and agreeing.claims[0].reduced
    three = verdicts(learning_dynamics.judge([learning_run()] * 3, settings))
    assert three == [SCALE if place in SCALED else YES for place in range(16)]
    contrary = learning_dynamics.judge([learning_run(reverse=True)] * 3, settings)
    assert verdicts(contrary) == [SCALE if place in SCALED else NO for place in range(16)]
    both = verdicts(learning_dynamics.judge([learning_run(), learning_run(reverse=True)], settings))
    assert both == [SCALE if place in SCALED else MIXED for place in range(16)]
    none = learning_dynamics.judge([(learning_run()[0], [])], settings)
    assert "No cascade" in none.summary and YES not in verdicts(none)


def test_figure_4_at_the_papers_scale():
    settings = paper.FIGURE_4
    found = learning_dynamics.judge([learning_run(period=5000)] * 2, settings)
    assert verdicts(found) == [YES] * 16 and not found.claims[0].reduced
    run = learning_run(period=5000, quiet_from=13, reverse=True)
    assert verdicts(learning_dynamics.judge([run] * 2, settings)) == [NO] * 16


def test_changes_that_flip_by_chance_are_no_branches():
    run, cascades = learning_run()
    noisy = run.assign(loss=run.loss * 0 + np.cumsum(np.random.RandomState(0).normal(size=run.sizes["step"])))
    place = next(i for i, claim in enumerate(learning_dynamics.judge([(run, cascades)], paper.FIGURE_4).claims)
                 if "branches" in claim.statement)  # fmt: skip
    assert verdicts(learning_dynamics.judge([(noisy, cascades)] * 2, paper.FIGURE_4))[place] == NO
