"""The registered test: accuracy by loss and width, and the gains."""

import numpy as np

from dynloss_book.engine.sweeps.statistics import simultaneous
from dynloss_book.plots.style import INK, MARKERS, RANKS, figure_style, intervals, panels
from dynloss_book.registered_test.claims import MATTERS


@figure_style()
def plot(accuracy):
    """A column for each task: above the test accuracy of each loss by width, below the gain of the oscillating one.

    Args:
        accuracy: test accuracy over task, width, oscillating (0, 1) and seed, an ``xarray.DataArray``.
    """
    tasks, widths = accuracy.task.values, accuracy.width.values
    figure, axes = panels(2, len(tasks), figsize=(10, 5.6), sharex=True, sharey="row")
    places = np.arange(len(widths))
    gains = simultaneous(accuracy.sel(oscillating=1) - accuracy.sel(oscillating=0))
    for (above, below), task in zip(axes.T, tasks, strict=True):
        for loss, name in enumerate(("static", "oscillating")):
            intervals(above, places + 0.06 * (2 * loss - 1), accuracy.sel(task=task, oscillating=loss),
                      color=RANKS[loss], marker=MARKERS[loss], capsize=3, linewidth=1.2,
                      label=f"{name} loss")  # fmt: skip
        below.axhspan(-MATTERS, MATTERS, color="0.92", linewidth=0)
        below.axhline(0, color=INK, linestyle="--", linewidth=1)
        below.errorbar(places, gains.mean.sel(task=task), yerr=gains.margin.sel(task=task).fillna(0), color=INK,
                       marker="o", capsize=3, linestyle="")  # fmt: skip
        above.set(title=task)
        below.set(xlabel="hidden units", xticks=places, xticklabels=widths)
    axes[0, 0].set_ylabel("test accuracy")
    axes[1, 0].set_ylabel("gain in test accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
