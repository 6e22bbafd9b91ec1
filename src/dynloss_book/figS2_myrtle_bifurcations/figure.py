"""Fig. S2: bifurcations of the accuracy beside the largest eigenvalues of the Hessian, for a convolutional network."""

import matplotlib.pyplot as plt
import numpy as np

from dynloss.dynamics import Instability
from dynloss_book.plots.learning_dynamics import Row, dots, draw, mark_handles
from dynloss_book.plots.style import CLASSES, INK, THRESHOLD, figure_style, panels


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
    curvature, classes = trajectory.hessian_eigenvalues, CLASSES[: np.shape(weights)[1]]
    ranks = CLASSES[:2:-1][: curvature.shape[1]]  # not those of the three classes
    rows = [
        Row(r"$\Gamma_i$", list(np.asarray(weights).T), classes, marked=False),
        Row("training accuracy", [trajectory.accuracy.values], [INK], sight=(0, 1.03)),
        Row(r"$\mathcal{F}(t)-\mathcal{F}(t-1)$ (nats)", [np.diff(trajectory.loss.values, prepend=np.nan)], [INK]),
        Row(r"Hessian $\lambda$", curvature.values.T[::-1], ranks[::-1], sight=(0, 1.1 * edge),
            levels=[(edge, INK, ":"), (threshold, THRESHOLD, "--")], at=curvature[curvature.dims[0]].values),
    ]  # fmt: skip
    figure, axes = panels(4, 2, by_column=True, figsize=(10, 10), sharex="col", width_ratios=[1.7, 1])
    draw(axes, rows, trajectory.step.values, cascades, zoom, sizes=(2.5, 5))
    figure.align_ylabels(axes[:, 0])
    handles = [*dots("class {}", classes), *dots(r"$\lambda_{}$", ranks, 1), *mark_handles("bouncing", threshold)]
    handles.append(plt.Line2D([], [], color=INK, linestyle=":", label=rf"$2/\eta$ = {edge:.3g}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
