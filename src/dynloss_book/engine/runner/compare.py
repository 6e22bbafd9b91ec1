"""A reader's re-run beside the archive: finds what belongs together, and has `claims.agreement` judge it.

A re-run is a NetCDF file, a folder of results, or an executed notebook. A notebook holds no numbers, but names the
files of its results; where these are not at hand, its verdicts are compared.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from dynloss_book.engine import archive, policy
from dynloss_book.engine.agreement import FREE, Agreement, Incomparable, Quantity, compare, different, is_sweep
from dynloss_book.engine.runner import page, recorded, tables
from dynloss_book.engine.sweeps import overview
from dynloss_book.engine.sweeps.store import REQUEST

NOWHERE = "There are no published results here to compare with; in a checkout of the repository there are."


class Outcome(NamedTuple):
    """What became of one result: an agreement, or why there is none."""

    what: str
    agreement: Agreement | None
    trouble: str = ""


def outcomes(mine: Path, reference: Path) -> list[Outcome]:
    """Each result of a re-run beside what belongs to it in the reference.

    Args:
        mine: a NetCDF file, a folder of results, or an executed notebook.
        reference: the same; as a rule the archive.

    Raises:
        Incomparable: there is nothing at all to compare.
    """
    if mine.suffix == ".ipynb":
        return _of_notebook(mine, reference)
    found = list(_paths(mine))
    if not found:
        raise Incomparable(f"nothing to compare: {mine} holds no results")
    return [_of_file(each, reference) for each in found]


def code(found: list[Outcome]) -> int:
    """1 where a result differs; else 2 where one could not be compared; else 0."""
    if any(each.agreement is not None and not each.agreement.agrees for each in found):
        return 1
    return 2 if any(each.agreement is None for each in found) else 0


def shown(found: list[Outcome]) -> str:
    """In words, with a table of the quantities."""
    lines = []
    for what, agreement, trouble in found:
        if agreement is None:
            lines.append(f"{what}: cannot be compared: {trouble}")
            continue
        notes = [f"  note: {note}" for note in agreement.notes]
        lines += [f"{what}: {agreement}", *notes, _indented(tables.plain(agreement.table)), ""]
    return "\n".join(lines).rstrip()


@dataclass(frozen=True)
class Comparison:
    """What a notebook's last cell shows: one line, and the table where something was compared."""

    lines: tuple[str, ...]
    agreements: tuple[Agreement, ...]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        parts = ["**Does this run agree with the published one?**", *self.lines]
        for each in self.agreements:
            parts += [f"{each}", *(f"- {note}" for note in each.notes), tables.markdown(each.table)]
        plain = [*self.lines, *(f"{each}\n{tables.plain(each.table)}" for each in self.agreements)]
        return {"text/plain": "\n".join(plain), "text/markdown": "\n\n".join(parts)}


def with_published(*datasets: xr.Dataset) -> Comparison | None:
    """Does a notebook's result agree with the published one? For its last cell; it never fails.

    Returns:
        None where only the archive was asked, as in building the book: then there is nothing to compare.
    """
    if archive.read_only():
        return None
    root = policy.checkout()
    if root is None or not (root / policy.PUBLISHED).is_dir():
        return Comparison((NOWHERE,), ())
    lines, agreements = [], []
    for dataset in datasets:
        try:
            path = Path(dataset.attrs.get("path") or "computed")
            if dataset.attrs.get("published") not in (None, "", str(path)):  # of a sweep one's own points count
                dataset = _read(path)
            outcome = _beside(dataset, path, root / policy.PUBLISHED)
        except Exception as error:  # a page must not fail over its last line
            outcome = Outcome("", None, f"{type(error).__name__}: {error}")
        if outcome.agreement is not None:
            agreements.append(outcome.agreement)
        else:
            lines.append(f"Not compared with the published result: {outcome.trouble}.")
    return Comparison(tuple(dict.fromkeys(lines)), tuple(agreements))


def _of_file(path: Path, reference: Path) -> Outcome:
    try:
        return _beside(_read(path), path, reference)
    except Incomparable as error:
        return Outcome(path.name, None, str(error))
    except Exception as error:  # an error of ours is no difference between two results
        return Outcome(path.name, None, f"{type(error).__name__}: {error}")


def _beside(mine: xr.Dataset, path: Path, reference: Path) -> Outcome:
    what = str(mine.attrs.get("figure", path.name))
    try:
        published = _match(mine, path, reference)
        return Outcome(what, compare(gridded(mine), gridded(_read(published))))
    except Incomparable as error:
        return Outcome(what, None, str(error))


