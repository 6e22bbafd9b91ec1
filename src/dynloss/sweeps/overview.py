"""How far the sweeps in an archive are: what `dynloss sweep status` shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from dynloss import archive
from dynloss.sweeps import grid as grids
from dynloss.sweeps.store import REQUEST, rows


class Progress(NamedTuple):
    """One store: what it computes, and how many of the points last asked for it holds.

    Attributes:
        figure, parameters: the sweep.
        wanted: the points that were asked for last; None where nobody has noted it.
        done: how many of these are there; of all points where ``wanted`` is None.
        held: how many points are there, asked for last or before.
        scale: the same by seeds, "5 of 50 seeds".
        seconds: spent on all that is there.
        date: of the newest result.
        folder: the store.
    """

    figure: str
    parameters: dict
    wanted: int | None
    done: int
    held: int
    scale: str
    seconds: float
    date: str
    folder: Path


def overview(results: Path) -> Iterator[Progress]:
    """Every store in an archive's folder; one that cannot be read is left out."""
    for folder in sorted(path for path in results.glob("*/*") if path.is_dir() and path.suffix != ".old"):
        if (found := _progress(folder)) is not None:
            yield found


def gathered(folder: Path) -> xr.Dataset:
    """All that a store holds, over the smallest grid that has it: one dataset to hand on.

    Raises:
        ValueError: the folder holds no readable results of a sweep.
    """
    parts = []
    for path in sorted(folder.glob("*.nc")):
        try:
            parts.append(archive.decode(path.read_bytes()))
        except Exception:  # damaged: computed again when it is asked for
            continue
    if not parts:
        raise ValueError(f"{folder} holds no results of a sweep")
    names = json.loads(parts[0].attrs["axes"])
    everything = rows(parts, names)
    *axes, seed = (np.unique(everything[name].values) for name in names)
    result = grids.assemble(grids.grid(dict(zip(names, axes, strict=False)), seed.tolist()), everything)
    return result.assign_attrs(max(parts, key=lambda part: part.attrs["date"]).attrs, scale=grids.scale(result))


def _progress(folder: Path) -> Progress | None:
    try:
        request = json.loads((folder / REQUEST).read_text("utf-8"))
        wanted = grids.grid({n: v for n, v in request["axes"].items() if n != grids.SEED}, request["axes"][grids.SEED])
    except (OSError, ValueError, KeyError):
        request, wanted = None, None
    parts = [part for path in sorted(folder.glob("*.nc")) if (part := _coordinates(path)) is not None]
    if not parts:
        if request is None:
            return None
        parameters = json.loads(request["parameters"])
        return Progress(request["figure"], parameters, request["points"], 0, 0, "–", 0.0, "–", folder)
    names = json.loads(parts[0].attrs["axes"])
    columns = {name: np.concatenate([part[name].values for part in parts]) for name in names}
    first = grids.first_of_each(grids.keys(columns, names))
    points = xr.Dataset(coords={name: ("point", values[first]) for name, values in columns.items()})
    result = None if wanted is None else grids.assemble(wanted, points)
    attributes = parts[0].attrs
    return Progress(
        attributes["figure"],
        json.loads(attributes["parameters"]),
        None if wanted is None else wanted.size,
        len(points.point) if result is None else int(result.done.sum()),
        len(points.point),
        "–" if result is None else grids.scale(result),
        sum(float(part.attrs["seconds"]) for part in parts),
        max(part.attrs["date"] for part in parts),
        folder,
    )


def _coordinates(path: Path) -> xr.Dataset | None:
    try:
        with xr.open_dataset(path, engine="h5netcdf") as part:
            return part.drop_vars(list(part.data_vars)).load()
    except Exception:  # damaged: computed again when it is asked for
        return None
