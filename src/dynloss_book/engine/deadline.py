"""A moment until which this process may compute: long runs keep to it at their checkpoints.

    with deadline.until(time.monotonic() + 60):
        …  # a training that has written a checkpoint, and finds the minute over, raises OutOfTime

A run without a checkpoint is never cut off: what it has computed would be lost. The environment variable
DYNLOSS_DEADLINE, seconds since 1970, sets such a moment for a whole process, a notebook's kernel as a rule: after it
nothing is begun.
"""

import contextlib
import math
import time
from collections.abc import Iterator

from dynloss import files
from dynloss_book.engine.policy import Policy

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

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
    if time.monotonic() >= _moment or over():
        raise OutOfTime


files.after_checkpoint.append(check)


def given() -> bool:
    """Whether this process as a whole has a deadline, be it never."""
    return Policy.current().deadline is not None


def over() -> bool:
    """Whether the time of this process as a whole is over."""
    return left(None) == 0


def left(minutes: float | None) -> float | None:
    """The part of so many minutes, or of no limit (None), that the process's own deadline leaves."""
    moment = Policy.current().deadline
    if moment is None or math.isinf(moment):
        return minutes
    rest = max(0.0, (moment - time.time()) / 60)
    return rest if minutes is None else min(minutes, rest)
