"""A checkout in small, with notebooks that take a second: for the tests of the runner and the command line."""

import json
import os
import time
from pathlib import Path
from unittest import mock

import psutil
import pytest

PARAMETERS = "steps: int = 10  # how many\namplitude: float = 70.0\nstop: \"Optional[int]\" = None\nfresh: bool = False"
GOOD = """
import numpy as np, xarray as xr
from dynloss_book.engine.archive import fetch_or_compute, provenance

def compute(steps, amplitude):
    return xr.Dataset({"x": ("step", amplitude * np.arange(steps))})

dataset = fetch_or_compute("fig01_good", compute, {"steps": steps, "amplitude": amplitude}, fresh=fresh)
provenance(dataset)
"""
BAD = "print('so far so good')\nraise ValueError(f'amplitude={amplitude} is\\ntoo much')"
PROFILES = """
fig01_good:
  smoke: {parameters: {steps: 3}, cost: {2 CPU cores: {seconds: 2, memory_gb: 0.2}}}
  quick: {parameters: {}}
"""


def notebook(*codes: str | tuple[str, str], parameters: str | None = PARAMETERS) -> dict:
    """A notebook with a title, a parameters cell and these code cells, each perhaps with a tag."""
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "# A figure\n\nWith a text."}]
    if parameters is not None:
        cells.append(_code(parameters, tags=["parameters"]))
    for each in codes:
        code, *tags = [each] if isinstance(each, str) else each
        cells.append(_code(code.strip(), tags=tags))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def _code(source: str, **metadata) -> dict:
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def make(root: Path, profiles: str = PROFILES, **notebooks: dict) -> Path:
    """Write a checkout with these notebooks (one good one, unless told otherwise) and a book of their pages."""
    notebooks = notebooks or {"fig01_good": notebook(GOOD)}
    (root / "notebooks").mkdir(parents=True)
    (root / "book").mkdir()
    for stem, content in notebooks.items():
        (root / "notebooks" / f"{stem}.ipynb").write_text(json.dumps(content))
    (root / "notebooks" / "profiles.yml").write_text(profiles)
    pages = "".join(f"  - file: notebooks/{stem}\n" for stem in notebooks)
    toc = f"format: jb-book\nroot: book/introduction\nchapters:\n{pages}  - file: book/status\n"
    (root / "_toc.yml").write_text(toc)
    (root / "_config.yml").write_text("title: Small\nexecute: {execute_notebooks: 'off'}\nonly_build_toc_files: true\n")
    (root / "book" / "introduction.md").write_text("# Small\n\n<!-- profiles -->\n")
    (root / "book" / "status.md").write_text("# Status\n\n<!-- status -->\n")
    return root


def enter(monkeypatch, root: Path, *profiles: str, **notebooks: dict) -> Path:
    """Make a checkout and stand in it; its archive is its own, not the one that the tests' environment names."""
    monkeypatch.delenv("DYNLOSS_RESULTS", raising=False)
    monkeypatch.chdir(make(root, *profiles, **notebooks))
    return root


def publishing(root: Path):
    """A context in which what is computed goes to the published results of a checkout."""
    return mock.patch.dict(os.environ, DYNLOSS_RESULTS=str(root / "results"))


def gone(process: int, within: float = 10.0) -> bool:
    """Whether a process ends so soon, in seconds."""
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        if not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def dynloss(capsys):
    """Run the command here; returns its exit code and what it wrote to stdout and stderr."""
    from dynloss_book.engine import cli  # late: the tests' import hook comes first

    def dynloss(*arguments):
        code = 0
        try:
            cli.main([str(each) for each in arguments])
        except SystemExit as exited:
            code = exited.code
        written = capsys.readouterr()
        return code or 0, written.out, written.err

    return dynloss
