"""Where numbers come from: what a result's attributes say of its making, and the line that shows it."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

MIME = "application/vnd.dynloss.provenance+json"
_LIBRARIES = ("dynloss", "jax", "jaxlib", "numpy", "xarray", "flax", "optax")


@dataclass(frozen=True)
class Provenance:
    """Where a dataset's numbers come from; shows itself as one line, and keeps all of it for the book."""

    record: dict[str, Any]

    def __str__(self) -> str:
        record = self.record
        stale = f"**STALE** ({record['stale']} changed since)" if record["stale"] else "fresh"
        parts = [
            "computed in this run" if record["origin"] == "computed" else f"read from the archive, {stale}",
            *([] if record["path"] else ["not archived"]),
            record["device"],
            record["dtype"],
            duration(record["seconds"]),
            f"commit {record['commit']}",
            record["date"],
            *(f"{name} {record[name]}" for name in ("profile", "scale") if record[name]),
            *([_verified(json.loads(record["verified"]))] if record["verified"] else []),
        ]
        return " · ".join(parts)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        text = str(self)
        return {"text/plain": text.replace("**", ""), "text/markdown": f"Provenance: {text}", MIME: self.record}


def provenance(dataset: "xr.Dataset") -> Provenance:
    """The provenance of a dataset that came from `fetch_or_compute`.

    Raises:
        ValueError: it did not, or an operation has dropped its attributes.
    """
    if missing := {"origin", "stale", "path", "sources"} - set(dataset.attrs):
        raise ValueError(f"this dataset lacks {sorted(missing)}: only one from the archive has a provenance")
    record = decoded(dataset.attrs)
    names = ("figure", "origin", "stale", "path", "parameters", "fingerprint", "versions", "device", "dtype", "seed",
             "seconds", "commit", "date")  # fmt: skip
    extra = {name: str(record.get(name, "")) for name in ("scale", "verified")}
    extra["profile"] = os.environ.get("DYNLOSS_PROFILE", "")
    return Provenance({name: record[name] for name in names} | extra)


def _verified(again: Mapping[str, Any]) -> str:
    return f"{again['points']} points computed again at commit {again['commit']}, equal"


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
    """What a result's attributes say of its making. The dtype and seed `given` go before what can be guessed."""
    import jax

    return {
        "versions": json.dumps({"python": platform.python_version()} | versions()),
        "device": device(),
        "dtype": str(given.get("dtype", jax.numpy.result_type(float))),
        "seed": str(given.get("seed", parameters.get("seed", parameters.get("seeds", "none")))),
        "seconds": round(seconds, 3),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def decoded(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A file's attributes as Python values."""
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in attributes.items()}
    return plain | {name: json.loads(plain[name]) for name in ("parameters", "sources", "versions")}


def versions() -> dict[str, str]:
    """The installed libraries that a number may depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def device() -> str:
    """What JAX computes on, in words."""
    import jax

    first, count = jax.devices()[0], jax.device_count()
    if first.platform == "cpu":
        return f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} CPU cores"
    return f"{count} × {first.device_kind}" if count > 1 else first.device_kind


def commit() -> str:
    """The commit of the checkout that this code stands in, "+dirty" if tracked files differ; else the version.

    What is computed lands in `results`, and a store that gathers its files changes what is tracked there: that does not
    count.
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
