"""What the rooms' tests make up their results with, and read off their findings."""

import numpy as np
import xarray as xr

from dynloss_book.engine.findings import Verdict

YES, NO, OPEN, SCALE = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.UNDECIDED, Verdict.NOT_TESTABLE
MIXED, ONE, NOTHING = Verdict.MIXED, Verdict.ONE_RUN, Verdict.NOT_COMPUTED
# Of the chapters on why cascades begin.
SETTINGS = {"width": 100, "seeds": 3, "steps": 8000, "period": 2000, "amplitude": 70.0, "learning_rate": 1.0}


def verdicts(findings):
    return [claim.verdict for claim in findings.claims]


def scattered(mean, dims, seeds=6, spread=0.002):
    """Values of these means, and seeds around them."""
    noise = spread * np.linspace(-1, 1, seeds)
    return xr.DataArray(mean, dims=dims) + xr.DataArray(noise, dims="seed")


def seeds(values, number=4, spread=0.002):
    """The same for each seed, but for a small factor."""
    factor = 1 + spread * np.linspace(-1, 1, number)
    return np.asarray(values)[..., None, :] * factor[:, None]


def labelled(drawn):
    """Every panel says what is along its lower or left side, itself or for its column."""
    return [bool(ax.get_ylabel() or ax.get_xlabel() or ax.get_title()) for ax in drawn.axes]
