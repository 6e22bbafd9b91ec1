"""Fingerprints of code: has what can change a number changed since?

A fingerprint is taken of what a computation *reaches*: its function and every top-level definition that it mentions,
directly or not, followed by name from file to file. What cannot change a number does not count: docstrings, comments,
annotations (but those that make the fields of a class), import lines, what errors and warnings say, checks (below), the
names of locals, definitions, modules and files, and where all of it stands. So code may be moved, renamed and reworded.

Of the function itself, and of what a notebook's cells or its own module define, the values at run time count: defaults,
closures, constants, arrays. So do the settings of JAX that change numbers. Other packages count by the names used of
them; their versions are provenance. A *check* is a function called ``check…``, annotated ``-> None``, that returns
nothing: it stops a computation or leaves it as it is. A module that says ``CHANGES_NO_NUMBER = True`` does not count.
"""

import ast
import contextlib
import dataclasses
import enum
import functools
import hashlib
import inspect
import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from dynloss_book.engine.syntax import Cells, Code, Found, Module, Part, Writer, absolute, is_check

CHANGES_NO_NUMBER = True

_OURS = ("dynloss", "dynloss_book")
# Settings of JAX that change numbers, with their defaults since JAX 0.7.2.
_SETTINGS = {
    "jax_enable_x64": False,
    "jax_default_matmul_precision": None,
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
}
_PLAIN = (bool, int, float, complex, str, bytes, range, slice, type(None), type(...), np.dtype)
_CONTAINERS = (tuple, list, set, frozenset, dict)


class Fingerprint(NamedTuple):
    """A computation's hash, and one of each part by its name, to tell what has changed."""

    whole: str
    parts: dict[str, str]

    def attributes(self) -> dict[str, str]:
        """The fingerprint as a result of this computation carries it."""
        return {"fingerprint": self.whole, "sources": json.dumps(self.parts)}

    def changed_since(self, attributes: Mapping[str, Any]) -> str:
        """Which parts are not as they were for a result with these attributes, in words; empty if all are."""
        same = attributes["fingerprint"] == self.whole
        return "" if same else changed(self.parts, json.loads(attributes["sources"]))


def take(compute: Callable) -> Fingerprint:
    """The fingerprint of a function as it is now.

    Raises:
        ValueError: it is no function, its source cannot be read, or it uses a value that cannot be told from others of
            its kind.
    """
    function = compute if isinstance(compute, types.FunctionType) else inspect.unwrap(compute)
    if not isinstance(function, types.FunctionType):
        raise ValueError(f"compute must be a plain function, whose source can be read; got {compute!r}")
    return _walked(_Running(function).function(function, "compute"), _settings())


def of(name: str, code: Code | None = None) -> Fingerprint:
    """The fingerprint of a definition in a file, as of ``"dynloss.losses.accuracy"``; nothing is imported.

    Args:
        code: where our code lies; by default, where it is imported from.
    """
    found, rest = (code or _code()).follow(name.split("."))
    if isinstance(found, str) or rest:
        raise ValueError(f"there is no definition {name}")
    return _walked(found)


def changed_in_files(cells: str, told: Mapping[str, Any]) -> str | None:
    """What has changed since a result was computed, in words, as far as files say it; nothing is imported or run.

    Args:
        cells: the code of the notebook that asks for the result.
        told: the result's attributes, as `archive.about` reads them. The settings of JAX are taken to be as then.
    Returns:
        empty if nothing has; None if the notebook names no function that computes it, or one with a value that only
        running it tells.
    """
    found, settings = [], {name: value for name, value in told["sources"].items() if name.startswith("setting ")}
    with contextlib.suppress(LookupError, SyntaxError, ImportError):
        for part in Cells(_code(), "__main__", "", cells).computing(told["figure"], told.get("function")):
            now = _walked(part, settings)
            found.append("" if now.whole == told["fingerprint"] else changed(now.parts, told["sources"]))
    return min(found, key=len, default=None)


def changed(now: Mapping[str, str], then: Mapping[str, str]) -> str:
    """Which parts of a computation are not as they were, in words.

    >>> changed({"losses.f": "1", "schedules.g": "2"}, {"losses.h": "1", "schedules.g": "3"})
    'schedules.g'
    """
    apart = {name for name, part in now.items() if part not in then.values()}
    apart |= {name for name, part in then.items() if part not in now.values()}
    return ", ".join(sorted(apart)) or "the order in which parts are used"


def _walked(root: Part, settings: Mapping[str, str] | None = None) -> Fingerprint:
    order, numbers = [root], {root: 0}
    for part in order:  # which grows
        for other in part.written.others:
            if other not in numbers:
                numbers[other] = len(order)
                order.append(other)
    words = frozenset[str]().union(*(part.words for part in order))
    parts, graph = dict(settings or {}), []
    for part in order:
        graph.append([part.digest(words), *(numbers[other] for other in part.others)])
        label = part.label
        while label in parts:
            label += "'"
        parts[label] = part.digest(words)
    whole = json.dumps([graph, settings or {}], sort_keys=True)
    return Fingerprint(hashlib.sha256(whole.encode()).hexdigest()[:16], parts)


