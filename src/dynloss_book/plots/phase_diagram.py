"""Figs. 1 and 3: accuracies over the (T, A) plane of the dynamical loss, and how sure they are."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm, Normalize, to_hex
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from dynloss_book.engine.sweeps.grid import SEED
from dynloss_book.engine.sweeps.statistics import Summary, halves, summary
from dynloss_book.paper import Region
from dynloss_book.plots import interactive
from dynloss_book.plots.style import INK, RANKS, figure_style, logarithmic, panels

ACCURACIES = {"accuracy": "training accuracy", "validation_accuracy": "validation accuracy"}
_LEVELS = 12
_OUTLINE = [withStroke(linewidth=4, foreground=INK)]  # white dashes that show on white paper too
_FEW = 6  # values on an axis: each has its tick


@figure_style()
def plot(means: Mapping[str, Any], regions: Mapping[str, Region]):
    """Contours of the mean accuracies: a row for each network, training on the left, validation on the right.

    Args:
        means: {label of a network: dataset over (period, amplitude) with ``accuracy`` and ``validation_accuracy``};
            NaN, where nothing is computed, stays blank.
        regions: {label: where the paper claims the improvement}, outlined.
    """
    figure, axes = _planes(len(means), height=4.2)
    for row, (label, mean) in zip(axes, means.items(), strict=True):
        whole = xr.concat([mean[name] for name in ACCURACIES], "accuracy")
        levels = MaxNLocator(_LEVELS).tick_values(whole.min(), whole.max())
        for ax, name in zip(row, ACCURACIES, strict=True):
            values = mean[name].transpose("amplitude", "period")
            drawn = None
            if min(values.shape) > 1 and np.isfinite(values).any():
                drawn = ax.contourf(values.period, values.amplitude, np.ma.masked_invalid(values), levels=levels,
                                    cmap="viridis")  # fmt: skip
            region, left = regions[label], float(values.period.min())
            ax.add_patch(Rectangle((left, region.weakest), region.longest - left, region.strongest - region.weakest,
                                   fill=False, edgecolor="white", linestyle="--", linewidth=2, path_effects=_OUTLINE)
                         )  # fmt: skip
            ax.axhline(1, color="#D55E00", linewidth=6)
            for axis, grid in ((ax.xaxis, values.period), (ax.yaxis, values.amplitude)):
                logarithmic(axis, grid.values if grid.size <= _FEW else None)
            ax.set_title(f"{label}: {ACCURACIES[name]}", loc="center")
        if drawn is not None:
            figure.colorbar(drawn, ax=list(row), label="mean accuracy", format="%.2f")
    handles = [
        plt.Line2D([], [], color="white", linestyle="--", linewidth=2, path_effects=_OUTLINE, label="claimed region"),
        plt.Line2D([], [], color="#D55E00", linewidth=3, label="$A = 1$: no oscillations"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def explore(summaries: Mapping[str, Mapping[str, Any]]) -> interactive.Explorable:
    """What ``plot`` shows: of each cell the mean, half its 95 % confidence interval, and the number of seeds.

    Args:
        summaries: {label of a network: {accuracy: ``sweeps.Summary`` over (period, amplitude)}}.
    """
    panels_of = []
    for label, each in summaries.items():
        whole = np.concatenate([each[which].mean.values.ravel() for which in ACCURACIES])
        for which, title in ACCURACIES.items():
            mean, _, number, margin = (part.transpose("amplitude", "period") for part in each[which])
            panels_of.append({
                "title": f"{label}, {title}",
                "columns": interactive.rounded(mean.period),
                "rows": interactive.rounded(mean.amplitude),
                "means": interactive.rounded(mean),
                "margins": [None if value is None else float(f"{value:.2g}") for value in interactive.rounded(margin)],
                "seeds": number.values.ravel().astype(int).tolist(),
                "colours": _colours(mean.values.ravel(), whole),
            })  # fmt: skip
    return interactive.Explorable({"kind": "planes", "name": "fig-phase-diagram", "panels": panels_of})


def _colours(values: np.ndarray, whole: np.ndarray) -> list[str | None]:
    """The picture's colours, from the smallest to the largest value of a row of panels; None for what is missing."""
    shades = colormaps["viridis"](Normalize(np.nanmin(whole), np.nanmax(whole))(values))
    return [to_hex(shade) if np.isfinite(value) else None for shade, value in zip(shades, values, strict=True)]


@figure_style()
def plot_cells(means: Mapping[str, Any], region: Region):
    """The mean accuracies of one network, point by point: training and validation, each with its own colours.

    Args:
        means: {``accuracy``, ``validation_accuracy``: (period, amplitude)}; NaN, which is not computed, stays blank.
        region: where the paper claims the improvement; its cells are framed.
    """
    figure, axes = _planes(1, height=4.2)
    for ax, (name, title) in zip(axes[0], ACCURACIES.items(), strict=True):
        cells(figure, ax, means[name], f"mean {title}", title, empty="nothing computed", written=True)
        frame(ax, region.holds(means[name].period, means[name].amplitude), color="#D55E00")
    return figure


