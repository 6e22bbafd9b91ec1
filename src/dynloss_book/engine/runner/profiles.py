"""Figures, their parameters and profiles: what may be asked for, checked before anything starts.

papermill would take an unknown parameter with a warning, never check a type, and read YAML's `1e-3` as a string. So the
parameters cell is read here, as syntax (nothing is executed), and every value is held against its annotation.
"""

import ast
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynloss_book.engine import policy

DEFAULT_PROFILE = "quick"
LARGEST = "paper"  # of a notebook without it, for which the paper has no setting, its own largest
BEST = "best"  # no profile of a notebook's own, but the largest of each that the archive has; see `runner.best`


class UsageError(ValueError):
    """Something was asked for that does not exist or does not fit; one line for each problem."""


@dataclass(frozen=True)
class Parameter:
    """A name from a parameters cell; `kind` is "int", "float", "str" or "bool"."""

    name: str
    kind: str
    optional: bool
    default: Any


@dataclass(frozen=True)
class Profile:
    """A named set of values, and what it costs: device -> {"seconds": …, "memory_gb": …}."""

    name: str
    parameters: dict[str, Any]
    cost: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Figure:
    """A notebook; `stem` is its name without the suffix, and `old_names` leads from old names of parameters to new."""

    stem: str
    path: Path
    parameters: dict[str, Parameter]
    profiles: dict[str, Profile]
    old_names: Mapping[str, str] = field(default_factory=dict)


def find_root() -> Path:
    """The checkout that we stand in: the nearest folder, here or above, with `notebooks/profiles.yml`."""
    if (root := policy.checkout("notebooks/profiles.yml")) is None:
        raise UsageError(f"no notebooks/profiles.yml in {Path.cwd()} or above: run dynloss in a checkout of the book")
    return root


def settings(source: Path) -> Any:
    """What a YAML file holds; an empty table where it is empty."""
    import yaml

    try:
        return yaml.safe_load(source.read_text("utf-8")) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from error


def renamed(root: Path, what: str) -> dict[str, Any]:
    """What notebooks/renamed.yml leads to: from old names of "pages", or of the "parameters" of each notebook."""
    source = root / "notebooks" / "renamed.yml"
    found = settings(source) if source.is_file() else {}
    if not _is_table(found) or not _is_table(found.get(what) or {}):
        raise UsageError(f"{source}: expected `pages` and `parameters`, each with old names and new")
    return found.get(what) or {}


def load(root: Path) -> dict[str, Figure]:
    """All figures of a checkout. Everything that is wrong with notebooks and profiles is said at once."""
    folder = root / "notebooks"
    source = folder / "profiles.yml"
    given = settings(source)
    notebooks = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    if not notebooks:
        raise UsageError(f"no notebooks (*.ipynb) in {folder}; `make sync` makes them from the .py files")
    if not _is_table(given):
        raise UsageError(f"{source}: expected figures, each with its profiles")

    old_names = renamed(root, "parameters")
    figures, problems = {}, [f"{source}: no notebook {stem}.ipynb" for stem in given if stem not in notebooks]
    for stem, path in notebooks.items():
        try:
            parameters = read_parameters(path)
            old = old_names.get(stem) or {}
            figures[stem] = Figure(stem, path, parameters, _profiles(stem, parameters, given.get(stem), old), old)
        except UsageError as error:
            problems += str(error).splitlines()
    _raise(problems)
    return figures


def find(figures: Mapping[str, Figure], name: str) -> Figure:
    """A figure by its name, its number (`fig04`), or any beginning that no other figure shares."""
    exact = [figure for stem, figure in figures.items() if name in (stem, stem.split("_")[0])]
    found = exact or [figure for stem, figure in figures.items() if name and stem.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name!r} could be {' or '.join(figure.stem for figure in found)}")
    raise UsageError(f"unknown figure {name!r}; there are {', '.join(figures)}")


def values(figure: Figure, profile: str, overrides: Iterable[tuple[str, str]] = (), fresh: bool = False) -> dict:
    """What to hand to the notebook: the values of the profile, then those given by hand."""
    chosen = figure.profiles[named(figure, profile)]
    by_hand = dict(overrides) | ({"fresh": "true"} if fresh else {})
    return chosen.parameters | checked(figure.stem, figure.parameters, by_hand, figure.old_names)


def named(figure: Figure, profile: str) -> str:
    """The profile of a notebook that is meant: where it has no `paper`, its largest, which is the last of the list."""
    if profile in figure.profiles:
        return profile
    if profile == LARGEST:
        return list(figure.profiles)[-1]
    raise UsageError(f"{figure.stem} has no profile {profile!r}; there are {', '.join(figure.profiles)}")


