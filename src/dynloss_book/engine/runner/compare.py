"""A reader's re-run beside the published results: finds what belongs together, and has `agreement` judge it.

A re-run is a NetCDF file, a folder of results, or an executed notebook, and so is what it is held against. A notebook
holds no numbers, but names the files of its results; where these are not at hand, its verdicts are compared.
"""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from dynloss_book.engine import archive, policy, untrusted
from dynloss_book.engine.agreement import FREE, Agreement, Incomparable, Quantity, compare, different, is_sweep
from dynloss_book.engine.runner import answers, page, profiles, recorded, tables
from dynloss_book.engine.sweeps import overview
from dynloss_book.engine.sweeps.store import REQUEST

NOTEBOOK = ".ipynb"


def outcomes(mine: Path, reference: Path) -> list[Agreement]:
    """Each result of a re-run beside what belongs to it in the reference.

    Args:
        mine: a NetCDF file, a folder of results, or an executed notebook.
        reference: the same; as a rule the published results.

    Raises:
        Incomparable: there is nothing at all to compare.
    """
    found = _results(mine)
    if mine.suffix == NOTEBOOK and not (found and (reference.suffix != NOTEBOOK or _results(reference))):
        return [_verdicts(_findings(mine), reference)]
    if not found:
        raise Incomparable(f"nothing to compare: {mine} holds no results")
    return [_beside(each, reference) for each in found]


def code(found: list[Agreement]) -> int:
    """1 where a result differs; else 2 where one could not be compared, or has too few seeds to tell; else 0."""
    verdicts = {each.agrees for each in found}
    return 1 if False in verdicts else 2 if None in verdicts else 0


def shown(found: Iterable[Agreement]) -> str:
    """In words, with a table of the quantities."""
    return "\n".join(_parts(found, "  note: ", lambda rows: textwrap.indent(tables.plain(rows), "  ") + "\n")).rstrip()


def _parts(found: Iterable[Agreement], note: str, table: Callable[[Any], str]) -> Iterator[str]:
    """Each outcome, its notes with the word before them, and its table."""
    for each in found:
        yield f"{each.figure}: {each}"
        yield from (f"{note}{words}" for words in each.notes)
        if each.quantities:
            yield table(each.table)


@dataclass(frozen=True)
class Comparison:
    """What a notebook's last cell shows: what became of each result."""

    found: tuple[Agreement, ...]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        parts = ["**Does this run agree with the published one?**", *_parts(self.found, "- ", tables.markdown)]
        return {"text/plain": shown(self.found), "text/markdown": "\n\n".join(parts)}


def with_published(*datasets: xr.Dataset) -> Comparison | None:
    """Does a notebook's result agree with the published one? For its last cell; it never fails.

    Returns:
        None where only the archive was asked, as in building the book, or where nothing is published: then there is
        nothing to compare.
    """
    if archive.read_only():
        return None
    root = policy.checkout()
    if root is None or not (root / policy.PUBLISHED).is_dir():
        print("There are no published results here to compare with; in a checkout of the repository there are.")
        return None
    found = []
    for dataset in datasets:
        path = Path(dataset.attrs.get("path") or "computed")
        merged = dataset.attrs.get("published") not in (None, "", str(path))  # of a sweep one's own points count
        found.append(_beside(path, root / policy.PUBLISHED, None if merged else dataset))
    return Comparison(tuple(dict.fromkeys(found)))


def _beside(path: Path, reference: Path, mine: xr.Dataset | None = None) -> Agreement:
    """The result in a file or folder, or as it is at hand, beside what belongs to it."""
    what = path.name
    try:
        mine = read(path) if mine is None else mine
        what = str(mine.attrs.get("figure", what))
        return compare(gridded(mine), gridded(read(_match(mine, path, reference))))
    except Incomparable as error:
        return Agreement(what, trouble=str(error))
    except Exception as error:  # an error of ours is no difference between two results, and no page must fail over it
        return Agreement(what, trouble=f"{type(error).__name__}: {error}")


