"""Give archived results new names: of their figure, their function, their parameters. The numbers stay bit for bit.

    python tools/rekey.py TABLE.json [RESULTS]      (the published ones, unless told otherwise)

The table says what is called otherwise, each part of it optional:

    {"figures": {"old": "new"},
     "functions": {"old": "new"},
     "parameters": {"old": "new"},
     "only": ["figures that functions and parameters are renamed in, by their old names; all, if it is left out"]}

A result's name is a hash of these, so that its file moves. All that would be moved is checked before anything is: that
no two results meet, and that each new file holds the same numbers. An interrupted run may be started again.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from dynloss_book.engine import archive, policy
from dynloss_book.engine.provenance import decoded
from dynloss_book.engine.sweeps.store import REQUEST

Table = Mapping[str, Any]


def renamed(path: Path, results: Path, table: Table) -> tuple[Path, xr.Dataset] | None:
    """Where an archived file belongs by the table, and what it holds then; None if nothing about it changes."""
    dataset = archive.decode(path.read_bytes())
    facts = decoded(dataset.attrs)
    figure = table.get("figures", {}).get(facts["figure"], facts["figure"])
    inside = facts["figure"] in table.get("only", [facts["figure"]])
    names: Mapping[str, str] = table.get("parameters", {}) if inside else {}
    parameters = {names.get(name, name): value for name, value in facts["parameters"].items()}
    attributes = {"figure": figure, "parameters": archive.canonical(parameters)}
    if "axes" in facts:
        axes = [names.get(name, name) for name in json.loads(facts["axes"])]
        functions = table.get("functions", {}) if inside else {}
        function = functions.get(facts["function"], facts["function"])
        key = archive.key(figure, {"function": function, "axes": axes, "constants": parameters})
        attributes |= {"function": function, "axes": json.dumps(axes)}
        place = results / figure / key / path.name
    else:
        place = results / figure / f"{archive.key(figure, parameters)}.nc"
    if place == path:
        return None
    own = {name: new for name, new in names.items() if name in dataset.variables or name in dataset.dims}
    return place, dataset.rename(own).assign_attrs(attributes)


def plan(results: Path, table: Table) -> dict[Path, tuple[Path, bytes]]:
    """What is to be written where, by the file it comes from; a sweep's note of what was asked for goes with it."""
    moves: dict[Path, tuple[Path, bytes]] = {}
    for path in sorted([*results.glob("*/*.nc"), *results.glob("*/*/*.nc")]):
        if (found := renamed(path, results, table)) is None:
            continue
        place, dataset = found
        content = archive.encode(dataset)
        _check_same(path, content)
        moves[path] = place, content
        if (asked := path.parent / REQUEST).is_file() and asked not in moves:
            note = json.loads(asked.read_text("utf-8"))
            note |= {name: dataset.attrs[name] for name in ("figure", "function", "parameters")}
            note["axes"] = dict(zip(json.loads(dataset.attrs["axes"]), note["axes"].values(), strict=True))
            moves[asked] = place.with_name(REQUEST), json.dumps(note).encode()
    places = [place for place, _ in moves.values()]
    if met := [place for place in places if places.count(place) > 1 or (place.exists() and place not in moves)]:
        raise SystemExit(f"two results would have one name: {met[0]}")
    return moves


def rekey(results: Path, table: Table) -> dict[Path, Path]:
    """Move what the table renames; returns from where to where."""
    moves = plan(results, table)
    for place, content in moves.values():
        archive.write(place, content)
    for path in moves.keys() - {place for place, _ in moves.values()}:
        path.unlink()
        for folder in (path.parent, path.parent.parent):
            if folder != results and folder.is_dir() and not list(folder.glob("[!.]*")):  # but for locks
                shutil.rmtree(folder)
    return {path: place for path, (place, _) in moves.items()}


def _check_same(path: Path, content: bytes) -> None:
    before, after = (
        [(v.dtype, v.shape, v.values.tobytes()) for v in archive.decode(each).variables.values()]
        for each in (path.read_bytes(), content)
    )
    if before != after:
        raise SystemExit(f"{path} would not hold the same numbers")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    folder = Path(sys.argv[2]) if len(sys.argv) == 3 else policy.folders()[-1]
    done = rekey(folder.absolute(), json.loads(Path(sys.argv[1]).read_text("utf-8")))
    for old, new in done.items():
        print(old.relative_to(folder.absolute()), "->", new.relative_to(folder.absolute()))
