"""Lay out what an archive such as Zenodo takes: one zip of the report, the published results and their description.

    python tools/deposit.py [--report _build/report.pdf] [--output _build/deposit.zip]

The description is an RO-Crate (``ro-crate-metadata.json``, https://w3id.org/ro/crate): the checksum of each result and
the action that made it, with its parameters, commit, versions, device and date.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from dynloss_book.engine import archive

ROOT = Path(__file__).resolve().parents[1]
KINDS = {".nc": "application/x-netcdf", ".pdf": "application/pdf", ".json": "application/json"}


def crate(root: Path, report: Path) -> ROCrate:
    """The deposit, described.

    Raises:
        ValueError: no results, or some that cannot be read.
    """
    about = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    made = ROCrate(gen_preview=False)
    made.name, made.license = about["title"], about["license"]
    made.description = (
        f"Replication of: {about['preferred-citation']['title']}. With every published result."
    )
    made.root_dataset["citation"] = about["preferred-citation"]["url"]
    _add(made, report, "report.pdf", "The replication report")
    _add(made, root / "CITATION.cff", "CITATION.cff", "How to cite it")
    _add(made, root / "requirements.lock", "requirements.lock", "The versions of everything that it runs on")
    for path in sorted((root / "results").rglob("*.json")):
        _add(made, path, path.relative_to(root).as_posix(), "The verdicts" if path.name == "claims.json" else "A sweep")
    found = archive.contents(root / "results")
    if found.unreadable or not found.records:
        raise ValueError("; ".join(map(str, found.unreadable)) or f"no results in {root / 'results'}")
    for record in sorted(found.records, key=lambda each: each["path"]):
        _add_result(made, Path(record["path"]).relative_to(root).as_posix(), record, root, about["repository-code"])
    return made


def _add(made: ROCrate, path: Path, name: str, words: str):
    content = path.read_bytes()
    described = {
        "name": words,
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
        "encodingFormat": KINDS.get(path.suffix, "text/plain"),
    }
    return made.add_file(path, name, properties=described)


def _add_result(made: ROCrate, name: str, found: Mapping[str, Any], root: Path, repository: str) -> None:
    """A result, and the action that made it: from these parameters, by this code, on this device."""
    file = _add(made, root / name, name, f"{found['figure']}: {found.get('scale') or found.get('function')}")
    # What ran: one entity for each commit and its surroundings.
    versions = [f"{each} {version}" for each, version in found["versions"].items()]
    surroundings = hashlib.sha256(json.dumps([found["commit"], versions]).encode()).hexdigest()[:8]
    code = {"@type": "SoftwareSourceCode", "name": "dynloss", "version": found["commit"], "codeRepository": repository}
    software = made.add(ContextEntity(made, f"#code-{surroundings}", code | {"runtimePlatform": versions}))
    inputs = {"@type": "PropertyValue", "name": "parameters", "value": json.dumps(found["parameters"])}
    device = {"@type": "PropertyValue", "name": "device", "value": found["device"]}
    made.add_action(
        software,
        f"#made-{name}",
        object=[
            made.add(ContextEntity(made, f"#{key}-{name}", value))
            for key, value in (("parameters", inputs), ("device", device))
        ],
        result=[file],
        properties={"name": f"made {name}", "endTime": found["date"].replace(" UTC", "Z").replace(" ", "T")},
    )


def main() -> None:
    """Write the deposit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, default=ROOT / "_build" / "report.pdf")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "deposit.zip")
    chosen = parser.parse_args()
    if not chosen.report.is_file():
        sys.exit(f"no report at {chosen.report}: run `make report` first")
    made = crate(ROOT, chosen.report)
    made.write_zip(chosen.output)
    print(f"{chosen.output}: {len(made.data_entities)} files, {chosen.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