def checked(
    where: str,
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    old_names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The given values, read as the kind that each parameter has; old names are taken for the new, with a warning.

    >>> steps = Parameter("steps", "int", False, 10)
    >>> checked("fig04", {"steps": steps}, {"steps": "1e3"})
    {'steps': 1000}
    >>> checked("fig04", {"steps": steps}, {"steps": "1.5", "stepz": 1})
    Traceback (most recent call last):
    dynloss_book.engine.runner.profiles.UsageError: fig04: steps='1.5' is not an integer
    fig04: unknown parameter 'stepz'; there are steps
    """
    result, problems = {}, []
    for name, value in given.items():
        if new := (old_names or {}).get(name):
            print(f"dynloss: {where}: {name} is now called {new}", file=sys.stderr)
            name = new
        if name not in parameters:
            problems.append(f"{where}: unknown parameter {name!r}; there are {', '.join(parameters) or 'none'}")
            continue
        if name in result:
            problems.append(f"{where}: {name} is given twice, once by its old name")
        try:
            result[name] = _typed(parameters[name], value)
        except (ValueError, TypeError, OverflowError):
            kind = _KINDS[parameters[name].kind][1] + (" or none" if parameters[name].optional else "")
            problems.append(f"{where}: {name}={value!r} is not {kind}")
    _raise(problems)
    return result


def read_parameters(path: Path) -> dict[str, Parameter]:
    """The parameters cell of a notebook; none at all if it has no such cell."""
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
        tree = ast.parse("".join("".join(cell["source"]) for cell in tagged[:1]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise UsageError(f"{path} cannot be read as a notebook: {error}") from error
    found, problems = {}, []
    for statement in tree.body:
        try:
            for parameter in _declared(statement):
                found[parameter.name] = parameter
        except ValueError as error:
            problems.append(f"{path}: parameters cell, {ast.unparse(statement)!r}: {error}")
    _raise(problems)
    return found


def _declared(statement: ast.stmt) -> list[Parameter]:
    """The parameter of one statement of a parameters cell; without an annotation it has the kind of its default."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        name, value, annotation = statement.target.id, statement.value, ast.unparse(statement.annotation)
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        name, value, annotation = statement.targets[0].id, statement.value, ""
    else:
        return []
    try:
        default = ast.literal_eval(value)
    except ValueError as error:
        raise ValueError("the default must be a plain value") from error
    kinds = [kind.strip() for kind in annotation.split("|")] if annotation else [type(default).__name__]
    plain = [kind for kind in kinds if kind not in ("None", "NoneType")]
    if len(plain) != 1 or plain[0] not in _KINDS:
        raise ValueError(f"the annotation must be one of {', '.join(_KINDS)}, alone or with | None")
    return [Parameter(name, plain[0], len(plain) < len(kinds), default)]


def _typed(parameter: Parameter, value: Any) -> Any:
    if parameter.optional and (value is None or str(value).lower() in ("none", "null")):
        return None
    return _KINDS[parameter.kind][0](value)


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(value) if isinstance(value, str) and value.strip("+-_ ").isdigit() else int(number)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError
    return words[str(value).lower()]


_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "int": (_whole, "an integer"),
    "float": (_number, "a finite number"),
    "str": (_text, "text"),
    "bool": (_truth, "true or false"),
}


def _profiles(
    stem: str, parameters: Mapping[str, Parameter], given: Any, old_names: Mapping[str, str]
) -> dict[str, Profile]:
    if not _is_table(given) or not given:
        raise UsageError(f"profiles.yml: {stem} has no profiles")
    found, problems = {}, []
    for name, content in given.items():
        where = f"profiles.yml: {stem}, {name}"
        if name == BEST:
            problems.append(f"{where}: the name is taken: it is the largest that the archive has")
            continue
        content = content if content is not None else {}
        chosen, cost = (content.get("parameters"), content.get("cost")) if _is_table(content) else (None, None)
        if not _is_table(content) or set(content) - {"parameters", "cost"} or not _is_table(chosen or {}):
            problems.append(f"{where}: expected `parameters` and `cost`, and nothing else")
        elif not _is_cost(cost or {}):
            problems.append(f"{where}: expected a cost as in {{2 CPU cores: {{seconds: 20, memory_gb: 0.7}}}}")
        else:
            try:
                found[name] = Profile(name, checked(where, parameters, chosen or {}, old_names), cost or {})
            except UsageError as error:
                problems += str(error).splitlines()
    if DEFAULT_PROFILE not in given:
        problems.append(f"profiles.yml: {stem} has no {DEFAULT_PROFILE!r}")
    _raise(problems)
    return found


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_cost(cost: Any) -> bool:
    return _is_table(cost) and all(
        _is_table(need) and set(need) <= {"seconds", "memory_gb"} and all(map(_is_number, need.values()))
        for need in cost.values()
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _raise(problems: list[str]) -> None:
    if problems:
        raise UsageError("\n".join(problems))
