"""Kernels that begin with what a notebook imports already imported: forked from a server that has imported it.

To start Python and import takes seconds of processor, for most notebooks of the book more than all the rest. While a
``server`` runs whose address stands in the environment, ``execute`` takes its kernels from there, in this process and
in those that it starts; otherwise each kernel is a fresh Python, as everywhere else.
"""

import contextlib
import gc
import importlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dynloss_book.engine.runner import processes

# The variable that holds the address of a server, and the name in `pyproject.toml` of `runner.provisioner`.
ADDRESS = "DYNLOSS_KERNELS"
PROVISIONER = "dynloss-forked"
# Of each kernel, beside the variables of the process that runs it.
VARIABLES = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # an exported Agg would leave pages without figures
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no advice for debuggers on stderr
}
# What nearly every notebook imports. Nothing of it starts a thread or asks for a device as it is imported.
_PRELOADED = [
    "ipykernel.kernelapp", "IPython.core.completer", "jax.numpy", "optax", "flax.linen", "xarray", "h5netcdf", "pandas",
    "matplotlib.pyplot", "seaborn", "numba", "dynloss_book.engine.runner.compare", "dynloss_book.engine.sweeps",
]  # fmt: skip
# Variables that are read as Python begins or as something is imported: a kernel whose own differ begins anew.
_EARLY = re.compile(r"PYTHON|JAX_|MPL|NUMBA_|LD_|\w+_NUM_THREADS")


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """While this lasts, kernels come from one server, for this process and those that it starts."""
    if ADDRESS in os.environ:
        yield
        return
    with server(os.environ | VARIABLES) as address:
        os.environ[ADDRESS] = address
        try:
            yield
        finally:
            del os.environ[ADDRESS]


@contextlib.contextmanager
def server(environment: Mapping[str, str]) -> Iterator[str]:
    """Start a server of kernels for as long as the context lasts.

    Args:
        environment: its variables. It serves kernels whose own agree in whatever is read early.

    Yields:
        Its address, for the variable ``ADDRESS``; empty where processes cannot be forked safely.
    """
    if sys.platform != "linux":
        yield ""
        return
    with folder_of_sockets() as folder, socket.socket(socket.AF_UNIX) as door:
        address = str(Path(folder, "kernels"))
        door.bind(address)
        door.listen()
        code = f"from dynloss_book.engine.runner import kernels; kernels.serve({door.fileno()})"
        # It ends when its stdin does, so with us, however we end.
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            env=dict(environment),
            pass_fds=[door.fileno()],
            start_new_session=True,  # Ctrl-C reaches its kernels through us, and once
        )
        door.close()  # so that who knocks after its end is not left waiting
        try:
            yield address
        finally:
            process.communicate()


def folder_of_sockets() -> tempfile.TemporaryDirectory:
    """A new folder, ours alone, whose path leaves room for a socket's name: systems allow about 100 bytes of both."""
    usual = len(os.fsencode(tempfile.gettempdir())) < 60 or not os.path.isdir("/tmp")
    return tempfile.TemporaryDirectory(prefix="dynloss-", dir=None if usual else "/tmp")


class Forked:
    """A kernel of a server: what Jupyter asks of a ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket, pid: int):
        self.pid = pid
        self.returncode: int | None = None
        self._line = line

    def poll(self) -> int | None:
        """The exit status, if it has ended; it ends with its server too."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            said = _until_newline(self._line)
            self.returncode = int(said) if said else -signal.SIGKILL
            self._line.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended."""
        ends = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (status := self.poll()) is None:
            if time.monotonic() > ends:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(0.01)
        return status

    def send_signal(self, number: int) -> None:
        """To the kernel and what it has started."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def fork(command: Sequence[str], environment: Mapping[str, str], folder: str) -> Forked | None:
    """Ask the server that the environment names for a kernel.

    Args:
        command: python -m ipykernel_launcher and its options.

    Returns:
        The kernel, once it is there; ``None`` if there is no such server, or none that suits these variables.
    """
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(environment.get(ADDRESS, ""))
        request = {"arguments": list(command[3:]), "environment": dict(environment), "folder": folder}
        socket.send_fds(line, [json.dumps(request).encode() + b"\n"], [1, 2])
        pid = int(_until_newline(line) or 0)
    except OSError:  # it has ended
        pid = 0
    if pid:
        return Forked(line, pid)
    line.close()
    return None