def _match(mine: xr.Dataset, path: Path, reference: Path) -> Path:
    """The result of the reference with the same parameters; the nearest one names what differs."""
    figure, sweep = mine.attrs.get("figure"), is_sweep(mine)
    if figure is None or "parameters" not in mine.attrs:
        raise Incomparable(f"{path.name} is no result of dynloss")
    folder = reference / figure
    there = [(each, _about(each)) for each in _paths(folder if folder.is_dir() else reference)]
    same = [(each, about) for each, about in there if about["figure"] == figure and ("axes" in about) == sweep]
    unreadable = "".join(f"; {about['unreadable']}" for _, about in there if "unreadable" in about)
    if not same:
        others = ", ".join(sorted({about["figure"] for _, about in there} - {"", figure}))
        raise Incomparable(f"it is of {figure}, and {reference} holds {others or 'no such result'}{unreadable}")
    wanted = parameters(mine)
    differing = [different(wanted, about["parameters"]) for _, about in same]
    free = [sum(wanted.get(name) != about["parameters"].get(name) for name in FREE) for _, about in same]
    place = min(range(len(same)), key=lambda each: (len(differing[each]), free[each]))
    nearest, words = same[place][0], "; ".join(differing[place])
    if path.exists() and nearest.resolve() == path.resolve():
        hint = "--fresh (fresh=True) computes anew, among your own results"
        raise Incomparable(f"it is the published result itself; {hint}")
    if words:
        raise Incomparable(f"no published result has its parameters; the nearest differs in {words}{unreadable}")
    return nearest


def parameters(dataset: xr.Dataset) -> dict[str, Any]:
    """Of the experiment: without the axes and seeds of a sweep, which may grow."""
    axes = {*map(str, dataset.coords), "seeds"} if is_sweep(dataset) else set()
    return {name: value for name, value in json.loads(dataset.attrs["parameters"]).items() if name not in axes}


def gridded(dataset: xr.Dataset) -> xr.Dataset:
    """A sweep over all its axes, also those of which a single value was taken; its parameters without them."""
    if not is_sweep(dataset):
        return dataset
    kept = archive.canonical(parameters(dataset))
    single = [name for name, value in dataset.coords.items() if value.ndim == 0]
    return dataset.expand_dims(single).drop_vars("epoch", errors="ignore").assign_attrs(parameters=kept)


def _paths(path: Path) -> Iterator[Path]:
    """Where the results in a file or folder are: a sweep's is a folder of files."""
    if path.is_file():
        yield path
        return
    files = _files(path)
    if (path / REQUEST).exists() or "axes" in _about(path):
        yield path
        return
    yield from files
    for folder in sorted(each for each in path.iterdir() if each.is_dir() and each.suffix != ".old"):
        yield from _paths(folder)


def _files(path: Path) -> list[Path]:
    return list(archive.paths(path)) if path.is_dir() else [path]


def _about(path: Path) -> dict[str, Any]:
    """Figure and parameters of a result, and ``axes`` of a sweep's; of no figure if it is ``unreadable``, and why."""
    why = {}
    for file in _files(path):
        try:
            found = archive.about(file)
        except OSError as error:
            why = {"unreadable": str(error)}
            continue
        axes = json.loads(found["axes"]) if "axes" in found else []
        plain = {name: value for name, value in found["parameters"].items() if name not in axes}
        return {"figure": found["figure"], "parameters": plain} | ({"axes": axes} if axes else {})
    return {"figure": "", "parameters": {}} | why


def _read(path: Path) -> xr.Dataset:
    """A result from its file, or from its folder of files, every one of which has to be readable.

    Raises:
        Incomparable: a file cannot be read.
    """
    parts = []
    for file in _files(path):
        try:
            archive.about(file)  # it may be no result of dynloss
            parts.append(archive.read(file))
        except OSError as error:
            raise Incomparable(str(error)) from error
    if not parts:
        raise Incomparable(f"{path} holds no results yet")
    if "axes" not in parts[0].attrs:
        return parts[0]
    return overview.whole(parts)


def _of_notebook(path: Path, reference: Path) -> list[Outcome]:
    """The results that an executed notebook names, or where they are not here, its verdicts."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        records = tables.provenances(notebook)
        findings = page.findings(notebook)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Incomparable(f"{path} cannot be read as a notebook ({type(error).__name__})") from error
    paths = dict.fromkeys(Path(record["path"]) for record in records if record["path"])
    if paths and all(each.exists() for each in paths):
        return [_of_file(each, reference) for each in paths]
    if findings is None:
        raise Incomparable(f"{path.name} was not executed, or not as far as its answer")
    return [_verdicts(findings, reference)]


def _verdicts(findings: Mapping[str, Any], reference: Path) -> Outcome:
    what = f"{findings['figure']}, by its verdicts (the files of its results are not here)"
    published = recorded.read(reference).get(findings["figure"])
    if published is None:
        return Outcome(what, None, f"{reference / recorded.RECORD} has no verdicts of it")
    if findings["scale"] != published["scale"]:
        return Outcome(what, None, f"another scale: {findings['scale']}; published: {published['scale']}")
    before = {claim["statement"]: claim for claim in published["claims"]}
    quantities = [
        Quantity(claim["statement"], f"{claim['here']}: {claim['verdict']}", f"{old['here']}: {old['verdict']}",
                 "the same verdict", claim["verdict"] == old["verdict"])
        for claim in findings["claims"]
        if (old := before.get(claim["statement"])) is not None
    ]  # fmt: skip
    if not quantities:
        return Outcome(what, None, "no claim in common")
    return Outcome(what, Agreement(findings["figure"], tuple(quantities), (), "in its verdicts"))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
