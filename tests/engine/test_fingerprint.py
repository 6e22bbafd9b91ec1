"""Fingerprints: what changes them, what does not, and what has none."""

import ast
import functools
import importlib
import json
import linecache
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest

import dynloss
from dynloss_book.engine import archive
from dynloss_book.engine import fingerprint as fp
from dynloss_book.engine.syntax import Code

SOURCES = Path(dynloss.__file__).parents[1]
OURS = ("dynloss", "dynloss_book")
# A package in which everything that matters happens once.
FILES = {
    "__init__.py": "",
    "rates.py": '''
        """Rates."""
        from mini import names

        SCALE = 3.0


        def rate(t, factor=2):
            """Say it."""
            if factor < 0:
                raise ValueError(f"factor must not be negative, got {factor}")  # why
            names.check_text(t)
            return factor * t * SCALE


        class Recorder:
            """What a recorder keeps."""
            every = 5
            size: int = 3

            def record(self, t):
                return self.every * rate(t)


        def unused(t):
            return t + 1
        ''',
    "names.py": """
        def check_text(t) -> None:
            if t is None:
                raise TypeError("no text")


        def check_odd(t):
            return t % 2
        """,
    "rules.py": """
        import functools
        import jax
        import numpy as np
        from jax.interpreters import batching

        @jax.custom_jvp
        def f(x):
            return x * 2


        @f.defjvp
        def _(primals, tangents):
            return f(*primals), tangents[0] * 2


        TABLE = {}
        TABLE["one"] = 1


        def uses(x):
            from mini.rates import rate
            total = f(x) + rate(x)
            return np.float32(total) + TABLE["one"]
        """,
    "both.py": '''
        from mini import rules
        from mini.rates import Recorder as Kept


        def everything(x, count=1):
            """All of it."""
            kept = Kept()
            return [rules.uses(each) + kept.record(each) for each in range(count)]
        ''',
}
TOP = "mini.both.everything"


@pytest.fixture
def mini(tmp_path):
    """Fingerprint of a definition of the mini package, after replacing (file, old, new)."""

    def taken(*changes, name=TOP):
        folder = tmp_path / "mini"
        folder.mkdir(exist_ok=True)
        files = {file: textwrap.dedent(text) for file, text in FILES.items()}
        for file, old, new in changes:
            assert old in files[file], old
            files[file] = files[file].replace(old, new)
        for file, text in files.items():
            (folder / file).write_text(text)
        return fp.of(name, Code({"mini": folder}))

    return taken


@pytest.mark.parametrize(
    "change",
    [
        ("rates.py", '"""Say it."""', '"""Say it otherwise."""'),
        ("rates.py", "# why", "# why not"),
        ("rates.py", "factor must not be negative, got", "no negative factor:"),
        ("rates.py", "def rate(t, factor=2):", "def rate(t: float, factor: int = 2) -> float:"),
        ("rates.py", "factor * t", "(factor *\n            t)"),
        ("rates.py", "def unused(t):\n    return t + 1", "def unused(t):\n    return t + 2"),
        ("rates.py", "names.check_text(t)", "names.check_text(t)\n    names.check_text(factor)"),
        ("names.py", "t is None", "not t"),
        ("both.py", "kept", "recorder"),
        ("both.py", "everything(x, count=1)", "everything(x, number=1)"),
        ("both.py", "kept = Kept()", "kept = (\n        Kept()  # of all\n    )"),
        ("rates.py", "from mini import names\n", "import os\nfrom mini import names\n"),
    ],
)
def test_blind_to_what_cannot_change_a_number(mini, change):
    before = mini()
    changes = (
        [change] if change[1] != "everything(x, count=1)" else [change, ("both.py", "range(count)", "range(number)")]
    )
    assert mini(*changes).whole == before.whole


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("rates.py", "SCALE = 3.0", "SCALE = 4.0"), "mini.rates.SCALE"),
        (("rates.py", "factor=2", "factor=3"), "mini.rates.rate"),
        (("rates.py", "every = 5", "every = 6"), "mini.rates.Recorder"),
        (("rates.py", "size: int = 3", "size: float = 3"), "mini.rates.Recorder"),
        (("rates.py", "factor < 0", "factor < 1"), "mini.rates.rate"),
        (("rates.py", "raise ValueError(", "print("), "mini.rates.rate"),
        (("rules.py", "tangents[0] * 2", "tangents[0] * 3"), "mini.rules, of f"),
        (("rules.py", 'TABLE["one"] = 1', 'TABLE["one"] = 2'), "mini.rules, of TABLE"),
        (("rules.py", "np.float32", "np.float64"), "mini.rules.uses"),
        (("both.py", "from mini import rules", "from mini import rates as rules"), "mini.rules.uses"),
    ],
)
def test_sees_what_can_and_says_where(mini, change, named):
    before, after = mini(), mini(change)
    assert after.whole != before.whole
    assert named in fp.changed(after.parts, before.parts)