@figure_style()
def plot_pairs(pairs: Mapping[str, Any]):
    """Validation accuracies with and without oscillations, a panel for each scale and a line for each seed.

    Args:
        pairs: {label: values over ``amplitude``, 1 and another, and ``seed``; NaN where one diverged or is not
            computed: the other is drawn hollow, and does not count}. From three whole pairs on their mean is drawn with
            its interval; that of two spans everything and says nothing.
    """
    figure, axes = panels(1, len(pairs), figsize=(10, 3.6))
    for ax, (label, values) in zip(axes[0], pairs.items(), strict=True):
        values = values.transpose("amplitude", SEED)
        whole = values.notnull().all("amplitude")
        alone, values = values.isel({SEED: ~whole.values}), values.isel({SEED: whole.values})
        mean, _, number, margin = summary(values)
        ax.plot([0, 1], values, color=RANKS[0], marker="o", markersize=4, linewidth=0.8, alpha=0.6)
        ax.plot([0, 1], alone, color=RANKS[0], marker="o", markersize=4, markerfacecolor="none", linestyle="")
        if (number > 2).all():
            ax.errorbar([-0.12, 1.12], mean, margin, fmt="s", color=INK, markersize=6, capsize=4)
        names = [f"{'static loss' if a == 1 else 'oscillating'}\n$A = {a:g}$" for a in values.amplitude]
        ax.set(xticks=[0, 1], xticklabels=names, xlim=(-0.5, 1.5), ylabel="validation accuracy")
        ax.set_title(f"{label}, {int(number.max())} seed{'s' * int(number.max() != 1)}", loc="center")
    return figure


@figure_style()
def plot_gain(gains: Mapping[str, Any], margins: Mapping[str, Any], regions: Mapping[str, Region]):
    """What the oscillations gain over A = 1 with the same seeds.

    Hatched where the confidence interval holds zero, and grey where one seed has none. The colours are cut at the
    largest gain, so that a small gain is seen beside a large loss.

    Args:
        gains: {label: (period, amplitude) mean differences of an accuracy}.
        margins: {label: half the widths of their intervals, simultaneous since there are many; NaN for fewer than two
            seeds}.
        regions: {label: where the paper claims the improvement}, outlined.
    """
    figure, axes = _planes(1, len(gains), height=4)
    for ax, (label, gain) in zip(axes[0], gains.items(), strict=True):
        gain, margin = (each.transpose("amplitude", "period") for each in (gain, margins[label]))
        most = max(0.01, float(gain.max().fillna(0)))
        cells(figure, ax, gain, "gain in validation accuracy", label, cmap="RdBu", vmin=-most, vmax=most, extend="min")
        unsure: dict[str, Any] = {"fill": False, "hatch": "////", "edgecolor": "0.45", "linewidth": 0}
        alone: dict[str, Any] = {"facecolor": "0.85", "linewidth": 0}
        for marked, look in ((abs(gain) <= margin, unsure), (gain.notnull() & margin.isnull(), alone)):
            for row, column in np.argwhere(marked.values):
                ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **look))
        frame(ax, regions[label].holds(gain.period, gain.amplitude), color=INK)
    return figure


@figure_style()
def plot_certainty(errors: Mapping[str, Any], numbers: Mapping[str, Any]):
    """How sure the diagrams are: the standard error of the mean validation accuracy, and the seeds behind it.

    Args:
        errors: {label: (period, amplitude) standard errors, NaN for fewer than two seeds}.
        numbers: {label: (period, amplitude) number of seeds}.
    """
    varied = any(number.min() < number.max() for number in numbers.values())  # else one panel would be of one colour
    figure, axes = _planes(len(errors), height=3.8) if varied else _planes(1, len(errors), height=4)
    for place, label in enumerate(errors):
        ax, most = axes[place, 0] if varied else axes[0, place], max(1, int(numbers[label].max()))
        said = "standard error" if varied else f"{most} seeds at each point"
        cells(figure, ax, errors[label], "standard error", f"{label}: {said}", cmap="magma_r")
        if varied:
            steps = np.unique(np.linspace(-0.5, most + 0.5, min(most + 2, 12)).round(1))
            cells(figure, axes[place, 1], numbers[label], "seeds", f"{label}: seeds", cmap="cividis",
                  norm=BoundaryNorm(steps, 256))  # fmt: skip
    return figure


