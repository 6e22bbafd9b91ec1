"""The house: two packages, who may import whom, and one room for every notebook, of its name."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
BOOK = SOURCES / "dynloss_book"
# From the ground up: what stands on the left may be imported by what stands to the right of it.
FLOORS = ("engine", "paper", "tasks", "analysis", "plots")
# What of the method an engine without physics may know.
WITHOUT_PHYSICS = {"dynloss.checks", "dynloss.files"}
BOOK_BY_NAME = re.compile(r'"dynloss_book\.(?!engine)')
AGREED = {"__init__", "claims", "experiment", "figure", "hooks"}
# What a room needs beside the files of agreed names.
OWN = {
    "central_flow": {"flow"},
    "figS2_myrtle_bifurcations": {"batched_recorders"},
    "figS4_wide_resnet": {"model"},
    "fig05_curvature_threshold": {"mlp_hessian", "tracking"},
    "squared_error": {"infinite_width", "kernel_map", "neural_tangents"},
}
NOTEBOOKS = {path.stem for path in (ROOT / "notebooks").glob("*.py")}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in SOURCES.rglob("*.py")}


def imported(path: Path) -> set[str]:
    """Our modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports relatively"
            names = [f"{node.module}.{each.name}" for each in node.names]
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {name for name in found if name.partition(".")[0] in ("dynloss", "dynloss_book")}


def allowed(module: str, other: str) -> bool:
    ours, theirs = (name.split(".") for name in (module, other))
    if ours[0] == "dynloss":
        return theirs[0] == "dynloss"
    room, neighbour = ours[1] if len(ours) > 1 else "", theirs[1] if len(theirs) > 1 else ""
    if room == "engine":
        return other in WITHOUT_PHYSICS or theirs[:2] == ["dynloss_book", "engine"]
    if theirs[0] == "dynloss" or neighbour in (room, "engine", "paper"):
        return True
    if room in FLOORS:
        return neighbour in FLOORS[: FLOORS.index(room)]
    return neighbour in FLOORS


def test_nothing_is_validated_by_what_python_leaves_out_with_the_option_o():
    trees = {path: ast.parse(path.read_text("utf-8")) for path in MODULES.values()}
    asserting = [
        str(path) for path, tree in trees.items() if any(isinstance(each, ast.Assert) for each in ast.walk(tree))
    ]
    assert asserting == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nobody_imports_upwards_or_from_another_room(module):
    assert not {other for other in imported(MODULES[module]) if not allowed(module, other)}


def test_the_engine_knows_nobody_by_name():
    """Rooms are found by convention, in one place."""
    named = [
        module
        for module, path in MODULES.items()
        if module.startswith("dynloss_book.engine") and (BOOK_BY_NAME.search(path.read_text("utf-8")))
    ]
    assert not named


def test_every_room_is_named_after_its_notebook():
    rooms = {path.name for path in BOOK.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms - {*FLOORS, "playground"} == NOTEBOOKS
    for name in NOTEBOOKS:
        files = {path.stem for path in (BOOK / name).glob("*.py")}
        assert "claims" in files and files <= AGREED | OWN.get(name, set())


def test_every_room_has_its_test_file():
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "rooms").glob("test_*.py")}
    assert tests - {f"{room}_{module}" for room, modules in OWN.items() for module in modules} == NOTEBOOKS


def reached(module: str) -> set[str]:
    """All that importing a module imports of ours."""
    found, left = set(), {module}
    while left:
        found |= left
        left = {name for each in left if each in MODULES for name in imported(MODULES[each])} - found
    return found


@pytest.mark.parametrize("room", sorted(NOTEBOOKS))
def test_claims_draw_nothing(room):
    modules = reached(f"dynloss_book.{room}.claims")
    assert not {name for name in modules if name.startswith("dynloss_book.plots") or name.endswith(".figure")}
    texts = [MODULES[name].read_text("utf-8") for name in modules if name in MODULES]
    assert not [text for text in texts if re.search(r"^(import|from) (matplotlib|seaborn)", text, re.MULTILINE)]


def test_a_room_owns_one_folder_of_results_at_most():
    folders = {path.name for path in (ROOT / "results").iterdir() if path.is_dir()}
    assert folders <= NOTEBOOKS


def is_command(function: ast.FunctionDef) -> bool:
    """Of click, which prints the docstring as ``--help``, with a line of its own for each option."""
    names = [getattr(each, "func", each) for each in function.decorator_list]
    return any(isinstance(each, ast.Attribute) and each.attr == "command" for each in names)


def undocumented(path: Path) -> list[str]:
    """The public functions, and methods of public classes, with three or more arguments and no `Args:`.

    Left out are commands, and methods without a docstring in a class with a base, which gives them its own.
    """
    lacking = []
    for node in ast.parse(path.read_text("utf-8")).body:
        for each in node.body if isinstance(node, ast.ClassDef) else [node]:
            if not isinstance(each, ast.FunctionDef) or node.name.startswith("_") or each.name.startswith("_"):
                continue
            names = {arg.arg for arg in [*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs]}
            said = ast.get_docstring(each)
            inherits = said is None and isinstance(node, ast.ClassDef) and bool(node.bases)
            if len(names - {"self", "cls"}) > 2 and not (inherits or is_command(each) or "Args:" in (said or "")):
                lacking.append(f"{module_of(path)}.{each.name}")
    return lacking


def test_public_functions_of_three_or_more_arguments_say_what_these_are():
    assert not [name for path in MODULES.values() for name in undocumented(path)]


def test_a_function_without_its_arguments_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SOURCES", tmp_path)
    path = tmp_path / "one.py"
    path.write_text('def far(a, b, c):\n    """Far."""\n\n\ndef near(a, b):\n    """Near."""\n')
    assert undocumented(path) == ["one.far"]
