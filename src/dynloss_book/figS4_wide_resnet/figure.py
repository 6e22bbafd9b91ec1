"""Fig. S4: the test accuracy of the wide residual network along A, and over the (T, A) plane."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt

from dynloss_book.plots.phase_diagram import cells, frame
from dynloss_book.plots.style import INK, RANKS, figure_style, logarithmic, panels


@figure_style()
def plot(curve: Mapping[str, Any], plane: Any, period: float):
    """(a) The mean along A at one period, in a band of one standard deviation; (b) the mean over T and A.

    Args:
        curve: ``mean`` and ``deviation`` over ``amplitude``; NaN, where nothing is computed, is left out.
        plane: means over (period, amplitude); NaN stays blank.
        period: T of the curve, outlined in (b).
    """
    figure, ((left, right),) = panels(1, 2, figsize=(10, 4.2), width_ratios=[1, 1.15])
    mean, deviation = curve["mean"], curve["deviation"].fillna(0)
    left.fill_between(mean.amplitude, mean - deviation, mean + deviation, color=RANKS[0], alpha=0.25, linewidth=0)
    left.plot(mean.amplitude, mean, color=RANKS[0], marker="o", markersize=4)
    left.axhline(float(mean.sel(amplitude=1)), color=INK, linestyle="--", linewidth=1, label="$A = 1$")
    left.legend(loc="best")
    logarithmic(left.xaxis, mean.amplitude.values)
    left.set(xlabel="amplitude $A$", ylabel="test accuracy", title=f"$T$ = {period:g} steps")
    cells(figure, right, plane, "mean test accuracy", "over period and amplitude", empty="nothing computed")
    frame(right, (plane.period == period) & (plane.amplitude > 0), color=RANKS[1])
    right.set(xlabel="period $T$ (steps)", ylabel="amplitude $A$")
    return figure


@figure_style()
def plot_gain(gain: Any, margin: Any, period: float):
    """The gain over A = 1 along the amplitude, with its confidence intervals and the line of no gain.

    Args:
        gain: mean differences over ``amplitude`` > 1.
        margin: half the widths of their confidence intervals; NaN, with fewer than two seeds, has no bar.
        period: T.
    """
    figure, ax = plt.subplots(figsize=(7, 3.8))
    ax.axhline(0, color=INK, linestyle="--", linewidth=1)
    ax.errorbar(gain.amplitude.values, gain.values, margin.fillna(0).values, color=RANKS[1], marker="s", capsize=3,
                linestyle="")  # fmt: skip
    logarithmic(ax.xaxis, gain.amplitude.values)
    ax.set(xlabel="amplitude $A$", ylabel="gain in test accuracy", title=f"$T$ = {period:g} steps")
    return figure
