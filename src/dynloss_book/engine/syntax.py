"""Code as it is in files, in parts that say what a computation reaches; see `dynloss_book.engine.fingerprint`.

A part is a top-level definition as text: what cannot change a number is left out, locals are numbers, and other parts
that it mentions are numbers too. A name is followed from file to file, by import lines; nothing is imported.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.util
import symtable
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

CHANGES_NO_NUMBER = True

_SKIPPED = {"ctx", "kind", "type_comment", "type_params", "annotation", "returns"}
_NAMING = {"name", "rest"}  # fields of syntax that bind a name
_INSTALLED = tuple(str(Path(sysconfig.get_paths()[each]).resolve()) for each in ("stdlib", "purelib", "platlib"))


class Part:
    """A part of a computation: a text in which other parts are numbers. It is written when it is first read.

    Attributes:
        label: a name for people.
        text, others: what was written, and the other parts in it.
        words: by which parameters may be called from here.
    """

    def __init__(self, label: str, write: Callable[["Part"], None], is_check: bool = False):
        self.label, self._write, self.is_check = label, write, is_check
        self.text: list[str | Parameter] = []
        self.others: list[Part] = []
        self.words: set[str] = set()
        self._digests: dict[frozenset[str], str] = {}

    @functools.cached_property
    def written(self) -> "Part":
        self._write(self)
        return self

    def put(self, *found: "str | Part | Parameter") -> None:
        for each in found:
            if isinstance(each, Part):
                if each not in self.others:
                    self.others.append(each)
                each = f"@{self.others.index(each)}"
            self.text.append(each)

    @functools.cached_property
    def parameters(self) -> frozenset[str]:
        return frozenset(each.name for each in self.written.text if isinstance(each, Parameter))

    def digest(self, words: Set[str] = frozenset()) -> str:
        """The hash of the text; a parameter's name counts where it is among the words."""
        mine = self.parameters & words
        if mine not in self._digests:
            text = [e if isinstance(e, str) else e.number + e.name * (e.name in mine) for e in self.text]
            self._digests[mine] = hashlib.sha256("\n".join(text).encode()).hexdigest()[:8]
        return self._digests[mine]


class Parameter(NamedTuple):
    """A parameter of a function; its name counts only where it may be called by it."""

    name: str
    number: str


Found = tuple[Part | str, list[str]]  # what a dotted name leads to, and the attributes that are left of it
Look = Callable[[list[str]], Found]


