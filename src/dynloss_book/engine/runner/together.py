"""Several notebooks at the same time, each by a ``dynloss run`` in a process of its own.

Importing, compiling and drawing are done by one core; nearly all notebooks of a book do nothing else.
"""

import contextlib
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from dynloss_book.engine.runner import kernels, processes
from dynloss_book.engine.runner.profiles import Figure


def execute_all(
    figures: Sequence[Figure], root: Path, options: Sequence[str], at_once: int
) -> Iterator[tuple[Figure, int, str]]:
    """Run notebooks, so many at the same time.

    Args:
        root: the checkout.
        options: of ``dynloss run``, the same for all.
        at_once: how many.

    Yields:
        As they end: the figure, the exit status of ``dynloss run`` and what it said.
    """
    waiting = deque(figures)
    running: dict[BaseProcess, tuple[Figure, Path]] = {}
    with tempfile.TemporaryDirectory() as place, kernels.shared():
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    figure = waiting.popleft()
                    said = Path(place, figure.stem)
                    process = processes.start(_run, (*options, figure.stem), folder=root, output=said)
                    running[process] = figure, said
                for process in [each for each in running if each.exitcode is not None]:
                    figure, said = running.pop(process)
                    yield figure, process.exitcode or 0, said.read_text("utf-8", "replace")
                time.sleep(0.05)
        finally:
            for process in running:
                if process.pid and process.exitcode is None:
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        os.kill(process.pid, signal.SIGINT)
            for process in running:
                process.join()


def _run(arguments: Sequence[str]) -> None:
    from dynloss_book.engine.cli import main

    main(["run", *arguments])
