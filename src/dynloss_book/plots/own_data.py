"""Pictures of the page on one's own data: a run, a search for T and A, and accuracies of single classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from dynloss_book.plots.style import CLASSES, INK, MARKERS, RANKS, figure_style, intervals, logarithmic, panels


@figure_style()
def plot_run(weights: Any, curves: Mapping[str, Any]):
    """(a) The weight of each class at each step; (b) the static loss along runs of as many steps.

    Args:
        weights: Γ, (steps, C).
        curves: {label: (steps,) losses, in nats}.
    """
    figure, ((above,), (below,)) = panels(2, figsize=(10, 6), sharex=True, height_ratios=[1, 1.3])
    table = np.asarray(weights).T
    drawn = above.pcolormesh(np.arange(table.shape[1] + 1), np.arange(len(table) + 1) - 0.5, table, cmap="viridis",
                             vmin=0, rasterized=True)  # fmt: skip
    above.set(ylabel="class", yticks=range(0, len(table), max(1, len(table) // 5)))
    figure.colorbar(drawn, ax=above, label=r"weight $\Gamma_i$", pad=0.01)
    for (label, curve), colour in zip(curves.items(), (INK, *RANKS), strict=False):
        below.plot(np.asarray(curve), color=colour, linewidth=1, label=label)
    below.set(yscale="log", xlabel="minimisation step $t$", ylabel="static training loss (nats)")
    below.legend(loc="upper right", ncols=len(curves))
    return figure


@figure_style()
def plot_search(searches: Mapping[str, Any]):
    """What the oscillations gain in validation accuracy over A for each T, with 95 % intervals.

    The same seeds are compared, each loss at the learning rate that is the best for it: one for A = 1, and one for
    each other point.

    Args:
        searches: {label: (learning_rate, period, amplitude, seed) accuracies, with A = 1 among them}.
    """
    figure, axes = panels(1, len(searches), figsize=(10, 4.2))
    for ax, (label, accuracy) in zip(axes[0], searches.items(), strict=True):
        rate = accuracy.mean("seed").fillna(-1).argmax("learning_rate")
        best = accuracy.isel(learning_rate=rate).drop_vars("learning_rate")
        gain = best.drop_sel(amplitude=1) - best.sel(amplitude=1, drop=True).isel(period=0, drop=True)
        ax.axhline(0, color=INK, linestyle="--", linewidth=1.2, label="the static loss, $A = 1$")
        for number, (period, colour) in enumerate(zip(gain.period.values, RANKS, strict=False)):
            at = gain.amplitude.values * 1.08 ** (number - 0.5)  # a little apart, so that no bar hides another
            intervals(ax, at, gain.sel(period=period), color=colour, marker=MARKERS[number], capsize=3, linewidth=1.4,
                      label=f"$T$ = {period:g} steps")  # fmt: skip
        logarithmic(ax.xaxis, gain.amplitude.values)
        ax.yaxis.set_major_locator(MaxNLocator(6))
        ax.set(xlabel="amplitude $A$", title=label)
    axes[0, 0].set_ylabel("gain in validation accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@figure_style()
def plot_classes(accuracies: Mapping[str, Mapping[str, Any]], rare: Sequence[int]):
    """The accuracy on each class, by several ways of training, with 95 % intervals; rare classes on grey.

    Args:
        accuracies: {network: {way: (digit, seed) accuracies}}, a panel for each network.
        rare: classes with few samples.
    """
    figure, axes = panels(len(accuracies), figsize=(10, 1 + 2.8 * len(accuracies)), sharex=True)
    for ax, (label, ways) in zip(axes[:, 0], accuracies.items(), strict=True):
        for digit in rare:
            ax.axvspan(digit - 0.5, digit + 0.5, color="0.9", zorder=0, linewidth=0)
        for number, (way, values) in enumerate(ways.items()):
            at = np.arange(values.sizes["digit"]) + 0.18 * (number - (len(ways) - 1) / 2)
            intervals(ax, at, values, color=(INK, *CLASSES[::2], *CLASSES[1::2])[number], marker=MARKERS[number % 6],
                      markersize=4.5, linestyle="", capsize=2, label=way)  # fmt: skip
        ax.set(title=label, ylabel="test accuracy", xlim=(-0.5, values.sizes["digit"] - 0.5))
    axes[-1, 0].set(xlabel="class (grey: one training sample in ten kept)", xticks=range(values.sizes["digit"]))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
