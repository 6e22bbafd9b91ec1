"""Reading a trajectory: where instabilities start and end, the curvature threshold, and which eigenvalues cross it.

The paper marks an instability where λ_max(t) - λ_max(t-1) is about 0.1. While the network bounces between the walls of
a valley λ_max alternates between two branches, so the value *at* a mark is taken as the mean of the two steps that the
jump joins: the branches' midpoint, and not whichever side the step happens to be on.
"""

from typing import NamedTuple

import numpy as np

from dynloss.checks import check_count, check_number


class Instability(NamedTuple):
    """A stretch of steps in which λ_max jumps: a bifurcation cascade.

    Attributes:
        start, end: the first and the last step whose λ_max differs from the step before by the mark or more.
        curvature_at_start, curvature_at_end: λ_max at these marks, midway across the jump.
    """

    start: int
    end: int
    curvature_at_start: float
    curvature_at_end: float


class Threshold(NamedTuple):
    """λ_th, the mean of λ_max at the marks, with its standard error and the number of marks."""

    value: float
    standard_error: float
    marks: int


def instabilities(steps, curvature, *, jump: float = 0.1, quiet: int = 500) -> list[Instability]:
    """The cascades of a trajectory.

    Args:
        steps: (n,), increasing.
        curvature: λ_max at each, (n,); values that are not finite belong to no instability.
        jump: the paper's mark: a step over which λ_max changes by this much or more belongs to an instability.
        quiet: as many steps without a jump end a cascade; a tenth of the period separates the paper's.

    Raises:
        ValueError: for a jump not above 0, a ``quiet`` below 1, or arrays that do not match.

    >>> curvature = np.array([1.0, 1.9, 2.3, 1.8, 1.7, 1.7, 1.7])
    >>> instabilities(range(7), curvature, jump=0.3, quiet=3)
    [Instability(start=1, end=3, curvature_at_start=1.45, curvature_at_end=2.05)]
    """
    check_number("jump", jump, above=0)
    check_count("quiet", quiet, at_least=1)
    steps, curvature = np.asarray(steps), np.asarray(curvature, dtype=float)
    if steps.shape != curvature.shape or steps.ndim != 1:
        raise ValueError(f"steps {steps.shape} and curvature {curvature.shape} must be one series of the same length")

    with np.errstate(invalid="ignore"):
        change = np.abs(np.diff(curvature))
    marked = np.flatnonzero((change >= jump) & np.isfinite(change)) + 1
    if len(marked) == 0:
        return []
    middle = (curvature[1:] + curvature[:-1]) / 2
    gaps = np.flatnonzero(np.diff(steps[marked]) > quiet)
    firsts, lasts = marked[np.r_[0, gaps + 1]], marked[np.r_[gaps, -1]]
    return [
        Instability(int(steps[a]), int(steps[b]), float(middle[a - 1]), float(middle[b - 1]))
        for a, b in zip(firsts, lasts, strict=True)
    ]


def threshold(cascades: list[Instability]) -> Threshold:
    """λ_th: the mean of λ_max over the starts and the ends of all cascades (NaN without any).

    >>> threshold([Instability(1, 9, 1.9, 2.1)]).value
    2.0
    """
    values = [value for c in cascades for value in (c.curvature_at_start, c.curvature_at_end)]
    if not values:
        return Threshold(float("nan"), float("nan"), 0)
    return Threshold(float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5), len(values))


def first_crossings(steps, eigenvalues, level: float, window: tuple[int, int]) -> list[int | None]:
    """For each eigenvalue the first step inside a window at which it exceeds a level, or ``None``.

    Args:
        steps: (n,).
        eigenvalues: (n, k), descending along k. So the crossings come in order by construction; what can fail is that
            a lower one crosses at all, and that something happens when it does.
        level: the threshold λ_th.
        window: first and last step looked at.

    >>> first_crossings(range(3), np.array([[1.0, 0.5], [2.5, 0.5], [2.5, 2.1]]), 2.0, (0, 2))
    [1, 2]
    """
    steps, eigenvalues = np.asarray(steps), np.asarray(eigenvalues)
    inside = (steps >= window[0]) & (steps <= window[1])
    crossed = (eigenvalues > level) & inside[:, None]
    return [int(steps[np.argmax(column)]) if column.any() else None for column in crossed.T]


def alternation_breaks(steps, loss, window: tuple[int, int], *, fraction: float = 0.25) -> int | None:
    """The first step in a window where the loss no longer alternates between two values: the second bifurcation.

    Bouncing between two walls has period two: F(t) - F(t-2) is small beside F(t) - F(t-1). We look for the first step
    at which this alternation stands (a tenth or less), and then for the first at which F(t) - F(t-2) exceeds
    ``fraction`` of F(t) - F(t-1); both in the median over eight steps, since two branches may meet in single steps.

    Returns:
        The step, or ``None`` where the loss never alternates or never ceases to.

    >>> loss = np.r_[np.tile([1.0, 2.0], 10), np.tile([0.5, 2.5, 1.0, 2.0], 5)]
    >>> 16 <= alternation_breaks(range(40), loss, (0, 40)) <= 28
    True
    """
    check_number("fraction", fraction, above=0)
    steps, loss = np.asarray(steps), np.asarray(loss, dtype=float)
    inside = (steps >= window[0]) & (steps <= window[1])
    steps, loss = steps[inside], loss[inside]
    width = 8
    if len(loss) < width + 2:
        return None
    one, two = np.abs(loss[2:] - loss[1:-1]), np.abs(loss[2:] - loss[:-2])
    one, two = (np.median(np.lib.stride_tricks.sliding_window_view(x, width), axis=1) for x in (one, two))
    alternates, broken = two < 0.1 * one, two > fraction * one
    if not alternates.any():
        return None
    broken[: np.argmax(alternates)] = False
    return int(steps[2 + np.argmax(broken)]) if broken.any() else None
