"""What cascades do: the same stretch of training by large and small steps, and where the unstable direction points."""

from typing import Any

import numpy as np

from dynloss_book.engine.sweeps.statistics import summary
from dynloss_book.plots.style import CLASSES, INK, RANKS, figure_style, intervals, panels

_WORDS = {
    "oscillating": "oscillating,\nlarge steps",
    "oscillating, calm": "oscillating,\nsmall steps",
    "static": "static,\nlarge steps",
    "static, calm": "static,\nsmall steps",
}


@figure_style()
def plot(branches: Any, runs: Any, learning_rate: float, turn: int):
    """(a)-(c) what is different after a period of large steps; (d) whole runs; (e), (f) one cascade, seen along u.

    Args:
        branches: over ``seed``, with the variables of ``useful_cascades.experiment``.
        runs: ``validation_accuracy`` (seed, run).
        learning_rate: η.
        turn: the period whose cascade is shown in (e) and (f), from 0.
    """
    figure, axes = panels(3, 2, figsize=(10, 10.5))
    at = 1 + np.arange(branches.sizes["turn"])
    for ax, name, label in (
        (axes[0, 0], "validation_accuracy", "validation accuracy:\nlarge less small steps"),
        (axes[0, 1], "sharpness", r"$\lambda_{\max}$ of the static loss:" + "\nlarge less small steps"),
        (axes[1, 0], "alignment", "kernel-target alignment:\nlarge less small steps"),
    ):
        ax.axhline(0, color=INK, linestyle="--", linewidth=1)
        _networks(ax, at, branches[name].sel(way="bouncing") - branches[name].sel(way="calm"))
        ax.set(xlabel="period", xticks=at, ylabel=label)
    _networks(axes[1, 1], range(runs.sizes["run"]), runs.validation_accuracy)
    axes[1, 1].set_xticks(range(runs.sizes["run"]), [_WORDS[str(name)] for name in runs.run.values])
    axes[1, 1].set(ylabel="validation accuracy\nat the end", xlim=(-0.5, runs.sizes["run"] - 0.5))
    _cascade(axes[2], branches.isel(turn=turn), learning_rate)
    return figure


def _networks(ax, at, values):
    """Each network's value at each place, and their means with 95 % intervals."""
    ax.plot(at, values.transpose(..., "seed").values, color="0.7", marker=".", linestyle="", markersize=4)
    intervals(ax, at, values, color=RANKS[0], marker="o", capsize=3, linestyle="")


def _cascade(axes, one, rate):
    """The classes' gradients, and their shares of the curvature, along u; the mean over networks with its interval."""
    # From the middle of a period to the middle of the next: the turn of the classes is at 0.
    at = np.linspace(-0.5, 0.5, one.sizes["moment"], endpoint=False)
    shown = (one.cosine**2, "lower left"), (one.share, "center left")
    for ax, (values, place) in zip(axes, shown, strict=True):
        for number in range(one.sizes["class"]):
            found = summary(values.isel({"class": number}))
            mean, margin = found.mean.values, found.margin.fillna(0).values
            ax.plot(at, mean, color=CLASSES[number], linewidth=1.3, label=f"class {number}")
            ax.fill_between(at, mean - margin, mean + margin, color=CLASSES[number], alpha=0.2, linewidth=0)
        above = (rate * one.curvature.isel(rank=0) > 2).mean("seed").values > 0.5
        for moment in np.flatnonzero(above):
            ax.axvspan(at[moment], at[moment] + 1 / len(at), color="0.9", zorder=0, linewidth=0)
        ax.set(xlabel="time from the change of the class, in periods $T$", ylim=(0, 1.02))
        ax.legend(fontsize="small", loc=place)
    axes[0].set_ylabel("squared cosine of a class's\n" + r"gradient with $u$")
    axes[1].set_ylabel(r"share of a class in $u^\top H u$")
