"""What Figures 4 and S1 judge of a run: some numbers, so that many runs can be kept without their trajectories."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss import dynamics
from dynloss.dynamics import Instability
from dynloss_book.analysis.cascades import BOUNCE, by_curvature, crossings, inside, spread_of_marks

ROUGHLY = 0.05  # how far an accuracy that is "roughly constant" may move
LAST = 100  # steps at the end, over which λ_max is averaged: a run that bounces has two of it
END = {
    "end_curvature": f"λ_max, mean over the last {LAST} steps",
    "end_accuracy": "training accuracy at the end",
    "end_loss": "static training loss at the end",
}
MEASURED = END | {
    "cascades": "cascades of instabilities",
    "quiet": "periods after the last cascade",
    "threshold": "mean of λ_max at the onsets and ends",
    "onset": "mean of λ_max at the starts alone",
    "spread": "standard deviation of λ_max at the onsets and ends over its mean",
    "widens": "share of periods in whose first half λ_max falls",
    "narrows": "share of periods in whose second half λ_max rises",
    "sinks": "share of periods in whose first half the loss falls",
    "rises": "share of periods in whose second half the loss rises",
    "steady": f"share of periods in whose first half the accuracy moves by {ROUGHLY:g} at most",
    "moves": "largest change of the accuracy in the first half of a period",
    "climbs": "share of periods in which the static loss exceeds its value at their start",
    "start_loss": "static training loss at the start",
    "largest_loss": "largest static training loss",
    "small": "median change of the loss in a step, in first halves over in cascades",
    "kernel_rises": "share of cascades before which the largest eigenvalue of the NTK rises",
    "kernel_falls": "share of cascades in which it falls",
    "starts_late": "share of cascades that start in the second half of a period",
    "ends_early": "share of cascades that end in the first half, with λ_max below the threshold soon after",
    "flips": "share of the steps that bounce at which the change of the loss flips its sign, mean over cascades",
    "largest_after": "largest λ_max after the last cascade, over the threshold",
    "wider": "λ_max in the middle of the last three periods over that of the first three",
    "second": "share of cascades in which the second eigenvalue crosses the threshold",
    "third": "share of cascades in which the third does",
    "breaks": "cascades in which the second crosses and the loss leaves its two branches",
    "lateness": "how long after the crossing, over the length of the cascade, median over these",
}


def variables(names: Mapping[str, str]) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
    """Of a sweep over such numbers."""
    units = {name: "nats" if name.endswith("_loss") else "1" for name in names}
    return {name: ((), {"long_name": words, "units": units[name]}) for name, words in names.items()}


def end(run: xr.Dataset) -> dict[str, float]:
    """``END`` of a run with ``hessian_eigenvalues`` at every step, ``accuracy`` and ``static_loss``."""
    last = run.hessian_eigenvalues[-LAST:, 0].mean(), run.accuracy[-1], run.static_loss[-1]
    return dict(zip(END, map(float, last), strict=True))


def measure(run: xr.Dataset, period: int, cascades: Sequence[Instability] | None = None) -> dict[str, float]:
    """``MEASURED`` of one run; NaN for what it does not have.

    Args:
        run: ``hessian_eigenvalues``, ``ntk_eigenvalues``, ``loss``, ``static_loss`` and ``accuracy`` at every step.
        period: T, in steps.
        cascades: by default those of `cascades.by_curvature`.
    """
    cascades = by_curvature(run, period) if cascades is None else cascades
    steps, curvature = run.sizes["step"], run.hessian_eigenvalues.values[:, 0]
    last = cascades[-1].end if cascades else 0
    threshold = dynamics.threshold(list(cascades)).value
    widens, narrows = halves(curvature, period, last)
    sinks, rises = halves(run.loss.values, period, last)
    moved = np.ptp(_tenths(run.accuracy.values, period, last)[:, 2:5], axis=1)
    static = run.static_loss.values
    climbs = [static[start : start + period].max() > static[start] for start in _starts(period, last)]
    kernel_rises, kernel_falls = _kernel(run, cascades, period)
    soon = np.array([min(each.end + period // 10, steps - 1) for each in cascades], int)
    early = np.array([each.end % period < period / 2 for each in cascades], bool)
    after = curvature[last + period // 10 :] if cascades else curvature[:0]
    middles = curvature[period // 2 :: period][: steps // period - 1]  # without the last, static period
    crossed = crossings(run, cascades, threshold, period)
    late = lateness(crossed)
    return end(run) | {
        "cascades": float(len(cascades)),
        "quiet": (steps - last) / period,
        "threshold": threshold,
        "onset": _mean([each.curvature_at_start for each in cascades]),
        "spread": spread_of_marks(cascades),
        "widens": _mean(widens),
        "narrows": _mean(narrows),
        "sinks": _mean(sinks),
        "rises": _mean(rises),
        "steady": _mean(moved <= ROUGHLY),
        "moves": float(moved.max()) if len(moved) else float("nan"),
        "climbs": _mean(climbs),
        "start_loss": float(static[0]),
        "largest_loss": float(static.max()),
        "small": _small(run, cascades, period, last),
        "kernel_rises": _mean(kernel_rises),
        "kernel_falls": _mean(kernel_falls),
        "starts_late": _mean([each.start % period >= period / 2 for each in cascades]),
        "ends_early": _mean(early & (curvature[soon] < threshold)),
        "flips": _mean([_flips(run.loss.values[each.start : each.end + 1]) for each in cascades]),
        "largest_after": float(after.max() / threshold) if len(after) else float("nan"),
        "wider": float(middles[-3:].mean() / middles[:3].mean()) if len(middles) >= 6 else float("nan"),
        "second": _mean(crossed.second.notna()),
        "third": _mean(crossed.third.notna()),
        "breaks": float(len(late)),
        "lateness": float(np.median(late)) if len(late) else float("nan"),
    }


def of_seeds(first: Mapping[str, float], seed: int, swept: Sequence[xr.Dataset]) -> xr.Dataset:
    """What was measured of one run, and of those of a sweep where available, over ``seed``.

    Args:
        first: ``measure`` of the one run.
        seed: of its initial weights.
        swept: the same variables, and ``done``, over ``seed``; points that are not computed are left out.
    """
    alone = xr.Dataset(dict(first)).expand_dims(seed=[seed])
    there = [each[list(first)].where(each.done, drop=True) for each in swept]
    return xr.concat([alone, *there], "seed", combine_attrs="override")


def halves(values: np.ndarray, period: int, until: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether a quantity falls in the first half of each whole period up to a step, and rises in the second.

    Medians over tenths of the period are compared: the first, the fifth, and the last.

    Args:
        values: at every step, (steps,).
        period: T, in steps.
        until: the step, from 0 on; a period that is not over by then does not count.
    """
    tenths = _tenths(values, period, until)
    return tenths[:, 4] < tenths[:, 0], tenths[:, 9] > tenths[:, 4]


