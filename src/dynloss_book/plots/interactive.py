"""The data of a picture that readers can explore: what the book's script draws, and nothing where there is no script.

A record is plain values, small enough for a page: long series are thinned so that what reaches far out stays in sight.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dynloss_book.engine.mime import EXPLORE as MIME

DIGITS = 4  # of the values that a reader sees


@dataclass(frozen=True)
class Explorable:
    """Shown by the book under the picture that it belongs to; a notebook elsewhere shows nothing for it."""

    record: dict[str, Any]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        return {"text/plain": "", MIME: self.record}


def kept(series: Sequence[Any], buckets: int, windows: Iterable[tuple[int, int, int]] = ()) -> np.ndarray:
    """The places to keep of series of one length, so that their envelopes stay: (n,) sorted integers.

    Args:
        series: each (steps,).
        buckets: of each such part of the whole, the places of every series' smallest and largest value.
        windows: (first, last, buckets), the same for parts that a reader will look into.

    >>> kept([np.array([0, 0, 5, 0, 0, -3, 0, 0])], 1).tolist()
    [0, 2, 4, 5, 7]
    """
    length = len(series[0])
    places = {0, length // 2, length - 1}  # all panels open in the middle
    for first, last, parts in ((0, length, buckets), *windows):
        edges = np.linspace(max(0, first), min(length, last), parts + 1).astype(int)
        for low, high in pairwise(edges):
            for values in series:
                part = np.asarray(values[low:high])
                if np.isfinite(part).any():
                    places |= {low + int(np.nanargmin(part)), low + int(np.nanargmax(part))}
    return np.array(sorted(places))


def rounded(values: Any) -> list[float | None]:
    """Numbers of four digits; None for what is not finite.

    >>> rounded([0.123456, float("nan"), 70000.0])
    [0.1235, None, 70000.0]
    """
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in np.ravel(values).tolist()]


def series(label: str, colour: str, values: Any, **look: Any) -> dict[str, Any]:
    """One series of a panel; ``line``, ``dash`` and ``open`` are its look, dots without.

    Args:
        label: in front of a value that is read off; empty for a line without.
        colour: of CSS, as #0072B2.
        values: as many as the panel has places, (n,).
        look: ``line`` and ``open``, true or false; ``dash``, in pixels.
    """
    return {"label": label, "colour": colour, "values": rounded(values), **look}


def panel(
    title: str, group: str, x: Mapping[str, Any], y: Mapping[str, Any], drawn: list, marks: list, size=3, height=170
) -> dict[str, Any]:
    """A panel of curves; those of one group are read and zoomed together.

    Args:
        title: what is seen.
        group: a name.
        x: as of ``steps``: label, symbol and unit, the values, their range, and whether the axis is logarithmic.
        y: ``unit``, ``range`` (all of the data where it is None) and ``log``, where they are not the usual ones.
        drawn: from ``series``.
        marks: from ``mark``.
        size: of a dot, in pixels.
        height: of the panel, in pixels.
    """
    return {
        "title": title,
        "group": group,
        "x": dict(x),
        "y": {"log": False, "unit": "", "range": None, **y},
        "series": drawn,
        "marks": marks,
        "size": size,
        "height": height,
    }


def steps(at: Any, last: int) -> dict[str, Any]:
    """Minimisation steps as an abscissa, as differences, which are short."""
    return {
        "steps": np.diff(at, prepend=0).astype(int).tolist(),
        "range": [0, int(last) + 1],
        "log": False,
        "label": "minimisation step t",
        "symbol": "t",
        "unit": " steps",
    }


def mark(axis: str, at: float, colour: str) -> dict[str, Any]:
    """A dashed line across a panel, at this place of the axis ``x`` or ``y``.

    Args:
        axis: "x" or "y".
        at: in the unit of the axis.
        colour: as of ``series``.
    """
    return {"axis": axis, "at": float(at), "colour": colour}
