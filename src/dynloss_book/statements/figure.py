"""What the text says besides the paper's figures, in one picture."""

from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from dynloss_book.plots.style import CLASSES, INK, RANKS, figure_style, panels

SAME = 0.02  # of the largest eigenvalue: two that differ by less are drawn as one


@figure_style()
def plot(found: Any):
    """Weights, the descent on one class, the spectrum, the classes' turns, and the modes of the kernel.

    Args:
        found: of `statements.experiment`: ``weights``, ``one_class_loss``, ``spectrum``, ``class_accuracy``,
            ``mode_residual`` and ``residual``.

    Returns:
        The figure.
    """
    figure, axes = panels(3, 2, figsize=(10, 10.5))
    shown = found.weights.isel(amplitude=2)
    for number, colour in zip(range(shown.sizes["class"]), CLASSES, strict=False):
        axes[0, 0].plot(shown[:, number], color=colour, label=f"class {number}")
    axes[0, 0].axhline(shown.sizes["class"], color=INK, linestyle="--", linewidth=1)
    axes[0, 0].set(xlabel="minimisation step", ylabel=rf"class weight $\Gamma$, $A = {float(shown.amplitude):g}$",
                   ylim=(0, 1.25 * shown.sizes["class"]))  # fmt: skip
    axes[0, 0].legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.99))
    axes[0, 1].plot(found.one_class_loss.values.T, color=RANKS[0], linewidth=1)
    axes[0, 1].set(xlabel="minimisation step", ylabel="loss of one class alone (nats)", yscale="log")
    values = found.spectrum.isel(seed=0).values[::-1]
    axes[1, 0].plot(np.arange(1, len(values) + 1), values, ".", color=RANKS[0], markersize=4)
    axes[1, 0].set(xlabel="eigenvalue of the Hessian, in order", ylabel=r"$\lambda$, after the static loss")
    axes[1, 0].set_yscale("symlog", linthresh=1e-3)
    _turns(axes[1, 1], found)
    _modes(axes[2, 0], found)
    _regimes(axes[2, 1], found)
    return figure


def _turns(ax: Any, found: Any) -> None:
    """Each class's accuracy at the middles and the ends of the periods."""
    mean = found.class_accuracy.mean("seed").values
    period, number = float(found.attrs["turn_period"]), len(mean) // 2
    for turn in range(number):
        ax.axvspan(turn * period, (turn + 1) * period, color=CLASSES[turn % mean.shape[1]], alpha=0.12, linewidth=0)
    for row, colour in zip(mean.T, CLASSES, strict=False):
        times = 0.5 * period * np.arange(1, len(row) + 1)
        ax.plot(times, row, color=colour, linewidth=0.8, alpha=0.6)
        ax.plot(times[::2], row[::2], "o", color=colour, markersize=4)
        ax.plot(times[1::2], row[1::2], "o", color=colour, markersize=4, fillstyle="none")
    ax.set(xlabel="minimisation step", ylabel="training accuracy of a class", ylim=(-0.04, 1.04),
           xlim=(0, number * period))  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(4))


def _modes(ax: Any, found: Any) -> None:
    """The residual of one network along the first eigenvectors, one of each group of equal eigenvalues."""
    found = found.isel(seed=0)
    share = (found.mode_eigenvalue / found.mode_eigenvalue[0]).values
    first = np.flatnonzero(np.r_[True, np.diff(share) < -SAME])
    for mode, colour in zip(first, (*RANKS, CLASSES[3]), strict=False):
        ax.plot(found.mode_residual[mode], color=colour, label=rf"$\lambda/\lambda_{{\max}} = {share[mode]:.2f}$")
        ax.plot(found.mode_expected[mode], "--", color=INK, linewidth=1)
    ax.set(xlabel="minimisation step", ylabel="residual along an\neigenvector of the NTK", yscale="log",
           ylim=(3e-5, 1.5))  # fmt: skip
    ax.legend(fontsize="small", loc="lower left")


def _regimes(ax: Any, found: Any) -> None:
    """The residual of one network along the first eigenvector, and eq. (14)."""
    found = found.isel(seed=0)
    for row, colour in zip(range(found.sizes["regime"]), RANKS, strict=False):
        ax.plot(found.residual[row], "o", color=colour, label=rf"$\eta\lambda/N = {float(found.regime[row]):g}$")
        ax.plot(found.predicted[row], "--", color=colour, linewidth=1)
    ax.set_yscale("symlog", linthresh=0.1)
    ax.set(xlabel="minimisation step", ylabel="residual along the first\neigenvector of the NTK", ylim=(-300, 20))
    ax.legend(ncols=3, loc="lower center", fontsize="small", columnspacing=1, handletextpad=0)
