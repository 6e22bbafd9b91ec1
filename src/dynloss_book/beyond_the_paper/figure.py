"""Beyond the paper: validation accuracies by the shape of Γ(t), and by loss and optimiser."""

from collections.abc import Mapping
from typing import Any

from dynloss_book.plots.style import CLASSES, INK, MARKERS, RANKS, figure_style, intervals, panels


@figure_style()
def plot(by_shape: Mapping[str, Any], by_way: Mapping[str, Mapping[str, Any]]):
    """(a) The shapes, a marker a period; (b) losses and optimisers, static beside dynamical; 95 % intervals.

    Args:
        by_shape: {label: validation accuracy (period, seed)}, the static loss first.
        by_way: {label: {"static": validation accuracy (seed,), "dynamical": …}}.
    """
    rows = len(by_shape), len(by_way)
    figure, axes = panels(2, figsize=(10, 2.4 + 0.45 * sum(rows)), height_ratios=rows, sharex=True)
    _shapes(axes[0, 0], by_shape)
    _ways(axes[1, 0], by_way)
    axes[1, 0].set_xlabel("validation accuracy")
    return figure


def _shapes(ax, by_shape):
    for row, values in enumerate(by_shape.values()):
        for number, period in enumerate(values.period.values if row else values.period.values[:1]):
            intervals(ax, row + 0.2 * number - 0.2, values.sel(period=period), sideways=True, linestyle="",
                      color=RANKS[number % 3] if row else INK, marker=MARKERS[number], capsize=3,
                      label=f"$T$ = {period:g} steps" if row == 1 else None)  # fmt: skip
    ax.set_yticks(range(len(by_shape)), list(by_shape))
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="lower left")


def _ways(ax, by_way):
    for row, ways in enumerate(by_way.values()):
        for number, (name, values) in enumerate(ways.items()):
            intervals(ax, row + 0.24 * (number - 0.5), values, sideways=True, color=(INK, CLASSES[2])[number],
                      marker=MARKERS[number], capsize=3, linestyle="",
                      label=None if row else f"{name} loss")  # fmt: skip
    ax.set_yticks(range(len(by_way)), list(by_way))
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="upper left")
