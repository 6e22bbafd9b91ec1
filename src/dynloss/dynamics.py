"""Reading a trajectory: where instabilities start and end, the curvature threshold, and which eigenvalues cross it.

The paper marks an instability where λ_max(t) - λ_max(t-1) is about 0.1. While the network bounces between the walls of
a valley λ_max alternates between two branches, so the value *at* a mark is taken as the mean of the two steps that the
jump joins: the branches' midpoint, and not whichever side the step happens to be on.

A single sample that crosses a kink of a ReLU also makes λ_max jump, for a step or two; ``lasting`` tells the two apart.
"""

from typing import Any, NamedTuple

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
    """λ_th, the mean of λ_max at onsets and ends, with its standard error and their number."""

    value: float
    standard_error: float
    marks: int


class PowerLaw(NamedTuple):
    """y = c·x^p, from ``power_law``.

    Attributes:
        exponent: p.
        low, high: the confidence interval of p.
        prefactor: c, the value at x = 1.
        points: how many points were fitted.
    """

    exponent: float
    low: float
    high: float
    prefactor: float
    points: int

    def at(self, x: Any) -> Any:
        """The fitted y at x, shaped as x."""
        return self.prefactor * np.asarray(x, dtype=float) ** self.exponent


def instabilities(
    steps: Any, curvature: Any, *, jump: float = 0.1, quiet: int = 500, lasting: int = 1
) -> list[Instability]:
    """The cascades of a trajectory.

    Args:
        steps: (n,), increasing.
        curvature: λ_max at each, (n,); values that are not finite belong to no instability.
        jump: the paper's mark: a step over which λ_max changes by this much or more belongs to an instability.
        quiet: as many steps without a jump end a cascade; a tenth of the period separates the paper's.
        lasting: a jump counts only in a row of at least so many; 1, the default, counts them all.

    Raises:
        ValueError: for a jump not above 0, a ``quiet`` or ``lasting`` below 1, or arrays that do not match.

    >>> curvature = np.array([1.0, 1.9, 2.3, 1.8, 1.7, 1.7, 1.7])
    >>> instabilities(range(7), curvature, jump=0.3, quiet=3)
    [Instability(start=1, end=3, curvature_at_start=1.45, curvature_at_end=2.05)]
    """
    steps, curvature = np.asarray(steps), np.asarray(curvature, dtype=float)
    if steps.shape != curvature.shape or steps.ndim != 1:
        raise ValueError(f"steps {steps.shape} and curvature {curvature.shape} must be one series of the same length")
    return instabilities_of_pairs(steps[1:], curvature[:-1], curvature[1:], jump=jump, quiet=quiet, lasting=lasting)


def instabilities_of_pairs(
    steps: Any, before: Any, after: Any, *, jump: float = 0.1, quiet: int = 500, lasting: int = 1
) -> list[Instability]:
    """The cascades of a trajectory of which only pairs are known: λ_max before and after a step, now and then.

    Args:
        steps: (n,), increasing.
        before, after: λ_max on the two sides of each, (n,).
        jump, quiet, lasting: see ``instabilities``, with the same errors; ``lasting`` counts pairs.

    >>> bounces = instabilities_of_pairs([0, 9, 18], before=[2.0, 1.75, 2.0], after=[2.0, 2.25, 2.0])
    >>> bounces
    [Instability(start=9, end=9, curvature_at_start=2.0, curvature_at_end=2.0)]
    """
    check_number("jump", jump, above=0)
    check_count("quiet", quiet, at_least=1)
    check_count("lasting", lasting, at_least=1)
    steps, before, after = np.asarray(steps), np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if not (steps.shape == before.shape == after.shape) or steps.ndim != 1:
        raise ValueError(f"steps {steps.shape}, before {before.shape} and after {after.shape} must be of one length")

    with np.errstate(invalid="ignore"):
        change = np.abs(after - before)
    marked = np.flatnonzero((change >= jump) & np.isfinite(change))
    marked = _in_rows(marked, lasting)
    if len(marked) == 0:
        return []
    middle = (before + after) / 2
    gaps = np.flatnonzero(np.diff(steps[marked]) > quiet)
    firsts, lasts = marked[np.r_[0, gaps + 1]], marked[np.r_[gaps, -1]]
    return [
        Instability(int(steps[a]), int(steps[b]), float(middle[a]), float(middle[b]))
        for a, b in zip(firsts, lasts, strict=True)
    ]