def test_a_check_counts_where_its_error_may_be_caught(mini):
    tried = (
        "rates.py",
        "    names.check_text(t)",
        "    try:\n        names.check_text(t)\n    except TypeError:\n        t = 0",
    )
    assert mini(tried).whole != mini(tried, ("names.py", "t is None", "not t")).whole


def test_what_returns_something_is_no_check(mini):
    asked = ("rates.py", "names.check_text(t)", "names.check_odd(t)")
    assert mini(asked).whole != mini(asked, ("names.py", "t % 2", "t % 3")).whole


def test_exchanging_one_function_for_another_is_seen(mini):
    swapped = [("both.py", "kept.record(each)", "rules.f(each)"), ("both.py", "rules.uses(each)", "kept.record(each)")]
    assert mini(swapped[0]).whole != mini(*swapped).whole != mini().whole


def test_a_parameter_counts_by_name_where_it_may_be_called_by_it(mini):
    """Else ``f(a=1, b=2)`` would call another function for the same fingerprint."""
    by_name = ("both.py", "rules.uses(each)", "rules.rate(t=each, factor=2)")
    exchanged = [("rates.py", "def rate(t, factor=2)", "def rate(factor, t=2)")]
    assert mini(by_name).whole != mini(by_name, *exchanged).whole


def test_same_on_every_python(mini):
    """Committed from 3.11: f-strings and type parameters are parsed otherwise from 3.12 on."""
    text = 'f"{t!r:>{SCALE}} {t:{SCALE}.{factor}f} # {{no}} comment" f\'{f"{t}"}\' "and more"'
    assert mini(("rates.py", "factor * t", text)).whole == "96be3df51e87aca0"


def rewritten(target: Path, change: ast.NodeTransformer, names=lambda path: path) -> Path:
    """Our packages with their syntax changed, in a folder of their own."""
    for path in SOURCES.rglob("*.py"):
        there = target / names(path.relative_to(SOURCES))
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(ast.unparse(change.visit(ast.parse(path.read_text("utf-8")))), "utf-8")
    return target


def code_in(folder: Path) -> Code:
    return Code({name: folder / name for name in OURS})


