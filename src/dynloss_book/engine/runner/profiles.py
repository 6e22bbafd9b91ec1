"""Figures and their profiles: what may be asked for, checked before anything starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynloss_book.engine import policy
from dynloss_book.engine.parameters import (
    Parameter,
    UsageError,
    checked,
    read_parameters,
    refuse,
    renamed,
    settings,
)

DEFAULT_PROFILE = "quick"
LARGEST = "paper"  # of a notebook without it, for which the paper has no setting, its own largest
BEST = "best"  # no profile of a notebook's own, but the largest of each that the archive has; see `runner.best`
_COST = {
    "type": "object",
    "properties": {"seconds": {"type": "number"}, "memory_gb": {"type": "number"}},
    "additionalProperties": False,
}
_PROFILE = {
    "type": "object",
    "properties": {"parameters": {"type": "object"}, "cost": {"type": "object", "additionalProperties": _COST}},
    "additionalProperties": False,
}
_PROFILES = {
    "type": "object",
    "required": [DEFAULT_PROFILE],
    "propertyNames": {"type": "string", "not": {"const": BEST}},
    "additionalProperties": _PROFILE,
}


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
    """The checkout that we are in: the nearest folder, here or above, with `notebooks/profiles.yml`."""
    if (root := policy.checkout("notebooks/profiles.yml")) is None:
        raise UsageError(f"no notebooks/profiles.yml in {Path.cwd()} or above: run dynloss in a checkout of the book")
    return root


def load(root: Path) -> dict[str, Figure]:
    """All figures of a checkout. Everything that is wrong with notebooks and profiles is said at once."""
    folder = root / "notebooks"
    source = folder / "profiles.yml"
    given = settings(source, {"type": "object", "additionalProperties": _PROFILES})
    moved = renamed(root, "pages")  # which leave a notebook behind that leads to the new one
    notebooks = {path.stem: path for path in sorted(folder.glob("*.ipynb")) if path.stem not in moved}
    old_names, figures = renamed(root, "parameters"), {}
    problems = [f"{source}: no notebook {stem}.ipynb; `make sync` makes it" for stem in given if stem not in notebooks]
    problems += [f"{source}: no profiles of {stem}" for stem in notebooks if stem not in given]
    for stem, path in notebooks.items():
        try:
            parameters, old = read_parameters(path), old_names.get(stem, {})
            figures[stem] = Figure(stem, path, parameters, _profiles(stem, parameters, given.get(stem, {}), old), old)
        except UsageError as error:
            problems += str(error).splitlines()
    refuse(problems)
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
    """What to hand to the notebook: the values of the profile, then those given by hand.

    Args:
        figure: the notebook.
        profile: as ``named`` reads it.
        overrides: pairs of a name and a value, as text.
        fresh: compute what the archive has, too.

    Raises:
        UsageError: it has no such profile or parameter, or a value is none of its kind.
    """
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


def _profiles(
    stem: str, parameters: Mapping[str, Parameter], given: Mapping[str, Any], old_names: Mapping[str, str]
) -> dict[str, Profile]:
    found, problems = {}, []
    for name, content in given.items():
        try:
            chosen = checked(f"profiles.yml: {stem}, {name}", parameters, content.get("parameters", {}), old_names)
            found[name] = Profile(name, chosen, content.get("cost", {}))
        except UsageError as error:
            problems += str(error).splitlines()
    refuse(problems)
    return found
