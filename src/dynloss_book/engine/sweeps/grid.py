"""The points of a sweep: the product of named axes and seeds, and how points become an ``xarray.Dataset`` again."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book.engine import untrusted

SEED = "seed"
FLAGS = ("done", "diverged")
PART = "part"  # of a row: the place of what computed it in the attribute `parts` of its file
TAKEN = (*FLAGS, "point", PART)  # names that a sweep uses itself
Variables = Mapping[str, tuple[tuple[str, ...], dict[str, str]]]
Points = dict[str, np.ndarray]
Layout = dict[str, tuple[tuple[int, ...], np.dtype]]  # shape and type of each of a point's results

_SEED = {"long_name": "seed of the initial weights", "units": "1"}


class Grid(NamedTuple):
    """Named axes, each with its values in the order given; the last is ``seed``."""

    axes: dict[str, np.ndarray]

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(map(len, self.axes.values()))

    def points(self) -> Points:
        """All points, seed after seed: so that an unfinished sweep has whole diagrams of fewer seeds."""
        *names, seed = self.axes
        seeds_first = [self.axes[name] for name in (seed, *names)]
        columns = [each.reshape(-1) for each in np.meshgrid(*seeds_first, indexing="ij")]
        return dict(zip(names, columns[1:], strict=True)) | {seed: columns[0]}


def grid(axes: Mapping[str, Iterable[Any]], seeds: Iterable[int]) -> Grid:
    """Checked axes and seeds.

    Raises:
        ValueError: an axis that is empty, holds what is not a finite number, or holds a value twice; a seed that is
            not an integer from 0 on; an axis named like what the result holds beside the axes.

    >>> grid({"amplitude": [1, 10]}, range(3)).size
    6
    """
    checked = {}
    for name, given in axes.items():
        if not str(name).isidentifier() or name in (SEED, *TAKEN):
            raise ValueError(f"an axis cannot be called {name!r}")
        listed = _listed(f"axis {name}", given)
        if unfit := [each for each in listed if not _is_number(each)]:
            raise ValueError(f"axis {name} must hold finite numbers, got {unfit[0]!r}")
        checked[name] = np.asarray(listed)
    from dynloss.checks import check_count  # which imports JAX

    numbers = _listed("seeds", seeds)
    for number in numbers:
        check_count("a seed", number, at_least=0, at_most=2**31 - 1)
    checked[SEED] = np.asarray(numbers, dtype=np.int64)
    for name, values in checked.items():
        if len(values) == 0:
            raise ValueError(f"axis {name} is empty: a sweep needs at least one value of each axis, and one seed")
        unique, counts = np.unique(values, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"axis {name} holds {unique[counts > 1][0]} more than once")
    return Grid(checked)


def _listed(what: str, given: Any) -> list:
    no_list = isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable)
    if no_list or getattr(given, "ndim", 1) == 0:
        raise ValueError(f"{what} must be a collection such as [1, 2] or range(5), got {given!r}")
    return list(given)


def _is_number(value: Any) -> bool:
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "iuf" and bool(np.isfinite(array))


def keys(points: Points | xr.Dataset, names: Sequence[str]) -> list[bytes]:
    """Points as keys that can be looked up; 1 and 1.0 are the same, and so are 0 and -0."""
    columns = np.stack([np.asarray(points[name], dtype=float) for name in names], axis=1) + 0.0
    content, width = columns.tobytes(), columns.itemsize * len(names)
    return [content[at : at + width] for at in range(0, len(content), width)]


def select(points: Points, where) -> Points:
    return {name: values[where] for name, values in points.items()}


def joined(several: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Batches of points, or of what was computed for them, as one."""
    return {name: np.concatenate([each[name] for each in several]) for name in several[0]}


def layout(outputs: Mapping[Any, Any]) -> Layout:
    """The shapes and types of a batch's results, a row per point."""
    return {str(name): (values.shape[1:], values.dtype) for name, values in outputs.items()}


def rows(points: Points, outputs: Mapping[str, np.ndarray], variables: Variables) -> xr.Dataset:
    """Points and what was computed for them, one row per point.

    Args:
        points: (n,) for each axis.
        outputs: (n, …) for each result.
        variables: {name: (dimensions after the point, attributes)}; those of others are numbered.

    Raises:
        ValueError: a result has more or fewer dimensions than names for them.
    """
    data = {}
    for name, values in outputs.items():
        dims, attributes = variables.get(name, (tuple(f"{name}_{i}" for i in range(values.ndim - 1)), {}))
        if len(dims) != values.ndim - 1:
            raise ValueError(f"{name} has {values.ndim - 1} dimensions a point, but {len(dims)} names: {dims}")
        data[name] = (("point", *dims), values, attributes)
    return xr.Dataset(data, coords={name: ("point", values) for name, values in points.items()})


def assemble(on: Grid, stored: xr.Dataset, axes: Mapping[str, Mapping[str, str]] | None = None) -> xr.Dataset:
    """Rows as a dataset over the grid: NaN where there is no row, with ``done`` and ``diverged``.

    Args:
        on: the grid.
        stored: rows, as :func:`rows` makes them.
        axes: {axis: attributes}; none for those that it does not name.

    Raises:
        ValueError: the grid takes more memory than a result may.
    """
    names, shape = list(on.axes), tuple(map(len, on.axes.values()))
    each = sum(math.prod(variable.shape[1:]) * 8 for variable in stored.data_vars.values())
    untrusted.check_size(on.size, 2 + each)
    # Each row's place on every axis, -1 where it is not on the grid.
    places = np.array([pd.Index(values).get_indexer(stored[name].values) for name, values in on.axes.items()])
    inside = (places >= 0).all(axis=0)
    stored, place = stored.isel(point=inside), tuple(places[:, inside])
    done, diverged = np.zeros(shape, bool), np.zeros(shape, bool)
    done[place] = True
    data: dict[str, tuple] = {}
    for name, variable in stored.data_vars.items():
        dtype = variable.dtype if variable.dtype.kind == "f" else np.dtype(float)
        values = np.full(shape + variable.shape[1:], np.nan, dtype)
        values[place] = variable.values
        data[str(name)] = ((*names, *variable.dims[1:]), values, variable.attrs)
        diverged[place] |= ~np.isfinite(variable.values).all(axis=tuple(range(1, variable.ndim)))
    data["done"] = (names, done, {"long_name": "whether the point is computed"})
    data["diverged"] = (names, diverged, {"long_name": "whether a result of the point is not finite"})
    told = {SEED: _SEED} | dict(axes or {})
    coordinates = {name: (name, values, told.get(name, {})) for name, values in on.axes.items()}
    inner = {str(name): (c.dims, c.values, c.attrs) for name, c in stored.coords.items() if "point" not in c.dims}
    return xr.Dataset(data, coords=coordinates | inner)


def scale(result: xr.Dataset) -> str:
    """How much of a sweep is there: "50 seeds", "5 of 50 seeds", "90 of 144 points, 4 to 5 of 50 seeds"."""
    wanted, count = result.sizes[SEED], result.done.sum(SEED).values
    fewest, most = int(count.min()), int(count.max())
    if fewest == wanted:
        return f"{wanted} seed{'s' * (wanted > 1)}"
    if fewest == most:
        return f"{fewest} of {wanted} seeds"
    between = f"{fewest} to {most} of {wanted} seed{'s' * (wanted > 1)}"
    return between if fewest else f"{np.count_nonzero(count)} of {count.size} points, {between}"
