"""`best`: of every notebook the largest result that the archive has and that is fresh; where there is none, `quick`.

The profiles of a notebook stand in their order, the smallest first. The archive is only read: a notebook runs with it
alone; where that lacks a result, or has it from other code, the next smaller profile is tried, and at last `quick` is
computed, into `_build/results`.
So a book of the best results takes no longer to build than one of `quick`.
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

from dynloss.archive import READ_ONLY, RENEW, RESULTS
from dynloss.runner import kernels, processes, tables
from dynloss.runner.execute import Outcome, execute
from dynloss.runner.profiles import BEST, DEFAULT_PROFILE, Figure, values


def execute_best(figure: Figure, root: Path, output: Path, stream=None) -> Outcome:
    """Run a notebook with the largest profile that the archive can serve, else compute `quick`."""
    for profile in candidates(figure, root):
        outcome = execute(figure, profile, values(figure, profile), output, stream, {READ_ONLY: "1"})
        if not outcome.error or "NotArchived" not in outcome.error:
            return outcome
    # What is computed here goes into an archive of its own: building a book leaves `results` as it is.
    apart = {RENEW: "1", RESULTS: str(root / "_build" / "results")}
    return execute(figure, DEFAULT_PROFILE, values(figure, DEFAULT_PROFILE), output, stream, apart)


def execute_all(figures: Sequence[Figure], root: Path, folder: Path) -> Iterator[tuple[Figure, int, str]]:
    """Run notebooks as ``execute_best`` does, one a core at a time, each in a process of its own.

    Nearly all of them only read and draw, which one core does.

    Args:
        root: the checkout.
        folder: of the executed copies.

    Yields:
        As they end: the figure, the exit status of ``dynloss run`` and what it said.
    """
    waiting = deque(figures)
    running: dict[BaseProcess, tuple[Figure, Path]] = {}
    with tempfile.TemporaryDirectory() as place, kernels.shared():
        try:
            while waiting or running:
                while waiting and len(running) < processes.at_once():
                    figure = waiting.popleft()
                    said = Path(place, figure.stem)
                    process = processes.start(_run, figure.stem, str(folder), folder=root, output=said)
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


def _run(stem: str, folder: str) -> None:
    from dynloss.cli import main

    main(["run", "--profile", BEST, "--out", folder, stem])


def candidates(figure: Figure, root: Path) -> Iterator[str]:
    """The profiles from `quick` on of which the archive has anything, the largest first."""
    records = tables.archived(figure, root)
    for name in reversed(above_default(figure)):
        if any(tables.fits(record["parameters"], figure, figure.profiles[name]) for record in records):
            yield name


def above_default(figure: Figure) -> list[str]:
    """The profiles from `quick` on, the smallest first."""
    names = list(figure.profiles)
    return names[names.index(DEFAULT_PROFILE) :]
