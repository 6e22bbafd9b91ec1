"""Kernels forked from a server are as good as fresh ones, and end with whoever asked for them."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import small_site
from small_site import notebook

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


def gone(process, within=10.0):
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        if not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_forked_kernel_has_imported_and_has_its_own_variables_and_numbers(run, forked_kernels, tmp_path):
    said = [run(WHERE, ASKED=word) for word in ("one", "two")]
    assert [outcome.error for outcome, _ in said] == ["", ""]
    (first, parent, folder, asked, imported, number), other = [text.split() for _, text in said]
    assert (folder, asked, imported) == (str(tmp_path / "site" / "notebooks"), "one", "True")
    assert (other[1], other[3]) == (parent, "two") and other[0] != first and other[5] != number
    assert int(parent) != os.getpid()  # but the server
    assert gone(int(first)) and not gone(int(parent), 0)


@pytest.mark.parametrize("name", ["JAX_ENABLE_X64", "PYTHONPATH", "OMP_NUM_THREADS"])
def test_what_python_or_jax_read_as_they_begin_asks_for_a_fresh_python(run, forked_kernels, name):
    outcome, text = run(WHERE + f"print(os.environ[{name!r}])", **{name: "1"})
    assert outcome.error == ""
    assert text.split()[1] == str(os.getpid()) and text.split()[4] == "False" and text.split()[-1] == "1"


def test_without_a_server_a_kernel_is_a_fresh_python(run, monkeypatch, tmp_path):
    monkeypatch.setenv(kernels.ADDRESS, str(tmp_path / "nobody"))
    outcome, text = run(WHERE)
    assert outcome.error == "" and text.split()[1] == str(os.getpid())


def test_a_kernel_that_is_killed_is_an_error(run, forked_kernels):
    outcome, _ = run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert outcome.error.startswith("cell 3: DeadKernel")


@pytest.fixture
def sleeper(kernel_server):
    """A kernel that has nothing to do, without Jupyter."""

    def sleeper(address=kernel_server, folder=None):
        environment = os.environ | kernels.VARIABLES | {kernels.ADDRESS: address}
        command = ["python", "-m", "ipykernel_launcher", "--log-level=ERROR"]
        return kernels.fork(command, environment, folder or os.getcwd())

    return sleeper


def test_signals_and_the_exit_status(sleeper):
    kernel = sleeper()
    assert kernel.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        kernel.wait(0.05)
    kernel.kill()
    assert kernel.wait(10) == kernel.poll() == -signal.SIGKILL
    kernel.terminate()  # which finds nothing


def test_a_kernel_that_cannot_begin_is_no_second_server(sleeper, tmp_path):
    assert sleeper(folder=str(tmp_path / "nowhere")).wait(10) == 1


def test_a_kernel_ends_with_its_runner(sleeper):
    kernel = sleeper()
    kernel._line.close()  # as when the runner is killed
    assert gone(kernel.pid)


def test_kernels_end_with_their_server(sleeper):
    with kernels.server(os.environ | kernels.VARIABLES) as address:
        kernel = sleeper(address)
        assert kernel.poll() is None
    assert kernel.wait(1) == -signal.SIGKILL
    assert not Path(address).exists() and sleeper(address) is None


def test_what_is_imported_beforehand_starts_no_thread_and_asks_for_no_device():
    """Else a fork of it is no good."""
    code = """
import importlib, threading
from dynloss_book.engine.runner import kernels
for name in kernels._PRELOADED:
    importlib.import_module(name)
from jax._src import xla_bridge
print(threading.active_count(), xla_bridge.backends_are_initialized())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.split() == ["1", "False"], ended.stderr


def test_whoever_knocks_and_goes_does_no_harm(kernel_server, sleeper):
    for said in (b"", b"half a mess", b"[]\n"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(kernel_server)
            line.sendall(said)
    kernel = sleeper()
    assert kernel.poll() is None
    kernel.kill()
    assert kernel.wait(10) == -signal.SIGKILL


def test_sockets_fit_into_their_folder(monkeypatch, tmp_path):
    deep = tmp_path / ("a" * 100)
    deep.mkdir()
    for usual in (tmp_path, deep):
        monkeypatch.setattr("tempfile.tempdir", str(usual))
        with kernels.folder_of_sockets() as folder, socket.socket(socket.AF_UNIX) as door:
            door.bind(str(Path(folder, "kernel-ipc-5")))
        assert not Path(folder).exists()


def test_a_server_that_does_not_come_up_leaves_nobody_waiting(sleeper):
    with kernels.server({**os.environ, **kernels.VARIABLES, "PYTHONPATH": "", "PYTHONHOME": "/nowhere"}) as address:
        assert sleeper(address) is None


def test_a_server_that_nobody_needs_ends_without_importing():
    code = "import socket, sys; from dynloss_book.engine.runner import kernels\n"
    code += "kernels.serve(socket.socket(socket.AF_UNIX).detach()); print('jax' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.stdout == "False\n", ended.stderr


def test_one_server_is_shared_and_then_gone(monkeypatch):
    monkeypatch.delenv(kernels.ADDRESS, raising=False)
    with kernels.shared():
        address = os.environ[kernels.ADDRESS]
        with kernels.shared():
            assert os.environ[kernels.ADDRESS] == address
        assert os.environ[kernels.ADDRESS] == address
    assert kernels.ADDRESS not in os.environ and not Path(address).exists()
