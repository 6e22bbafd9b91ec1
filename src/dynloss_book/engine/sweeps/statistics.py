"""Statistics over seeds: the one place that decides how intervals are made.

- Seeds are the unit. Points share their seeds, so that a mean over points is taken for each seed first. Of a single run
  the marks of its cascades are all there is; the words of their interval say so.
- Differences are paired: between the same seeds, the rest of which cancels. ``paired`` drops a seed that lacks either.
- The point that looks best is chosen by luck too: ``best_point`` judges it on the seeds that did not choose it.
- Of many points some seem to gain by luck: ``simultaneous`` intervals hold all of them at once.

`book/statistics.md` says so in words, the tests on made-up data.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine.sweeps.grid import SEED


class Summary(NamedTuple):
    """The mean over seeds at every point; what is not finite is left out.

    Attributes:
        mean: NaN where there is no seed.
        error: standard error, the sample's standard deviation over √n; NaN for fewer than two seeds.
        number: n, the seeds behind the mean.
        margin: half the width of the 95 % confidence interval of the mean, the error times Student's t for n − 1
            degrees of freedom; NaN for fewer than two seeds.
    """

    mean: xr.DataArray
    error: xr.DataArray
    number: xr.DataArray
    margin: xr.DataArray


def summary(values: xr.DataArray, confidence: float = 0.95, over: str = SEED) -> Summary:
    """Mean, standard error, number of seeds, and the margin of the mean at the given confidence.

    Args:
        values: over ``seed`` and whatever else.
        confidence: between 0 and 1.
        over: the dimension to take for that of the seeds, where there is but one run.

    >>> summary(xr.DataArray([1.0, 2.0, 3.0, np.nan], dims="seed")).mean.item()
    2.0
    """
    from scipy.special import stdtrit  # the quantiles of Student's t; `scipy.stats` takes a second to import

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}")
    finite = values.where(np.isfinite(values))
    number = finite.notnull().sum(over)
    with warnings.catch_warnings():  # a point without any seed is NaN, and no news
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, deviation = finite.mean(over), finite.std(over, ddof=1)
    error = (deviation / np.sqrt(number)).where(number > 1)
    quantile = stdtrit(np.maximum(number.values - 1, 1), (1 + confidence) / 2)
    return Summary(mean, error, number, error * quantile)


def paired(values: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """The differences between the same seeds; one that either lacks is left out.

    >>> paired(xr.DataArray([2.0, 5.0], {"seed": [0, 1]}), xr.DataArray([1.0, 3.0], {"seed": [1, 2]})).values
    array([4.])
    """
    return values - reference


def simultaneous(values: xr.DataArray, confidence: float = 0.95) -> Summary:
    """As ``summary``, with margins so wide that all intervals together hold with this confidence (Bonferroni).

    Args:
        values: over ``seed`` and the dimensions of the points. Those with fewer than two seeds do not count.
        confidence: that no interval misses its mean.
    """
    family = int((summary(values).number > 1).sum())
    return summary(values, 1 - (1 - confidence) / max(1, family))


def halves(values: Any) -> tuple[Any, Any]:
    """Every other seed to choose by, and the rest to judge on; of an array or a dataset over ``seed``."""
    return values.isel({SEED: slice(0, None, 2)}), values.isel({SEED: slice(1, None, 2)})


def best_point(values: xr.DataArray) -> xr.DataArray:
    """The point whose mean over every other seed is largest, on the rest of the seeds.

    Leaving out one seed at a time would judge on all of them, without bias; but then the choices depend on one another,
    and of its 95 % intervals only three in four held the truth, with 30 points without any effect and 8 seeds.

    Args:
        values: over ``seed`` and the dimensions of the points.

    Returns:
        over the judging seeds, with the coordinates of the point; empty where there is but one seed.

    >>> made_up = xr.DataArray([[1.0, 2.0, 3.0], [9.0, 4.0, 5.0]], dims=("amplitude", "seed"))
    >>> best_point(made_up).values
    array([4.])
    """
    choosing, judging = halves(values)
    mean = summary(choosing).mean
    return judging.isel(mean.fillna(-np.inf).argmax([name for name in mean.dims]))


SHARE = (0.0, 1.0)  # the bounds of an accuracy


def interval(
    values: xr.DataArray, *, signed: bool = False, over: str = SEED, bounds: tuple[float, float] | None = None
) -> str:
    """A mean over seeds with its 95 % margin and the number of seeds, in words; or ``over`` what one run has many of.

    Of two both are given, for they have no interval. The error has two digits.

    Args:
        values: over ``seed``, or ``over``.
        signed: whether positive numbers have a sign.
        bounds: that no value can exceed; an interval that would is written by its ends, and stays between them.

    >>> interval(xr.DataArray([0.5, 0.6, 0.7], dims="seed")), interval(xr.DataArray([-0.1, 0.25], dims="seed"))
    ('0.60 ± 0.25 (3 seeds)', '−0.100 and 0.250 (2 seeds)')
    >>> interval(xr.DataArray([np.inf, 1.0, 2.0], dims="seed"))
    '1.00 and 2.00 (2 seeds)'
    >>> interval(xr.DataArray([0.7, 0.8, 1.0], dims="mark"), over="mark", bounds=(0, 1))
    '0.83 (0.45 … 1.00) (3 marks)'
    """
    values = values.where(np.isfinite(values))  # as `summary` counts them
    found = summary(values, over=over)
    number = int(found.number)
    if number == 0:
        return "–"
    mean, margin = float(found.mean), float(found.margin)
    behind = f"({number} {over}{'s' * (number > 1)})"
    if number == 2:
        least, most = float(values.min()), float(values.max())
        digits = _digits(max(abs(least), abs(most)), 3)
        return f"{_written(least, digits, signed)} and {_written(most, digits, signed)} {behind}"
    if not margin > 1e-6 * abs(mean):  # one seed, or all alike
        return f"{_written(mean, _digits(mean, 3), signed)} {behind[:-1]}{', all the same' * (number > 1)})"
    digits = _digits(margin, 2)
    if bounds is not None and not bounds[0] <= mean - margin <= mean + margin <= bounds[1]:
        ends = (_written(end, digits) for end in np.clip([mean - margin, mean + margin], *bounds))
        return f"{_written(mean, digits, signed)} ({' … '.join(ends)}) {behind}"
    return f"{_written(mean, digits, signed)} ± {_written(margin, digits)} {behind}"


def _digits(value: float, figures: int) -> int:
    """Behind the point, so that a value has so many figures; six at most, and negative for large ones."""
    rounded = float(f"{value:.{figures - 1}e}")
    return min(3 if figures > 2 else 6, figures - 1 - int(np.floor(np.log10(abs(rounded))))) if rounded else 3


def _written(value: float, digits: int, signed: bool = False) -> str:
    return f"{round(value, digits):{'+' if signed else ''}.{max(0, digits)}f}".replace("-", "−")
