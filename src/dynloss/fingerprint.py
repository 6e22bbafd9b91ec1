"""Fingerprints of code: has what computed a result changed since?

A result depends on the function that computed it, on the functions and plain constants of the same notebook or
module which that function uses, and on the dynloss modules behind them, imports included. Each of these has a hash
of its own, so that a stale result can say what changed. Comments, docstrings, blank lines and line breaks do not
count. The hashes are the same on every supported Python: `ast.dump` and `ast.unparse` are not, so the source is read
as tokens. What a name outside the function holds beyond plain constants (an array, say) is not seen: hand it over as
a parameter.
"""

import ast
import dis
import functools
import hashlib
import inspect
import io
import json
import textwrap
import token
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

_PACKAGE = Path(__file__).parent
# Where a result is kept does not change it, nor how long it may take; nor does the package's list of its own modules.
_NO_PART = {
    "dynloss",
    "dynloss.archive",
    "dynloss.deadline",
    "dynloss.files",
    "dynloss.fingerprint",
    "dynloss.ledger",
    "dynloss.provenance",
}
_CONSTANTS = (bool, int, float, str, type(None))
_LAYOUT = {token.NL, token.COMMENT, token.ENCODING, token.ENDMARKER}


def sources(compute: Callable) -> dict[str, str]:
    """What the result of `compute` depends on, by name, each with the hash of its source.

    Args:
        compute: a plain function, or one wrapped by `functools.wraps` or `jax.jit`.
    Returns:
        for example `{"compute": "9c1f…", "dynloss.losses": "03ab…"}`.
    Raises:
        ValueError: `compute` is no function, or its source cannot be read.
    """
    function = inspect.unwrap(compute)
    if not isinstance(function, FunctionType):
        raise ValueError(f"compute must be a plain function, whose source can be read; got {compute!r}")
    hashes = {"compute": _hash(_source(function))}
    modules, seen, pending = {function.__module__}, {function}, [function]
    while pending:
        for name, value in _references(pending.pop()):
            module = value.__name__ if isinstance(value, ModuleType) else _module(value)
            modules.add(module)
            value = inspect.unwrap(value) if callable(value) else value
            if isinstance(value, _CONSTANTS):
                hashes[f"value of {name}"] = _hash(repr(value))
            elif isinstance(value, FunctionType) and module == function.__module__ and value not in seen:
                seen.add(value)
                pending.append(value)
                hashes[f"{name}()"] = _hash(_source(value))
    files = {name: _path(name) for name in closure(modules)}
    return hashes | {name: _hash(file.read_text("utf-8")) for name, file in files.items() if file}


def fingerprint(hashes: Mapping[str, str]) -> str:
    """One hash for all of what `sources` found."""
    return _digest(json.dumps(dict(hashes), sort_keys=True))


def closure(modules: Iterable[str], package: Path = _PACKAGE) -> list[str]:
    """The dynloss modules among `modules`, and those that they import, directly or not.

    >>> closure(["numpy", "dynloss.fingerprint"])
    []
    """
    found: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        path = _path(name, package)
        if path and name not in found:
            found.add(name)
            pending += _imports(name, path.name, path.read_text("utf-8"))
    return sorted(found - _NO_PART)


def normalised(source: str) -> str:
    """The tokens of `source`, one statement a line, without comments and docstrings.

    >>> print(normalised('def f(x):  # why\\n    "What f does."\\n    return (x +\\n            1)'))
    def f ( x ) :
    > return ( x + 1 )
    <
    """
    lines: list[str] = []
    statement: list[tokenize.TokenInfo] = []
    depth = ""  # indentations and their ends, which belong to the statement after them
    for item in _tokens(source):
        if item.type in (token.INDENT, token.DEDENT):
            depth += "> " if item.type == token.INDENT else "< "
        elif item.type != token.NEWLINE:
            statement.append(item)
        else:
            if any(each.type != token.STRING for each in statement):  # a bare string is a docstring
                lines.append(depth + " ".join(each.string for each in statement))
                depth = ""
            statement = []
    return "\n".join([*lines, depth]).strip()


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens that count; an f-string is one of them, as it was before Python 3.12."""
    text = source if source.endswith("\n") else source + "\n"
    lines = text.splitlines(keepends=True)
    opened: list[tokenize.TokenInfo] = []
    for item in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = token.tok_name[item.type]
        if kind == "FSTRING_START":
            opened.append(item)
        elif kind == "FSTRING_END":
            start = opened.pop()
            if not opened:
                yield item._replace(type=token.STRING, string=_between(lines, start.start, item.end))
        elif not opened and item.type not in _LAYOUT:
            yield item


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The text from one (row, column) to another, rows counted from 1."""
    part = lines[start[0] - 1 : end[0]]
    part[-1] = part[-1][: end[1]]
    part[0] = part[0][start[1] :]
    return "".join(part)


def _references(function: FunctionType) -> Iterator[tuple[str, object]]:
    """The names outside `function` which its code loads, and their values; `module.name` is followed to its end."""
    closed = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in closed:
        if cell != type(cell)():  # a name that is not bound yet has an empty cell
            yield name, cell.cell_contents
    for code in _code(function.__code__):
        name, value = "", None
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in function.__globals__:
                name, value = step.argval, function.__globals__[step.argval]
                yield name, value
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
                name, value = f"{name}.{step.argval}", getattr(value, step.argval, None)
                yield name, value
            elif step.opname == "IMPORT_NAME":
                for module in [step.argval, *(f"{step.argval}.{name}" for name in code.co_names)]:
                    yield module, ModuleType(module)  # its name is all that is needed
                value = None
            elif step.opname not in ("PUSH_NULL", "EXTENDED_ARG"):
                value = None


def _code(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)


# A notebook asks for many results of the same code: each text is parsed once, and again only when it has changed.
@functools.lru_cache(maxsize=1024)
def _imports(name: str, file: str, source: str) -> tuple[str, ...]:
    """The modules that a dynloss module may import: `from a import b` names both a and a.b."""
    package, found = name if file == "__init__.py" else name.rpartition(".")[0], list[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parent, *([node.module] if node.module else [])])
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return tuple(found)


def _path(name: str, package: Path = _PACKAGE) -> Path | None:
    """The file of a dynloss module; None for any other."""
    top, *rest = name.split(".")
    base = package.joinpath(*rest)
    files = [base / "__init__.py", *([base.with_suffix(".py")] if rest else [])]
    return next((file for file in files if top == "dynloss" and file.is_file()), None)


def _module(value: object) -> str:
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else type(value).__module__


def _source(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        name = function.__qualname__
        raise ValueError(f"cannot read the source of {name}: define it in a file or notebook") from error


@functools.lru_cache(maxsize=1024)
def _hash(source: str) -> str:
    return _digest(normalised(source))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
