"""A moment until which this process may compute: long runs keep to it at their checkpoints.

    with deadline.until(time.monotonic() + 60):
        …  # a training that has written a checkpoint, and finds the minute over, raises OutOfTime

A run without a checkpoint is never cut off: what it has computed would be lost.
"""

import contextlib
import math
import time
from collections.abc import Iterator

_moment = math.inf


class OutOfTime(Exception):
    """The time is over; what was computed is kept in a checkpoint, from which the next call goes on."""


@contextlib.contextmanager
def until(moment: float) -> Iterator[None]:
    """Let runs in this block, in whatever thread, end at their first checkpoint after ``moment`` (time.monotonic)."""
    global _moment
    before, _moment = _moment, moment
    try:
        yield
    finally:
        _moment = before


def check() -> None:
    """Raise ``OutOfTime`` if the time is over; called where a checkpoint has just been written."""
    if time.monotonic() >= _moment:
        raise OutOfTime
