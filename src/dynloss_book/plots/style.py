"""One look for all figures: colour-blind-safe, readable in print and on a white card in dark mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

# Okabe and Ito's colours, told apart by all common kinds of colour vision.
CLASSES = ("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9")
RANKS = ("#0072B2", "#D55E00", "#009E73")
INK = "#1f2933"
START, END, THRESHOLD = "#009E73", "#CC3311", "#000000"

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
    """Draw inside this context; nothing outside is changed."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook"), plt.rc_context(_SETTINGS):
        before = plt.get_fignums()
        yield
        for number in plt.get_fignums():
            if number not in before:
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


def panel_label(ax, letter: str) -> None:
    """The letter of a panel, outside its upper left corner."""
    ax.annotate(
        f"({letter})", (0, 1), xycoords="axes fraction", xytext=(-4, 3), textcoords="offset points", ha="right",
        va="bottom", fontweight="bold",
    )


def plain_numbers(axis) -> None:
    """Label a logarithmic axis with 1, 10, 100 instead of powers of ten."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def ticks_at(axis, values) -> None:
    """A tick at each of these values, and nowhere else, on a logarithmic axis."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    plain_numbers(axis)


def step_axis(ax) -> None:
    """Minimisation steps along x, their thousands set apart."""
    ax.set_xlabel("minimisation step $t$ (steps)")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", " ")))
