"""What the environment asks of this process: read in one place, at each call, and written in one for another process.

An empty variable counts as one that is not set. Here also stands where results are: the published ones of a checkout,
which only maintainers' commands write to, and one's own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

PUBLISHED, OWN = "results", "own_results"  # in a checkout

VARIABLES = {
    "results": "DYNLOSS_RESULTS",
    "beside": "DYNLOSS_BESIDE",
    "read_only": "DYNLOSS_ARCHIVE_ONLY",
    "renew": "DYNLOSS_RENEW",
    "deadline": "DYNLOSS_DEADLINE",
    "ledger": "DYNLOSS_LEDGER",
    "profile": "DYNLOSS_PROFILE",
}


@dataclass(frozen=True)
class Policy:
    """How a process is to go about it; each attribute is set by the variable of `VARIABLES`.

    Attributes:
        results: the folder of results, instead of one's own and the published ones.
        beside: one that is read as well, where ``results`` is set.
        read_only: what the archive lacks, or has from other code, is not computed.
        renew: a stale result counts as none.
        deadline: seconds since 1970, after which nothing is begun; infinite for never, None where there is none.
        ledger: the file in which requests to the archive are noted.
        profile: of the notebook that is run.
    """

    results: str = ""
    beside: str = ""
    read_only: bool = False
    renew: bool = False
    deadline: float | None = None
    ledger: str = ""
    profile: str = ""

    @classmethod
    def current(cls) -> "Policy":
        """This process's own, as its environment is now."""
        given = {name: os.environ.get(variable, "") for name, variable in VARIABLES.items()}
        flags = {name: bool(given[name]) for name in ("read_only", "renew")}
        deadline = float(given["deadline"]) if given["deadline"] else None
        return cls(**given | flags | {"deadline": deadline})  # type: ignore[arg-type]

    def as_environment(self) -> dict[str, str]:
        """The variables that ask the same of another process.

        >>> Policy(read_only=True, deadline=0.0).as_environment()
        {'DYNLOSS_ARCHIVE_ONLY': '1', 'DYNLOSS_DEADLINE': '0.0'}
        """
        asked = {name: value for name, value in vars(self).items() if value != getattr(Policy, name)}
        return {VARIABLES[name]: "1" if value is True else str(value) for name, value in asked.items()}


def checkout(mark: str = "_toc.yml") -> Path | None:
    """The nearest folder, here or above, with this file; None where there is none, as with an installed wheel."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / mark).is_file()), None)


def folders(results: str | os.PathLike | None = None, root: Path | None = None) -> tuple[Path, ...]:
    """Where results are looked for; what is computed goes to the first, and the others are only read.

    Args:
        results: the only folder; else the one that the environment variable DYNLOSS_RESULTS names.
        root: the checkout, whose `own_results` and `results` these are otherwise; by default the one that we stand in.
            Without one it is `own_results` here.
    """
    asked = Policy.current()
    if named := results or asked.results:
        each = (named,) if results or not asked.beside else (named, asked.beside)
        return tuple(Path(one).expanduser().absolute() for one in each)
    if (root := root or checkout()) is None:
        return (Path.cwd() / OWN,)
    return (root / OWN, root / PUBLISHED)


def published(root: Path) -> Path:
    """The published results of a checkout, or the only folder that the environment names."""
    return folders(root=root)[-1]


def asking(folders: Sequence[Path]) -> dict[str, Any]:
    """The attributes of a policy for which ``folders`` returns these."""
    return dict(zip(("results", "beside"), map(str, folders), strict=False))


def is_published(path: Path) -> bool:
    """Whether a result lies among those that the checkout publishes."""
    return (root := checkout()) is not None and path.is_relative_to(root / PUBLISHED)
