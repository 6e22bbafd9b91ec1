"""The playground on pages of its own, without a book around it."""

from collections.abc import Iterator
from pathlib import Path

import browsing
import pytest

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Playground</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="playground.css"></head>
<body><main><h1>Playground</h1><div data-dynloss-playground="{kind}" data-instead="#picture"></div></main>
<script type="module" src="playground.js"></script></body></html>
"""


def write_site(folder: Path) -> Path:
    """A folder with `full.html`, `small.html` and what they load."""
    from dynloss import playground

    playground.publish(folder)
    for kind in ("full", "small"):
        (folder / f"{kind}.html").write_text(PAGE.format(kind=kind), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    with browsing.serving(write_site(tmp_path_factory.mktemp("playground"))) as where:
        yield where
