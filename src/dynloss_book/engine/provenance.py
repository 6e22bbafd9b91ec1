"""Where numbers come from: what a result's attributes say of its making, and the line that shows it."""

import contextlib
import datetime
import functools
import html
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import xarray as xr

from dynloss_book.engine import untrusted
from dynloss_book.engine.mime import PROVENANCE as MIME
from dynloss_book.engine.policy import Policy

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

_LIBRARIES = ("dynloss", "jax", "jaxlib", "numpy", "xarray", "flax", "optax")


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of one or more datasets come from: shown as one line, and all of it kept for the book."""

    records: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        def each(name: str) -> list[str]:
            """What the records say, each thing once."""
            return list(dict.fromkeys(record[name] for record in self.records if record[name]))

        dates, lost = sorted(each("date")), sum(not record["path"] for record in self.records)
        parts = [
            *dict.fromkeys(map(_origin, self.records)),
            *([f"{lost} not archived" if len(self.records) > 1 else "not archived"] if lost else []),
            words(each("device")),
            words(each("dtype")),
            duration(sum(record["seconds"] for record in self.records)),
            f"commit {words(each('commit'))}",
            " to ".join(dict.fromkeys([dates[0], dates[-1]])),
            *(f"{name} {', '.join(each(name))}" for name in ("profile", "scale") if each(name)),
            *([f"held to be fresh at commit {words(list(self.kept()))}"] if self.kept() else []),
        ]
        return " · ".join(parts)

    def kept(self) -> dict[str, str]:
        """Why results hold although their code has changed: {commit: in words}."""
        reasons = [json.loads(each["verified"]) for each in self.records if each["verified"]]
        reasons += [one for each in self.records for one in json.loads(each["affirmed"] or "[]")]
        found: dict[str, str] = {}
        for one in reasons:
            why = one.get("what") or f"{one['because']}: {one['evidence']}"
            found.setdefault(one["commit"], why)
        return found

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        number = len(self.records)
        of, kept = (f" of {number} results", list(self.records)) if number > 1 else ("", self.records[0])
        text = str(self)
        kept_at = [tuple(map(html.escape, each)) for each in self.kept().items()]
        why = "".join(f"<li>At commit {name}: {reason}.</li>" for name, reason in kept_at)
        more = f"\n\n<details><summary>Why results of older code are fresh</summary><ul>{why}</ul></details>"
        line = untrusted.as_markdown(text).replace(r"\*\*STALE\*\*", "**STALE**")
        shown = f"Provenance{of}: {line}{more * bool(why)}"
        return {"text/plain": text.replace("**", ""), "text/markdown": shown, MIME: kept}


def provenance(dataset: xr.Dataset, *others: xr.Dataset) -> Provenance:
    """The provenance of datasets that came from `fetch_or_compute` or from sweeps.

    Raises:
        ValueError: one did not, or an operation has dropped its attributes.
    """
    return Provenance(tuple(map(_record, (dataset, *others))))


def _record(dataset: xr.Dataset) -> dict[str, Any]:
    if missing := {"origin", "stale", "path", "sources"} - set(dataset.attrs):
        raise ValueError(f"this dataset lacks {sorted(missing)}: only one from the archive has a provenance")
    record = decoded(dataset.attrs)
    names = ("figure", "origin", "stale", "path", "parameters", "fingerprint", "versions", "device", "dtype", "seed",
             "seconds", "commit", "date")  # fmt: skip
    extra = {name: str(record.get(name, "")) for name in ("published", "scale", *untrusted.KEPT)}
    extra["profile"] = Policy.current().profile
    return {name: record[name] for name in names} | extra


def _origin(record: Mapping[str, Any]) -> str:
    published = record.get("published", "")
    own = published != record["path"] or not published
    where = " and ".join(["published"] * bool(published) + ["own"] * own)
    if record["origin"] == "computed":
        return "computed in this run" + ", beside published points" * bool(published)
    stale = f"**STALE** ({record['stale']} changed since)" if record["stale"] else "fresh"
    return f"read from {where} results, {stale}"


def words(lists: Iterable[str]) -> str:
    """Different words of lists of words, each once, in order.

    >>> words(["a, b", "b, c"])
    'a, b, c'
    """
    return ", ".join(dict.fromkeys(each for one in lists for each in one.split(", ")))


def duration(seconds: float) -> str:
    """
    >>> duration(4.24), duration(492), duration(7380)
    ('4.2 s', '8 min 12 s', '2 h 03 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def execution(parameters: Mapping[str, Any], given: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What a result's attributes say of its making. The dtype and seed `given` go before what can be guessed.

    Args:
        parameters: of the computation, whose ``seed`` or ``seeds`` count.
        given: the attributes that it set itself.
        seconds: that it took.
    """
    import jax

    return {
        "versions": json.dumps({"python": platform.python_version()} | versions()),
        "device": device(),
        "dtype": str(given.get("dtype", jax.numpy.result_type(float))),
        "seed": str(given.get("seed", parameters.get("seed", parameters.get("seeds", "none")))),
        "seconds": round(seconds, 3),
        "commit": commit(),
        "date": date(),
    }


def date() -> str:
    """Now, in the one form in which results and reasons are dated."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def decoded(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A result's attributes as Python values.

    Raises:
        ValueError: it is none of dynloss, or they are damaged.
    """
    if missing := [name for name in untrusted.REQUIRED if name not in attributes]:
        raise ValueError(f"no result of dynloss: it has no {', '.join(missing)}")
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in attributes.items()}
    return plain | {name: json.loads(plain[name]) for name in ("parameters", "sources", "versions")}


@functools.cache  # of a process: to look them up takes milliseconds each, and a notebook may ask for many results
def versions() -> dict[str, str]:
    """The installed libraries that a number may depend on."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def device() -> str:
    """What JAX computes on, in words."""
    import jax

    first, count = jax.devices()[0], jax.device_count()
    if first.platform == "cpu":
        return f"{cores()} CPU cores"
    return f"{count} × {first.device_kind}" if count > 1 else first.device_kind


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """The commit of the checkout that this code is in, "+dirty" if tracked files differ; else the version.

    What is published lands in `results`: that does not count.
    """
    command = ["git", "-C", str(Path(__file__).parent)]
    try:
        tracked = subprocess.run([*command, "ls-files", "archive.py"], capture_output=True, text=True).stdout
        name = [*command, "rev-parse", "--short=10", "HEAD"]
        found = subprocess.run(name, capture_output=True, text=True).stdout.strip() if tracked else ""
        differ = [*command, "diff", "--quiet", "HEAD", "--", ":/", ":(top,exclude)results"]
        if found and subprocess.run(differ, capture_output=True).returncode:
            found += "+dirty"
    except OSError:  # no git
        found = ""
    return found or f"none (dynloss {versions().get('dynloss', 'not installed')})"