def serve(door: int) -> None:
    """Be a server: import, then fork a kernel for whoever knocks at this socket, until stdin ends."""
    sys.path[:] = [each for each in sys.path if each]  # a kernel finds no modules in the folder where we began
    early = _read_early(os.environ)
    for name in _PRELOADED:
        if select.select([0], [], [], 0)[0]:  # no kernel was needed after all
            return
        with contextlib.suppress(ImportError):  # a notebook that needs it will say so
            importlib.import_module(name)
    gc.freeze()  # so that its collections leave the memory alone that the kernels share
    kernels: dict[int, socket.socket] = {}
    with socket.socket(fileno=door) as listening:
        while True:
            # Whether a kernel has ended has to be looked up; whatever else happens wakes us.
            waited_for: list[Any] = [0, listening, *kernels.values()]
            ready = select.select(waited_for, [], [], 0.05 if kernels else None)[0]
            all_end = 0 in ready
            for pid, line in list(kernels.items()):
                if all_end or line in ready:  # whoever asked for it has gone
                    os.killpg(pid, signal.SIGKILL)
                ended, status = os.waitpid(pid, 0 if all_end else os.WNOHANG)
                if ended:
                    del kernels[pid]
                    with line, contextlib.suppress(OSError):
                        line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            if all_end:
                return
            if listening in ready:
                line = listening.accept()[0]
                if pid := _answer(line, early, [listening, *kernels.values()]):
                    kernels[pid] = line


def _answer(line: socket.socket, early: Mapping[str, str], ours: Sequence[socket.socket]) -> int:
    """Fork the kernel that is asked for; its process, or 0 if a fresh Python is what it needs."""
    pid, descriptors = 0, list[int]()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # whoever asked has gone, or talks nonsense
        message, descriptors, _, _ = socket.recv_fds(line, 1 << 16, 2)
        request = json.loads(message if message.endswith(b"\n") else message + _until_newline(line))
        if _read_early(request["environment"]) == early:
            pid = os.fork()
            if not pid:
                for each in (line, *ours):
                    each.close()
                _be_kernel(descriptors, **request)
            _own_group(pid)
            line.sendall(b"%d\n" % pid)
    for descriptor in descriptors:
        os.close(descriptor)
    if not pid:
        line.close()
    return pid


def _be_kernel(
    descriptors: Sequence[int], arguments: Sequence[str], environment: Mapping[str, str], folder: str
) -> NoReturn:
    """In the forked process; it must not go on as a second server, whatever happens."""
    import numpy as np
    from ipykernel import kernelapp

    try:
        _own_group(0)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for number, descriptor in enumerate(descriptors, 1):  # what it writes goes where its runner's does
            os.dup2(descriptor, number)
        processes.settle(environment, folder)
        np.random.seed()  # noqa: NPY002, else all kernels draw the same numbers from NumPy's own state
        # Without a parent to look after, a kernel greets on the terminal; with one it ends when that does.
        sys.argv = ["ipykernel_launcher", *arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
        kernelapp.launch_new_instance()
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.exit()


def _own_group(pid: int) -> None:
    """Make a process the head of a group, so that signals reach what it starts; both sides do, whoever is first."""
    with contextlib.suppress(OSError):
        os.setpgid(pid, 0)


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _EARLY.match(name)}


def _until_newline(line: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n") and (more := line.recv(1)):
        text += more
    return text