class Writer:
    """Writes a definition's syntax into a part.

    Args:
        look: what a dotted name from outside the definition means.
        follow: what a dotted name means that is imported inside it.
    """

    def __init__(self, part: Part, node: ast.AST, look: Look, follow: Look):
        self.part, self.look, self.follow = part, look, follow
        self.outside, self.fields, self.imports = _scopes(node)
        self.numbers: dict[str, str] = {}
        self.trying = 0

    def write(self, node: Any) -> None:  # noqa: C901, a case for each kind of node
        match node:
            case list():
                self.part.put("[")
                for each in node:
                    self.write(each)
                self.part.put("]")
            case ast.Name(id=name):
                self.name([name])
            case ast.Attribute() if names := _names(node):
                self.name(names)
            case ast.Constant(value=value):
                if isinstance(value, str) and value.isidentifier():
                    self.part.words.add(value)
                self.part.put(f"{type(value).__name__} {value!a}")
            case ast.JoinedStr():
                self.joined(node)
            case ast.Pass() | ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal() \
                    | ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):  # fmt: skip
                pass
            case ast.Expr(value=ast.Call(func=called)) if not self.trying and self.is_check(called):
                pass
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.plain(ast.Assign(targets=[target], value=value))
            case ast.Raise(exc=ast.Call(func=error)) | ast.Raise(exc=error):
                self.plain(ast.Raise(exc=error))
            case ast.Assert(test=test):
                self.plain(ast.Assert(test=test))
            case ast.Call(func=called) if _names(called)[-1:] == ["warn"]:
                self.plain(ast.Call(func=called, args=[], keywords=[]))
            case ast.arg(arg=name):
                self.part.put(Parameter(name, self.number(name)))
            case ast.ClassDef(bases=bases, keywords=keywords, body=body):
                annotated = [each for each in body if isinstance(each, ast.AnnAssign)]
                fields = [[each.target, each.annotation, each.value or ()] for each in annotated]
                # flax draws the weights of a module that inherits by its name.
                self.plain(node, fields=fields, called=ast.Constant(node.name if bases or keywords else ""))
            case ast.Try() | ast.TryStar():
                self.trying += 1
                self.plain(node)
                self.trying -= 1
            case ast.AST():
                self.plain(node)
            case _:
                self.part.put(ascii(node))

    def plain(self, node: ast.AST, **more: Any) -> None:
        self.part.put(f"({type(node).__name__}")
        for field, value in (dict(ast.iter_fields(node)) | more).items():
            if field in _SKIPPED or value is None or value == []:
                continue
            self.part.put(f"{field}=")
            if field in _NAMING and isinstance(value, str):
                self.name([value])
            else:
                self.write(value)
            if field == "arg":  # of a keyword
                self.part.words.add(value)
        self.part.put(")")

    def function(self, node: Any) -> None:
        """A function or lambda without its name and its defaults."""
        bare = ast.arguments(**dict(ast.iter_fields(node.args)) | {"defaults": [], "kw_defaults": []})
        self.plain(node, name=None, args=bare)

    def name(self, names: list[str]) -> None:
        found, rest = self.found(names)
        self.part.put(found, *(f".{each}" for each in rest))

    def found(self, names: list[str]) -> Found:
        first, *rest = names
        if first in self.imports:
            return self.follow([*self.imports[first], *rest])
        if first in self.outside:
            return self.look(names)
        return f".{first}" if first in self.fields else self.number(first), rest

    def number(self, name: str) -> str:
        """The number of a local name."""
        return self.numbers.setdefault(name, f"#{len(self.numbers)}")

    def is_check(self, called: ast.expr) -> bool:
        names = _names(called)
        found, rest = self.found(names) if names else ("", [])
        return isinstance(found, Part) and found.is_check and not rest

    def joined(self, node: ast.JoinedStr) -> None:
        """An f-string; Pythons differ in how they cut it into constants."""
        self.part.put("(f-string")
        text = ""
        for each in [*_pieces(node), None]:
            if isinstance(each, ast.Constant):
                text += str(each.value)
            else:
                self.part.put(ascii(text))
                text = ""
                self.write(each)
        self.part.put(")")


def _pieces(node: ast.JoinedStr) -> Iterator[ast.expr]:
    for each in node.values:
        yield from _pieces(each) if isinstance(each, ast.JoinedStr) else [each]


def _names(node: ast.expr) -> list[str]:
    """The names of ``a.b.c``; none if it is anything else."""
    if isinstance(node, ast.Attribute):
        return [*before, node.attr] if (before := _names(node.value)) else []
    return [node.id] if isinstance(node, ast.Name) else []


def _scopes(node: ast.AST) -> tuple[set[str], set[str], dict[str, list[str]]]:
    """The names that a statement takes from outside, those that its classes bind, and its imports."""
    text = ast.unparse(node)
    pending = [symtable.symtable(text, "<definition>", "exec")]
    # At its top: whatever it binds is a definition of its module.
    outside, fields = set(pending[0].get_identifiers()), set[str]()
    for table in pending:  # which grows
        pending += table.get_children()
        if table is not pending[0]:
            outside |= {each.get_name() for each in table.get_symbols() if each.is_global()}
        if table.get_type() == "class":
            fields |= {each.get_name() for each in table.get_symbols() if each.is_assigned()}
    return outside, fields, _imports(ast.walk(node)) if "import " in text else {}


def _imports(nodes: Iterable[ast.AST]) -> dict[str, list[str]]:
    """What the import lines among these bind: names, each with the module, and the name in it, that it stands for."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                found[each.asname or top] = [each.name if each.asname else top]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # Of several modules all of whose names are imported, each needs a key of its own.
            found |= {each.asname or (f"*{module}" if each.name == "*" else each.name): [module, each.name]
                      for each in node.names}  # fmt: skip
    return found


def absolute(package: str, names: list[str]) -> list[str]:
    """Names of which the first, a module's, may begin with the dots of a relative import."""
    with contextlib.suppress(ImportError):  # of no package, it is an import that fails
        return [importlib.util.resolve_name(names[0], package), *names[1:]]
    return names


