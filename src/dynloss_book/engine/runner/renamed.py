"""What once had another name, so that old addresses and commands still lead somewhere: `notebooks/renamed.yml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dynloss import files

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>This page has moved</title>
<link rel="canonical" href="{address}">
<meta http-equiv="refresh" content="0; url={address}">
</head>
<body><p>This page has moved to <a href="{address}">{address}</a>.</p></body>
</html>
"""


class Renamed(NamedTuple):
    """Old names and the new ones.

    Attributes:
        pages: of notebooks.
        parameters: of each notebook, by its name of now.
    """

    pages: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, str]]


def load(root: Path) -> Renamed:
    """The table of a checkout; empty where there is none."""
    import yaml

    source = root / "notebooks" / "renamed.yml"
    found: Any = yaml.safe_load(source.read_text("utf-8")) if source.is_file() else None
    tables = {name: (found or {}).get(name) or {} for name in Renamed._fields}
    return Renamed(**tables)


def redirect(pages: Mapping[str, str], folder: Path) -> None:
    """Write pages, into the folder of the built ones, that lead from old addresses to the new.

    An old name that a page still has is left to it.

    Raises:
        ValueError: there is no page of the new name.
    """
    for old, new in pages.items():
        place = folder / f"{old}.html"
        if place.exists():
            continue
        if not (folder / f"{new}.html").is_file():
            raise ValueError(f"renamed.yml leads from {old} to {new}, and there is no such page")
        files.write(place, PAGE.format(address=f"{new}.html"))