def _match(mine: xr.Dataset, path: Path, reference: Path) -> Path:
    """The result of the reference with the same parameters; the nearest one names what differs."""
    figure, sweep = mine.attrs.get("figure"), is_sweep(mine)
    if figure is None or "parameters" not in mine.attrs:
        raise Incomparable(f"{path.name} is no result of dynloss")
    folder = reference / figure
    there = _results(folder if folder.is_dir() else reference)
    same = {
        each: about["parameters"]
        for each, about in there.items()
        if about["figure"] == figure and ("axes" in about) == sweep
    }
    unreadable = "".join(f"; {about['unreadable']}" for about in there.values() if "unreadable" in about)
    if not same:
        others = ", ".join(sorted({about["figure"] for about in there.values()} - {"", figure}))
        raise Incomparable(f"it is of {figure}, and {reference} holds {others or 'no such result'}{unreadable}")
    wanted = parameters(mine)
    differing = {each: different(wanted, given) for each, given in same.items()}
    free = {each: sum(wanted.get(name) != given.get(name) for name in FREE) for each, given in same.items()}
    nearest = min(same, key=lambda each: (len(differing[each]), free[each]))
    if path.exists() and nearest.resolve() == path.resolve():
        what = "the published result itself" if policy.is_published(path) else "the same file"
        raise Incomparable(f"it is {what}; --fresh (fresh=True) computes anew, among your own results")
    if words := "; ".join(differing[nearest]):
        raise Incomparable(f"no published result has its parameters; the nearest differs in {words}{unreadable}")
    return nearest


def parameters(dataset: xr.Dataset) -> dict[str, Any]:
    """The experiment's parameters without the axes and seeds of a sweep, which may grow."""
    axes = {*map(str, dataset.coords), "seeds"} if is_sweep(dataset) else set()
    return {name: value for name, value in json.loads(dataset.attrs["parameters"]).items() if name not in axes}


def gridded(dataset: xr.Dataset) -> xr.Dataset:
    """A sweep over all its axes, also those of which a single value was taken; its parameters without them."""
    if not is_sweep(dataset):
        return dataset
    kept = archive.canonical(parameters(dataset))
    single = [name for name, value in dataset.coords.items() if value.ndim == 0]
    return dataset.expand_dims(single).drop_vars("epoch", errors="ignore").assign_attrs(parameters=kept)


def stored(path: Path) -> dict[Path, dict[str, Any]]:
    """The results in a file or folder, and what each says of itself: figure, parameters, and `axes` if it is a sweep.

    A sweep's is a folder of files, whose parameters are those beside its axes. A file that is ``unreadable``, which is
    said, is of no figure, nor is a sweep of which there is no more than its request.
    """
    found: dict[Path, dict[str, Any]] = {}
    for file in [path] if path.is_file() else sorted(path.rglob("[!.]*.nc")):
        try:
            about = archive.about(file)
        except OSError as error:
            about = {"figure": "", "parameters": {}, "unreadable": str(error)}
        axes = json.loads(about.get("axes", "[]"))
        about["parameters"] = {name: value for name, value in about["parameters"].items() if name not in axes}
        if not any(folder.suffix == ".old" for folder in file.relative_to(path).parents):
            found.setdefault(file.parent if axes and file != path else file, about)
    for request in sorted(path.rglob(REQUEST)):
        if not any(archive.paths(request.parent)):
            found[request.parent] = {"figure": "", "parameters": {}}
    return found


def read(path: Path) -> xr.Dataset:
    """A result from its file, or from its folder of files, every one of which has to be readable.

    Raises:
        Incomparable: a file cannot be read.
    """
    try:
        parts = [archive.read(file) for file in (archive.paths(path) if path.is_dir() else [path])]
    except OSError as error:
        raise Incomparable(str(error)) from error
    if not parts:
        raise Incomparable(f"{path} holds no results yet")
    return overview.whole(parts) if "axes" in parts[0].attrs else parts[0]