class Module:
    """A file's top-level statements, by the names that they bind."""

    def __init__(self, code: "Code", name: str, package: str, text: str):
        self.code, self.name, self.package, self.syntax = code, name, package, ast.parse(text)
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.nameless: list[tuple[set[str], ast.stmt]] = []  # each with the definitions that it is about
        self.imports: dict[str, list[str]] = {}
        self.parts: dict[Any, Part] = {}
        bound = [(each, self._bound(each)) for each in self.syntax.body if not _does_nothing(each)]
        for statement, names in bound:
            for name in names:
                self.definitions.setdefault(name, []).append(statement)
        for statement, names in bound:
            decorators = [getattr(each, "func", each) for each in getattr(statement, "decorator_list", [])]
            # ``@f.defjvp`` tells f of a function
            about = [statement] * (not names) + [each for each in decorators if isinstance(each, ast.Attribute)]
            mentioned = {each.id for top in about for each in ast.walk(top) if isinstance(each, ast.Name)}
            known = mentioned & self.definitions.keys()
            if (known or about == [statement]) and not isinstance(statement, ast.Import | ast.ImportFrom):
                self.nameless.append((known, statement))

    def _bound(self, statement: ast.stmt) -> list[str]:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return [statement.name]
        imports = _imports(ast.walk(statement))
        self.imports |= {name: absolute(self.package, to) for name, to in imports.items()}
        symbols = symtable.symtable(ast.unparse(statement), "<statement>", "exec").get_symbols()
        return [each.get_name() for each in symbols if each.is_assigned()]

    def part(self, name: str) -> Part:
        """A definition, and the nameless statements about it."""

        def write(part: Part) -> None:
            for each in statements:
                self._writer(part, each).write(each)
            about = [n for n, (names, each) in enumerate(self.nameless)
                     if (name in names or not names) and each not in statements]  # fmt: skip
            part.put(*sorted(map(self._rider, about), key=Part.digest))  # wherever they stand

        statements = self.definitions[name]
        stops = len(statements) == 1 and is_check(statements[0])
        return self.parts.setdefault(name, Part(f"{self.name}.{name}", write, stops))

    def _rider(self, number: int) -> Part:
        names, statement = self.nameless[number]
        label = f"{self.name}, of {', '.join(sorted(names)) or 'all of it'}"
        write = lambda part: self._writer(part, statement).write(statement)  # noqa: E731
        return self.parts.setdefault(number, Part(label, write))

    def function(self, name: str, label: str, is_root: bool = False) -> Part:
        """A function as `fingerprint` writes one that is at hand: without its name, and with its defaults as values.

        Args:
            name: of a definition of this module.
            label: of the part, for people.
            is_root: whether the computation begins with it, so that its arguments are parameters.

        Raises:
            LookupError: it is no function, or a default is no literal.
        """
        node = self.definitions[name][-1]
        if not isinstance(node, ast.FunctionDef):
            raise LookupError(f"{name} is no function")

        def write(part: Part) -> None:
            of, lacks = node.args, len(node.args.posonlyargs + node.args.args) - len(node.args.defaults)
            arguments = [*[None] * lacks, *of.defaults, *[None] * bool(of.vararg), *of.kw_defaults]
            names = [each.arg for each in ast.walk(of) if isinstance(each, ast.arg)]
            part.words.update(names if is_root else ())
            for place, default in enumerate(arguments):
                if default is not None:
                    if not isinstance(default, ast.Constant):
                        raise LookupError(f"a default of {name} is known only when it runs")
                    part.put(f"default {place}", f"{type(default.value).__name__} {default.value!a}")
                    part.words.update([default.value] if isinstance(default.value, str) else [])
            self._writer(part, node).function(node)

        return Part(label, write, is_check(node))

    def whole(self) -> Part:
        """All of the module, in whatever order."""

        def write(part: Part) -> None:
            parts = [*map(self.part, self.definitions), *map(self._rider, range(len(self.nameless)))]
            part.put(*sorted(parts, key=Part.digest))

        return self.parts.setdefault(None, Part(f"{self.name} as a whole", write))

    def _writer(self, part: Part, node: ast.AST) -> Writer:
        return Writer(part, node, self.look, lambda names: self.code.follow(absolute(self.package, names)))

    def look(self, names: list[str]) -> Found:
        """What a dotted name means in this module."""
        first, *rest = names
        if first in self.definitions:
            return self.part(first), rest
        if first in self.imports:
            return self.code.follow([*self.imports[first], *rest])
        for module, _ in (to for name, to in self.imports.items() if name[0] == "*"):
            if (other := self.code.module(module)) and first in other.definitions.keys() | other.imports.keys():
                return self.code.follow([module, *names])
        return (self.whole(), rest) if first == "globals" else (f"'{first}'", rest)


