"""The parameters of a notebook: what its parameters cell declares, and values read as what is declared there.

papermill would take an unknown parameter with a warning, never check a type, and read YAML's `1e-3` as a string. So the
parameters cell is read here, as syntax (nothing is executed), and every value is held against its annotation; and a
notebook that somebody runs by papermill alone calls `validate`, which holds the values that it was given against it.
"""

import ast
import functools
import inspect
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMES = {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "string"}}
RENAMED = {
    "type": "object",
    "properties": {"pages": _NAMES, "parameters": {"type": "object", "additionalProperties": _NAMES}},
    "additionalProperties": False,
}


class UsageError(ValueError):
    """Something was asked for that does not exist or does not fit; one line for each problem."""


@dataclass(frozen=True)
class Parameter:
    """A name from a parameters cell; `kind` is "int", "float", "str", "bool", "list[int]" or "list[float]"."""

    name: str
    kind: str
    optional: bool
    default: Any


def settings(source: Path, schema: Mapping[str, Any]) -> Any:
    """What a YAML file holds, an empty table where it is empty.

    Raises:
        UsageError: it is no YAML, or does not fit the JSON schema.
    """
    import yaml
    from jsonschema import Draft202012Validator

    try:
        found = yaml.safe_load(source.read_text("utf-8")) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from error
    misfits = Draft202012Validator(schema).iter_errors(found)
    refuse(sorted(f"{source.name}: {each.json_path.lstrip('$.')}: {each.message}" for each in misfits))
    return found


def renamed(root: Path, what: str) -> dict[str, Any]:
    """What notebooks/renamed.yml leads to: from old names of "pages", or of the "parameters" of each notebook."""
    source = root / "notebooks" / "renamed.yml"
    return settings(source, RENAMED).get(what, {}) if source.is_file() else {}


def validate(notebook: str) -> None:
    """Read the parameters of the notebook that this process runs, each as its parameters cell declares it.

    For the first cell after the parameters: what papermill handed over stands there, right or wrong.

    Args:
        notebook: its name, by which its parameters' old names are known.

    Raises:
        UsageError: a value is none of its kind, or papermill gave a parameter that the notebook does not have.
    """
    main = sys.modules["__main__"]
    declared = {
        name: _parameter(name, inspect.formatannotation(annotation), None)
        for name, annotation in main.__annotations__.items()
    }
    injected = [cell for cell in getattr(main, "In", []) if cell.startswith("# Parameters\n")]  # papermill's own
    given = re.findall(r"^(\w+) = ", "".join(injected[-1:]), re.M)
    others = [name for name in given if name not in declared]
    places = Path(__file__).parents[3], Path(__file__).parents[1]  # of a checkout, and of the wheel
    known = [renamed(place, "parameters") for place in places] if others else []
    old_names = next(filter(None, known), {}).get(notebook, {})
    replaced = {old_names.get(name) for name in others}.difference(given)
    values = {name: getattr(main, name) for name in [*declared, *others] if name not in replaced}
    vars(main).update(checked(notebook, declared, values, old_names))


def checked(
    where: str,
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    old_names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The given values, read as the kind that each parameter has; old names are taken for the new, with a warning.

    Args:
        where: the notebook or file that gives them, for the messages.
        parameters: those that the notebook has.
        given: values, or texts that are to be read.
        old_names: {old name: new name}.

    Raises:
        UsageError: a name is unknown or given twice, or a value is none of its kind; a line for each.

    >>> steps = Parameter("steps", "int", False, 10)
    >>> checked("fig04", {"steps": steps}, {"steps": "1e3"})
    {'steps': 1000}
    >>> checked("fig04", {"steps": steps}, {"steps": "1.5", "stepz": 1})
    Traceback (most recent call last):
    dynloss_book.engine.parameters.UsageError: fig04: steps='1.5' is not an integer
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
    refuse(problems)
    return result


def read_parameters(path: Path) -> dict[str, Parameter]:
    """The parameters cell of a notebook; none at all if it has no such cell."""
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
        tree = ast.parse("".join("".join(cell["source"]) for cell in tagged[:1]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise UsageError(f"{path} cannot be read as a notebook: {error}") from error
    found, problems = [], []
    for statement in [each for each in tree.body if isinstance(each, ast.Assign | ast.AnnAssign)]:
        try:
            found.append(_declared(statement))
        except ValueError as error:
            problems.append(f"{path}: parameters cell, {ast.unparse(statement)!r}: {error}")
    refuse(problems)
    return {each.name: each for each in found}


def _declared(statement: ast.Assign | ast.AnnAssign) -> Parameter:
    """The parameter of one statement of a parameters cell."""
    if isinstance(statement, ast.Assign) or statement.value is None:
        raise ValueError("a parameter needs an annotation and a default")
    try:
        default = ast.literal_eval(statement.value)
    except ValueError as error:
        raise ValueError("the default must be a plain value") from error
    return _parameter(ast.unparse(statement.target), ast.unparse(statement.annotation), default)


def _parameter(name: str, annotation: str, default: Any) -> Parameter:
    """A parameter by its annotation, of the forms that papermill sees: it overlooks `float | None`."""
    kind = annotation.strip("'")
    optional = kind.startswith("Optional[")
    kind = kind[len("Optional[") : -1] if optional else kind
    if kind not in _KINDS:
        raise ValueError(f'the annotation must be one of {", ".join(_KINDS)}, or as in "Optional[float]"')
    return Parameter(name, kind, optional, default)


def _typed(parameter: Parameter, value: Any) -> Any:
    if parameter.optional and (value is None or str(value).lower() in ("none", "null")):
        return None
    return _KINDS[parameter.kind][0](value)


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(value if str(value).strip("+-_ ").isdigit() else number)  # exact where there are more digits than 16


def _number(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    """A switch as it is meant: papermill hands "false" over as text, and a text that is not empty is true."""
    return ("0", "no", "false", "1", "yes", "true").index(str(value).lower()) > 2


def _several(one: Callable[[Any], Any], value: Any) -> list:
    """A list, one number, or numbers as text: apart by spaces or commas, in brackets or not."""
    parts = re.split(r"[\s,]+", value.strip("[]() ")) if isinstance(value, str) else value
    found = [one(part) for part in (parts if isinstance(parts, list | tuple) else [parts])]
    if not found:
        raise ValueError
    return found


_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "int": (_integer, "an integer"),
    "float": (_number, "a finite number"),
    "str": (_text, "text"),
    "bool": (_truth, "true or false"),
    "list[int]": (functools.partial(_several, _integer), "a list of integers, as 2 8 32"),
    "list[float]": (functools.partial(_several, _number), "a list of finite numbers, as 0.01 0.02"),
}


def refuse(problems: list[str]) -> None:
    """Say all problems at once, if there are any."""
    if problems:
        raise UsageError("\n".join(problems))
