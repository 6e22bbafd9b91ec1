"""Sweeps: one function of a point, over a grid of parameters and seeds, resumable, on any number of devices.

    dataset = sweeps.run(
        "fig03_spiral_phase_diagram", final_accuracy,
        axes={"period": [10, 100, 1000], "amplitude": [1, 10, 100]}, seeds=range(50), constants={"width": 100},
    )

The result has the axes and ``seed`` as dimensions. What is computed is kept in a store of its own, so the same call
goes on where it was interrupted, and a call with more values or more seeds computes only what is new.
"""

from dynloss_book.engine.sweeps.engine import run
from dynloss_book.engine.sweeps.plan import Stage, in_turn, progress_of, run_plan
from dynloss_book.engine.sweeps.statistics import Summary, best_point, halves, interval, paired, simultaneous, summary
from dynloss_book.engine.sweeps.store import SweepError

__all__ = [
    "Stage",
    "Summary",
    "SweepError",
    "best_point",
    "halves",
    "in_turn",
    "interval",
    "paired",
    "progress_of",
    "run",
    "run_plan",
    "simultaneous",
    "summary",
]
