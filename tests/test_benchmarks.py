"""Every benchmark runs, in its smallest size; what one lacks on this machine, it says in one line."""

import runpy
import subprocess
import sys
from pathlib import Path

import jax
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
MARKS = {"first_paint": [pytest.mark.book, pytest.mark.browser], "playground": [pytest.mark.browser]}
NAMES = sorted({path.stem for path in BENCHMARKS.glob("*.py")} - {"setting"})


@pytest.fixture
def run(monkeypatch, capsys):
    """Run one as a script in this process, with JAX's own settings; returns what it printed."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # these two they set themselves
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    before = jax.config.jax_enable_x64
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield run
    jax.config.update("jax_enable_x64", before)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, [])) for name in NAMES])
def test_runs_in_its_smallest_size(name, run, request):
    if name not in MARKS:
        assert run(name, "--smallest")
        return
    request.getfixturevalue("chromium")  # or it is skipped; a process of its own, for Playwright runs once in each
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--smallest"]
    assert subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize("name", [*MARKS, "training_step"])
def test_says_what_it_lacks(name, run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=f"^{name} needs .*, and finds none$"):
        run(name)
