"""A tuned baseline for the oscillating loss: test accuracies of all arms, and the gains over each."""

from collections.abc import Mapping
from typing import Any

from dynloss_book.plots.style import INK, RANKS, figure_style, intervals, panels


@figure_style()
def plot(arms: Mapping[str, Any], gains: Mapping[str, Any]):
    """(a) Test accuracy of each arm; (b) what the oscillating loss gains over each baseline. Means with intervals.

    Args:
        arms: {name: test accuracy over seed}.
        gains: {baseline: difference over seed}.
    """
    figure, axes = panels(1, 2, figsize=(10, 1.2 + 0.4 * len(arms)))
    shown = (arms, "test accuracy"), (gains, "gain in test accuracy")
    for ax, (rows, label) in zip(axes[0], shown, strict=True):
        for row, (name, values) in enumerate(rows.items()):
            intervals(ax, row, values, sideways=True, color=RANKS[1 if name.startswith("oscillating") else 0],
                      marker="o", capsize=3)  # fmt: skip
        ax.set_yticks(range(len(rows)), list(rows))
        ax.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    axes[0, 1].axvline(0, color=INK, linestyle="--", linewidth=1)
    return figure
