"""The pictures of "Why the cascades happen": edges, Floquet multipliers of the two-step map, and kernels."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from dynloss_book.plots.style import (
    CLASSES,
    DOTS,
    END,
    INK,
    RANKS,
    START,
    cascade_lines,
    figure_style,
    intervals,
    logarithmic,
    mosaic,
    panels,
    step_axis,
)  # fmt: skip

_DOTS = DOTS | {"markersize": 2.5}
_LOW, _HIGH = "#D55E00", "#0072B2"  # the lowest multiplier, and the highest alternating one


@figure_style()
def plot_edges(result: Any):
    """(a)-(d) λ over the edge along one run of each optimiser; (e) at all onsets, in units of the edge and of 2/η.

    Args:
        result: of ``analysis.onsets.by_optimiser``.
    """
    names = [str(name) for name in result.optimiser.values]
    *rows, last = list("abcdefg"[: len(names) + 1])
    size = 10, 1.6 * len(names) + 1
    figure, axes = mosaic(";".join(f"{row}{last}" for row in rows), figsize=size, width_ratios=[1.7, 1])
    side = axes.pop(last)
    for ax, name, colour in zip(axes.values(), names, CLASSES[2:], strict=False):
        one = result.sel(optimiser=name)
        ax.plot(one.step, one.level.isel(seed=0), color=colour, **_DOTS)
        cascade_lines(ax, one.onset_step.isel(seed=0, mark=0).values)
        ax.axhline(1, color=INK, linestyle=":", linewidth=1.4)
        ax.set(xlim=(0, float(result.step[-1])), ylim=(0, 1.9), ylabel=r"$\lambda$ / edge")
        ax.set_title(name, loc="center")
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.tick_params(labelbottom=ax is axes[rows[-1]])
    step_axis(axes[rows[-1]])
    own = [result.onset.sel(optimiser=name).isel(mark=0) for name in names]
    plain = [each * float(result.edge[k] * result.learning_rate[k]) / 2 for k, each in enumerate(own)]
    _strip(side, own, CLASSES[2:], shift=-0.13, filled=True)
    _strip(side, plain, CLASSES[2:], shift=0.13, filled=False)
    side.axhline(1, color=INK, linestyle=":", linewidth=1.4)
    side.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    side.set_ylabel(r"$\lambda$ at the onsets")
    logarithmic(side.yaxis, [0.2, 0.5, 1, 2, 5, 10, 20])
    figure.legend(
        handles=[
            plt.Line2D([], [], color=INK, marker="o", linestyle="", label="in units of the optimiser's edge"),
            plt.Line2D([], [], color=INK, marker="o", markerfacecolor="none", linestyle="",
                       label=r"in units of gradient descent's, $2/\eta$"),
            plt.Line2D([], [], color=START, linestyle="--", label="detected onset"),
        ],
        loc="outside lower center", ncols=3,
    )  # fmt: skip
    return figure


@figure_style()
def plot_kernels(result: Any):
    """(a) ηλ of Hessian and weighted kernel along one run, (b) of the plain kernel; (c) at all onsets.

    Args:
        result: of ``analysis.onsets.by_kernel``.
    """
    one = result.isel(seed=0)
    figure, axes = mosaic("ac;bc", figsize=(10, 5.6), width_ratios=[1.7, 1])
    above, below, side = (axes[letter] for letter in "abc")
    above.plot(one.step, one.hessian.isel(side=0), color=RANKS[0], marker="o", markersize=5, linestyle="",
               markerfacecolor="none", markeredgewidth=0.6, rasterized=True)  # fmt: skip
    above.plot(one.step, one.weighted_kernel.isel(side=0), color=RANKS[1], **_DOTS)
    below.plot(one.step, one.ntk.isel(side=0), color=RANKS[2], **_DOTS)
    above.set(ylim=(0, 1.15 * max(2, np.nanquantile(one.hessian, 0.995))), ylabel=r"$\eta\lambda_{\max}$")
    below.set(ylim=(0, None), ylabel=r"plain NTK $\frac{\eta}{P}\lambda_{\max}$")
    for ax in (above, below):
        cascade_lines(ax, one.onset_step.isel(mark=0).values)
        step_axis(ax)
        ax.set_xlim(0, float(one.step[-1]))
    above.set_xlabel("")
    above.axhline(2, color=INK, linestyle=":", linewidth=1.4)
    onsets = [result[f"onset_{name}"].isel(mark=0) for name in ("hessian", "weighted_kernel", "ntk")]
    _strip(side, onsets, RANKS, shift=0, filled=True)
    side.axhline(2, color=INK, linestyle=":", linewidth=1.4)
    side.set_xticks(range(3), ["Hessian", "weighted\nkernel", "plain\nkernel"])
    side.set_ylabel(r"$\eta\lambda_{\max}$ at the onsets")
    logarithmic(side.yaxis, [1, 2, 5, 10, 20, 50])
    figure.legend(
        handles=[
            plt.Line2D([], [], color=RANKS[0], marker="o", markerfacecolor="none", linestyle="", label="Hessian"),
            plt.Line2D([], [], color=RANKS[1], marker=".", linestyle="", label="Gauss-Newton kernel"),
            plt.Line2D([], [], color=RANKS[2], marker=".", linestyle="", label="plain NTK"),
            plt.Line2D([], [], color=START, linestyle="--", label="detected onset"),
        ],
        loc="outside lower center", ncols=4,
    )  # fmt: skip
    return figure


@figure_style()
def plot_two_step(result: Any, rows: Sequence[Mapping[str, Any]]):
    """(a)-(c) One cascade: the loss, its quarter frequency and the multipliers; (d) the lowest multiplier of all.

    Args:
        result: of ``analysis.period_doubling.examine``.
        rows: of ``claims.cascades_two_step.cascades``; marks of the cascade that is shown.
    """
    seed, number = result.attrs["zoom_seed"], result.attrs["zoom_cascade"]
    one = result.isel(seed=seed, cascade=number)
    shown = next((row for row in rows if (row["seed"], row["cascade"]) == (seed, number + 1)), None)
    at = result.attrs["zoom"] + np.arange(result.sizes["moment"])
    figure, axes = mosaic("ad;bd;cd", figsize=(10, 8), width_ratios=[1.5, 1])
    loss, share, both, every = (axes[letter] for letter in "abcd")
    loss.plot(at[1:], np.diff(result.loss.values), color=INK, **_DOTS)
    share.semilogy(at, np.maximum(result.share.values, 1e-6), color=INK, linewidth=1)
    _multipliers(both, one.step.values, one.lowest.values, one.alternating.values)
    events = _events(shown)
    for ax in (loss, share, both):
        for when, colour, style, _ in events:
            ax.axvline(when, color=colour, linestyle=style, linewidth=1.2)
        ax.set_xlim(at[0], at[-1] + 1)
    loss.set_ylabel(r"$\mathcal{F}(t)-\mathcal{F}(t-1)$" + "\n(nats)")
    share.set_ylabel("power, quarter\nover half")
    both.set_ylabel(r"Floquet multipliers $\mu$")
    for ax in (loss, share):
        ax.tick_params(labelbottom=False)
    step_axis(both)
    both.xaxis.set_major_locator(MaxNLocator(5))
    _aligned(every, result)
    figure.align_ylabels([loss, share, both])
    figure.legend(
        handles=[
            plt.Line2D([], [], color=_LOW, marker="o", label=r"lowest $\mu$"),
            plt.Line2D([], [], color=_HIGH, marker="s", label=r"highest $\mu$ of an alternating mode"),
            *[plt.Line2D([], [], color=colour, linestyle=style, label=label) for _, colour, style, label in events],
        ],
        loc="outside lower center", ncols=3,
    )  # fmt: skip
    return figure


@figure_style()
def plot_toy_losses(found: Mapping[str, Mapping[float, Any]]):
    """The multipliers against the steepness in toy losses with a known answer.

    Args:
        found: {name: {steepness: ``cascades_two_step.experiment.Orbit``}}.
    """
    figure, axes = panels(1, len(found), figsize=(10, 3.9), sharey=True)
    for ax, (name, orbits) in zip(axes[0], found.items(), strict=True):
        for wanted, shade in ((2, "#EEEEEE"), (4, "#BBBBBB")):
            inside = [a for a, orbit in orbits.items() if orbit.period == wanted]
            if inside:
                ax.axvspan(min(inside), max(inside), color=shade, zorder=0)
        # Of an orbit of period two or one alone: on a longer one, two steps are no return.
        short = {a: orbit for a, orbit in orbits.items() if orbit.period in (1, 2)}
        _multipliers(ax, list(short), [each.lowest for each in short.values()],
                     [each.alternating for each in short.values()])  # fmt: skip
        ax.set(title=name.replace("_", " "), xlabel="parameter $a$ (1)", ylim=(-1.3, 1.3))
    axes[0, 0].set_ylabel(r"Floquet multipliers $\mu$")
    figure.legend(
        handles=[
            plt.Line2D([], [], color=_LOW, marker="o", label=r"lowest $\mu$"),
            plt.Line2D([], [], color=_HIGH, marker="s", label=r"highest $\mu$ of an alternating mode"),
            plt.Rectangle((0, 0), 1, 1, color="#EEEEEE", label="period two"),
            plt.Rectangle((0, 0), 1, 1, color="#BBBBBB", label="period four"),
        ],
        loc="outside lower center", ncols=4,
    )  # fmt: skip
    return figure


def _multipliers(ax, at, lowest, alternating):
    ax.plot(at, alternating, color=_HIGH, marker="s", markersize=5, linewidth=0.8)
    ax.plot(at, lowest, color=_LOW, marker="o", markersize=4, linewidth=1.2)
    for level in (1, -1):
        ax.axhline(level, color=INK, linestyle=":", linewidth=1.2)


def _events(row):
    """Steps to mark, with colour, line and name; those that did not happen are left out."""
    marks = [
        ("starts", START, "--", "bouncing starts"),
        ("second_crosses", "#CC79A7", "-.", r"$\lambda_2$ crosses $2/\eta$ on one side"),
        ("lowest_crosses", _LOW, "-", r"lowest $\mu$ crosses $-1$"),
        ("breaks", END, "--", "quarter frequency appears"),
    ]
    return [(row[key], *look) for key, *look in marks if row is not None and np.isfinite(row[key])]


def _aligned(ax, result):
    """The lowest multiplier of every cascade against the steps that are left until its break, or until its end."""
    for seed, number in np.argwhere(np.isfinite(result.start.transpose("seed", "cascade").values)):
        one = result.isel(seed=seed, cascade=number)
        origin, colour, line = (one.broken, _LOW, "-") if np.isfinite(one.broken) else (one.end, "#888888", "--")
        ax.plot(origin - one.step, one.lowest, color=colour, linestyle=line, linewidth=1.2)
    ax.axhline(-1, color=INK, linestyle=":", linewidth=1.2)
    ax.axvline(0, color=END, linestyle="--", linewidth=1.2)
    # Late in a run a few go far below, after they have broken.
    ax.set_ylim(max(1.1 * np.fmin(result.lowest.min(), -1.1), -3), None)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.invert_xaxis()  # time goes to the right
    ax.set_xlabel("steps before the break\n(dashed: before the end, never broken)")
    ax.set_ylabel(r"lowest $\mu$, all cascades")


def _strip(ax, groups, colours, shift, filled):
    """All values of each group, and the mean over seeds with its 95 % interval."""
    for place, (values, colour) in enumerate(zip(groups, colours, strict=False)):
        points = values.values[np.isfinite(values.values)]
        spread = 0.08 * np.linspace(-1, 1, len(points)) if len(points) > 1 else np.zeros(len(points))
        ax.plot(place + shift + spread, points, color=colour, marker="o", markersize=4, linestyle="", alpha=0.6,
                markerfacecolor=colour if filled else "none")  # fmt: skip
        intervals(ax, place + shift, values.mean("cascade"), color=INK, marker="_", markersize=12, capsize=4,
                  linewidth=1.6, zorder=3)  # fmt: skip
