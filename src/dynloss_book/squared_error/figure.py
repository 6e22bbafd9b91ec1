"""The squared error: three regimes of eq. (14), its prediction's error, the kernel in a cascade, and infinite width."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynloss.dynamics import PowerLaw
from dynloss_book.plots.style import (
    CLASSES,
    DOTS,
    INK,
    MARKERS,
    RANKS,
    cascade_lines,
    exponent_in_words,
    figure_style,
    intervals,
    logarithmic,
    panels,
    step_axis,
)  # fmt: skip

_UNITS = {"relu": "ReLU units", "tanh": "tanh units"}


@figure_style()
def plot(regimes: Any, probes: Any, ratios: Any, rates: Any, laws: Mapping[str, PowerLaw], convergence: Any,
         width_law: PowerLaw):  # fmt: skip
    """Six panels, (a)-(f).

    Args:
        regimes: ``mode`` and ``eigenvalue`` (ratio, seed, step).
        probes: ``error`` (moment, seed, unit, rate), ``factor`` and ``disturbance`` (moment, seed, ratio).
        ratios, rates: of the probes.
        laws: {unit: power law of the error in η}.
        convergence: ``deviation`` (width, seed) and ``neural_tangents``.
        width_law: of the deviation in the width.
    """
    figure, axes = panels(3, 2, figsize=(10, 10.5))
    _regimes(axes[0], regimes)
    _factors(axes[1, 0], probes, ratios)
    _errors(axes[1, 1], probes, rates, laws)
    _late(axes[2, 0], regimes)
    _widths(axes[2, 1], convergence, width_law)
    return figure


@figure_style()
def plot_oscillating(run: Any, starts: Any, every: int, seed: int = 0):
    """One run with oscillating weights: its loss from step to step, and both kernels' λ_max, in units of N/η.

    Args:
        run: ``loss`` (seed, step), ``plain`` and ``weighted`` (seed, measurement).
        starts: {seed: steps at which cascades start}.
        every: steps between two measurements.
        seed: the one shown.
    """
    shown = run.isel(seed=seed)
    figure, ((above,), (below,)) = panels(2, figsize=(10, 5.6), sharex=True)
    change = np.diff(shown.loss.values, prepend=np.nan)
    above.plot(change, color=INK, markersize=2, **DOTS)
    # The first steps, where the initial weights settle, reach far out.
    above.set(ylabel="change of the loss\nin a step", ylim=1.2 * np.nanquantile(change, [0.02, 0.98]))
    at = every * np.arange(shown.sizes["measurement"])
    below.axhline(2, color=INK, linestyle="--", linewidth=1, label="the boundary of eq. (14), 2")
    below.plot(at, shown["plain"].values, color=RANKS[2], linewidth=1.2, label="plain NTK")
    below.plot(at, shown["weighted"].values, color=RANKS[1], linewidth=1.2, label="NTK weighted by the classes")
    below.set_ylabel(r"$\eta\lambda_{\max}/N$")
    for ax in (above, below):
        cascade_lines(ax, starts[seed])
    step_axis(below)
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _regimes(axes, regimes):
    """(a) the mode, (b) λ_max of the kernel, from step to step; a line a regime, the seeds alike."""
    for number, ratio in enumerate(regimes.ratio.values):
        for ax, name in zip(axes, ("mode", "eigenvalue"), strict=True):
            for seed, values in enumerate(regimes[name].sel(ratio=ratio).transpose("seed", "step").values):
                ax.plot(values[:24], color=CLASSES[::2][number], marker=MARKERS[number], markersize=3, linewidth=0.9,
                        alpha=0.35 if seed else 1, label=None if seed else rf"$\eta\lambda/N = {ratio:g}$")  # fmt: skip
    axes[0].set_ylabel("top mode of the residuals,\nover its first value")
    axes[1].set_ylabel(r"$\eta\lambda_{\max}/N$ of the NTK")
    axes[1].axhline(2, color=INK, linestyle="--", linewidth=1)
    axes[0].axhline(0, color=INK, linestyle="-", linewidth=0.6)
    for ax in axes:
        step_axis(ax)
    axes[0].legend(fontsize="small")


def _late(ax, regimes):
    """The relative error of eq. (14) at each step of the run in the first regime."""
    for number, ratio in enumerate(regimes.ratio.values):
        ax.plot(regimes.relative_error.sel(ratio=ratio).mean("seed").values, color=CLASSES[::2][number], linewidth=1.2,
                label=rf"$\eta\lambda/N = {ratio:g}$")  # fmt: skip
    ax.set(yscale="log", ylabel="error of eq. (14) over the\nchange of the outputs")
    step_axis(ax)
    ax.legend(fontsize="small")


def _factors(ax, probes, ratios):
    """The factors of the top mode, and of a small disturbance of it, in one step, at several moments of training."""
    line = np.array([0, max(ratios) * 1.05])
    ax.plot(line, 1 - line, color=INK, linewidth=1, label=r"$1-\eta\lambda/N$")
    for number, moment in enumerate(probes.moment.values):
        intervals(ax, ratios, probes.factor.sel(moment=moment), color=CLASSES[number % 6], marker=MARKERS[number % 6],
                  markersize=4, linestyle="", capsize=2, elinewidth=0.8, label=f"after {moment:g} steps")  # fmt: skip
        ax.plot(ratios, probes.disturbance.sel(moment=moment).mean("seed").values, color=INK, marker="_", markersize=7,
                linestyle="", zorder=3, label="a small disturbance" if number == 0 else None)  # fmt: skip
    for level in (0, -1):
        ax.axhline(level, color=INK, linestyle=":", linewidth=0.9)
    for at, name in ((0.5, "monotone"), (1.5, "flipping"), (2.35, "growing")):
        ax.annotate(name, (at, 1), ha="center", va="top", fontsize="small")
    ax.set(xlabel=r"$\eta\lambda_{\max}/N$", ylabel="factor of the top mode in a step")
    ax.legend(fontsize="small", loc="lower left")


def _errors(ax, probes, rates, laws):
    """The error of eq. (14) against η, with the fitted power laws."""
    for number, (unit, law) in enumerate(laws.items()):
        ax.plot(rates, probes.error.sel(unit=unit).mean(["moment", "seed"]), color=RANKS[number],
                marker=MARKERS[number], markersize=4, linestyle="",
                label=f"{_UNITS[unit]}: exponent {exponent_in_words(law)}")  # fmt: skip
        ax.plot(rates, law.at(rates), color=RANKS[number], linewidth=1)
    ax.set(yscale="log", xlabel=r"learning rate $\eta$", ylabel="mean error of eq. (14)\nover the outputs")
    logarithmic(ax.xaxis)
    ax.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)


def _widths(ax, convergence, law):
    """How far the kernel is from its limit, against the width."""
    width = convergence.width.values
    ax.plot(width, convergence.deviation.transpose("width", "seed").values, color=RANKS[0], marker="o",
            markersize=3.5, linestyle="")  # fmt: skip
    ax.plot(width, law.at(width), color=RANKS[0], linewidth=1, label=f"exponent {exponent_in_words(law)}")
    ax.plot(width, law.at(width[0]) * (width / width[0]) ** -0.5, color=INK, linestyle="--", label=r"$1/\sqrt{m}$")
    known = float(convergence.neural_tangents)
    said = (
        f"neural-tangents' limit\nagrees to {known:.0e}" if np.isfinite(known) else "neural-tangents\nis not installed"
    )
    ax.annotate(said, (0.04, 0.06), xycoords="axes fraction", fontsize="small")
    ax.set(yscale="log", xlabel="width $m$ (hidden units)", ylabel="relative deviation of the\nNTK from its limit")
    logarithmic(ax.xaxis)
    ax.legend(fontsize="small")
