"""The kernels of notebooks: of this Python, with what a notebook imports already imported, spoken to through files.

To start Python and import takes seconds of processor, for most notebooks of the book more than all the rest. So where
processes can be forked safely, a kernel is a fork of Python's own server of forks (``multiprocessing``'s forkserver).
"""

import contextlib
import functools
import gc
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

# Of each kernel, beside the variables of the process that runs it.
VARIABLES = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # an exported Agg would leave pages without figures
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no advice for debuggers on stderr
}
# Each as PDF too: vector graphics for those who want to print it.
PICTURES = {"png", "pdf"}
# What nearly every notebook imports. Nothing of it starts a thread or asks for a device as it is imported.
PRELOADED = [
    "ipykernel.kernelapp", "IPython.core.completer", "jax.numpy", "optax", "flax.linen", "xarray",
    "pandas", "scipy.special", "h5netcdf", "matplotlib.pyplot", "seaborn", "numba",
    "dynloss_book.engine.runner.compare", "dynloss_book.engine.runner.page", "dynloss_book.engine.sweeps",
    "dynloss_book.engine.sweeps.evaluate",
]  # fmt: skip
_EARLY = re.compile(r"PYTHON|JAX_|MPL(?!BACKEND)|NUMBA_|LD_|\w+_NUM_THREADS")
_running: "list[weakref.ref[_Provisioner]]" = []


def context() -> Any:
    """Where processes come from that have imported already; where forks are not safe, from a fresh Python."""
    if not _forks():
        return multiprocessing.get_context("spawn")
    read_early_by_server()
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def _forks() -> bool:
    """Whether processes can be forked safely, and the socket of Python's server has room for its name."""
    return sys.platform == "linux" and len(os.fsencode(tempfile.gettempdir())) < 70


@functools.cache
def read_early_by_server() -> dict[str, str]:
    """The server begins with the variables of this process, as they are when it is first asked for."""
    return read_early(os.environ)


def read_early(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of these variables that are read as Python begins or as something is imported."""
    return {name: value for name, value in environment.items() if _EARLY.match(name)}


def folder_of_sockets() -> tempfile.TemporaryDirectory:
    """A new folder, ours alone, whose path leaves room for a socket's name: systems allow about 100 bytes of both."""
    usual = len(os.fsencode(tempfile.gettempdir())) < 60 or not os.path.isdir("/tmp")
    return tempfile.TemporaryDirectory(prefix="dynloss-", dir=None if usual else "/tmp")


def manager(environment: Mapping[str, str], folder: Path, sockets: str) -> type[AsyncKernelManager]:
    """What papermill starts a kernel by: of the Python that runs us, whatever is installed under the name python3.

    Args:
        environment: its variables, beside those of this process.
        folder: where it runs.
        sockets: the folder of the files through which it is spoken to. Jupyter's own choice, five ports that were free
            a moment before the kernel asks for them, fails now and then where much is going on.
    """
    options = ["--log-level=ERROR", f"--InlineBackend.figure_formats={PICTURES}"]
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *options]
    spec = KernelSpec(argv=command, env={**VARIABLES, **environment}, display_name="Python 3", language="python")

    class ThisPython(AsyncKernelManager):
        kernel_spec = spec

        def __init__(self, **options: Any):
            transport = "tcp" if sys.platform == "win32" else "ipc"
            super().__init__(transport=transport, connection_file=str(Path(sockets, "kernel.json")), **options)
            self.provisioner = _Provisioner(kernel_spec=spec, parent=self, folder=folder)

    return ThisPython


def kill_all() -> None:
    """End all kernels of this process; whoever waits for one sees that it has died."""
    for reference in list(_running):  # a copy, for other threads add to it
        if (each := reference()) and each.process:
            each.process.kill()


class _Provisioner(LocalProvisioner):
    """How Jupyter comes by a kernel: forked where its variables allow it, else a fresh Python."""

    def __init__(self, folder: Path, **options: Any):
        super().__init__(**options)
        self._folder = str(folder)
        _running.append(weakref.ref(self))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        if not _forks() or read_early(kwargs["env"]) != read_early_by_server():
            return await super().launch_kernel(cmd, **{**kwargs, "cwd": self._folder})
        process = context().Process(target=_be_kernel, args=(cmd[3:], kwargs["env"], self._folder))
        process.start()
        self.process: Any = _Forked(process)
        self.pid = self.pgid = process.pid
        return self.connection_info


class _Forked:
    """A forked kernel, as the ``subprocess.Popen`` that Jupyter knows."""

    stdin = stdout = stderr = None

    def __init__(self, process: BaseProcess):
        self._process = process

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """To the kernel and what it has started."""
        if self.poll() is None and self._process.pid:
            with contextlib.suppress(ProcessLookupError):
                try:
                    os.killpg(self._process.pid, number)
                except ProcessLookupError:  # it has no group of its own yet
                    os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _be_kernel(arguments: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
    """In the forked process."""
    import matplotlib
    import numpy as np
    from ipykernel import kernelapp
    from tqdm import tqdm

    gc.freeze()  # so that collections leave the memory alone that the kernels share
    os.setsid()  # signals reach what it starts too; Ctrl-C reaches it through its runner
    threading.Thread(target=end_with_runner, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]  # as matplotlib does when it is imported
    tqdm.set_lock(threading.RLock())  # its own is a semaphore that would outlive the kernel, with a warning
    np.random.seed()  # noqa: NPY002, else all kernels draw the same numbers from NumPy's own state
    # Without a parent to look after, a kernel greets on the terminal.
    sys.argv = ["ipykernel_launcher", *arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    kernelapp.launch_new_instance()


def end_with_runner() -> None:
    """Wait for the end of the process that started this one, and end its own group, which no others may share."""
    if (runner := multiprocessing.parent_process()) is not None:
        runner.join()
    os.killpg(0, signal.SIGKILL)
