"""Validation accuracy along training and after it, at each peak learning rate, with the static and oscillating loss."""

from typing import Any

import numpy as np

from dynloss_book.plots.phase_diagram import ACCURACIES
from dynloss_book.plots.style import INK, RANKS, figure_style, panels


@figure_style()
def plot(both: Any, peak_epoch: float, stop_epoch: float):
    """A panel of curves for each peak rate, a thin line a seed and a thick one for their mean; and one of their ends.

    Args:
        both: ``validation_accuracy`` over peak_rate, amplitude (1 and A), seed and epoch; NaN where not computed.
        peak_epoch: where the learning rate is largest.
        stop_epoch: where the oscillations stop.
    """
    rates, colours = both.peak_rate.values, (INK, RANKS[1])
    figure, ((*curves, ends),) = panels(1, len(rates) + 1, figsize=(4.5 + 2.7 * len(rates), 3.6))
    for ax, rate in zip(curves, rates, strict=True):
        for amplitude, colour in zip(both.amplitude.values, colours, strict=True):
            values = both.validation_accuracy.sel(peak_rate=rate, amplitude=amplitude).transpose("epoch", "seed")
            ax.plot(values.epoch, values, color=colour, linewidth=0.6, alpha=0.4)
            ax.plot(values.epoch, values.mean("seed"), color=colour, linewidth=2,
                    label="static" if amplitude == 1 else f"oscillating, $A = {amplitude:g}$")  # fmt: skip
        ax.axvline(peak_epoch, color=RANKS[0], linestyle="--", linewidth=1)
        ax.axvline(stop_epoch, color=RANKS[0], linestyle="-.", linewidth=1)
        ax.sharey(curves[0])
        ax.set(xlabel="epoch (passes over the data)", title=f"peak rate {rate:g}")
    last = both.validation_accuracy.isel(epoch=-1).transpose("amplitude", "peak_rate", "seed").values
    at = np.array([[-0.15], [0.15]]) + range(len(rates))
    ends.plot(np.repeat(at, last.shape[2], axis=1), last.reshape(2, -1), color=INK, linewidth=0.6, alpha=0.6)
    for x, values, colour in zip(at, last, colours, strict=True):
        ends.plot(x, values, "o", color=colour, markersize=5)
    ends.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    ends.set(xlabel="peak learning rate", title="after training", xlim=(-0.5, len(rates) - 0.5))
    curves[0].set_ylabel(ACCURACIES["validation_accuracy"])
    figure.legend(*curves[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
