"""Figs. 4 and S1: a run with a dynamical loss, and the eigenvalues that explain its instabilities."""

import matplotlib.pyplot as plt
import numpy as np

from dynloss.dynamics import Instability
from dynloss_book.plots import interactive
from dynloss_book.plots.style import CLASSES, END, INK, RANKS, START, THRESHOLD, figure_style, panel_label, step_axis

# Title, symbol and unit of each row, for a reader who reads values off.
_READ = [
    ("Class weights Γ", "Γ", ""),
    ("Loss F", "F", " nats"),
    ("Change of the loss", "F(t) − F(t−1)", " nats"),
    ("Training accuracy", "accuracy", ""),
    ("Largest eigenvalue of the Hessian", "λ_max", ""),
    ("Largest eigenvalue of the NTK", "λ_max", ""),
]
_DOTS = {"linestyle": "", "marker": ".", "markersize": 1.6, "rasterized": True, "markeredgewidth": 0}


def plot(trajectory, weights, cascades: list[Instability], threshold: float, zoom: tuple[int, int]):
    """Fig. 4: six quantities against the step, (a)-(f) for the whole run and (g)-(l) around one cascade.

    Args:
        trajectory: with ``loss``, ``accuracy``, ``hessian_eigenvalues`` and ``ntk_eigenvalues`` at every step.
        weights: Γ at every step, (steps, C).
        cascades: their starts are marked in green, their ends in red.
        threshold: λ_th, the dashed line in (e) and (k).
        zoom: first and last step of (g)-(l).
    """
    step = trajectory.step.values
    rows = _rows(trajectory, weights)
    with figure_style():
        figure, axes = plt.subplots(len(rows), 2, figsize=(10, 13), sharex="col", width_ratios=[2, 1])
        for row, (label, series, colours, scale) in enumerate(rows):
            for column, ax in enumerate(axes[row]):
                inside = slice(None) if column == 0 else (step >= zoom[0]) & (step <= zoom[1])
                for values, colour in zip(series, colours, strict=True):
                    ax.plot(step[inside], values[inside], color=colour, **_DOTS)
                ax.set_yscale(scale)
                _limits(ax, [values[inside] for values in series], scale)
                if row > 0:
                    _marks(ax, cascades, None if column == 0 else zoom)
                if row == 4:
                    ax.axhline(threshold, color=THRESHOLD, linestyle="--", linewidth=1)
                panel_label(ax, "abcdefghijkl"[row + 6 * column])
            axes[row, 0].set_ylabel(label)
        axes[0, 0].set_title("whole run", loc="center")
        axes[0, 1].set_title("one cascade", loc="center")
        for ax in axes[-1]:
            _step_axis(ax)
        axes[-1, 0].set_xlim(step[0], step[-1] + 1)
        axes[-1, 1].set_xlim(*zoom)
        figure.align_ylabels(axes[:, 0])
        _legend(figure, weights.shape[1], threshold)
    return figure


def _rows(trajectory, weights):
    loss = trajectory.loss.values
    change = np.diff(loss, prepend=np.nan)
    return [
        (r"$\Gamma_i$", list(np.asarray(weights).T), CLASSES[: weights.shape[1]], "linear"),
        (r"loss $\mathcal{F}$ (nats)", [loss], [INK], "log"),
        (r"$\mathcal{F}(t)-\mathcal{F}(t-1)$" + "\n(nats)", [change], [INK], "linear"),
        ("training\naccuracy", [trajectory.accuracy.values], [INK], "linear"),
        ("Hessian " + r"$\lambda_{\max}$", [trajectory.hessian_eigenvalues.values[:, 0]], [RANKS[0]], "linear"),
        ("NTK " + r"$\lambda_{\max}$", [trajectory.ntk_eigenvalues.values[:, 0]], [RANKS[2]], "linear"),
    ]


