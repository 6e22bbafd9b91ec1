"""The central flow beside gradient descent, through the first cascade of each network."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from dynloss_book.plots.style import CLASSES, INK, RANKS, figure_style, logarithmic, panels, step_axis

_DOTS = {"linestyle": "", "marker": ".", "markersize": 3, "markeredgewidth": 0}


@figure_style()
def plot(runs: Any, first: int, learning_rate: float, at_edge: float, seed: int = 0):
    """(a) σ² in one network; (b) its eigenvalues; (c) its loss; (d) measured against predicted, all networks.

    Args:
        runs: over ``seed``, with the variables of ``central_flow.experiment``.
        first: the step at which the window begins.
        learning_rate: η.
        at_edge: ηλ from which on a direction counts as being at the edge.
        seed: the network shown in (a)-(c).
    """
    one = runs.isel(seed=seed)
    steps = first + np.arange(runs.sizes["step"])
    figure, axes = panels(2, 2, figsize=(10, 7.6))
    _variance(axes[0, 0], one, steps)
    _curvature(axes[0, 1], one, steps, learning_rate)
    _loss(axes[1, 0], one, steps)
    _all(axes[1, 1], runs, learning_rate, at_edge)
    begins = steps[np.argmax(one.flow_variance.values > 0)] if (one.flow_variance > 0).any() else steps[0]
    for ax in axes.ravel()[:3]:
        step_axis(ax, slanted=True)
        ax.set_xlim(begins - 0.25 * (steps[-1] - begins) - 1, steps[-1])
    return figure


def _variance(ax, one, steps):
    at = one.measured_at.values
    ax.plot(at, one.measured.values, color=INK, label="gradient descent, along $u$", **_DOTS)
    ax.plot(at, np.where(one.predicted > 0, one.predicted, np.nan), color=RANKS[1], linewidth=1.2,
            label="formula at the mean of its bounces")  # fmt: skip
    ax.plot(steps, one.flow_variance.values, color=RANKS[0], linewidth=1, linestyle="--", label="central flow")
    ax.set_ylabel(r"variance of the bounces $\sigma^2$")
    ax.legend(fontsize="small", loc="upper left")


def _curvature(ax, one, steps, rate):
    ax.axhline(2, color=INK, linestyle="--", linewidth=1)
    for rank in range(2):
        colour = RANKS[rank]
        ax.plot(one.measured_at.values, rate * one.curvature.values[:, rank], color=colour,
                label=rf"$\eta\lambda_{rank + 1}$, gradient descent", **_DOTS)  # fmt: skip
        ax.plot(steps, rate * one.flow_curvature.values[:, rank], color=colour, linewidth=0.9,
                label=rf"$\eta\lambda_{rank + 1}$, central flow")  # fmt: skip
    ax.set(ylabel=r"curvature at the mean $\eta\lambda$", ylim=(-0.2, None))
    ax.legend(fontsize="x-small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)


def _loss(ax, one, steps):
    loss = one.loss.values
    ax.plot(steps, loss, color="0.6", label="gradient descent", **_DOTS)
    mean = np.r_[loss[:1], (loss[:-2] + 2 * loss[1:-1] + loss[2:]) / 4, loss[-1:]]
    ax.plot(steps, mean, color=INK, linewidth=1.4, label="its mean over a bounce")
    ax.plot(steps, one.flow_loss.values, color=RANKS[0], linewidth=1, linestyle="--", label="central flow")
    ax.set_ylabel(r"dynamical loss $\mathcal{F}$ (nats)")
    ax.legend(fontsize="small", loc="upper left")


def _all(ax, runs, rate, least):
    """Each moment at the edge; open where a second eigenvalue is at the edge too."""
    at_edge = (rate * runs.curvature.isel(rank=0) > least) & (runs.predicted > 0)
    second = rate * runs.curvature.isel(rank=1) > least
    for number in range(runs.sizes["seed"]):
        colour = CLASSES[number % 6]
        for chosen, face in ((at_edge & ~second, colour), (at_edge & second, "none")):
            inside = chosen.isel(seed=number).values
            ax.plot(runs.predicted.isel(seed=number).values[inside], runs.measured.isel(seed=number).values[inside],
                    color=colour, marker="o", markersize=4, markerfacecolor=face, linestyle="")  # fmt: skip
    limits = [1e-4, 1]
    ax.plot(limits, limits, color=INK, linestyle="--", linewidth=1)
    for axis in (ax.xaxis, ax.yaxis):
        logarithmic(axis)
    ax.set(xlim=limits, ylim=limits, xlabel=r"predicted $\sigma^2$", ylabel=r"measured $\sigma^2$")
    ax.legend(
        handles=[
            plt.Line2D([], [], color=INK, marker="o", linestyle="", label="one unstable mode"),
            plt.Line2D([], [], color=INK, marker="o", markerfacecolor="none", linestyle="", label="two or more"),
            plt.Line2D([], [], color=INK, linestyle="--", label="as predicted"),
        ],
        fontsize="small", loc="upper left",
    )  # fmt: skip
