"""`best`: of every notebook the largest result that the archive has and that is fresh; where there is none, `quick`.

The profiles of a notebook stand in their order, the smallest first. The archive is only read: a notebook runs with it
alone; where that lacks a result, has it from other code, or in a file that cannot be read, which is said, the next
smaller profile is tried, and at last `quick` is computed, into `_build/results`.
So a book of the best results takes no longer to build than one of `quick`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from dynloss_book.engine import policy
from dynloss_book.engine.archive import NotArchived, NotArchivedAtAll
from dynloss_book.engine.runner import tables
from dynloss_book.engine.runner.execute import Outcome, execute
from dynloss_book.engine.runner.profiles import DEFAULT_PROFILE, Figure, values

LACKING = (NotArchived.__name__, NotArchivedAtAll.__name__)


def execute_best(
    figure: Figure, root: Path, output: Path, stream: TextIO | None = None, *, own: bool = False
) -> Outcome:
    """Run a notebook with the largest profile that the published results can serve, or with one's ``own`` too.

    Where they serve none, compute `quick`.

    Args:
        figure: the notebook.
        root: the checkout.
        output: the file of the executed copy.
        stream: for the progress, by default stderr.
        own: whether one's own results may be shown.
    """
    folders = policy.folders(root=root) if own else [policy.published(root)]
    for why in tables.archived(figure, folders).unreadable:
        print(f"{figure.stem}: {why}", file=sys.stderr)
    asked = policy.Policy(read_only=True, **policy.asking(folders)).as_environment()
    for profile in [name for name, there in sizes(figure, folders).items() if there]:
        outcome = execute(figure, profile, values(figure, profile), output, stream, asked)
        if outcome.raised not in LACKING:
            return outcome
    # What is computed here goes into an archive of its own: building a book leaves one's own results as they are.
    apart = policy.Policy(renew=True, results=str(root / "_build" / "results")).as_environment()
    return execute(figure, DEFAULT_PROFILE, values(figure, DEFAULT_PROFILE), output, stream, apart)


def sizes(figure: Figure, folders: Sequence[Path]) -> dict[str, bool]:
    """The profiles from `quick` on, the largest first, and whether these folders for results have anything of each."""
    records, names = tables.archived(figure, folders).records, list(figure.profiles)
    return {
        name: any(tables.fits(figure, figure.profiles[name], record["parameters"]) for record in records)
        for name in reversed(names[names.index(DEFAULT_PROFILE) :])
    }
