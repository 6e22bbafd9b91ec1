"""The committed engine is what its source gives."""

import importlib.util
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dynloss_book import playground
from dynloss_book.playground import build

HERE = Path(playground.__file__).parent
PROJECT = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
needs_compiler = pytest.mark.skipif(
    not importlib.util.find_spec("ziglang"), reason="no compiler for the engine (pip install 'dynloss[tests]')"
)


@needs_compiler
def test_rebuild_gives_the_same_bytes():
    assert version("ziglang") == next(iter(Requirement(re.search(r'"(ziglang==.*?)"', PROJECT)[1]).specifier)).version
    assert build.build() == playground.engine(), "python -m dynloss_book.playground.build, and commit engine.wasm"


@needs_compiler
def test_a_fault_in_the_source_is_reported(tmp_path, monkeypatch, capfd):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "engine.c").write_text("double f(double x) { return y; }")
    monkeypatch.setattr(build, "HERE", tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        build.build()
    assert "y" in capfd.readouterr().err


def test_points_are_those_of_the_data_set():
    # Their last bits depend on NumPy's sine; a rebuild takes the committed ones.
    committed = (HERE / "engine" / "spiral.h").read_text(encoding="utf-8")
    numbers = [[float(x) for x in re.findall(r"-?\d\.\d+(?:e-?\d+)?", text)] for text in (committed, build.points())]
    assert len(numbers[0]) == 600
    assert numbers[0] == pytest.approx(numbers[1], rel=0, abs=2e-16)


def test_page_is_light(tmp_path):
    """Script, style and engine, before any compression."""
    playground.publish(tmp_path)
    files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(files) == {"playground.js", "playground.css", "engine.wasm"}
    assert sum(files.values()) < 100_000
