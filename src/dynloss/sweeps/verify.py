"""Is a store whose code has changed still right? Some of its points computed again, and compared.

Renaming a module changes no number, and yet makes every result that came from it stale. Where a result took hours, some
points computed again by the new code tell whether it still holds: if they are equal but for rounding, the store is
affirmed, and says so; a single difference leaves it stale. Training at the edge of stability is chaotic, so that a run
that differs at all on its way differs by far at its end: what may differ is the last sum, whose order is XLA's choice.
"""

import datetime
import json
from typing import Any

import numpy as np

from dynloss.provenance import commit
from dynloss.sweeps import contract
from dynloss.sweeps import grid as grids
from dynloss.sweeps.grid import Points
from dynloss.sweeps.store import Store, SweepError

_ROUNDING = 16  # units in the last place


def sample(store: Store, count: int) -> Points:
    """So many of the points that the store holds, drawn at random; always the same ones."""
    rows = store.rows()
    assert rows is not None
    number = len(rows.point)
    chosen = np.sort(np.random.RandomState(0).permutation(number)[:count])
    return {name: rows[name].values[chosen] for name in store.names}


def verify(store: Store, how: Any, count: int) -> None:
    """Compute ``count`` points of a stale store again, and affirm it if they are equal but for rounding.

    Args:
        store: a stale one.
        how: what computes points, of ``sweeps.evaluate``.
        count: points.

    Raises:
        SweepError: a point is not equal; the store is as it was.
    """
    points = sample(store, count)
    rows = store.rows()
    assert rows is not None
    place = {key: row for row, key in enumerate(grids.keys(rows, store.names))}
    for first in range(0, len(points[grids.SEED]), how.size):
        how.submit(grids.select(points, slice(first, first + how.size)))
        computed, outputs = how.wait()
        for row, key in enumerate(grids.keys(computed, store.names)):
            for name, values in outputs.items():
                then, now = rows[name].values[place[key]], values[row]
                if then.dtype != now.dtype or not _equal(then, now):
                    at = contract.place(grids.select(computed, slice(row, row + 1)))
                    raise SweepError(
                        f"{store.folder} stays stale: at {at} the code of now gives another {name}. "
                        "fresh=True computes the store anew."
                    )
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    store.affirm(json.dumps({"points": len(points[grids.SEED]), "commit": commit(), "date": date}))


def _equal(then: np.ndarray, now: np.ndarray) -> bool:
    if then.dtype.kind != "f":
        return np.array_equal(then, now)
    rounding = _ROUNDING * np.finfo(then.dtype).eps
    return np.allclose(then, now, rtol=rounding, atol=0, equal_nan=True)
