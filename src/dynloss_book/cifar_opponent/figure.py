"""A fair opponent of the oscillating loss: test accuracies of all arms, and the gains over each."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt

from dynloss_book.engine.sweeps.statistics import summary
from dynloss_book.plots.style import INK, RANKS, figure_style, panel_label


def plot(arms: Mapping[str, Any], gains: Mapping[str, Any]):
    """(a) Test accuracy of each arm; (b) what the oscillating loss gains over each opponent. Means with intervals.

    Args:
        arms: {name: test accuracy over seed}.
        gains: {opponent: difference over seed}.
    """
    with figure_style():
        figure, axes = plt.subplots(1, 2, figsize=(10, 1.2 + 0.4 * len(arms)))
        labels = ("test accuracy", "gain in test accuracy")
        for ax, letter, rows, label in zip(axes, "ab", (arms, gains), labels, strict=True):
            for row, (name, values) in enumerate(rows.items()):
                found = summary(values)
                colour = RANKS[1] if name.startswith("oscillating") else RANKS[0]
                margin = float(found.margin.fillna(0))
                ax.errorbar(float(found.mean), row, xerr=margin, color=colour, marker="o", capsize=3)
            ax.set_yticks(range(len(rows)), list(rows))
            ax.set_ylim(len(rows) - 0.5, -0.5)
            ax.set_xlabel(label)
            panel_label(ax, letter)
        axes[1].axvline(0, color=INK, linestyle="--", linewidth=1)
    return figure
