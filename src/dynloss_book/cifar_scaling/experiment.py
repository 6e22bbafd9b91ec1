"""Figure 1 along its scale: the same two points of the plane with other numbers of steps, images and channels."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss.training.batches import steps_per_epoch
from dynloss_book.paper import FIGURE_1_SCALE

EVALUATIONS = 49  # along a run: the stop, at six sevenths, is one of them


class Rung(NamedTuple):
    """One scale.

    Attributes:
        steps, images, channels: its quantities.
        settings: of the run, complete.
    """

    steps: int
    images: int
    channels: int
    settings: dict[str, Any]


def rung(base: Mapping[str, Any], *, steps: int, images: int, channels: int) -> Rung:
    """The settings of a run with about so many steps, in whole epochs, as many between two evaluations.

    Args:
        base: the run's other settings, with ``batch_size``.
        steps: that are wanted; the run has about so many.
        images: of the training set.
        channels: of the network.

    >>> found = rung({"batch_size": 256}, steps=31_360, images=8000, channels=16)
    >>> found.steps, [found.settings[name] for name in ("epochs", "stop_epoch", "evaluate_every")]
    (31360, [980, 840, 20])
    """
    per_epoch = steps_per_epoch(images, base["batch_size"])
    every = max(1, round(steps / per_epoch / EVALUATIONS))
    epochs = EVALUATIONS * every if steps >= EVALUATIONS * per_epoch else max(1, round(steps / per_epoch))
    changed = {
        "training_images": images,
        "channels": channels,
        "epochs": epochs,
        "stop_epoch": epochs * 6 // 7,
        "evaluate_every": every,
    }
    return Rung(epochs * per_epoch, images, channels, {**base, **changed})


def ladders(
    base: Mapping[str, Any], steps: Sequence[int], images: Sequence[int], channels: Sequence[int]
) -> dict[str, list[Rung]]:
    """{"steps", "images", "channels": sizes that differ in this alone, from the smallest on}.

    The middle value of each quantity is that of the other ladders.

    Args:
        base: as of ``rung``.
        steps, images, channels: three values each, in any order.

    Raises:
        ValueError: a ladder without three values of at least 1.
    """
    values = {"steps": sorted(steps), "images": sorted(images), "channels": sorted(channels)}
    for name, each in values.items():
        if len(each) != 3 or each[0] < 1:
            raise ValueError(f"three {name} of at least 1 are needed, got {each}")
    middle = {name: each[len(each) // 2] for name, each in values.items()}
    return {name: [rung(base, **middle | {name: value}) for value in each] for name, each in values.items()}


def extrapolated(rungs: Sequence[Rung], gains: Sequence[xr.DataArray], target: Mapping[str, int]) -> xr.Dataset:
    """A plane through the gains over the logarithms of steps, images and channels, for each seed, and its end.

    The seed is the unit: each has a fit of its own, so that the spread over seeds is that of the extrapolation.

    Args:
        rungs: scales.
        gains: of each, over seed.
        target: the scale to extrapolate to.

    Returns:
        Over seed: ``gain`` at the target, and ``slope`` (quantity), the gain for a tenfold of each; of the seeds that
        have a gain on every rung. NaN where the rungs are too few for a plane.
    """

    def place(at: Mapping[str, float]) -> list[float]:
        return [1.0, *(np.log10(at[name]) for name in FIGURE_1_SCALE)]

    values = xr.concat(list(gains), "rung", join="inner").dropna("seed")
    rows = np.array([place(each._asdict()) for each in rungs])
    solution, _, rank, _ = np.linalg.lstsq(rows, values.transpose("rung", "seed").values, rcond=None)
    if rank < rows.shape[1]:
        solution = solution * np.nan
    seeds = {"seed": values.seed}
    return xr.Dataset(
        {"gain": ("seed", np.array(place(target)) @ solution), "slope": (("quantity", "seed"), solution[1:])},
        coords=seeds | {"quantity": list(FIGURE_1_SCALE)},
    )
