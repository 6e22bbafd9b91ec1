"""The gain of Figure 1 along steps, images and channels."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from dynloss_book.engine.sweeps.statistics import summary
from dynloss_book.plots.style import INK, RANKS, figure_style, panel_label, ticks_at

LABELS = {"steps": "minimisation steps", "images": "training images", "channels": "channels"}


def plot(ladders: Mapping[str, Sequence[Any]], gains: Mapping[str, Sequence[Any]], paper: Mapping[str, int], end: Any):
    """A panel a quantity: the gain on each rung with its interval; at the paper's value what the fit extrapolates to.

    Args:
        ladders: {quantity: rungs}.
        gains: {quantity: the gain of each, over seed}.
        paper: {quantity: the paper's value}.
        end: the extrapolated gain over seed, where all three are the paper's.
    """
    with figure_style():
        figure, axes = plt.subplots(1, len(ladders), figsize=(10, 3.6), squeeze=False, sharey=True)
        there = summary(end)
        for ax, letter, (name, rungs) in zip(axes[0], "abc", ladders.items(), strict=False):
            found = [summary(gain) for gain in gains[name]]
            ax.axhline(0, color=INK, linestyle="--", linewidth=1)
            ax.axvline(paper[name], color=INK, linestyle=":", linewidth=1)
            values, means = [getattr(each, name) for each in rungs], [float(each.mean) for each in found]
            margins = [float(each.margin.fillna(0)) for each in found]
            ax.errorbar(values, means, margins, color=RANKS[0], marker="o", capsize=3, label="measured")
            style: dict[str, Any] = {"color": RANKS[1], "marker": "s", "capsize": 3, "linestyle": ""}
            last = float(there.mean), float(there.margin.fillna(0))
            ax.errorbar(paper[name], *last, **style, label="all three extrapolated")
            ax.set_xscale("log")
            apart = [paper[name]] if paper[name] > 2 * max(values) else []  # else the labels would touch
            ticks_at(ax.xaxis, values + apart)
            ax.set_xlabel(LABELS[name])
            panel_label(ax, letter)
        axes[0][0].set_ylabel("gain in validation accuracy")
        axes[0][-1].legend(loc="best")
    return figure
