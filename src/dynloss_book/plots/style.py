"""One look for all figures: colour-blind-safe, readable in print and on a white card in dark mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from dynloss.dynamics import PowerLaw
from dynloss_book.engine.sweeps.statistics import summary

# Okabe and Ito's colours, told apart by all common kinds of colour vision. Green is the start of an instability alone.
CLASSES = ("#D55E00", "#E69F00", "#0072B2", "#56B4E9", "#CC79A7", "#666666")
RANKS = ("#0072B2", "#D55E00", "#CC79A7")
INK = "#1f2933"
START, END, THRESHOLD = "#009E73", "#CC3311", "#000000"
MARKERS = "osD^vP"
# A quantity at every step, as dots without a line: as pixels, for there are many.
DOTS: dict[str, Any] = {"linestyle": "", "marker": ".", "markeredgewidth": 0, "rasterized": True}

_SETTINGS: dict[Any, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "mathtext.fontset": "cm",
    "figure.constrained_layout.use": True,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw inside this context, or in a function decorated with it; nothing outside is changed."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook"), plt.rc_context(_SETTINGS):
        before = set(plt.get_fignums())
        yield
        for number in sorted(set(plt.get_fignums()) - before):
            _lay_out(plt.figure(number))
        interactive = plt.isinteractive()
    # The first figure of a notebook loads the backend, which turns this on; without it no later figure is shown.
    matplotlib.interactive(interactive)


def _lay_out(figure) -> None:
    """Once and for all: to find the places of things takes longer than to draw them.

    A picture is made in two formats, each of them drawn twice, and would be laid out every time.
    """
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def panels(rows: int = 1, columns: int = 1, *, by_column: bool = False, **options: Any) -> tuple[Any, np.ndarray]:
    """A figure and its panels, (rows, columns), lettered row by row or column by column; see ``plt.subplots``.

    Args:
        rows, columns: twelve panels at most have letters.
        by_column: whether (b) is below (a).
        options: as of ``plt.subplots``.
    """
    figure, axes = plt.subplots(rows, columns, squeeze=False, **options)
    for ax, letter in zip((axes.T if by_column else axes).ravel(), "abcdefghijkl", strict=False):
        _letter(ax, letter)
    return figure, axes


def mosaic(layout: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """A figure and {letter: panel}, laid out as "ac;bc" says: (c) beside (a) and (b); see ``plt.subplot_mosaic``."""
    figure, axes = plt.subplot_mosaic(layout, **options)
    for letter, ax in axes.items():
        _letter(ax, letter)
    return figure, axes


def _letter(ax, letter: str) -> None:
    """The letter of a panel, outside its upper left corner."""
    ax.annotate(
        f"({letter})", (0, 1), xycoords="axes fraction", xytext=(-4, 3), textcoords="offset points", ha="right",
        va="bottom", fontweight="bold",
    )  # fmt: skip


def intervals(ax: Any, at: Any, values: Any, *, sideways: Any = False, **look: Any) -> None:
    """The means over seeds at these places, with their 95 % intervals where there are any.

    Args:
        at: places along x, or where ``sideways`` along y.
        values: over ``seed`` and the places.
        look: as of ``ax.errorbar``.
    """
    found = summary(values)
    mean, margin = found.mean.values, found.margin.fillna(0).values
    if sideways:
        ax.errorbar(mean, at, xerr=margin, **look)
    else:
        ax.errorbar(at, mean, yerr=margin, **look)


def logarithmic(axis, ticks=None) -> None:
    """A logarithmic axis labelled with 1, 10, 100 instead of powers of ten; with ticks at these values alone."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    if ticks is not None:
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def step_axis(ax, slanted: bool = False) -> None:
    """Minimisation steps along x, their thousands set apart; the numbers slanted where there is little room."""
    ax.set_xlabel("minimisation step $t$")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", " ")))
    if slanted:
        ax.tick_params(axis="x", labelrotation=30)


def cascade_lines(ax, starts, ends=()) -> None:
    """Where cascades start and end, as dashed lines.

    Args:
        ax: with the step along x.
        starts, ends: steps.
    """
    for places, colour in ((starts, START), (ends, END)):
        for at in places:
            ax.axvline(at, color=colour, linestyle="--", linewidth=0.8, alpha=0.8)


def extent(values: Any, rarest: float, margin: float = 0.06) -> tuple[float, float]:
    """The range that holds all but the rarest values at either end, with a margin.

    Args:
        values: in any shape; those that are not finite do not count.
        rarest: the share that is left out at either end, below 1/2.
        margin: at either end, as a share of the rest's range.

    >>> [float(end) for end in extent([0.0, 1.0, 2.0], rarest=0.0, margin=0.5)]
    [-1.0, 3.0]
    """
    finite = np.ravel(values)[np.isfinite(np.ravel(values))]
    low, high = np.quantile(finite, [rarest, 1 - rarest]) if len(finite) else (0.0, 1.0)
    pad = margin * (high - low) if high > low else 0.05
    return low - pad, high + pad


def exponent_in_words(fit: PowerLaw) -> str:
    """The exponent with its interval.

    >>> exponent_in_words(PowerLaw(exponent=-0.95, low=-1.1, high=-0.8, prefactor=2.0, points=9))
    '−0.95 [−1.10, −0.80]'
    """
    return f"{fit.exponent:.2f} [{fit.low:.2f}, {fit.high:.2f}]".replace("-", "−")
