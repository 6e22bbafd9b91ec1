"""Processes that begin with what they need already imported: they are forked from one that has imported it.

Nearly all notebooks of a book only read and draw, so that importing takes a good part of the time.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# The most notebooks or pages at once: each needs up to a gigabyte.
MOST = 8
# Imported once; nothing that looks at the environment as it is imported, for each process has its own.
_PRELOADED = [
    "papermill", "jupyter_client.manager", "h5netcdf", "xarray",
    "dynloss_book.engine.runner.best", "dynloss_book.engine.runner.page",
]  # fmt: skip


def at_once() -> int:
    """How many processes work at the same time: one a core."""
    return min(os.cpu_count() or 1, MOST)


def context() -> Any:
    """Where such processes come from; where the platform cannot fork, from a fresh Python."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_PRELOADED)
    return found


def start(function: Callable[..., Any], *arguments: Any, folder: Path, output: Path) -> BaseProcess:
    """Call a function in a process of its own, in a folder, with this process's environment.

    Args:
        function: of a module, so that the other process finds it.
        output: the file that takes what it writes.

    Returns:
        The process, which Ctrl-C reaches through us, and once: it has a session of its own.
    """
    given = (function, arguments, dict(os.environ), str(folder), str(output))
    process = context().Process(target=_begin, args=given)
    process.start()
    return process


def _begin(
    function: Callable[..., Any], arguments: tuple, environment: Mapping[str, str], folder: str, output: str
) -> None:
    if hasattr(os, "setsid"):
        os.setsid()
    settle(environment, folder)
    sys.stdout.flush()
    sys.stderr.flush()
    with open(output, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    function(*arguments)


def settle(environment: Mapping[str, str], folder: str) -> None:
    """Give this process, which was forked, the variables and the folder of the one that asked for it."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
