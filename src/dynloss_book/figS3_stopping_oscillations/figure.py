"""Fig. S3: accuracy along training with and without oscillations, which stop before the end."""

from typing import Any

from dynloss_book.plots.phase_diagram import ACCURACIES
from dynloss_book.plots.style import INK, RANKS, figure_style, panels


@figure_style()
def plot(runs: dict[str, Any], stop_epoch: float, dotted: float):
    """Validation (left) and training accuracy against the epoch: a thin line for each seed, a thick one for their mean.

    Args:
        runs: {label: dataset over (seed, epoch) with ``accuracy`` and ``validation_accuracy``}, two or three of them;
            seeds that are not computed are NaN.
        stop_epoch: where the oscillations stop, marked.
        dotted: the best validation accuracy of the static loss, the dotted line; NaN draws none.

    Returns:
        The figure.
    """
    figure, axes = panels(1, 2, figsize=(10, 4.4), sharex=True)
    for ax, name in zip(axes[0], reversed(ACCURACIES), strict=True):
        for (label, run), colour in zip(runs.items(), (INK, *RANKS[1:]), strict=False):
            values = run[name].transpose("epoch", "seed").dropna("seed", how="all")
            ax.plot(values.epoch, values, color=colour, linewidth=0.6, alpha=0.4)
            many = f"{values.sizes['seed']} seed{'s' * (values.sizes['seed'] != 1)}"
            ax.plot(values.epoch, values.mean("seed"), color=colour, linewidth=2, label=f"{label}: mean of {many}")
        ax.axvline(stop_epoch, color=RANKS[0], linestyle="-.", linewidth=1.2, label="oscillations stop")
        ax.set(xlabel="epoch (passes over the data)", ylabel=ACCURACIES[name])
    axes[0, 0].axhline(dotted, color="black", linestyle=":", linewidth=1.5, label="best of the static loss")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