def _in_rows(indices: np.ndarray, length: int) -> np.ndarray:
    """Those of increasing indices that are in a row of at least ``length`` neighbours."""
    rows = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return np.concatenate([row for row in rows if len(row) >= length] or [indices[:0]])


def threshold(cascades: list[Instability]) -> Threshold:
    """λ_th: the mean of λ_max over the starts and the ends of all cascades (NaN without any).

    >>> threshold([Instability(1, 9, 1.9, 2.1)]).value
    2.0
    """
    values = curvature_at_marks(cascades)
    if len(values) == 0:
        return Threshold(float("nan"), float("nan"), 0)
    return Threshold(float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5), len(values))


def curvature_at_marks(cascades: list[Instability]) -> np.ndarray:
    """λ_max at the start and the end of every cascade, in this order: (2 · cascades,).

    >>> curvature_at_marks([Instability(1, 9, 1.9, 2.1)]).tolist()
    [1.9, 2.1]
    """
    return np.array([value for c in cascades for value in (c.curvature_at_start, c.curvature_at_end)], dtype=float)


def first_crossings(steps: Any, eigenvalues: Any, level: float, window: tuple[int, int]) -> list[int | None]:
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


def alternation_breaks(steps: Any, loss: Any, window: tuple[int, int], *, fraction: float = 0.25) -> int | None:
    """The first step in a window where the loss no longer alternates between two values: the second bifurcation.

    Bouncing between two walls has period two: F(t) - F(t-2) is small beside F(t) - F(t-1). We look for the first step
    at which this alternation stands (a tenth or less), and then for the first at which F(t) - F(t-2) exceeds
    ``fraction`` of F(t) - F(t-1); both in the median over eight steps, since two branches may meet in single steps.

    Args:
        steps: (n,).
        loss: F at each, (n,).
        window: first and last step looked at.
        fraction: of F(t) - F(t-1), above 0.

    Returns:
        The step, or ``None`` where the loss never alternates or never ceases to.

    Raises:
        ValueError: for a fraction not above 0.

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


def power_law(x: Any, y: Any, *, confidence: float = 0.95) -> PowerLaw:
    r"""A power law by least squares in the logarithms, with a confidence interval that few points widen.

    With :math:`u = \ln x`, :math:`v = \ln y` and n points, :math:`v = \ln c + p\,u`:

    .. math::

        p = \frac{\sum (u - \bar u)(v - \bar v)}{\sum (u - \bar u)^2}, \quad
        \ln c = \bar v - p\,\bar u, \quad
        s^2 = \frac{\sum (v - \ln c - p\,u)^2}{(n - 2) \sum (u - \bar u)^2}.

    If the logarithms scatter independently and alike around the line, p is within :math:`t_{n-2}\, s` of the true
    exponent with the stated probability, where t is the quantile of Student's distribution with n - 2 degrees of
    freedom. Points whose y is NaN, where nothing was found, are left out.

    Args:
        x: (n,), above 0, with two values or more.
        y: (n,), above 0 or NaN.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: for fewer than 3 points, equal x, values not above 0, or a confidence outside (0, 1).

    >>> law = power_law([1.0, 2.0, 4.0], [2.0, 1.0, 0.5])
    >>> round(law.exponent, 6), round(law.prefactor, 6), law.points
    (-1.0, 2.0, 3)
    """
    from scipy.special import stdtrit  # the quantiles of Student's t

    check_number("confidence", confidence, above=0)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1, got {confidence!r}")
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x {x.shape} and y {y.shape} must be one series of the same length")
    x, y = x[~np.isnan(y)], y[~np.isnan(y)]
    for name, values in (("x", x), ("y", y)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be finite and greater than 0, got {values.min()!r} … {values.max()!r}")
    if len(x) < 3 or x.min() == x.max():
        raise ValueError(f"a power law needs at least 3 points and 2 values of x, got {len(x)} points")

    u, v = np.log(x), np.log(y)
    spread = np.sum((u - u.mean()) ** 2)
    exponent = np.sum((u - u.mean()) * (v - v.mean())) / spread
    offset = v.mean() - exponent * u.mean()
    error = np.sqrt(np.sum((v - offset - exponent * u) ** 2) / (len(u) - 2) / spread)
    reach = stdtrit(len(u) - 2, (1 + confidence) / 2) * error
    return PowerLaw(
        float(exponent), float(exponent - reach), float(exponent + reach), float(np.exp(offset)), points=len(u)
    )
