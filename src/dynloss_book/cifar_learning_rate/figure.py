"""Validation accuracy along training at each peak learning rate, with the static and the oscillating loss."""

from typing import Any

from dynloss_book.plots.phase_diagram import ACCURACIES
from dynloss_book.plots.style import INK, RANKS, figure_style, panels


@figure_style()
def plot(both: Any, peak_epoch: float, stop_epoch: float):
    """A panel for each peak rate: a thin line for each seed, a thick one for their mean.

    Args:
        both: ``validation_accuracy`` over peak_rate, amplitude (1 and A), seed and epoch; NaN where not computed.
        peak_epoch: where the learning rate is largest.
        stop_epoch: where the oscillations stop.
    """
    rates = both.peak_rate.values
    figure, axes = panels(1, len(rates), figsize=(1.5 + 3.2 * len(rates), 3.6), sharex=True, sharey=True)
    for ax, rate in zip(axes[0], rates, strict=True):
        for amplitude, colour in zip(both.amplitude.values, (INK, RANKS[1]), strict=True):
            values = both.validation_accuracy.sel(peak_rate=rate, amplitude=amplitude).transpose("seed", "epoch")
            for seed in values:
                ax.plot(values.epoch, seed, color=colour, linewidth=0.6, alpha=0.4)
            name = "static" if amplitude == 1 else f"oscillating, $A = {amplitude:g}$"
            ax.plot(values.epoch, values.mean("seed"), color=colour, linewidth=2, label=name)
        ax.axvline(peak_epoch, color=RANKS[0], linestyle="--", linewidth=1)
        ax.axvline(stop_epoch, color=RANKS[0], linestyle="-.", linewidth=1)
        ax.set(xlabel="epoch (passes over the data)", title=f"peak rate {rate:g}")
    axes[0, 0].set_ylabel(ACCURACIES["validation_accuracy"])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
