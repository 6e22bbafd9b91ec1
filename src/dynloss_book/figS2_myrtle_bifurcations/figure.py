"""Fig. S2: bifurcations of the accuracy beside the largest eigenvalues of the Hessian, for a convolutional network."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from dynloss.dynamics import Instability
from dynloss_book.plots.style import (
    CLASSES,
    DOTS,
    END,
    INK,
    RANKS,
    START,
    THRESHOLD,
    cascade_lines,
    figure_style,
    limit,
    panels,
    step_axis,
)  # fmt: skip

_RARE = 0.005  # the share of values at each end that the axes of the lower panels may leave out


@figure_style()
def plot(trajectory, weights, cascades: list[Instability], threshold: float, edge: float, zoom: tuple[int, int]):
    r"""Γ, training accuracy, the change of the loss and the eigenvalues against the step; right, around one cascade.

    Args:
        trajectory: with ``accuracy`` and ``loss`` at every step, ``hessian_eigenvalues`` (step…, rank) at a cadence.
        weights: Γ at every step, (steps, C).
        cascades: their starts are marked in green, their ends in red.
        threshold: λ_th, the mean of λ₁ at the marks; NaN draws no line.
        edge: 2/η.
        zoom: first and last step of the right-hand panels.
    """
    step = trajectory.step.values
    eigenvalues = trajectory.hessian_eigenvalues
    at = eigenvalues[eigenvalues.dims[0]].values
    change = np.diff(trajectory.loss.values, prepend=np.nan)
    figure, axes = panels(
        4, 2, by_column=True, figsize=(10, 10), sharex="col", sharey="row", width_ratios=[1.7, 1]
    )
    windows = (step[0], step[-1] + 1), zoom
    for (tilt, accuracy, loss, curvature), window, size, ticks in zip(axes.T, windows, (2.5, 5), (6, 4), strict=True):
        for values, colour in zip(np.asarray(weights).T, CLASSES, strict=False):
            tilt.plot(step, values, color=colour, linewidth=1.6)
        for ax, values in ((accuracy, trajectory.accuracy.values), (loss, change)):
            ax.plot(step, values, color=INK, markersize=size, **DOTS)
        for rank in reversed(range(eigenvalues.shape[1])):
            curvature.plot(at, eigenvalues.values[:, rank], color=RANKS[rank], markersize=size + 2, **DOTS)
        curvature.axhline(edge, color=INK, linestyle=":", linewidth=1.4)
        curvature.axhline(threshold, color=THRESHOLD, linestyle="--", linewidth=1)
        for ax in (accuracy, loss, curvature):
            cascade_lines(ax, cascades)
        curvature.set(xlim=window)
        curvature.xaxis.set_major_locator(MaxNLocator(ticks))
        step_axis(curvature)
    labels = (r"$\Gamma_i$", "training accuracy", r"$\mathcal{F}(t)-\mathcal{F}(t-1)$ (nats)", r"Hessian $\lambda$")
    for ax, label in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(label)
    axes[1, 0].set_ylim(0, 1.03)
    limit(axes[2, 0], change, _RARE)
    limit(axes[3, 0], eigenvalues.values[:, 0], _RARE, least=0, most=1.1 * edge)
    for ax, title in zip(axes[0], ("whole run", "one cascade"), strict=True):
        ax.set_title(title, loc="center")
    figure.align_ylabels(axes[:, 0])
    figure.legend(
        handles=_handles(np.shape(weights)[1], eigenvalues.shape[1], threshold, edge),
        loc="outside lower center",
        ncols=4,
    )
    return figure


def _handles(classes, ranks, threshold, edge):
    dot: dict[str, Any] = {"marker": "o", "linestyle": ""}
    handles = [plt.Line2D([], [], color=CLASSES[i], label=rf"class {i}") for i in range(classes)]
    handles += [plt.Line2D([], [], color=RANKS[k], label=rf"$\lambda_{k + 1}$", **dot) for k in range(ranks)]
    handles += [
        plt.Line2D([], [], color=START, linestyle="--", label="bouncing starts"),
        plt.Line2D([], [], color=END, linestyle="--", label="bouncing ends"),
        plt.Line2D([], [], color=INK, linestyle=":", label=rf"$2/\eta$ = {edge:.3g}"),
    ]
    if np.isfinite(threshold):
        label = rf"threshold $\lambda_{{th}}$ = {threshold:.3g}"
        handles.append(plt.Line2D([], [], color=THRESHOLD, linestyle="--", label=label))
    return handles