def _notebook(path: Path) -> tuple[list[Path], dict[str, Any] | None]:
    """The results that an executed notebook names, if all of them are here, and the record of its findings."""
    try:
        notebook = untrusted.notebook(path)
        named = [each["path"] for each in tables.provenances(notebook) if each["path"]]
        paths = [Path(each) for each in dict.fromkeys(named)]
        return paths if all(each.exists() for each in paths) else [], page.findings(notebook)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Incomparable(f"{path} cannot be read as a notebook ({error or type(error).__name__})") from error


def _results(path: Path) -> dict[Path, dict[str, Any]]:
    """The results in a file or folder, or of an executed notebook, as ``stored`` has them."""
    places = _notebook(path)[0] if path.suffix == NOTEBOOK else [path]
    return {each: about for place in places for each, about in stored(place).items()}


def _findings(path: Path) -> dict[str, Any]:
    if (findings := _notebook(path)[1]) is None:
        raise Incomparable(f"{path.name} was not executed, or not as far as its answer")
    return findings


def _verdicts(findings: Mapping[str, Any], reference: Path) -> Agreement:
    """Compare by the verdicts of another notebook, those on record, or those of the size at which the notebook ran."""
    said = "{0[here]}: {0[verdict]}".format
    what, scales = f"{findings['figure']}, by its verdicts (the files of its results are not here)", []
    for one in [_findings(reference)] if reference.suffix == NOTEBOOK else _judged(findings["figure"], reference):
        scales.append(one["scale"])
        if one["scale"] == findings["scale"]:
            before = {claim["statement"]: claim for claim in one["claims"]}
            pairs = [(new, before[new["statement"]]) for new in findings["claims"] if new["statement"] in before]
            quantities = tuple(
                Quantity(new["statement"], said(new), said(old), "the same verdict", new["verdict"] == old["verdict"])
                for new, old in pairs
            )
            return Agreement(what, quantities, (), "in its verdicts", "" if quantities else "no claim in common")
    other = f"another scale: {findings['scale']}; published: {'; '.join(scales)}"
    return Agreement(what, trouble=other if scales else f"{reference} has no verdicts of it")


def _judged(name: str, reference: Path) -> Iterator[Mapping[str, Any]]:
    """What a folder of results says of a figure: on record, and as it follows from what it holds of each size."""
    if (record := recorded.read(reference).get(name)) is not None:
        yield record
    if (figure := profiles.load(profiles.find_root()).get(name)) is None:
        return
    for profile in figure.profiles:
        try:
            yield answers.answer(figure, profiles.values(figure, profile), [reference])
        except Exception:  # whatever a cell raises without its results: of this size nothing is known
            continue


def versions(kept: Path) -> str:
    """Whether runs under other versions of JAX agree, as `tools/versions.py` has kept it, as a table in Markdown."""
    found = json.loads(kept.read_text("utf-8"))
    versions = sorted({each for said in found.values() for each in said}, key=lambda each: [*map(int, each.split("."))])
    rows = [(run, *(said.get(version, "–") for version in versions)) for run, said in found.items()]
    return tables.markdown([("", *(f"JAX {version}" for version in versions)), *rows])


def rates(kept: Path) -> str:
    """How often the comparison errs, as `benchmarks/comparison.py` has kept it, as tables in Markdown."""
    found = json.loads(kept.read_text("utf-8"))
    words = {"right": "right re-runs that are told to differ", "mutilated": "mutilated ones that are found"}
    counts = ("agrees", "differs", "too few")
    parts = [
        [(f"drawn from {found['results']} results", "rate", "that could be told", "too few seeds to tell"),
         *((words[what], f"{each['rate']:.1%}", str(each["agrees"] + each["differs"]), str(each["too few"]))
           for what, each in found["rates"].items())],
        [("drawn", "how", "agree", "differ", "too few seeds"),
         *((row["what"], row["kind"], *(str(row[each]) for each in counts)) for row in found["rows"])],
        [("map", "other seeds", "shift of all accuracies found in 80 %"),
         *((row["result"].split("/")[0], str(row["seeds"]), str(row["shift"])) for row in found["shifts"])],
    ]  # fmt: skip
    return "\n\n".join(tables.markdown(part) for part in parts)
