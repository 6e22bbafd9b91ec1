"""What cascades do: the same stretch of training by large and small steps, and where the unstable direction points."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from dynloss_book.engine.sweeps.statistics import summary
from dynloss_book.plots.style import CLASSES, INK, RANKS, figure_style, panel_label

_WORDS = {
    "oscillating": "oscillating,\nlarge steps",
    "oscillating, calm": "oscillating,\nsmall steps",
    "static": "static,\nlarge steps",
    "static, calm": "static,\nsmall steps",
}


def plot(branches: Any, runs: Any, learning_rate: float, turn: int):
    """(a)-(c) what is different after a period of large steps; (d) whole runs; (e), (f) one cascade, seen along u.

    Args:
        branches: over ``seed``, with the variables of ``useful_cascades.experiment``.
        runs: ``validation_accuracy`` (seed, run).
        learning_rate: η.
        turn: the period whose cascade is shown in (e) and (f), from 0.
    """
    with figure_style():
        figure, axes = plt.subplots(3, 2, figsize=(10, 10.5))
        bouncing, calm = branches.sel(way="bouncing"), branches.sel(way="calm")
        for ax, name, label in (
            (axes[0, 0], "validation_accuracy", "validation accuracy:\nlarge less small steps"),
            (axes[0, 1], "sharpness", r"$\lambda_{\max}$ of the static loss:" + "\nlarge less small steps"),
            (axes[1, 0], "alignment", "kernel-target alignment:\nlarge less small steps"),
        ):
            _difference(ax, bouncing[name] - calm[name])
            ax.set_ylabel(label)
        _runs(axes[1, 1], runs)
        _cascade(axes[2], branches.isel(turn=turn), learning_rate)
        for ax, letter in zip(axes.ravel(), "abcdef", strict=True):
            panel_label(ax, letter)
    return figure


def _difference(ax, values):
    """Each network's difference after each period, and their means with 95 % intervals."""
    found, at = summary(values), 1 + np.arange(values.sizes["turn"])
    ax.axhline(0, color=INK, linestyle="--", linewidth=1)
    ax.plot(at, values.transpose("turn", "seed").values, color="0.7", marker=".", linestyle="", markersize=4)
    ax.errorbar(at, found.mean.values, found.margin.fillna(0).values, color=RANKS[0], marker="o", capsize=3,
                linestyle="")  # fmt: skip
    ax.set(xlabel="period", xticks=at)


def _runs(ax, runs):
    """The validation accuracy at the end of whole runs."""
    found, at = summary(runs.validation_accuracy), np.arange(runs.sizes["run"])
    ax.plot(at, runs.validation_accuracy.transpose("run", "seed").values, color="0.7", marker=".", linestyle="",
            markersize=4)  # fmt: skip
    ax.errorbar(at, found.mean.values, found.margin.fillna(0).values, color=RANKS[0], marker="o", capsize=3,
                linestyle="")  # fmt: skip
    ax.set_xticks(at, [_WORDS[str(name)] for name in runs.run.values])
    ax.set(ylabel="validation accuracy\nat the end", xlim=(-0.5, len(at) - 0.5))


def _cascade(axes, one, rate):
    """The classes' gradients, and their shares of the curvature, along u; the mean over networks with its interval."""
    # From the middle of a period to the middle of the next: the turn of the classes is at 0.
    at = np.linspace(-0.5, 0.5, one.sizes["moment"], endpoint=False)
    places = ("lower left", "center left")
    for ax, values, place in zip(axes, (one.cosine**2, one.share), places, strict=True):
        for number in range(one.sizes["class"]):
            found = summary(values.isel({"class": number}))
            mean, margin = found.mean.values, found.margin.fillna(0).values
            ax.plot(at, mean, color=CLASSES[number], linewidth=1.3, label=f"class {number}")
            ax.fill_between(at, mean - margin, mean + margin, color=CLASSES[number], alpha=0.2, linewidth=0)
        above = (rate * one.curvature.isel(rank=0) > 2).mean("seed").values > 0.5
        for moment in np.flatnonzero(above):
            ax.axvspan(at[moment], at[moment] + 1 / len(at), color="0.9", zorder=0, linewidth=0)
        ax.set(xlabel="time from the turn of the classes, in periods $T$")
        ax.set_ylim(0, 1.02)
        ax.legend(fontsize="small", loc=place)
    axes[0].set_ylabel("squared cosine of a class's\n" + r"gradient with $u$")
    axes[1].set_ylabel(r"share of a class in $u^\top H u$")
