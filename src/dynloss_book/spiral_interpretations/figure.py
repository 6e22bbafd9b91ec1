"""Figure 3 under other interpretations: what each of them gains, and how far its region reaches."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from dynloss_book.engine.sweeps.statistics import simultaneous
from dynloss_book.plots.style import CLASSES, INK, MARKERS, RANKS, figure_style, intervals, logarithmic, panels


@figure_style()
def plot(gains: Mapping[str, Any], book: str):
    """A gain a row, with its interval, for each width; a rule parts validation sets from ways to train.

    Args:
        gains: {label of a network: ``claims.gains``}.
        book: the way to train whose rows differ in the validation set.
    """
    size = 10, 1 + 0.36 * max(map(len, gains.values()))
    figure, axes = panels(1, len(gains), figsize=size, sharey=True)
    for ax, (label, values) in zip(axes[0], gains.items(), strict=True):
        rows, (mean, _, _, margin) = values.gain.values, simultaneous(values)
        for row, (way, _) in enumerate(rows):
            look = {"color": RANKS[0], "marker": "o"} if way == book else {"color": RANKS[1], "marker": "s"}
            ax.errorbar(mean[row], row, xerr=margin[row].fillna(0), capsize=3, **look)
        ax.axhline(sum(way == book for way, _ in rows) - 0.5, color=INK, linewidth=0.6)
        ax.axvline(0, color=INK, linestyle="--", linewidth=1)
        ax.set_yticks(range(len(rows)), [validation if way == book else way for way, validation in rows])
        ax.set(title=label, xlabel="gain in validation accuracy", ylim=(len(rows) - 0.5, -0.5))
        ax.xaxis.set_major_locator(MaxNLocator(5))
    axes[0, 0].set_ylabel("way to train · validation set")
    return figure


@figure_style()
def plot_reach(ways: Mapping[str, Any], weakest: float, strongest: float, longest: float, expected: float):
    """The narrow network's training accuracy over T, the mean over A from ``weakest`` to ``strongest``, a line a way.

    Args:
        ways: {way to train: ``accuracy`` over period, amplitude (1 among them) and seed}.
        longest: T up to which the paper sees the region, shaded.
        expected: the paper's accuracy with the static loss, a dotted line.
    """
    figure, ax = plt.subplots(figsize=(8, 4.4))
    periods = next(iter(ways.values())).period.values
    ax.axvspan(periods.min(), longest, color=INK, alpha=0.08, linewidth=0, label="the paper's region")
    for (way, networks), colour, marker in zip(ways.items(), CLASSES, MARKERS, strict=False):
        region = networks.accuracy.sel(amplitude=slice(weakest, strongest)).mean("amplitude")
        intervals(ax, periods, region, color=colour, marker=marker, capsize=3, label=way)
        ax.axhline(float(networks.accuracy.sel(amplitude=1).mean()), color=colour, linestyle="--", linewidth=1)
    ax.axhline(expected, color=INK, linestyle=":", label=f"static loss, paper: ≈ {expected:g}")
    logarithmic(ax.xaxis)
    ax.set(xlabel="period $T$ (steps)", ylabel="training accuracy, narrow network", ylim=(None, 1.01))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="dashed: static loss")
    return figure
