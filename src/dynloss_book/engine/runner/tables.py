"""What there is, and what was run: the rows of `dynloss list`, `dynloss status` and the book's tables."""

import functools
import json
import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dynloss_book.engine import archive, fingerprint, policy, untrusted
from dynloss_book.engine.provenance import MIME, duration
from dynloss_book.engine.runner import gate
from dynloss_book.engine.runner.profiles import BEST, DEFAULT_PROFILE, LARGEST, Figure, Profile, named, values
from dynloss_book.engine.sweeps.overview import Progress, overview

PROFILES = ("figure", "profile", "cost", "archive")
SWEEPS = ("figure", "constants", "points", "seeds", "computing", "newest", "results")
SHOWN = ("parameters", "fingerprint", "date", "axes")  # of a result: to read all takes three times as long
CONSTANTS = 120  # characters of a sweep's constants that are shown
NOTHING = "–"
STATUS = ("notebook", "profile", "result", "device", "commit", "date", "computing", "notebook's run")


def executed_copy(root: Path, profile: str, stem: str) -> Path:
    """Where the executed copy of a notebook is.

    Args:
        root: the checkout.
        profile: as the notebooks were executed in, "best" among them.
        stem: the notebook's name.
    """
    return root / "_build" / "executed" / profile / f"{stem}.ipynb"


def profile_of(figure: Figure, profile: str, executed: Path) -> str:
    """The profile of an executed copy: the one that `profile` means, or of `best` the one that the copy names.

    Args:
        figure: the notebook.
        profile: of the book, maybe "paper" or "best".
        executed: the file of the copy.
    """
    if profile == LARGEST:
        return named(figure, profile)
    if profile != BEST:
        return profile
    try:
        return figure.profiles[untrusted.notebook(executed)["metadata"]["dynloss"]["profile"]].name
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_PROFILE