_known: list[Code] = []


def _code() -> Code:
    """Our code as it is on disk; read anew when a file has changed."""
    if not _known or not _known[0].is_current():
        _known[:] = [Code({name: Path(__file__).parents[2] / name for name in _OURS})]
    return _known[0]


def _settings() -> dict[str, str]:
    config = getattr(sys.modules.get("jax"), "config", None)
    now = {name: getattr(config, name, default) for name, default in _SETTINGS.items()}
    return {f"setting {name}": str(value) for name, value in now.items() if value != _SETTINGS[name]}


class _Running:
    """Parts as they are at run time: the function that computes, and what its notebook or its own module defines."""

    def __init__(self, root: types.FunctionType):
        self.code, self.root, self.parts = _code(), root, dict[Any, Part]()
        self.home = str(root.__globals__.get("__name__"))

    def _static(self, module: str) -> Module | None:
        """The module of that name, if it counts as it is in its file."""
        if module == "__main__" or (module == self.home and module.partition(".")[0] not in _OURS):
            return None
        return self.code.module(module)

    def _is_ours(self, module: str) -> bool:
        return module in ("__main__", self.home) or self.code.module(module) is not None

    def function(self, function: types.FunctionType, label: str = "") -> Part:
        """A function: its code, its defaults, and what it takes from around."""
        module, called = str(function.__globals__.get("__name__")), function.__code__.co_qualname
        static = self._static(module)
        if function is not self.root and static and called in static.definitions:
            return static.part(called)
        syntax = _syntax(function) if self._is_ours(module) else None

        def write(part: Part) -> None:
            if syntax is None:  # of another package: counts by its name
                part.put(f"'{module.partition('.')[0]}.{called}'")
                for name, value in _closed(function).items():
                    self.value(part, value, name)
                return
            parameters = inspect.signature(function, follow_wrapped=False).parameters
            part.words.update(parameters if function is self.root else ())
            for place, each in enumerate(parameters.values()):
                if each.default is not each.empty:
                    part.put(f"default {place}")
                    self.value(part, each.default, f"{each.name} (a default)")
            self._writer(part, syntax, function).function(syntax)

        label = label or (f"{module}.{called}" if static else f"{called}()")
        return self.parts.setdefault(function, Part(label, write, is_check(syntax) if syntax else False))

    def _writer(self, part: Part, syntax: ast.AST, function: types.FunctionType) -> Writer:
        """The writer of syntax at the place of this function."""
        scope, cells = function.__globals__, _closed(function)
        module, package = str(scope.get("__name__")), str(scope.get("__package__") or "")
        static = self._static(module)

        def look(names: list[str]) -> Found:
            first, *rest = names
            if first in cells:
                return self._of_value(cells[first], names, function)
            if static:
                return static.look(names)
            return self._of_value(scope[first], names, module) if first in scope else (f"'{first}'", rest)

        return Writer(part, syntax, look, lambda names: self.code.follow(absolute(package, names)))

    def _of_value(self, value: Any, names: list[str], place: Any) -> Found:
        """What a dotted name means whose first name has this value in a closure or module."""
        first, *rest = names
        if isinstance(value, types.ModuleType):
            return self.code.follow([value.__name__, *rest])
        own = self.parts.setdefault(
            (place, first), Part(f"value of {first}", lambda part: self.value(part, value, first))
        )
        alone = len(own.written.text) == 1
        if alone and own.others:
            return own.others[0], rest
        return (str(own.text[0]), rest) if alone and str(own.text[0]).startswith("'") else (own, rest)

    def value(self, part: Part, value: Any, name: str) -> None:
        """Write a value of one of the kinds that can be told apart.

        Raises:
            ValueError: it is of another kind.
        """
        kind = type(value)
        if kind in _PLAIN or isinstance(value, np.dtype | PurePath):
            part.put(f"{kind.__name__} {value!a}")
            part.words.update([value] if kind is str else [])
        elif kind is object:  # a sentinel, which holds nothing: the wrappers of JAX close over some
            part.put("object")
        elif (array := _array(value)) is not None:
            part.put(f"array {array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}")
        elif isinstance(value, types.ModuleType):
            part.put(self.code.follow([value.__name__])[0])
        elif found := self._defined(value):
            part.put(found)
        elif isinstance(value, types.FunctionType):
            part.put(self.function(value))
        elif isinstance(value, type):
            part.put(self.parts.setdefault(value, Part(value.__qualname__, lambda own: self._class(own, value))))
        elif (made_of := _made_of(value)) is not None:
            self._all(part, name, *made_of)
        elif isinstance(wrapped := getattr(value, "__wrapped__", None), types.FunctionType):  # by jax.jit, say
            self.value(part, wrapped, name)
        else:
            raise ValueError(
                f"{self.root.__name__} uses {name}, a {kind.__module__}.{kind.__qualname__}, which has no fingerprint: "
                "whether it is the same next time, nobody can tell. Make it inside the function, or hand over as "
                "parameters what it is made of."
            )

    def _all(self, part: Part, name: str, kind: str, *values: Any) -> None:
        part.put(f"({kind}")
        for each in values:
            self.value(part, each, name)
        part.put(")")

    def _defined(self, value: Any) -> Part | str | None:
        """What a module defines under a name of its own: a part, or the name where the module is not ours."""
        module = getattr(value, "__module__", None)
        called = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        if not isinstance(module, str) or not isinstance(called, str):
            return None
        there: Any = sys.modules.get(module)
        for name in called.split("."):
            there = getattr(there, name, None)
        if there is not value:
            return None
        if not self._is_ours(module):
            return f"'{module.partition('.')[0]}.{called}'"
        static = self._static(module)
        return static.part(called) if static and called in static.definitions else None

    def _class(self, part: Part, kind: type) -> None:
        """A class of a notebook: what it inherits, its syntax as far as it has methods, and its attributes now."""
        part.put(kind.__name__ if kind.__bases__ != (object,) else "")
        self._all(part, kind.__name__, "bases", *kind.__bases__)
        self._all(part, kind.__name__, "fields", *vars(kind).get("__annotations__", ()))
        methods = [each for each in map(_unwrapped, vars(kind).values()) if isinstance(each, types.FunctionType)]
        own = [each for each in methods if each.__code__.co_qualname == f"{kind.__qualname__}.{each.__name__}"]
        for each in own[:1]:  # any of them is in the class
            syntax = _syntax(each, kind.__name__)
            self._writer(part, syntax, each).plain(syntax, name=None)
        for name, value in vars(kind).items():
            if not name.startswith("__") and isinstance(value, (*_PLAIN, *_CONTAINERS, np.ndarray)):
                self._all(part, f"{kind.__name__}.{name}", name, value)