def lateness(crossed: pd.DataFrame) -> np.ndarray:
    """How long after the second eigenvalue has crossed the loss leaves its branches, over the length of the cascade."""
    complete = crossed.dropna(subset=["second", "breaks"]).astype(float)
    return ((complete.breaks - complete.second) / (complete.ends - complete.starts).clip(lower=1)).values


def _kernel(run: xr.Dataset, cascades: Sequence[Instability], period: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether the NTK's λ_max rises in the quarter of a period before each cascade, and falls from start to end.

    Means over a hundredth of a period are compared, so that a single bounce decides nothing.
    """
    values, near = run.ntk_eigenvalues.values[:, 0], max(1, period // 100)
    before = [values[max(0, each.start - period // 4) :][:near].mean() for each in cascades]
    start = [values[max(0, each.start - near) : each.start + 1].mean() for each in cascades]
    end = [values[each.end : each.end + near].mean() for each in cascades]
    return np.greater(start, before), np.less(end, start)


def _small(run: xr.Dataset, cascades: Sequence[Instability], period: int, last: int) -> float:
    """How much the loss changes in a step in the first halves of periods, over how much in cascades; medians."""
    steps, change = run.step.values[1:], np.abs(np.diff(run.loss.values))
    bouncing = inside(steps, cascades)
    first_half = (steps % period < period / 2) & ~bouncing & (steps <= last)
    return float(np.median(change[first_half]) / np.median(change[bouncing])) if bouncing.any() else float("nan")


def _starts(period: int, until: int) -> range:
    return range(0, until - period + 1, period)


def _tenths(values: np.ndarray, period: int, until: int) -> np.ndarray:
    """(periods, 10): medians over tenths of each whole period up to a step."""
    starts = _starts(period, until)
    parts = [np.array_split(values[start : start + period], 10) for start in starts]
    return np.array([[np.median(part) for part in each] for each in parts]).reshape(len(starts), 10)


def _flips(loss: np.ndarray) -> float:
    """The share of steps with an appreciable change of the loss at which that change flips its sign."""
    change = np.diff(loss)
    bounces = np.abs(change[1:]) >= BOUNCE
    return float((change[1:] * change[:-1] < 0)[bounces].mean()) if bounces.any() else 0.0


def _mean(cases: Any) -> float:
    """NaN of none."""
    return float(np.mean(cases)) if len(cases) else float("nan")
