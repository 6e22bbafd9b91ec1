"""Beyond the paper: validation accuracies by the shape of Γ(t), and by loss and optimiser."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from dynloss_book.engine.sweeps.statistics import summary
from dynloss_book.plots.style import CLASSES, INK, RANKS, figure_style, panel_label

_MARKERS = "osD^vP"


def plot(by_shape: Mapping[str, Any], by_way: Mapping[str, Mapping[str, Any]]):
    """(a) The shapes, a marker a period; (b) losses and optimisers, static beside dynamical; 95 % intervals.

    Args:
        by_shape: {label: validation accuracy (period, seed)}, the static loss first.
        by_way: {label: {"static": validation accuracy (seed,), "dynamical": …}}.
    """
    with figure_style():
        rows = len(by_shape) + len(by_way)
        figure, (above, below) = plt.subplots(
            2, 1, figsize=(10, 2.4 + 0.45 * rows), height_ratios=[len(by_shape), len(by_way)], sharex=True
        )
        _shapes(above, by_shape)
        _ways(below, by_way)
        below.set_xlabel("validation accuracy")
        for ax, letter in zip((above, below), "ab", strict=True):
            panel_label(ax, letter)
    return figure


def _shapes(ax, by_shape):
    for row, values in enumerate(by_shape.values()):
        found = summary(values)
        for number, period in enumerate(values.period.values if row else values.period.values[:1]):
            mean, margin = (float(each.sel(period=period)) for each in (found.mean, found.margin.fillna(0)))
            style = {"color": INK if row == 0 else RANKS[number % 3], "marker": _MARKERS[number], "capsize": 3}
            name = f"$T$ = {period:g} steps" if row == 1 else None
            ax.errorbar(mean, row + 0.2 * number - 0.2, xerr=margin, linestyle="", label=name, **style)
    ax.set_yticks(range(len(by_shape)), list(by_shape))
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="lower left")


def _ways(ax, by_way):
    for row, ways in enumerate(by_way.values()):
        for number, (name, values) in enumerate(ways.items()):
            found = summary(values)
            style = {"color": (INK, CLASSES[2])[number], "marker": _MARKERS[number], "capsize": 3, "linestyle": ""}
            at = row + 0.24 * (number - 0.5)
            label = f"{name} loss" if row == 0 else None
            ax.errorbar(float(found.mean), at, xerr=float(found.margin.fillna(0)), label=label, **style)
    ax.set_yticks(np.arange(len(by_way)), list(by_way))
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="upper left")
