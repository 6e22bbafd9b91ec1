"""A look at the results that a notebook asks for, where it lies beside asking: `dynloss verify` and `dynloss affirm`.

While there is a reviewer, nothing is computed for the notebook. What is stale is shown to the reviewer, who may keep
it: give it the fingerprint of the code of now, and say why in its attributes.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import xarray as xr

from dynloss_book.engine.fingerprint import Fingerprint

CHANGES_NO_NUMBER = True


class Reviewer(Protocol):
    """Who looks."""

    def result(self, path: Path, dataset: xr.Dataset, code: Fingerprint, again: Callable[[], xr.Dataset]) -> xr.Dataset:
        """A stale result; returns it as it is afterwards.

        Args:
            path: its file.
            dataset: as it was read, with its attributes.
            code: the fingerprint of now.
            again: without arguments, computes it anew.
        """

    def sweep(self, store: Any, how: Callable[[], Any]) -> None:
        """A stale store of `dynloss_book.engine.sweeps`, and what makes a way to compute points of it again."""

    def lacks(self, path: Path, why: str) -> None:
        """A result that is not there, or cannot be read, in words."""


reviewer: Reviewer | None = None


@contextlib.contextmanager
def by(one: Reviewer) -> Iterator[None]:
    """Let this reviewer look at what is asked for in the block."""
    global reviewer
    reviewer = one
    try:
        yield
    finally:
        reviewer = None
