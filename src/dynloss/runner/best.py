"""`best`: of every notebook the largest result that the archive has and that is fresh; where there is none, `quick`.

The profiles of a notebook stand in their order, the smallest first. Those above `quick` are only read: a notebook
runs with the archive alone; where that lacks a result, or has it from other code, the next smaller profile is tried.
So a book of the best results takes no longer to build than one of `quick`.
"""

from collections.abc import Iterator
from pathlib import Path

from dynloss.runner import tables
from dynloss.runner.execute import Outcome, execute
from dynloss.runner.profiles import DEFAULT_PROFILE, Figure, values


def execute_best(figure: Figure, root: Path, output: Path, stream=None) -> Outcome:
    """Run a notebook with the largest profile that the archive can serve, else `quick`, computing what is missing."""
    for profile in candidates(figure, root):
        outcome = execute(figure, profile, values(figure, profile), output, stream, archive_only=True)
        if not outcome.error or "NotArchived" not in outcome.error:
            return outcome
    return execute(figure, DEFAULT_PROFILE, values(figure, DEFAULT_PROFILE), output, stream)


def candidates(figure: Figure, root: Path) -> Iterator[str]:
    """The profiles above `quick` of which the archive has anything, the largest first."""
    names = list(figure.profiles)
    above = names[names.index(DEFAULT_PROFILE) + 1 :]
    records = tables.archived(figure, root)
    for name in reversed(above):
        if any(tables.fits(record["parameters"], figure, figure.profiles[name]) for record in records):
            yield name