def best_cut(network: xr.Dataset) -> dict[str, Summary]:
    """The curves for ``plot_curves``: along A at the period whose mean validation accuracy is highest anywhere.

    Every other seed chooses the period, and the rest are shown; one seed alone does both.

    Args:
        network: ``accuracy`` and ``validation_accuracy`` over (period, amplitude, seed).
    """
    choosing, shown = halves(network) if network.sizes[SEED] > 1 else (network, network)
    at = int(summary(choosing.validation_accuracy).mean.max("amplitude").fillna(0).argmax("period"))
    return {name: summary(shown[name].isel(period=at)) for name in ACCURACIES}


@figure_style()
def plot_curves(curves: Mapping[str, Mapping[str, Summary]], regions: Mapping[str, Region]):
    """Accuracy along A at one period, with confidence bands; the static loss as a dashed line.

    Args:
        curves: {label: of each accuracy what ``best_cut`` found, over ``amplitude``, 1 the first, and with ``period``}.
        regions: {label: where the paper claims the improvement}, shaded where ``period`` is inside.
    """
    figure, axes = panels(1, len(curves), figsize=(10, 4.2))
    for ax, (label, curve) in zip(axes[0], curves.items(), strict=True):
        for (name, (mean, _, _, margin)), colour, marker in zip(curve.items(), RANKS, "os", strict=False):
            ax.plot(mean.amplitude, mean, color=colour, marker=marker, markersize=4, label=ACCURACIES[name])
            ax.fill_between(mean.amplitude, mean - margin.fillna(0), mean + margin.fillna(0), color=colour, alpha=0.25,
                            linewidth=0)  # fmt: skip
            ax.axhline(mean.values[0], color=colour, linestyle="--", linewidth=1)
        period, region = float(curve["accuracy"].mean.period), regions[label]
        if period <= region.longest:
            ax.axvspan(region.weakest, region.strongest, color="0.88", zorder=0, label="claimed region")
        logarithmic(ax.xaxis)
        ax.set(xlabel="amplitude $A$", title=f"{label}, $T$ = {period:g} steps")
        low = min(float(each.mean.min()) for each in curve.values())
        ax.set_ylim(low - 0.15 * (1.02 - low), 1 + 0.04 * (1.02 - low))  # wide bands are cut, the means never
    axes[0, 0].set_ylabel("accuracy")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(plt.Line2D([], [], color=INK, linestyle="--", linewidth=1))
    figure.legend(handles, [*labels, "the same at $A = 1$"], loc="outside lower center", ncols=4)
    return figure


def _planes(rows, columns=2, *, height):
    """Panels of the (T, A) plane, labelled below and on the left."""
    figure, axes = panels(rows, columns, figsize=(10, height * rows), sharex=True, sharey=True)
    plt.setp(axes[-1], xlabel="period $T$ (steps)")
    plt.setp(axes[:, 0], ylabel="amplitude $A$")
    return figure, axes


def cells(
    figure: Any, ax: Any, values: Any, label: str, title: str, *, empty: str = "fewer than two seeds",
    extend: str = "neither", written: bool = False, **look: Any,
) -> None:  # fmt: skip
    """A map of cells of one size, whatever the values between them, with its colours explained beside it.

    Args:
        values: over period and amplitude; NaN stays blank.
        label: of the colours.
        title: of the panel.
        empty: what stands there if all are NaN.
        extend: which end of the colours is cut.
        written: whether each value stands in its cell, dark on bright ones.
        look: as of matplotlib's ``imshow``.
    """
    values = values.transpose("amplitude", "period")
    if not np.isfinite(values).any():
        ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", va="center")
    drawn = ax.imshow(np.ma.masked_invalid(values), origin="lower", aspect="auto", **{"cmap": "viridis"} | look)
    for axis, grid in ((ax.xaxis, values.period.values), (ax.yaxis, values.amplitude.values)):
        axis.set_ticks(range(len(grid)), [f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in grid])
    if values.sizes["period"] > _FEW + 2:
        ax.tick_params(axis="x", rotation=90)
    figure.colorbar(drawn, ax=ax, label=label, extend=extend, ticks=MaxNLocator(6, integer="norm" in look))
    ax.set_title(title, loc="center")
    size = "small" if values.sizes["period"] <= _FEW else "xx-small"
    for row, column in np.argwhere(np.isfinite(values.values) & written):
        value = values.values[row, column]
        ax.text(column, row, f"{value:.3f}", color=INK if drawn.norm(value) > 0.5 else "white", ha="center",
                va="center", fontsize=size)  # fmt: skip


def frame(ax: Any, inside: Any, **look: Any) -> None:
    """A dashed frame around the cells of a map that lie in a rectangle of the plane.

    Args:
        inside: which, over (period, amplitude) in either order.
        look: of the line.
    """
    columns, rows = (np.flatnonzero(inside.any(other)) for other in ("amplitude", "period"))
    if columns.size and rows.size:
        ax.add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1,
                               fill=False, linestyle="--", linewidth=2, clip_on=False, **look))  # fmt: skip
