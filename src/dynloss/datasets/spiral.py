"""The spiral data set of Fig. 2, drawn with NumPy so that it is the same for ever."""

import math
from collections.abc import Callable

import numpy as np

from dynloss.checks import check_count, check_number
from dynloss.datasets.base import Dataset


def spiral(
    points_per_class: int = 100,
    num_classes: int = 3,
    *,
    turns: float = 2.0,
    noise: float = 0.2,
    seed: int = 0,
) -> Dataset:
    r"""Arms of a spiral in the plane, one a class; the defaults give the authors' training set to the last bit.

    Point n of class j lies at :math:`(r_n \cos\theta_{jn}, r_n \sin\theta_{jn})` with :math:`r_n` evenly from 0 to 1
    and :math:`\theta_{jn} = 2\pi j/C + \vartheta_n + \sigma \xi_{jn}`, :math:`\vartheta_n` evenly from 0 to 2π·turns,
    ξ ~ N(0, 1) from ``RandomState(seed)``, class by class.

    Args:
        points_per_class: n; at least 1.
        num_classes: C, the arms; at least 1.
        turns: revolutions of each arm.
        noise: σ, of the angle, in radians; at least 0.
        seed: of the noise.

    Returns:
        Inputs (C·n, 2) in float64, labels (C·n,), sorted by class.

    Raises:
        ValueError: a number of points or arms below 1, noise below 0, or turns that are not finite.

    >>> spiral().inputs.shape
    (300, 2)
    """
    check_count("points_per_class", points_per_class, at_least=1)
    radius = np.linspace(0.0, 1, points_per_class)

    def angles(start: float, sweep: float) -> np.ndarray:
        # Not start plus a linspace from zero: they differ in the last bit.
        return np.linspace(start, start + sweep, points_per_class)

    return _arms(radius, angles, num_classes, turns, noise, seed)


def spiral_validation(
    points_per_class: int = 100,
    num_classes: int = 3,
    *,
    turns: float = 2.0,
    noise: float = 0.2,
    seed: int = 1,
) -> Dataset:
    """A validation set: the same arms with "a different distribution of the points along the arms" (Fig. 3).

    The paper does not say which. Here the points lie midway between those of a training set of the same size, with
    fresh noise, so that none repeats a training point and all lie on the stretch that training covers.

    Args:
        points_per_class, num_classes, turns, noise, seed: as of ``spiral``, which has another seed.

    Returns:
        As ``spiral``.

    Raises:
        ValueError: as ``spiral``.

    >>> float(spiral_validation(points_per_class=2).inputs.max()) < 1
    True
    """
    check_count("points_per_class", points_per_class, at_least=1)
    radius = (np.arange(points_per_class) + 0.5) / points_per_class
    return _arms(radius, lambda start, sweep: start + radius * sweep, num_classes, turns, noise, seed)


def _arms(
    radius: np.ndarray,
    angles: Callable[[float, float], np.ndarray],
    num_classes: int,
    turns: float,
    noise: float,
    seed: int,
) -> Dataset:
    """Points at ``radius`` on each arm; ``angles(start, sweep)`` are their angles without noise, in radians."""
    check_count("num_classes", num_classes, at_least=1)
    check_number("turns", turns)
    check_number("noise", noise, at_least=0)
    random = np.random.RandomState(seed)
    points = []
    for j in range(num_classes):
        angle = angles(2 * math.pi / num_classes * j, 2 * math.pi * turns) + random.randn(len(radius)) * noise
        points.append(np.c_[radius * np.cos(angle), radius * np.sin(angle)])
    return Dataset(np.concatenate(points), np.repeat(np.arange(num_classes), len(radius)), num_classes)
