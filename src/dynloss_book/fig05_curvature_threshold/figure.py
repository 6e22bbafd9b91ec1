"""Fig. 5: the curvature threshold against the learning rate, and λ_max without oscillations beside it."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from dynloss.dynamics import PowerLaw
from dynloss_book.paper import EXPONENT
from dynloss_book.plots import interactive
from dynloss_book.plots.style import (
    DOTS,
    INK,
    RANKS,
    THRESHOLD,
    exponent_in_words,
    extent,
    figure_style,
    logarithmic,
    mosaic,
    step_axis,
)  # fmt: skip

Fits = Mapping[str, Mapping[str, PowerLaw]]


@figure_style()
def plot(networks: Mapping[str, Any], criteria: Mapping[str, str], fits: Fits, static: Mapping[str, Any], rate: float):
    """Fig. 5: (a) λ_th against η; (b), (c) λ_max(t) without oscillations, with the threshold from (a).

    Args:
        networks: {label: dataset over (learning_rate, seed) with the variables of ``criteria``}; NaN is left out.
        criteria: {variable: the jump of λ_max at an onset}: the first is drawn filled, a second open.
        fits: {variable: {label: power law}}; where there is none, there is no line. (b) and (c) show the first one's.
        static: {label: trajectory with ``hessian_eigenvalues`` over (step…, rank)}, one panel each.
        rate: η of the static runs.
    """
    rows = "bcdefg"[: len(static)]
    size = 10, 1.2 + 2.3 * max(2, len(static))
    figure, axes = mosaic(";".join(f"a{row}" for row in rows), figsize=size, width_ratios=[1.15, 1])
    _power_law(axes["a"], networks, criteria, fits)
    for row, (label, trajectory), colour in zip(rows, static.items(), RANKS, strict=False):
        _static(axes[row], label, trajectory, fits[next(iter(criteria))].get(label), rate, colour)
        axes[row].xaxis.set_major_locator(MaxNLocator(4))
        axes[row].tick_params(labelbottom=row == rows[-1])
    step_axis(axes[rows[-1]])
    handles, _ = axes["a"].get_legend_handles_labels()
    handles.append(plt.Line2D([], [], color=THRESHOLD, linewidth=1.2, label=rf"threshold of (a) at $\eta={rate:g}$"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def explore(networks, criteria, fits: Fits, static, rate: float) -> interactive.Explorable:
    """What ``plot`` shows, to zoom and to read off; of (b) and (c) the envelope.

    Args: those of ``plot``.
    """
    panels = [_points(networks, criteria, fits)]
    for row, (label, trajectory) in enumerate(static.items()):
        curvature = trajectory.hessian_eigenvalues[:, 0]
        at, values = curvature[curvature.dims[0]].values, curvature.values
        places = interactive.kept([values], 1500)
        law = fits[next(iter(criteria))].get(label)
        marks = [interactive.mark("y", 2 / rate, "#7b8794")]
        marks += [interactive.mark("y", float(law.at(rate)), THRESHOLD)] if law else []
        y = {"range": [0, *interactive.rounded(extent([2 / rate, *values], rarest=0.01)[1])]}
        panels.append(interactive.panel(
            f"{label}, A = 1, η = {rate:g}: largest eigenvalue of the Hessian", "steps",
            interactive.steps(at[places], int(at[-1])), y, [interactive.series("λ_max", RANKS[row], values[places])],
            marks,
        ))  # fmt: skip
    return interactive.Explorable({"kind": "curves", "name": "fig-curvature-threshold", "panels": panels})


def _points(networks, criteria, fits):
    """Panel (a): every run is a point; one learning rate's runs are read together."""
    rates = np.unique(np.concatenate([np.ravel(network.learning_rate) for network in networks.values()]))
    drawn = [interactive.series("edge of stability 2/η:", INK, 2 / rates, line=True, dash=[6, 4])]
    for (label, network), colour in zip(networks.items(), RANKS, strict=False):
        for place, (variable, jump) in enumerate(criteria.items()):
            values = network[variable].transpose("seed", "learning_rate").reindex(learning_rate=rates).values
            drawn += [interactive.series(f"{label}, jumps of {jump}:", colour, each, open=place > 0) for each in values]
            if law := fits[variable].get(label):
                drawn.append(interactive.series("", colour, law.at(rates), line=True, dash=[9, 4, 2, 4] * (place > 0)))
    x = {
        "values": interactive.rounded(rates),
        "range": [float(rates[0]) / 1.15, float(rates[-1]) * 1.15],
        "log": True,
        "label": "learning rate η",
        "symbol": "η",
        "unit": "",
    }
    return interactive.panel("Curvature threshold λ_th", "rates", x, {"log": True}, drawn, [], size=6, height=340)


