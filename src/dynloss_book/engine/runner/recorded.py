"""The verdicts on record, `results/claims.json`, beside what follows from the archive now.

The record is committed with the results, so that a verdict that changes shows in a diff, and `dynloss claims` can tell
whether each still follows. What cannot be judged (missing, stale, damaged results) is no contradiction, and says so.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dynloss import files
from dynloss_book.engine import findings, untrusted
from dynloss_book.engine.runner.answers import Judged
from dynloss_book.engine.runner.profiles import UsageError

RECORD = "claims.json"
FOLLOWS, CHANGED, NEW, GONE = "follows", "no longer follows", "not on record", "no longer claimed"
CONTRADICTIONS = (CHANGED, NEW, GONE)

Record = dict[str, dict[str, Any]]  # figure -> its profile, scale and claims
# One claim's record, with `figure`, `profile` (of the record where nothing can be judged now), the verdict that is
# `recorded` (empty if there is none), `state` (whether that follows; else why it cannot be judged) and more `words`.
Row = dict[str, Any]


def read(results: Path) -> Record:
    """The record; empty where there is none.

    Raises:
        UsageError: the file is damaged.
    """
    path = results / RECORD
    if not path.exists():
        return {}
    try:
        record = untrusted.parsed(path)
        for figure in record.values():
            if not (untrusted.is_text(figure["profile"]) and all(map(untrusted.is_claim, figure["claims"]))):
                raise ValueError("it holds what are no claims")
        return record
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is damaged ({type(error).__name__}: {error}); `git checkout {path}` brings it back"
        ) from None


def of(now: Sequence[Judged]) -> Record:
    """What can be judged now, as a record."""
    return {
        each.figure: {
            "profile": each.profile,
            "scale": each.found["scale"],
            "claims": each.found["claims"],
        }
        for each in now
        if each.found is not None and not each.damaged
    }


def write(results: Path, record: Record) -> None:
    """Replace the record, whole or not at all; a figure without claims has no place in it."""
    record = {figure: entry for figure, entry in record.items() if entry["claims"]}
    files.write(results / RECORD, json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def rows(record: Record, now: Sequence[Judged]) -> list[Row]:
    """Each claim, on record and as it follows from the archive now."""
    return [row for judged in now for row in _of_figure(record.get(judged.figure), judged)]


def code(found: Sequence[Row]) -> int:
    """1 where a verdict on record no longer follows; else 2 where one cannot be judged, or there is none; else 0."""
    states = {row["state"] for row in found}
    return 1 if states & set(CONTRADICTIONS) else 2 if states != {FOLLOWS} else 0


def summary(found: Sequence[Row]) -> list[str]:
    """The outcome in words: the tally, and a line for each kind of trouble."""
    if not found:
        return ["no verdict is on record here, and no result from which one would follow"]
    lines = [f"{len(found)} claims: {findings.tally(found)}"]
    for state in dict.fromkeys(row["state"] for row in found if row["state"] != FOLLOWS):
        these = [row for row in found if row["state"] == state]
        figures = ", ".join(dict.fromkeys(row["figure"] for row in these))
        lines.append(f"{len(these)} {_SAID[state]} ({figures})")
    return lines if len(lines) > 1 else [*lines, "every verdict on record follows from the archive"]


def shown(found: Sequence[Row]) -> str:
    """The claims as text, figure by figure; what does not follow is marked."""
    lines = []
    for figure in dict.fromkeys(row["figure"] for row in found):
        these = [row for row in found if row["figure"] == figure]
        troubles = dict.fromkeys(f"  ! {row['state']}: {row['words']}" for row in these if row["words"])
        lines += [f"{figure} [{these[0]['profile']}]: {findings.tally(these)}", *troubles]
        for row in these:
            recorded = f"; on record: {row['recorded']}" * bool(row["recorded"])
            changed = f"  << {row['state']}{recorded}" if row["state"] in CONTRADICTIONS else ""
            said = f"{row['statement']}: {row['here']} (paper: {row['paper']})"
            lines.append(f"  {findings.shown(row):28} {said}{changed}")
    return "\n".join(lines)


_SAID = {
    CHANGED: "on record no longer follow from the results",
    NEW: "are not on record yet: `dynloss claims --update` records them",
    GONE: "are on record, but no longer claimed",
    "missing": "cannot be judged: the archive lacks their results",
    "stale": "cannot be judged: other code computed their results",
    "damaged": "cannot be judged: files of their results cannot be read",
    "failed": "cannot be judged: their notebook fails",
}


def _of_figure(recorded: Mapping[str, Any] | None, judged: Judged) -> list[Row]:
    trouble = _trouble(recorded, judged)
    before = {claim["statement"]: claim for claim in recorded["claims"]} if recorded else {}
    now = {claim["statement"]: claim for claim in judged.found["claims"]} if judged.found and not trouble else {}
    of = recorded["profile"] if recorded else judged.profile
    grown = f"the record is of {of}, and the archive now has {judged.profile}" if of != judged.profile else ""
    found = []
    for statement, claim in (now | {name: claim for name, claim in before.items() if name not in now}).items():
        old = before[statement]["verdict"] if statement in before else ""
        state = GONE if statement not in now else FOLLOWS if old == claim["verdict"] else CHANGED if old else NEW
        state, words = trouble or (state, grown if state != FOLLOWS else "")
        about = {"figure": judged.figure, "profile": of if trouble else judged.profile}
        found.append({**claim, **about, "recorded": old, "state": state, "words": words})
    return found


def _trouble(recorded: Mapping[str, Any] | None, judged: Judged) -> tuple[str, str] | None:
    """Why the verdicts on record cannot be judged; None if they can."""
    if judged.damaged:
        return "damaged", judged.damaged
    if recorded and recorded["profile"] in judged.troubles:
        return judged.troubles[recorded["profile"]]
    if judged.found is None:
        return next(iter(judged.troubles.values()), ("missing", "the archive has no result of it"))
    return None
