"""What the environment asks of this process: read in one place, at each call, and written in one for another process.

An empty variable counts as one that is not set.
"""

import os
from dataclasses import dataclass

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

VARIABLES = {
    "results": "DYNLOSS_RESULTS",
    "read_only": "DYNLOSS_ARCHIVE_ONLY",
    "renew": "DYNLOSS_RENEW",
    "deadline": "DYNLOSS_DEADLINE",
    "ledger": "DYNLOSS_LEDGER",
    "profile": "DYNLOSS_PROFILE",
    "scheduler": "DYNLOSS_SCHEDULER",
}


@dataclass(frozen=True)
class Policy:
    """How a process is to go about it; each attribute stands in the variable of `VARIABLES`.

    Attributes:
        results: the archive's folder.
        read_only: what the archive lacks, or has from other code, is not computed.
        renew: a stale result counts as none.
        deadline: seconds since 1970, after which nothing is begun; infinite for never, None where there is none.
        ledger: the file in which requests to the archive are noted.
        profile: of the notebook that is run.
        scheduler: the address of a dask scheduler, tcp://host:port.
    """

    results: str = ""
    read_only: bool = False
    renew: bool = False
    deadline: float | None = None
    ledger: str = ""
    profile: str = ""
    scheduler: str = ""

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
