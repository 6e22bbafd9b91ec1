"""Statistics over seeds: means with their errors, and how many seeds are behind each."""

import warnings
from typing import NamedTuple

import numpy as np
import xarray as xr

from dynloss.sweeps.grid import SEED


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


def summary(values: xr.DataArray, confidence: float = 0.95) -> Summary:
    """Mean, standard error, number of seeds, and the margin of the mean at the given confidence.

    Args:
        values: over ``seed`` and whatever else.
        confidence: between 0 and 1.

    >>> summary(xr.DataArray([1.0, 2.0, 3.0, np.nan], dims="seed")).mean.item()
    2.0
    """
    from scipy import stats  # slow to import

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}")
    finite = values.where(np.isfinite(values))
    number = finite.notnull().sum(SEED)
    with warnings.catch_warnings():  # a point without any seed is NaN, and no news
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, deviation = finite.mean(SEED), finite.std(SEED, ddof=1)
    error = (deviation / np.sqrt(number)).where(number > 1)
    quantile = stats.t.ppf((1 + confidence) / 2, np.maximum(number.values - 1, 1))
    return Summary(mean, error, number, error * quantile)


def interval(values: xr.DataArray, *, signed: bool = False) -> str:
    """A mean over seeds with its 95 % margin and the number of seeds, in words.

    >>> interval(xr.DataArray([0.5, 0.6, 0.7], dims="seed"))
    '0.60 ± 0.25 (3 seeds)'
    """
    found = summary(values)
    number = int(found.number)
    if number == 0:
        return "–"
    sign = "+" if signed else ""
    behind = f"({number} seed{'s' * (number > 1)})"
    if number == 1:
        return f"{float(found.mean):{sign}.3f} {behind}"
    margin = float(found.margin)
    # Two figures of the margin, and no more of the mean than it makes sense of.
    digits = min(6, max(0, 1 - int(np.floor(np.log10(margin))))) if margin > 0 else 3
    return f"{float(found.mean):{sign}.{digits}f} ± {margin:.{digits}f} {behind}"
