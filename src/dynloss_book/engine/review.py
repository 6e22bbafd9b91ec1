"""A look at the results that a notebook asks for, where it lies beside asking: `dynloss verify` and `dynloss affirm`.

While there is a reviewer, nothing is computed for the notebook. What is stale is shown to the reviewer, who may keep
it: give it the fingerprint of the code of now, and say why in its attributes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import xarray as xr

from dynloss_book.engine.fingerprint import Fingerprint

CHANGES_NO_NUMBER = True


class Reviewer(Protocol):
    """Who looks."""

    def result(self, path: Path, dataset: xr.Dataset, code: Fingerprint, again: Callable[[], xr.Dataset]) -> xr.Dataset:
        """A stale result, the code of now, and what computes it again; returns it as it is afterwards."""

    def sweep(self, store: Any, how: Callable[[], Any]) -> None:
        """A stale store of `dynloss_book.engine.sweeps`, and what makes a way to compute points of it again."""

    def lacks(self, path: Path, why: str) -> None:
        """A result that is not there, or cannot be read, in words."""


reviewer: Reviewer | None = None  # while `keep.looked_at` lets one look
