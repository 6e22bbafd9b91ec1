"""Several notebooks at the same time, each by a thread that waits for its kernel.

Importing, compiling and drawing are done by one core; nearly all notebooks of a book do nothing else.
"""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from jupyter_core.utils import ensure_event_loop

from dynloss_book.engine.provenance import cores
from dynloss_book.engine.runner import kernels
from dynloss_book.engine.runner.execute import Outcome
from dynloss_book.engine.runner.profiles import Figure

# The most notebooks or pages at once: each needs up to a gigabyte.
MOST = 8


def at_once() -> int:
    """How many work at the same time: one a core."""
    return min(cores(), MOST)


def execute_all(
    one: Callable[[Figure], Outcome], figures: Sequence[Figure], jobs: int
) -> Generator[Outcome, None, None]:
    """Run notebooks, so many at the same time.

    Args:
        one: runs a notebook.
        jobs: how many.

    Yields:
        As they end, what became of each. Closed or interrupted before, it ends their kernels, so that each leaves a
        partial copy.
    """

    def alone(figure: Figure) -> Outcome:
        try:
            return one(figure)
        finally:
            ensure_event_loop().close()  # Jupyter opens one in each thread

    with ThreadPoolExecutor(jobs) as pool:
        work = [pool.submit(alone, figure) for figure in figures]
        try:
            for done in as_completed(work):
                if not done.exception():
                    yield done.result()
            for each in work:
                each.result()  # raises what one has raised, now that all have ended
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(each.done() for each in work):
                kernels.kill_all()  # again and again, for one may just begin
                time.sleep(0.1)