def plot_eigenvalues(trajectory, cascades: list[Instability], threshold: float, crossings: dict, zoom: tuple[int, int]):
    """Fig. S1: the change of the loss, and the largest Hessian eigenvalues with the threshold; right, one cascade.

    Args:
        trajectory: with ``loss`` and ``hessian_eigenvalues`` (step, rank).
        cascades: marked in green (start) and red (end).
        threshold: λ_th.
        crossings: {label: step} drawn as vertical lines in the zoom, in this order.
        zoom: first and last step of the right-hand panels.
    """
    step = trajectory.step.values
    change = np.diff(trajectory.loss.values, prepend=np.nan)
    eigenvalues = trajectory.hessian_eigenvalues.values
    with figure_style():
        figure, axes = plt.subplots(2, 2, figsize=(10, 6.6), sharex="col", width_ratios=[1.6, 1])
        for column in (0, 1):
            inside = slice(None) if column == 0 else (step >= zoom[0]) & (step <= zoom[1])
            upper, lower = axes[:, column]
            upper.plot(step[inside], change[inside], color=INK, **_DOTS)
            _limits(upper, [change[inside]], "linear")
            for rank in reversed(range(eigenvalues.shape[1])):
                lower.plot(step[inside], eigenvalues[inside, rank], color=RANKS[rank], **_DOTS)
            _limits(lower, [eigenvalues[inside, 0], eigenvalues[inside, -1]], "linear")
            lower.axhline(threshold, color=THRESHOLD, linestyle="--", linewidth=1)
            for ax in (upper, lower):
                _marks(ax, cascades, None if column == 0 else zoom)
            _step_axis(lower)
        for (label, at), colour in zip(crossings.items(), (*RANKS, INK), strict=False):
            for ax in axes[:, 1]:
                ax.axvline(at, color=colour, linestyle="-.", linewidth=1.2, label=label)
        for ax, letter in zip(axes.ravel(), "abcd", strict=True):
            panel_label(ax, letter)
        axes[0, 0].set(ylabel=r"$\mathcal{F}(t)-\mathcal{F}(t-1)$ (nats)", title="whole run")
        axes[0, 1].set(title="one cascade")
        axes[1, 0].set(ylabel=r"Hessian eigenvalues $\lambda_{1,2,3}$")
        axes[1, 0].set_xlim(step[0], step[-1] + 1)
        axes[1, 1].set_xlim(*zoom)
        handles = [
            plt.Line2D([], [], color=RANKS[k], marker="o", linestyle="", label=rf"$\lambda_{k + 1}$")
            for k in range(eigenvalues.shape[1])
        ]
        handles += [handle for handle in axes[0, 1].get_lines() if handle.get_label() in crossings]
        handles += _mark_handles(threshold)
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def explore(trajectory, weights, cascades: list[Instability], threshold: float) -> interactive.Explorable:
    """What ``plot`` shows, to zoom and to read off: its envelope, finer in each cascade, whole where one starts.

    Args: those of ``plot``.
    """
    windows = [(each.start - 20, each.end + 20, 100) for each in cascades]
    windows += [(each.start - 20, each.start + 130, 150) for each in cascades]
    ends = [(each.start, START) for each in cascades] + [(each.end, END) for each in cascades]
    marks = [interactive.mark("x", at, colour) for at, colour in ends]
    panels = []
    for row, (_, series, colours, scale) in enumerate(_rows(trajectory, weights)):
        title, symbol, unit = _READ[row]
        at = interactive.kept(series, 700, windows) if row else interactive.kept(series, 300)
        drawn = [
            interactive.series(symbol if row else f"class {number}", colour, values[at], line=row == 0)
            for number, (values, colour) in enumerate(zip(series, colours, strict=True))
        ]
        x = interactive.steps(trajectory.step.values[at], len(trajectory.step) - 1)
        bounds = None if scale == "log" else interactive.extent(series, rarest=0.002)
        level = [interactive.mark("y", threshold, THRESHOLD)] if row == 4 else []
        y = {"log": scale == "log", "unit": unit, "range": bounds}
        panels.append(interactive.panel(title, "steps", x, y, drawn, marks * (row > 0) + level))
    return interactive.curves("fig-learning-dynamics", panels)


def _limits(ax, series, scale, margin=0.06):
    """Show all but the rarest 0.2 % of the values: single steps of a cascade reach far out."""
    values = np.concatenate(series)
    values = values[np.isfinite(values)]
    if scale == "log" or len(values) == 0:
        return
    low, high = np.quantile(values, [0.002, 0.998])
    pad = margin * (high - low) or 0.05
    ax.set_ylim(low - pad, high + pad)


def _marks(ax, cascades, window):
    for cascade in cascades:
        for at, colour in ((cascade.start, START), (cascade.end, END)):
            if window is None or window[0] <= at <= window[1]:
                ax.axvline(at, color=colour, linestyle="--", linewidth=0.8, alpha=0.8)


def _step_axis(ax):
    step_axis(ax)
    ax.tick_params(axis="x", labelrotation=30)


def _mark_handles(threshold):
    return [
        plt.Line2D([], [], color=START, linestyle="--", label="instability starts"),
        plt.Line2D([], [], color=END, linestyle="--", label="instability ends"),
        plt.Line2D([], [], color=THRESHOLD, linestyle="--", label=rf"threshold $\lambda_{{th}}$ = {threshold:.2f}"),
    ]


def _legend(figure, classes, threshold):
    handles = [
        plt.Line2D([], [], color=CLASSES[i], marker="o", linestyle="", label=rf"class {i}") for i in range(classes)
    ]
    figure.legend(handles=handles + _mark_handles(threshold), loc="outside lower center", ncols=3)
