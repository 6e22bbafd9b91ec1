"""Processes that compute sweeps and are killed: forked from one that has imported everything, which saves seconds."""

import contextlib
import errno
import multiprocessing
import multiprocessing.forkserver
import os
import time
import unittest.mock
from pathlib import Path

import pytest

from dynloss_book.engine import archive

# Where another process finds `sweep_points`.
FINDING = {"PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))}


@pytest.fixture(scope="session")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sweep_points"])
    with unittest.mock.patch.dict(os.environ, FINDING):
        multiprocessing.forkserver.ensure_running()
    return context


@pytest.fixture
def child(processes, tmp_path):
    """A function of ``sweep_points`` in a process of its own, killed in the end, and what it writes to a file."""
    import sweep_points

    @contextlib.contextmanager
    def start(name, *arguments):
        out = tmp_path / f"said-{time.monotonic_ns()}"
        process = processes.Process(target=getattr(sweep_points, name), args=(*arguments, out))
        process.start()

        def said(seconds=30):
            until = time.monotonic() + seconds
            while not out.exists() and process.is_alive() and time.monotonic() < until:
                time.sleep(0.01)
            return out.read_text()

        try:
            yield process, said
        finally:
            process.kill()
            process.join()

    return start


@pytest.fixture
def full_disk(monkeypatch):
    """A switch: while it is on, nothing can be written."""
    write = archive.write

    def limited(path, content):
        if limited.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    limited.full = True
    monkeypatch.setattr(archive, "write", limited)
    return limited
