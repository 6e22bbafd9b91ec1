"""What a notebook asks the archive to compute, and how much of it is missing: written down for `dynloss campaign`.

The environment variable DYNLOSS_LEDGER names a file: every request adds a line of JSON when it is made, and another
when it is done. A request that fails, or runs out of time, leaves what was missing when it was made.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dynloss import files
from dynloss_book.engine.policy import Policy

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`


class Request(NamedTuple):
    """What was asked for in one place, by one call.

    Attributes:
        place: the file of a result, or the folder of a sweep.
        points: how many were asked for.
        missing: those that are not there, each as its numbers; a result that is no sweep has the one point ().
        pace: seconds that a point has taken so far; None where there is none yet.
        device: on which it did.
        stale: what of the code has changed since; empty if nothing.
    """

    place: str
    points: int
    missing: tuple[tuple[float, ...], ...]
    pace: float | None = None
    device: str = ""
    stale: str = ""


def note(request: Request, call: str = "") -> None:
    """Write a request down, if this process keeps a ledger; ``call`` tells several in one place apart."""
    if path := Policy.current().ledger:
        with files.named(Path(path)), open(path, "a") as file:
            file.write(json.dumps({"call": f"{request.place} {call}", **request._asdict()}) + "\n")


def read(path: Path) -> list[Request]:
    """The requests in a ledger, each as it was written last; a line that was cut off by a kill does not count."""
    calls: dict[str, Request] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        call, lacks = found.pop("call"), tuple(map(tuple, found.pop("missing")))
        calls[call] = Request(**found, missing=lacks)
    return list(calls.values())


def missing(requests: Iterable[Request]) -> set[tuple[str, tuple[float, ...]]]:
    """The points that are missing, or were computed by other code, each once.

    >>> one = Request("store", 3, ((1.0, 0.0), (2.0, 0.0)))
    >>> len(missing([one, Request("store", 1, ((2.0, 0.0),))]))
    2
    """
    return {(each.place, point) for each in requests for point in each.missing}


def seconds(requests: Sequence[Request]) -> float | None:
    """What the missing points take, each at the pace of its place; None where one has no pace yet."""
    paces = {each.place: each.pace for each in requests if each.pace is not None}
    places = [place for place, _ in missing(requests)]
    return sum(paces[place] for place in places) if all(place in paces for place in places) else None