class Cells(Module):
    """The code of a notebook's cells. What only running it tells is a LookupError."""

    def part(self, name: str) -> Part:
        return self.parts.setdefault(name, self.function(name, f"{name}()"))

    def computing(self, figure: str, function: str | None) -> Iterator[Part]:
        """The functions of this name that it mentions, wherever they are defined, as those that compute a result.

        Without a name, those that it hands to `fetch_or_compute` for this figure.
        """
        nodes = [each for each in ast.walk(self.syntax) if isinstance(each, ast.expr)]
        if function is None:
            calls = [each for each in nodes if isinstance(each, ast.Call) and len(each.args) > 1]
            asked = [each.args for each in calls if _names(each.func)[-1:] == ["fetch_or_compute"]]
            nodes = [args[1] for args in asked if getattr(args[0], "value", None) == figure]
        named = {tuple(names) for each in nodes if (names := _names(each)) and function in (None, names[-1])}
        for first, *rest in sorted(named):
            if isinstance(self.definitions.get(first, [None])[-1], ast.FunctionDef):
                yield self.function(first, "compute", is_root=True)
            elif first not in self.definitions and isinstance(found := self.look([first, *rest])[0], Part):
                place, _, name = found.label.rpartition(".")
                if module := self.code.module(place):
                    yield module.function(name, "compute", is_root=True)


def _does_nothing(statement: ast.stmt) -> bool:
    """Whether it is for type checkers, for a module that is run as a program, or a text."""
    if isinstance(statement, ast.If):
        return _names(statement.test)[-1:] == ["TYPE_CHECKING"] or "__name__" in ast.unparse(statement.test)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def is_check(node: ast.AST) -> bool:
    """Whether it is a function that can only raise an error, by its name, its annotation and its statements."""
    if not isinstance(node, ast.FunctionDef) or not node.name.lstrip("_").startswith("check"):
        return False
    alien = ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal
    gives = any(isinstance(each, alien) or (getattr(each, "value", None) and isinstance(each, ast.Return))
                for each in ast.walk(node))  # fmt: skip
    return isinstance(node.returns, ast.Constant) and node.returns.value is None and not gives


class Code:
    """The files of our own code, read when they are needed, and what their names lead to.

    Args:
        packages: ours, each with its folder. So are the files of modules that are not installed.
    """

    def __init__(self, packages: Mapping[str, Path]):
        self.packages, self.modules, self.stamps = packages, dict[str, Module | None](), dict[Path, Any]()

    def module(self, name: str) -> Module | None:
        """The module of that name, if it is ours: of the packages, or in a file that is not installed."""
        if name not in self.modules:
            top, *rest = name.split(".")
            if top in self.packages:
                base = self.packages[top].joinpath(*rest)
                files = [base / "__init__.py", *([base.with_suffix(".py")] if rest else [])]
                path = next((file for file in files if file.is_file()), None)
            else:
                path = _not_installed(name) if not rest or self.module(name.rpartition(".")[0]) else None
            self.stamps |= {path: _stamp(path)} if path else {}
            package = name if path and path.stem == "__init__" else name.rpartition(".")[0]
            self.modules[name] = Module(self, name, package, path.read_text("utf-8")) if path else None
        return self.modules[name]

    def is_current(self) -> bool:
        """Whether the files are as they were when they were read."""
        return all(_stamp(path) == stamp for path, stamp in self.stamps.items())

    def follow(self, names: list[str], seen: frozenset = frozenset()) -> Found:
        """What names lead to, of which the first is a module's, through whatever modules import them from elsewhere."""
        module, rest = self.module(names[0]), names[1:]
        if module is None:
            return f"'{'.'.join(names)}'", []
        if "CHANGES_NO_NUMBER" in module.definitions:
            return "'what changes no number'", []
        if rest and rest[0] in module.definitions:
            return module.part(rest[0]), rest[1:]
        if rest and rest[0] in module.imports and (module, rest[0]) not in seen:
            return self.follow([*module.imports[rest[0]], *rest[1:]], seen | {(module, rest[0])})
        if rest and self.module(inner := f"{names[0]}.{rest[0]}"):
            return self.follow([inner, *rest[1:]], seen)
        return module.whole(), rest


def _stamp(path: Path) -> Any:
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None


def _not_installed(name: str) -> Path | None:
    """The file of a module that is neither installed nor Python's own."""
    try:
        spec = getattr(sys.modules.get(name), "__spec__", None) or importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    path = Path(getattr(spec, "origin", None) or "built-in")
    there = path.suffix != ".py" or str(path.resolve()).startswith(_INSTALLED) or "site-packages" in path.parts
    return None if there else path