def profile_rows(root: Path, figures: Mapping[str, Figure]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Figures and profiles, what they cost, and what the archive has of them; and why files of it cannot be read.

    Of each layer the newest, and what of their code has changed since, as far as files say.
    """
    rows: list[tuple[str, ...]] = []
    folders = policy.folders(root=root)
    others = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()} - figures.keys()
    rest = archive.contents(*folders, figures=others, only=SHOWN).unreadable if others else []
    damaged = [str(error) for error in rest]

    @functools.cache
    def told(stem: str, path: Path) -> tuple[dict[str, Any], list[str]]:
        """A result's attributes, and which parts of the code that computes it for a notebook have changed since."""
        try:
            return archive.about(path), changed(figures[stem], path)
        except archive.Unreadable as error:  # in what was not asked of all
            damaged.append(str(error))
            return {"date": "–", "device": "cannot be read", "commit": "–"}, []

    for figure in figures.values():
        here = {layer(folder): archived(figure, [folder]) for folder in folders}
        lost = [str(error) for each in here.values() for error in each.unreadable]
        damaged += lost
        of = functools.partial(told, figure.stem)
        for profile in figure.profiles.values():
            found = {
                name: [one for one in has.records if fits(figure, profile, one["parameters"])]
                for name, has in here.items()
            }
            words = "; ".join(_held(name, records, of) for name, records in found.items() if records)
            nothing = f"– ({_files(len(lost))} cannot be read)" if lost else NOTHING
            rows.append((figure.stem, profile.name, cost(profile), words or nothing))
    return rows, damaged


def changed(figure: Figure, path: Path) -> list[str]:
    """Which parts of the code that computes a result for a notebook have changed since, as far as files say.

    Raises:
        archive.Unreadable: what the result says of itself cannot be read.
    """
    about = archive.about(path)
    code = "\n\n".join("".join(cell["source"]) for cell in code_cells(figure.path))
    found = fingerprint.changed_in_files(code, about)
    return found.split(", ") if found else []


def _held(layer: str, found: Sequence[Mapping[str, Any]], told: Callable) -> str:
    """What a layer has of a profile: the newest result, and what has changed since any."""
    found = sorted(found, key=lambda record: record["date"])
    kinds = {record["fingerprint"]: Path(record["path"]) for record in found}  # the newest by each code
    apart = list(dict.fromkeys(part for path in kinds.values() for part in told(path)[1]))
    newest = told(kinds[found[-1]["fingerprint"]])[0]
    words = f"{layer}, {newest['date'][:10]}, {newest['device']}, commit {newest['commit']}"
    return words + f", stale: {some(apart)} changed since" * bool(apart)


def some(parts: Sequence[str]) -> str:
    """The first three of them.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and more'
    """
    return ", ".join(parts[:3]) + " and more" * (len(parts) > 3)


def cost(profile: Profile) -> str:
    """
    >>> cost(Profile("smoke", {}, {"2 CPU cores": {"seconds": 20, "memory_gb": 0.7}}))
    '20 s, 0.7 GB on 2 CPU cores'
    """
    shown: dict[str, Callable[[float], str]] = {"seconds": duration, "memory_gb": "{:g} GB".format}
    each = [
        f"{', '.join(words(need[name]) for name, words in shown.items() if name in need)} on {device}"
        for device, need in profile.cost.items()
    ]
    return "; ".join(each) or "–"


def status_rows(root: Path, figures: Mapping[str, Figure], profile: str) -> Iterator[tuple[str, ...]]:
    """What made each notebook of a profile: a row for each of its results.

    Args:
        root: the checkout.
        figures: by name.
        profile: as of ``profile_of``.
    """
    for figure in figures.values():
        path = executed_copy(root, profile, figure.stem)
        own = profile_of(figure, profile, path)
        if profile == LARGEST and own != profile and not path.is_file():
            continue  # it has a row of its own
        if own not in figure.profiles or not path.is_file():
            yield figure.stem, own, "not run", *["–"] * 5
        elif wrong := gate.problems(path, figure.path, values(figure, own)):
            yield figure.stem, own, f"not fit for the book: {wrong[0]}", *["–"] * 5
        else:
            yield from _result_rows(figure.stem, own, untrusted.notebook(path))


def sweeps(root: Path, figures: Collection[str] = ()) -> list[Progress]:
    """The sweeps in the archive, of some figures or of all."""
    return [found for found in overview(*policy.folders(root=root)) if not figures or found.figure in figures]


def sweep_row(found: Progress) -> tuple[str, ...]:
    """How far a sweep is."""
    constants = ", ".join(f"{name}={value}" for name, value in found.parameters.items())
    constants = textwrap.shorten(constants, CONSTANTS, placeholder=" …")
    points = f"{found.done} of {found.wanted}" if found.wanted is not None else f"{found.done}"
    points += f" ({_files(len(found.unreadable))} cannot be read)" * bool(found.unreadable)
    where = ", ".join(map(layer, found.folders))
    return found.figure, constants, points, found.scale, duration(found.seconds), found.date, where


def records_of(cells: Iterable[Mapping[str, Any]], mime: str) -> list[Any]:
    """What the outputs of cells hold of one kind; an output may hold several, as a list."""
    found = [
        output["data"][mime] for cell in cells for output in cell.get("outputs", []) if mime in output.get("data", {})
    ]
    return [record for each in found for record in (each if isinstance(each, list) else [each])]


def provenances(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The provenance records of an executed notebook; one that is shown twice is one.

    Raises:
        ValueError: one is none.
    """
    found = {json.dumps(record): record for record in records_of(notebook["cells"], MIME)}
    for record in found.values():
        untrusted.check_provenance(record)
    return list(found.values())


def plain(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns; the first holds the headings.

    >>> print(plain([("a", "b"), ("long", "c")]))
    a     b
    long  c
    """
    rows = [[untrusted.printable(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table; the first holds the headings."""
    head, *body = [[text.replace("|", r"\|") for text in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def _result_rows(stem: str, profile: str, notebook: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    run = notebook["metadata"]["dynloss"]
    records = provenances(notebook)
    took = duration(run["seconds"])
    if not records:
        date = notebook["metadata"]["papermill"]["end_time"][:16].replace("T", " ") + " UTC"
        yield stem, profile, "computed", "–", run["commit"], date, "–", took
    for record in records:
        freshness = f"STALE: {record['stale']} changed since" if record["stale"] else "fresh"
        where = "published" if record.get("published") == record["path"] else "own"
        kept = "computed" if record["path"] else "computed, NOT KEPT"
        result = kept if record["origin"] == "computed" else f"{where}, {freshness}"
        scale = f" ({record['scale']})" if record["scale"] else ""
        computing = duration(record["seconds"])
        yield stem, profile, result + scale, record["device"], record["commit"], record["date"], computing, took


def archived(figure: Figure, folders: Iterable[Path]) -> archive.Contents:
    """What folders have of the figures whose results a notebook may ask for: its own, and those that it names."""
    asked = {figure.stem, *re.findall(r"\w+", figure.path.read_text("utf-8"))}
    return archive.contents(*folders, figures=asked, only=SHOWN)


def unreadable(root: Path, figures: Collection[str] = ()) -> list[str]:
    """The files of the archive, of some figures or of all, that cannot be read, each with the reason."""
    return [str(error) for error in archive.contents(*policy.folders(root=root), figures=figures).unreadable]


def nothing_in(root: Path) -> str:
    """That nothing was found, and where it was looked for."""
    return f"nothing found in {' or '.join(map(str, policy.folders(root=root)))}"


def layer(path: Path) -> str:
    """Whose a result is, "published" or "own"."""
    return "published" if policy.is_published(path) else "own"


def fits(figure: Figure, profile: Profile, archived: Mapping[str, Any]) -> bool:
    """Whether archived parameters are the profile's, as far as the two share names.

    Args:
        figure: the notebook, whose defaults count where the profile has no value.
        profile: one of its own.
        archived: the parameters of a result.
    """
    wanted = {name: parameter.default for name, parameter in figure.parameters.items()} | profile.parameters
    shared = archived.keys() & wanted.keys()
    return bool(shared) and all(archived[name] == wanted[name] for name in shared)


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    """The cells of a notebook's source that are code."""
    return [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def tags(cell: Mapping[str, Any]) -> list[str]:
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])
