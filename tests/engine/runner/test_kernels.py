"""Kernels that are forked are as good as fresh ones, and end with whoever asked for them."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_site
from small_site import gone, notebook

from dynloss_book.engine.runner import kernels
from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import load, values

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere kernels are not forked")

WHERE = """
import os, sys, numpy
print(os.getpid(), os.getppid(), os.getcwd(), os.environ.get("ASKED"), "jax" in sys.modules, numpy.random.rand())
"""


@pytest.fixture
def run(tmp_path):
    """Execute a notebook with this cell; returns the outcome and what the cell has printed."""

    def run(code, **variables):
        root = tmp_path / "site"
        if not root.exists():
            small_site.make(root, "fig: {quick: {}}", fig=notebook("pass"))
        (root / "notebooks" / "fig.ipynb").write_text(json.dumps(notebook(code)))
        figure = load(root)["fig"]
        outcome = execute(figure, "quick", values(figure, "quick"), tmp_path / "out.ipynb", io.StringIO(), variables)
        cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
        return outcome, "".join("".join(each.get("text", "")) for cell in cells for each in cell.get("outputs", []))

    return run


def test_a_forked_kernel_has_imported_and_has_its_own_variables_and_numbers(run, tmp_path):
    said = [run(WHERE, ASKED=word) for word in ("one", "two")]
    assert [outcome.error for outcome, _ in said] == ["", ""]
    (first, parent, folder, asked, imported, number), other = [text.split() for _, text in said]
    assert (folder, asked, imported) == (str(tmp_path / "site" / "notebooks"), "one", "True")
    assert (other[1], other[3]) == (parent, "two") and other[0] != first and other[5] != number
    assert int(parent) != os.getpid()  # but the server
    assert gone(int(first)) and not gone(int(parent), 0)


def test_a_bar_of_progress_leaves_no_semaphore_behind(run):
    """The server's tracker of resources would warn of it on the terminal."""
    asked = "from tqdm import tqdm\nlist(tqdm(range(3), disable=False))\nprint(hasattr(tqdm.get_lock(), 'mp_lock'))"
    outcome, text = run(asked)
    assert outcome.error == "" and text.split()[0] == "False"


@pytest.mark.parametrize("name", ["JAX_ENABLE_X64", "PYTHONPATH", "OMP_NUM_THREADS"])
def test_what_python_or_jax_read_as_they_begin_asks_for_a_fresh_python(run, name):
    outcome, text = run(WHERE + f"print(os.environ[{name!r}])", **{name: "1"})
    assert outcome.error == ""
    assert text.split()[1] == str(os.getpid()) and text.split()[4] == "False" and text.split()[-1] == "1"


def test_a_kernel_that_is_killed_is_an_error(run):
    outcome, _ = run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert outcome.error.startswith("cell 3: DeadKernel")


def test_a_kernel_that_cannot_begin_is_an_error(run, monkeypatch):
    nowhere = {"folder": Path("/nowhere")}
    usual = kernels.manager
    monkeypatch.setattr(kernels, "manager", lambda given, folder, sockets: usual(given, **nowhere, sockets=sockets))
    outcome, _ = run("pass")
    assert outcome.error.startswith("before the first cell: RuntimeError: Kernel died")


RUNNER = """
import io, pathlib, sys
from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import load
root = pathlib.Path(sys.argv[1])
execute(load(root)["fig"], "quick", {}, root / "out.ipynb", io.StringIO())
"""


@pytest.mark.slow
def test_a_kernel_and_what_it_has_started_end_with_a_runner_that_is_killed(tmp_path):
    code = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
    code += "with open('said', 'w') as file: print(os.getpid(), os.getppid(), child.pid, file=file)\ntime.sleep(600)"
    root = small_site.make(tmp_path / "site", "fig: {quick: {}}", fig=notebook(code))
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(root)])
    said = root / "notebooks" / "said"
    while not (said.exists() and said.read_text().endswith("\n")):
        assert runner.poll() is None
        time.sleep(0.1)
    runner.kill()
    runner.wait()
    assert [gone(int(word)) for word in said.read_text().split()] == [True] * 3  # with the server


@pytest.mark.slow
def test_what_is_imported_beforehand_starts_no_thread_and_asks_for_no_device():
    """Else a fork of it is no good."""
    code = """
import importlib, threading
from dynloss_book.engine.runner import kernels
for name in kernels.PRELOADED:
    importlib.import_module(name)
from jax._src import xla_bridge
print(threading.active_count(), xla_bridge.backends_are_initialized())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.split() == ["1", "False"], ended.stderr


def test_sockets_fit_into_their_folder(monkeypatch, tmp_path):
    deep = tmp_path / ("a" * 100)
    deep.mkdir()
    for usual in (tmp_path, deep):
        monkeypatch.setattr("tempfile.tempdir", str(usual))
        with kernels.folder_of_sockets() as folder, socket.socket(socket.AF_UNIX) as door:
            door.bind(str(Path(folder, "kernel-ipc-5")))
        assert not Path(folder).exists()
