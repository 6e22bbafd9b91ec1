"""Fig. 2: the spiral data set."""

import matplotlib.pyplot as plt
import numpy as np

from dynloss_book.plots.style import CLASSES, MARKERS, figure_style


@figure_style()
def plot(data):
    """Training and validation points in the plane, coloured by class.

    Args:
        data: an ``xarray.Dataset`` with ``inputs`` (set, sample, coordinate) and ``labels`` (set, sample), both sets of
            the same size, named by the coordinate ``set``.
    """
    figure, axes = plt.subplots(1, data.sizes["set"], figsize=(9, 4.6), sharex=True, sharey=True, squeeze=False)
    for ax, name in zip(axes[0], data["set"].values, strict=True):
        points = data.sel(set=name)
        for label in np.unique(points.labels):
            x, y = points.inputs.values[points.labels.values == label].T
            ax.plot(
                x, y, linestyle="", marker=MARKERS[label % 6], markersize=4, color=CLASSES[label % 6],
                markeredgewidth=0, label=f"class {label}",
            )
        ax.set(title=f"{name} ({points.sizes['sample']} points)", xlabel="$x_1$ (dimensionless)", aspect="equal")
    axes[0, 0].set_ylabel("$x_2$ (dimensionless)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure
