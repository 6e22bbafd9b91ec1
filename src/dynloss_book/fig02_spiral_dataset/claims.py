"""Figure 2: three spiral arms that no straight line separates."""

import numpy as np
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Kind
from dynloss_book.engine.verdicts import exists


def judge(data: xr.Dataset) -> Findings:
    """The claims of Figure 2.

    Args:
        data: ``inputs`` (set, sample, coordinate) and ``labels`` (set, sample).
    """
    training = data.sel(set="training")
    inputs, labels = training.inputs.values, training.labels.values
    counts = np.bincount(labels.astype(int))
    straight, neighbour = linear_accuracy(inputs, labels), neighbour_accuracy(data)
    theirs = set(counts) == {100}
    claims = (
        Claim("The arms determine the class: a validation point has the class of the nearest training point",
              paper.SAYS["spiral"], "nearly always", f"{neighbour:.3f}", exists(neighbour >= 0.95),
              "0.95 or more; the paper gives no number", reduced=not theirs),
        Claim("Do straight lines fail to separate the arms (training accuracy of the best linear fit)?",
              paper.SAYS["spiral"],
              "not said", f"{straight:.2f}", exists(straight < 0.75), "below 0.75", Kind.QUESTION, not theirs),
        Claim("Three classes with the same number of points each", paper.SAYS["samples"], "3 × 100",
              f"{len(counts)} × {counts[0]}", exists(len(counts) == 3 and theirs), "exact", Kind.DEFINITION),
    )  # fmt: skip
    return Findings(
        "fig02_spiral_dataset",
        "What has to be learnt?",
        "Three interleaved spiral arms"
        + (", which straight lines cannot separate" if straight < 0.75 else "")
        + (" and the nearest neighbour can." if neighbour >= 0.95 else "."),
        f"The best linear classifier reaches a training accuracy of {straight:.2f}; the nearest training point gives "
        f"the class of a validation point with an accuracy of {neighbour:.3f}.",
        f"{len(counts)} × {counts[0]} points, the paper's"
        if theirs
        else f"{len(counts)} × {counts[0]} points; the paper: 3 × 100",
        claims,
    )


def linear_accuracy(inputs: np.ndarray, labels: np.ndarray) -> float:
    """Training accuracy of least squares from (1, x) to one-hot labels."""
    features = np.column_stack([np.ones(len(inputs)), inputs])
    weights, *_ = np.linalg.lstsq(features, np.eye(labels.max() + 1)[labels], rcond=None)
    return float(np.mean((features @ weights).argmax(axis=1) == labels))


def neighbour_accuracy(data: xr.Dataset) -> float:
    """The share of validation points that have the class of the nearest training point."""
    (training, known), (validation, wanted) = (
        (data.inputs.sel(set=name).values, data.labels.sel(set=name).values) for name in ("training", "validation")
    )
    distances = np.linalg.norm(validation[:, None] - training[None], axis=-1)
    return float(np.mean(known[distances.argmin(axis=1)] == wanted))
