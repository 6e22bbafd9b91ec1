"""The doctor: a JAX that computes wrongly is found, and what is missing is named with the command that gets it."""

import os
import shutil
import subprocess
import sys

import jax
import pytest

from dynloss_book.engine.runner import doctor


def test_canary():
    """jax-ml/jax#39103. If this fails, JAX silently returns wrong numbers: install another."""
    assert doctor.canary() == 0


def test_canary_is_sensitive(monkeypatch):
    """As 0.10.2 does: rows from some row on are wrong."""
    monkeypatch.setattr(jax, "jit", lambda function: lambda vectors: function(vectors).at[-7000:].add(1.0))
    assert doctor.canary() == 7000
    lines, well = doctor.report()
    assert not well
    assert any("DEAD" in line and "pip install 'jax" in line for line in lines)


def test_report_is_well_here():
    lines, well = doctor.report()
    assert well
    assert any(line.split() == ["jax", jax.__version__] for line in lines)
    assert any(line.startswith("device") and jax.default_backend() in line for line in lines)


def test_missing_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in ("papermill", "jupyter_book") else name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    lines = list(doctor.missing())
    assert len(lines) == 3
    assert lines[0] == "the notebooks: no papermill; get it by: pip install 'dynloss[notebooks]'"
    assert "apt-get install chromium" in lines[2]


@pytest.mark.parametrize(("backend", "found"), [("gpu", True), ("cpu", False)])
def test_has_gpu(monkeypatch, backend, found):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert doctor.has_gpu() is found


@pytest.mark.parametrize("platform", ["cuda", "rocm"])
def test_a_platform_that_is_not_here_is_named(platform):
    """It was a traceback, and to name the problem is the doctor's task."""
    command = [sys.executable, "-c", "from dynloss_book.engine.cli import main; main(['doctor'])"]
    ended = subprocess.run(command, env=os.environ | {"JAX_PLATFORMS": platform}, capture_output=True, text=True)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "device    NONE: " in ended.stdout and f"JAX_PLATFORMS={platform} asks for it" in ended.stdout