def _made_of(value: Any) -> tuple | None:
    """The kind of a value that others make up, and these; None for any other."""
    match value:
        case enum.Enum():
            return "enum", type(value), value.name
        case types.MethodType():
            return "method", value.__self__, value.__name__
        case functools.partial():
            return "partial", value.func, value.args, value.keywords
        case _ if dataclasses.is_dataclass(value):
            fields = {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
            return "dataclass", type(value), fields
        case tuple() | list() | set() | frozenset() | dict():
            items = value.items() if isinstance(value, dict) else value
            ordered = sorted(items, key=repr) if isinstance(value, set | frozenset) else items
            kind = type(value)
            return kind.__name__, *([] if kind in _CONTAINERS else [kind]), *ordered
    return None


def _unwrapped(attribute: Any) -> Any:
    """The function in a method, a property and the like."""
    found = getattr(attribute, "__func__", getattr(attribute, "fget", getattr(attribute, "func", attribute)))
    return inspect.unwrap(found) if isinstance(found, types.FunctionType) else found


def _closed(function: types.FunctionType) -> dict[str, Any]:
    """What a function closes over; a name that is not bound yet has an empty cell."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if cell != types.CellType()}


def _array(value: Any) -> np.ndarray | None:
    """An array of numbers, of NumPy or JAX, as one of NumPy; None for anything else."""
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        keys = jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
        value = np.asarray(jax.random.key_data(value) if keys else value)
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject else None


def _syntax(function: types.FunctionType, kind: str = "") -> Any:
    """The syntax of a function, or of the class of that name around it: the innermost that holds all of its code."""
    code = function.__code__
    try:
        nodes = _defined_in("".join(inspect.findsource(function)[0]))
    except (OSError, TypeError) as error:
        raise ValueError(f"cannot read the source of {code.co_qualname}: define it in a file or notebook") from error
    # What belongs to no expression stands nowhere, or at the beginning of a line.
    known = [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]
    places = [((row, column), (last, end)) for row, last, column, end in known]

    def holds(node: Any) -> bool:
        top = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        first, final = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        inside = all(first <= begin and end <= final for begin, end in places)
        return inside and top <= code.co_firstlineno <= node.end_lineno

    name = kind or code.co_name
    found = [node for node in nodes if getattr(node, "name", "<lambda>") == name and holds(node)]
    if not found or (len(found) > 1 and not places):
        raise ValueError(f"cannot find {code.co_qualname} in its source, which has changed since it was read")
    return max(found, key=lambda node: (node.lineno, node.col_offset))


@functools.lru_cache(maxsize=256)
def _defined_in(text: str) -> list[Any]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
