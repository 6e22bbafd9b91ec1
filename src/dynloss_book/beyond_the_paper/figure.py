"""Beyond the paper: validation accuracies by the waveform of Γ(t), and by loss and optimiser."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book.plots.style import CLASSES, INK, MARKERS, START, figure_style, intervals, panels


@figure_style()
def plot(by_waveform: Mapping[str, Any], by_way: Mapping[str, Mapping[str, Any]]):
    """(a) The waveforms, a marker a period; (b) losses and optimisers, static beside dynamical; 95 % intervals.

    Args:
        by_waveform: {label: validation accuracy (period, seed)}, the static loss first.
        by_way: {label: {"static": validation accuracy (seed,), "dynamical": …}}.
    """
    static, *_ = by_waveform  # which has no period
    waveforms = xr.concat(by_waveform.values(), pd.Index(by_waveform, name="row"))
    both = {name: xr.concat([each[name] for each in by_way.values()], "row") for name in ("static", "dynamical")}
    periods = {
        f"$T$ = {period:g} steps": waveforms.sel(period=period).where(waveforms.row != static)
        for period in waveforms.period.values
    }
    periods = {"static loss": waveforms.isel(period=0).where(waveforms.row == static)} | periods
    shown = (
        (by_waveform, periods, "lower left"),
        (by_way, {f"{name} loss": values for name, values in both.items()}, "upper left"),
    )
    rows = len(by_waveform), len(by_way)
    looks = {"static loss": (INK, "o"), "dynamical loss": (START, "X")}  # no two alike, in both panels
    looks |= dict(zip(list(periods)[1:], zip(CLASSES, MARKERS[1:], strict=False), strict=False))
    figure, axes = panels(2, figsize=(10, 2.4 + 0.45 * sum(rows)), height_ratios=rows, sharex=True)
    for ax, (names, series, place) in zip(axes[:, 0], shown, strict=True):
        for number, (label, values) in enumerate(series.items()):
            at = np.arange(len(names)) + 0.7 / len(series) * (number - (len(series) - 1) / 2)
            colour, marker = looks[label]
            intervals(ax, at, values, sideways=True, linestyle="", color=colour, marker=marker, capsize=3, label=label)
        ax.set_yticks(range(len(names)), list(names))
        ax.invert_yaxis()
        ax.legend(fontsize="small", loc=place)
    axes[1, 0].set_xlabel("validation accuracy")
    return figure