def dotted(path: Path) -> str:
    """The name of the module in this file, relative to the sources."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def computations() -> list[str]:
    """Everything in our packages that a notebook might have computed."""
    folders = ("dynloss/training", "dynloss/spectral", "dynloss/models", "dynloss_book/tasks", "dynloss_book/analysis")
    paths = [path for folder in folders for path in sorted((SOURCES / folder).rglob("*.py"))]
    found = []
    for path in [*paths, *sorted(SOURCES.glob("dynloss_book/*/experiment.py"))]:
        tree, module = ast.parse(path.read_text("utf-8")), dotted(path.relative_to(SOURCES))
        found += [f"{module}.{each.name}" for each in tree.body if isinstance(each, ast.FunctionDef)]
    return found


class Reworded(ast.NodeTransformer):
    def visit_Raise(self, node):
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                each.value = f"{each.value}, in other words"
        return node


@pytest.mark.slow
def test_rewording_every_error_changes_nothing(tmp_path):
    folder = rewritten(tmp_path, Reworded())
    assert "in other words" in (folder / "dynloss" / "checks.py").read_text()
    other = code_in(folder)
    names = computations()
    assert len(names) > 200
    assert [fp.of(name).whole for name in names] == [fp.of(name, other).whole for name in names]


class Moved(ast.NodeTransformer):
    """Each module under another name, its definitions in another order."""

    def __init__(self, names):
        self.names = names

    def visit_Module(self, node):
        self.generic_visit(node)
        head = [each for each in node.body if isinstance(each, ast.Import | ast.ImportFrom | ast.Expr)]
        functions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
        rest = [each for each in node.body if each not in head and each not in functions]
        return ast.Module([*functions[::-1], *head[::-1], *rest], [])

    def visit_ImportFrom(self, node):
        lines = []
        for each in node.names:
            name = f"{node.module}.{each.name}"
            if name in self.names:
                alias = ast.alias(self.names[name], each.asname or each.name)
                lines.append(ast.ImportFrom("dynloss", [alias], 0))
            else:
                module = f"dynloss.{self.names[node.module]}" if node.module in self.names else node.module
                lines.append(ast.ImportFrom(module, [each], 0))
        return lines


@pytest.mark.slow
def test_moving_every_module_and_reordering_it_changes_nothing(tmp_path):
    paths = [path.relative_to(SOURCES) for path in SOURCES.rglob("*.py")]
    paths = [path for path in paths if dotted(path) not in OURS]
    names = {dotted(path): f"room{number}" for number, path in enumerate(paths)}
    files = {path: Path("dynloss", f"{names[dotted(path)]}.py") for path in paths}
    other = code_in(rewritten(tmp_path, Moved(names), lambda path: files.get(path, path)))
    for name in computations():
        module, _, function = name.rpartition(".")
        moved = fp.of(f"dynloss.{names[module]}.{function}", other)
        assert moved.whole == fp.of(name).whole, name


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("training/recorders.py", "k: int = 1, num_matvecs: int = 16", "k: int = 1, num_matvecs: int = 9",
         "training.recorders.hessian"),
        ("models/convolution.py", "_GROUP = 8", "_GROUP = 4", "models.convolution._GROUP"),
        ("models/convolution.py", "kernel[::-1, ::-1]", "kernel", "models.convolution._to_inputs"),
        ("models/convolution.py", "_convolve] = _convolve_many", "_convolve] = None",
         "models.convolution, of _convolve, _convolve_many"),
        ("schedules.py", "slope = 2 *", "slope = 3 *", "schedules.oscillating"),
        ("training/compiled/kernel.py", "fmul", "fadd", "training.compiled.kernel"),
    ],
)  # fmt: skip
def test_a_change_makes_stale_what_reaches_it_and_nothing_else(tmp_path, file, old, new, part):
    folder = shutil.copytree(SOURCES, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    changed = folder / "dynloss" / file
    text = changed.read_text("utf-8")
    assert old in text
    changed.write_text(text.replace(old, new, 1), "utf-8")
    other, reaching, stale = code_in(folder), set(), set()
    for name in computations():
        before = fp.of(name)
        reaching |= {name} if any(each.startswith(f"dynloss.{part}") for each in before.parts) else set()
        stale |= {name} if fp.of(name, other).whole != before.whole else set()
    assert stale and stale <= reaching if part.endswith("kernel") else stale == reaching


# Values at run time


def taken(function):
    return fp.take(function).whole


def test_files_alone_tell_that_every_published_result_is_fresh():
    """What `dynloss list` says in a second, beside what `dynloss claims` says by running the notebooks."""
    root, told = Path(__file__).resolve().parents[2], {}
    kinds = {record["fingerprint"]: record for record in archive.contents(root / "results").records}
    for path in sorted((root / "notebooks").glob("*.py")):
        cells = path.read_text("utf-8")
        asked = {name: each for name, each in kinds.items() if each["figure"] in cells}
        told |= {name: said for name in asked if (said := fp.changed_in_files(cells, asked[name])) is not None}
    assert told == dict.fromkeys(kinds, "")


def test_default_arguments():
    def made(k):
        return lambda seed, x, k=k: {"y": k * x}

    assert taken(made(2)) == taken(made(2)) != taken(made(3))


K = 2


def by_default(x, k=K):
    return k * x


def test_a_default_whose_name_means_something_else_now(monkeypatch):
    before = taken(by_default)
    monkeypatch.setitem(globals(), "K", 3)
    assert taken(by_default) == before  # it is bound when the function is defined
    monkeypatch.setattr(by_default, "__defaults__", (3,))
    assert taken(by_default) != before


def test_two_lambdas_on_one_line():
    one, two = (lambda x: x + 1), (lambda x: x + 2)
    nested = lambda x: (lambda y: y * x)(x)  # noqa: E731
    assert len({taken(one), taken(two), taken(nested)}) == 3


def closed_over(value):
    def compute():
        return value

    return compute


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.arange(3), np.arange(3.0)),
        (np.arange(3), np.arange(1, 4)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (jax.numpy.zeros(2), jax.numpy.ones(2)),
        (jax.random.key(0), jax.random.key(1)),
        ({"a": [1, 2]}, {"a": [1, 3]}),
        ({1, 2}, {1, 3}),
        ("text", b"text"),
        (1, True),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (functools.partial(max, 1), functools.partial(min, 1)),
        (dynloss.datasets.spiral(5), dynloss.datasets.spiral(6)),
        (jax.vmap(by_default), jax.vmap(closed_over)),
        (jax.jit(by_default), jax.jit(closed_over)),
        (dynloss.models.MLP(width=3), dynloss.models.MLP(width=4)),
        (np.dtype("float32"), np.dtype("float64")),
        (np.sin, np.cos),
        (jax.nn.relu, jax.nn.gelu),
        (dynloss.losses, dynloss.schedules),
        (dynloss.losses.cross_entropy, dynloss.losses.squared_error),
    ],
)
def test_values_that_a_closure_holds(one, other):
    assert taken(closed_over(one)) == taken(closed_over(one)) != taken(closed_over(other))


class Settings:
    rate = 0.1

    @property
    def half(self):
        return self.rate / 2


def by_class(x):
    return x * Settings().half


def test_attributes_of_a_class(monkeypatch):
    before = taken(by_class)
    monkeypatch.setattr(Settings, "rate", 0.2)
    assert taken(by_class) != before


DATA = np.arange(4)


def helper(x):
    return x + OFFSET


OFFSET = 2


def uses_helper(x):
    return helper(x) + DATA.sum()


def test_constants_arrays_and_helpers_of_the_functions_own_module(monkeypatch):
    before = fp.take(uses_helper)
    for name, value in (("OFFSET", 3), ("DATA", np.arange(1, 5)), ("helper", lambda x: x)):
        with monkeypatch.context() as changed:
            changed.setitem(globals(), name, value)
            after = fp.take(uses_helper)
            assert after.whole != before.whole
            assert (f"value of {name}" in fp.changed(after.parts, before.parts)) == (name != "helper")


def test_a_helper_in_a_file_of_the_users(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_helpers.py").write_text("FACTOR = 2\n\n\ndef twice(x):\n    return FACTOR * x\n")
    (tmp_path / "my_work.py").write_text("import my_helpers\n\n\ndef compute(x):\n    return my_helpers.twice(x)\n")
    work = importlib.import_module("my_work")
    before = fp.take(work.compute)
    assert set(before.parts) == {"compute", "my_helpers.twice", "my_helpers.FACTOR"}
    (tmp_path / "my_helpers.py").write_text("FACTOR = 33\n\n\ndef twice(x):\n    return FACTOR * x\n")
    assert fp.changed(fp.take(work.compute).parts, before.parts) == "my_helpers.FACTOR"


def test_names_that_a_file_of_the_users_imports_all_at_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_constants.py").write_text("WEIGHT = 2\n")
    (tmp_path / "my_functions.py").write_text("from my_constants import *\n\n\ndef heavy(x):\n    return WEIGHT * x\n")
    text = "import my_functions\n\n\ndef compute(x):\n    return my_functions.heavy(x)\n"
    (tmp_path / "my_start.py").write_text(text)
    before = fp.take(importlib.import_module("my_start").compute)
    (tmp_path / "my_constants.py").write_text("WEIGHT = 3.5\n")
    after = fp.take(importlib.import_module("my_start").compute)
    assert fp.changed(after.parts, before.parts) == "my_constants.WEIGHT"


def test_a_function_made_by_one_of_the_users(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_makers.py").write_text("def maker(k):\n    def made(x):\n        return k * x\n    return made\n")
    made = importlib.import_module("my_makers").maker
    assert taken(closed_over(made(2))) == taken(closed_over(made(2))) != taken(closed_over(made(3)))


def test_process_state(monkeypatch):
    before = taken(by_default)
    with jax.default_matmul_precision("highest"):
        assert taken(by_default) != before
    assert taken(by_default) == before


def test_sees_through_jit():
    assert taken(jax.jit(uses_helper)) == taken(uses_helper)


def test_functions_of_a_notebook(tmp_path):
    """Defined in cells, as IPython does it: the text of each stands in the cache of lines alone."""

    def ran(*cells):
        names = {"__name__": "__main__"}
        for number, text in enumerate(cells):
            place = str(tmp_path / f"cell{number}.py")
            linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
            exec(compile(text, place, "exec"), names)
        return taken(names["compute"])

    cells = [
        "import jax.numpy as jnp\nsize = 3",
        "def inner(x):\n    return x * size",
        "def compute(x):\n    return jnp.sum(inner(x))",
    ]
    before = ran(*cells)
    assert ran("size = 3", "import jax\njnp = jax.numpy", *cells[1:]) == before
    assert (
        ran(*cells[:2], "def compute(y):\n    'Says it.'\n    return jnp.sum(inner(y))") != before
    )  # parameters are the key
    assert ran(cells[0].replace("3", "4"), *cells[1:]) != before
    assert ran(cells[0], cells[1].replace("*", "+"), cells[2]) != before
    assert ran(cells[0], cells[1], cells[2].replace("sum", "prod")) != before


@pytest.mark.parametrize("what", [len, 3, functools.partial(uses_helper, 1)])
def test_refuses_what_has_no_source(what):
    with pytest.raises(ValueError, match="plain function"):
        fp.take(what)


def test_refuses_a_function_typed_at_a_prompt():
    namespace = {}
    exec("def f(): return 1", namespace)
    with pytest.raises(ValueError, match="cannot read the source of f"):
        fp.take(namespace["f"])


@pytest.mark.parametrize("value", [sys.stdin, open(__file__), iter([1]), np.array([None])])  # noqa: SIM115
def test_refuses_a_value_that_cannot_be_told_from_another_and_names_it(value):
    with pytest.raises(ValueError, match=r"compute uses value, a .*, which has no fingerprint"):
        fp.take(closed_over(value))


def test_same_in_another_process():
    code = "import json; from test_fingerprint import *; print(json.dumps(fp.take(uses_helper)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert tuple(json.loads(done.stdout)) == fp.take(uses_helper)
