"""Figs. 4, S1 and S2: a run with a dynamical loss, and the eigenvalues that explain its instabilities."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from dynloss.dynamics import Instability
from dynloss_book.plots import interactive
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

_RARE = 0.002  # the share of values at each end that an axis may leave out: steps of a cascade reach far out


class Row(NamedTuple):
    """One quantity, or several alike, along a run.

    Attributes:
        label: of the axis.
        series, colours: each (steps,), and its colour.
        title, symbol, unit: for a reader who reads values off.
        log: whether the axis is logarithmic.
        marked: whether starts and ends of cascades are.
        levels: lines across, each with its colour and style.
        sight: values that the axis holds in any case.
        at: the steps, where they are not those of the run.
    """

    label: str
    series: Sequence[np.ndarray]
    colours: Sequence[str]
    title: str = ""
    symbol: str = ""
    unit: str = ""
    log: bool = False
    marked: bool = True
    levels: Sequence[tuple[float, str, str]] = ()
    sight: Sequence[float] = ()
    at: np.ndarray | None = None


@figure_style()
def plot(trajectory, weights, cascades: list[Instability], threshold: float, zoom: tuple[int, int]):
    """Fig. 4: six quantities against the step, (a)-(f) for the whole run and (g)-(l) around one cascade.

    Args:
        trajectory: with ``loss``, ``accuracy``, ``hessian_eigenvalues`` and ``ntk_eigenvalues`` at every step.
        weights: Γ at every step, (steps, C).
        cascades: their starts are marked in green, their ends in red.
        threshold: λ_th, the dashed line in (e) and (k).
        zoom: first and last step of (g)-(l).
    """
    rows = _rows(trajectory, weights, threshold)
    figure, axes = panels(len(rows), 2, by_column=True, figsize=(10, 13), sharex="col", width_ratios=[2, 1])
    draw(axes, rows, trajectory.step.values, cascades, zoom)
    figure.align_ylabels(axes[:, 0])
    handles = [*dots("class {}", rows[0].colours), *mark_handles("instability", threshold)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


@figure_style()
def plot_eigenvalues(trajectory, cascades: list[Instability], threshold: float, crossings: dict, zoom: tuple[int, int]):
    """Fig. S1: the change of the loss, and the largest Hessian eigenvalues with the threshold; right, one cascade.

    Args:
        trajectory: with ``loss`` and ``hessian_eigenvalues`` (step, rank).
        cascades: marked in green (start) and red (end).
        threshold: λ_th.
        crossings: {label: step} drawn as vertical lines in the zoom, in this order.
        zoom: first and last step of the right-hand panels.
    """
    eigenvalues = trajectory.hessian_eigenvalues.values
    ranks = RANKS[: eigenvalues.shape[1]]
    rows = [
        Row(r"$\mathcal{F}(t)-\mathcal{F}(t-1)$ (nats)", [np.diff(trajectory.loss.values, prepend=np.nan)], [INK]),
        Row(r"Hessian eigenvalues $\lambda_{1,2,3}$", eigenvalues.T[::-1], ranks[::-1],
            levels=[(threshold, THRESHOLD, "--")]),
    ]  # fmt: skip
    figure, axes = panels(2, 2, figsize=(10, 6.6), sharex="col", width_ratios=[1.6, 1])
    draw(axes, rows, trajectory.step.values, cascades, zoom, titles="left")
    for label, at in crossings.items():
        colour = dict(zip("₁₂₃", RANKS, strict=True)).get(label[1:2], INK)
        for ax in axes[:, 1]:
            ax.axvline(at, color=colour, linestyle="-.", linewidth=1.2, label=label)
    lines, _ = axes[0, 1].get_legend_handles_labels()
    handles = [*dots(r"$\lambda_{}$", ranks, 1), *lines, *mark_handles("instability", threshold)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def explore(trajectory, weights, cascades: list[Instability], threshold: float) -> interactive.Explorable:
    """What ``plot`` shows, to zoom and to read off: its envelope, finer in each cascade, whole where one starts.

    Args: those of ``plot``.
    """
    windows = [(each.start - 20, last, parts) for each in cascades
               for last, parts in ((each.end + 20, 100), (each.start + 130, 150))]  # fmt: skip
    marks = [interactive.mark("x", *where) for each in cascades for where in ((each.start, START), (each.end, END))]
    drawn_panels = []
    for row in _rows(trajectory, weights, threshold):
        at = interactive.kept(row.series, 700, windows) if row.marked else interactive.kept(row.series, 300)
        drawn = [
            interactive.series(row.symbol if row.marked else f"class {number}", colour, values[at], line=not row.marked)
            for number, (values, colour) in enumerate(zip(row.series, row.colours, strict=True))
        ]
        x = interactive.steps(trajectory.step.values[at], len(trajectory.step) - 1)
        reach = None if row.log else interactive.rounded(extent(row.series, _RARE))
        y = {"log": row.log, "unit": row.unit, "range": reach}
        levels = [interactive.mark("y", level, colour) for level, colour, _ in row.levels]
        drawn_panels.append(interactive.panel(row.title, "steps", x, y, drawn, marks * row.marked + levels))
    return interactive.Explorable({"kind": "curves", "name": "fig-learning-dynamics", "panels": drawn_panels})


def _rows(trajectory, weights, threshold: float) -> list[Row]:
    """The six quantities of Fig. 4."""
    loss = trajectory.loss.values
    hessian, ntk = (trajectory[f"{name}_eigenvalues"].values[:, 0] for name in ("hessian", "ntk"))
    return [
        Row(r"$\Gamma_i$", list(np.asarray(weights).T), CLASSES[: weights.shape[1]], "Class weights Γ", "Γ",
            marked=False),
        Row(r"loss $\mathcal{F}$ (nats)", [loss], [INK], "Loss F", "F", " nats", log=True),
        Row(r"$\mathcal{F}(t)-\mathcal{F}(t-1)$" + "\n(nats)", [np.diff(loss, prepend=np.nan)], [INK],
            "Change of the loss", "F(t) − F(t−1)", " nats"),
        Row("training\naccuracy", [trajectory.accuracy.values], [INK], "Training accuracy", "accuracy"),
        Row(r"Hessian $\lambda_{\max}$", [hessian], [RANKS[0]], "Largest eigenvalue of the Hessian", "λ_max",
            levels=[(threshold, THRESHOLD, "--")]),
        Row(r"NTK $\lambda_{\max}$", [ntk], [RANKS[2]], "Largest eigenvalue of the NTK", "λ_max"),
    ]  # fmt: skip


def draw(
    axes, rows: Sequence[Row], step, cascades, zoom, *, titles: str = "center", sizes: tuple[float, float] = (1.6, 1.6)
) -> None:
    """Each row along the whole run, and around one cascade; with dots of these sizes, larger where there are few.

    Args:
        axes: (rows, 2).
        rows: what is drawn in each.
        step: of the run, (steps,).
        cascades: marked by their starts and ends.
        zoom: first and last step of the right-hand panels.
        titles: "left", "center" or "right".
        sizes: in points, on the left and on the right.
    """
    windows = (step[0], step[-1]), zoom
    for both, row in zip(axes, rows, strict=True):
        both[0].set_ylabel(row.label)
        at = step if row.at is None else row.at
        for ax, (first, last), size in zip(both, windows, sizes, strict=True):
            inside = (at >= first) & (at <= last)
            series = [values[inside] for values in row.series]
            for values, colour in zip(series, row.colours, strict=True):
                ax.plot(at[inside], values, color=colour, markersize=size + 2 * (row.at is not None), **DOTS)
            sight = [*extent(series, _RARE), *row.sight]
            ax.set(**{"yscale": "log"} if row.log else {"ylim": (min(sight), max(sight))})
            if row.marked:
                cascade_lines(ax, [each.start for each in cascades], [each.end for each in cascades])
            for level, colour, style in row.levels:
                ax.axhline(level, color=colour, linestyle=style, linewidth=1)
    columns = ("whole run", (step[0], step[-1] + 1)), ("one cascade", zoom)
    for (top, *_, bottom), (title, window) in zip(axes.T, columns, strict=True):
        top.set_title(title, loc=titles)
        step_axis(bottom, slanted=True)
        bottom.set_xlim(window)


def dots(label: str, colours: Sequence[str], first: int = 0) -> list:
    """For a legend, a dot of each colour; the label has its number, from ``first`` on.

    Args:
        label: with {} where the number goes.
        colours: of Matplotlib.
        first: the number of the first colour.
    """
    return [
        plt.Line2D([], [], color=colour, marker="o", linestyle="", label=label.format(number))
        for number, colour in enumerate(colours, first)
    ]


def mark_handles(what: str, threshold: float) -> list:
    """For a legend, the lines of starts and ends, and of the threshold where there is one."""
    known = {rf"threshold $\lambda_{{th}}$ = {threshold:.3g}": THRESHOLD} if np.isfinite(threshold) else {}
    looks = {f"{what} starts": START, f"{what} ends": END} | known
    return [plt.Line2D([], [], color=colour, linestyle="--", label=label) for label, colour in looks.items()]
