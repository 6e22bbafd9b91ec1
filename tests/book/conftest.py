"""Fixtures for the checks of a built book: `make book`, then `make check`."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import browsing
import pytest
from browsing import chapters
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("DYNLOSS_SITE", ROOT / "_build" / "html"))
MADE_BY_SPHINX = ["genindex", "py-modindex", "search"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`page`: every page of the book; `chapter`: those in _toc.yml; `notebook`: the notebooks among them."""
    names = chapters()
    kinds = {
        "page": [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names + MADE_BY_SPHINX],
        "chapter": names,
        "notebook": [name for name in names if name.startswith("notebooks/")],
    }
    for kind in kinds.keys() & metafunc.fixturenames:
        metafunc.parametrize(kind, kinds[kind])


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def contents() -> list[str]:
    """The pages of _toc.yml in their order."""
    return chapters()


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built pages."""
    assert (SITE / "index.html").exists(), f"there is no book in {SITE}: run `make book` first"
    return SITE


@pytest.fixture(scope="session")
def parsed(site):
    """A function from a page's name to its parsed HTML."""
    return functools.cache(lambda name: BeautifulSoup((site / f"{name}.html").read_text("utf-8"), "html.parser"))


@pytest.fixture(scope="session")
def identifiers(parsed):
    """A function from a page's name to what can be linked to on it."""
    return functools.cache(lambda name: {tag["id"] for tag in parsed(name).find_all(id=True)})


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    """Where the book is served, on this machine only."""
    with browsing.serving(site) as where:
        yield where
