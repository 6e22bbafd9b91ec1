"""Fig. S2: bifurcations of the accuracy beside the largest eigenvalues of the Hessian, for a convolutional network."""


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
    extent,
    figure_style,
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
    change = np.diff(trajectory.loss.values, prepend=np.nan)
    figure, axes = panels(
        4, 2, by_column=True, figsize=(10, 10), sharex="col", sharey="row", width_ratios=[1.7, 1]
    )
    columns = ("whole run", (step[0], step[-1] + 1), 2.5, 6), ("one cascade", zoom, 5, 4)
    for (tilt, accuracy, loss, curvature), (title, window, size, ticks) in zip(axes.T, columns, strict=True):
        for values, colour in zip(np.asarray(weights).T, CLASSES, strict=False):
            tilt.plot(step, values, color=colour, linewidth=1.6)
        for ax, values in ((accuracy, trajectory.accuracy.values), (loss, change)):
            ax.plot(step, values, color=INK, markersize=size, **DOTS)
        for rank in reversed(range(eigenvalues.shape[1])):
            curvature.plot(eigenvalues[eigenvalues.dims[0]].values, eigenvalues.values[:, rank], color=RANKS[rank],
                           markersize=size + 2, **DOTS)  # fmt: skip
        curvature.axhline(edge, color=INK, linestyle=":", linewidth=1.4)
        curvature.axhline(threshold, color=THRESHOLD, linestyle="--", linewidth=1)
        for ax in (accuracy, loss, curvature):
            cascade_lines(ax, cascades)
        tilt.set_title(title, loc="center")
        curvature.set(xlim=window)
        curvature.xaxis.set_major_locator(MaxNLocator(ticks))
        step_axis(curvature)
    low, high = extent(eigenvalues.values[:, 0], _RARE)
    axes[0, 0].set(ylabel=r"$\Gamma_i$")
    axes[1, 0].set(ylabel="training accuracy", ylim=(0, 1.03))
    axes[2, 0].set(ylabel=r"$\mathcal{F}(t)-\mathcal{F}(t-1)$ (nats)", ylim=extent(change, _RARE))
    axes[3, 0].set(ylabel=r"Hessian $\lambda$", ylim=(min(low, 0), max(high, 1.1 * edge)))
    figure.align_ylabels(axes[:, 0])
    figure.legend(
        handles=_handles(np.shape(weights)[1], eigenvalues.shape[1], threshold, edge),
        loc="outside lower center",
        ncols=4,
    )
    return figure


def _handles(classes, ranks, threshold, edge):
    handles = [plt.Line2D([], [], color=CLASSES[i], label=rf"class {i}") for i in range(classes)]
    handles += [
        *(plt.Line2D([], [], color=RANKS[k], marker="o", linestyle="", label=rf"$\lambda_{k + 1}$")
          for k in range(ranks)),
        plt.Line2D([], [], color=START, linestyle="--", label="bouncing starts"),
        plt.Line2D([], [], color=END, linestyle="--", label="bouncing ends"),
        plt.Line2D([], [], color=INK, linestyle=":", label=rf"$2/\eta$ = {edge:.3g}"),
    ]
    if np.isfinite(threshold):
        handles.append(plt.Line2D([], [], color=THRESHOLD, linestyle="--",
                                  label=rf"threshold $\lambda_{{th}}$ = {threshold:.3g}"))  # fmt: skip
    return handles
