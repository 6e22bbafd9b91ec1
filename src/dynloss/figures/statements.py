"""What the text says besides the paper's figures, in one picture."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from dynloss.figures.style import CLASSES, INK, RANKS, figure_style, panel_label


def plot(found: Any):
    """Weights, the descent on one class, the spectrum, and the regimes of eq. (14).

    Args:
        found: of `dynloss.experiments.statements`: ``weights``, ``one_class_loss``, ``spectrum`` and ``residual``.

    Returns:
        The figure.
    """
    with figure_style():
        figure, axes = plt.subplots(2, 2, figsize=(10, 7))
        shown = found.weights.isel(amplitude=2)
        for number, colour in zip(range(shown.sizes["class"]), CLASSES, strict=False):
            axes[0, 0].plot(shown[:, number], color=colour, label=f"class {number}")
        axes[0, 0].axhline(shown.sizes["class"], color=INK, linestyle="--", linewidth=1)
        axes[0, 0].set(xlabel="minimisation step", ylabel=rf"class weight $\Gamma$, $A = {float(shown.amplitude):g}$")
        axes[0, 0].legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.99))
        axes[0, 0].set_ylim(0, 1.25 * shown.sizes["class"])
        axes[0, 1].plot(found.one_class_loss.values.T, color=RANKS[0], linewidth=1)
        axes[0, 1].set(xlabel="minimisation step", ylabel="loss of one class alone (nats)", yscale="log")
        values = found.spectrum.values[::-1]
        axes[1, 0].plot(np.arange(1, len(values) + 1), values, ".", color=RANKS[0], markersize=4)
        axes[1, 0].set(xlabel="eigenvalue of the Hessian, in order", ylabel=r"$\lambda$, after the static loss")
        axes[1, 0].set_yscale("symlog", linthresh=1e-3)
        for row, colour in zip(range(found.sizes["regime"]), RANKS, strict=False):
            label = rf"$\eta\lambda/N = {float(found.regime[row]):g}$"
            axes[1, 1].plot(found.residual[row], "o", color=colour, label=label)
            axes[1, 1].plot(found.predicted[row], "--", color=colour, linewidth=1)
        axes[1, 1].set(xlabel="minimisation step", ylabel="residual along the first\neigenvector of the NTK")
        axes[1, 1].set_yscale("symlog", linthresh=0.1)
        axes[1, 1].set_ylim(-300, 20)
        axes[1, 1].legend(ncols=3, loc="lower center", fontsize="small", columnspacing=1, handletextpad=0)
        for ax, letter in zip(axes.flat, "abcd", strict=True):
            panel_label(ax, letter)
    return figure
