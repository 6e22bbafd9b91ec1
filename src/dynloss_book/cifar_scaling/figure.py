"""The gain of Figure 1 along steps, images and channels."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from dynloss_book.plots.style import INK, RANKS, figure_style, intervals, logarithmic, panels

LABELS = {"steps": "minimisation steps", "images": "training images", "channels": "channels"}


@figure_style()
def plot(ladders: Mapping[str, Sequence[Any]], gains: Mapping[str, Sequence[Any]], paper: Mapping[str, int], end: Any):
    """A panel a quantity: the gain at each size with its interval; at the paper's value the extrapolation of the fit.

    Args:
        ladders: {quantity: rungs}.
        gains: {quantity: the gain of each, over seed}.
        paper: {quantity: the paper's value}.
        end: the extrapolated gain over seed, where all three are the paper's.
    """
    figure, axes = panels(1, len(ladders), figsize=(10, 3.6), sharey=True)
    for ax, (name, rungs) in zip(axes[0], ladders.items(), strict=True):
        ax.axhline(0, color=INK, linestyle="--", linewidth=1)
        ax.axvline(paper[name], color=INK, linestyle=":", linewidth=1)
        values = [getattr(each, name) for each in rungs]
        intervals(ax, values, xr.concat(gains[name], "rung"), color=RANKS[0], marker="o", capsize=3, label="measured")
        intervals(ax, paper[name], end, color=RANKS[1], marker="s", capsize=3, linestyle="",
                  label="all three extrapolated")  # fmt: skip
        apart = [paper[name]] if paper[name] > 2 * max(values) else []  # else the labels would touch
        logarithmic(ax.xaxis, values + apart)
        ax.set_xlabel(LABELS[name])
    axes[0, 0].set_ylabel("gain in validation accuracy")
    axes[0, -1].legend(loc="best")
    return figure