def _power_law(ax, networks, criteria, fits):
    """The points of all seeds, their fits, and the two laws that they are compared with."""
    rates = np.concatenate([np.ravel(network.learning_rate) for network in networks.values()])
    reach = np.geomspace(rates.min() / 1.15, rates.max() * 1.15, 2)
    for (label, network), colour, shape in zip(networks.items(), RANKS, "os^", strict=False):
        for (variable, jump), (face, line) in zip(criteria.items(), ((colour, "-"), ("none", "-.")), strict=False):
            values = network[variable].transpose("learning_rate", "seed")
            at = np.broadcast_to(values.learning_rate.values[:, None], values.shape)
            name = f"{label}, jumps of {jump}"
            if law := fits[variable].get(label):
                ax.plot(reach, law.at(reach), color=colour, linestyle=line, linewidth=1.3)
                name += f": exponent {exponent_in_words(law)}"
            ax.plot(at.ravel(), values.values.ravel(), label=name, color=colour, marker=shape, markerfacecolor=face,
                    linestyle="", markersize=5.5)  # fmt: skip
    ax.plot(reach, 2 / reach, color=INK, linestyle="--", linewidth=1.2, label=r"edge of stability, $2/\eta$")
    first = list(fits[next(iter(criteria))].values())
    if first:
        # The paper states the exponent alone; its line passes through the middle of the fits.
        middle = np.sqrt(reach.prod())
        height = np.exp(np.mean([np.log(law.at(middle)) for law in first]))
        ax.plot(reach, height * (reach / middle) ** EXPONENT, color=INK, linestyle=":", linewidth=1.6,
                label=rf"the paper's $\eta^{{{EXPONENT}}}$")  # fmt: skip
    ax.set(xlabel=r"learning rate $\eta$", ylabel=r"curvature threshold $\lambda_{th}$")
    ticks = np.outer(10.0 ** np.arange(-6, 7), [1, 2, 5]).ravel()  # over one decade Matplotlib would label two
    for axis in (ax.xaxis, ax.yaxis):
        logarithmic(axis, ticks)


def _static(ax, label, trajectory, law, rate, colour):
    """λ_max of one run without oscillations; the axis leaves out the rarest 1 % of its values."""
    curvature = trajectory.hessian_eigenvalues[:, 0]
    steps, values = curvature[curvature.dims[0]].values, curvature.values
    ax.plot(steps, values, color=colour, markersize=2, **DOTS)
    ax.axhline(2 / rate, color=INK, linestyle="--", linewidth=0.8, alpha=0.6)
    if law:
        ax.axhline(float(law.at(rate)), color=THRESHOLD, linestyle="-", linewidth=1.2)
    _, top = extent(values, rarest=0.01, margin=0)
    ax.set(xlim=(0, steps[-1] + 1), ylim=(0, 1.15 * max(2 / rate, top)), ylabel=r"Hessian $\lambda_{\max}$")
    ax.set_title(rf"{label}, $A=1$, $\eta={rate:g}$", loc="center")
