"""Every misuse is found before anything starts, and said in one line each."""

import re
from pathlib import Path

import pytest
import small_site

from dynloss_book.engine.runner.profiles import (
    Parameter,
    UsageError,
    checked,
    find,
    find_root,
    load,
    named,
    read_parameters,
    values,
)

ROOT = Path(__file__).resolve().parents[3]
KINDS = {
    "steps": Parameter("steps", "int", False, 10),
    "rate": Parameter("rate", "float", False, 1.0),
    "stop": Parameter("stop", "int", True, None),
    "name": Parameter("name", "str", False, "a"),
    "show": Parameter("show", "bool", False, True),
}


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("steps", "30", 30), ("steps", "1e4", 10_000), ("steps", "-1", -1), ("steps", 600.0, 600),
        ("steps", "12345678901234567891", 12345678901234567891), ("steps", "70_000", 70_000),
        ("rate", "1e-3", 0.001), ("rate", 30, 30.0), ("rate", "30", 30.0), ("rate", "-.5", -0.5),
        ("stop", "none", None), ("stop", None, None), ("stop", "5", 5),
        ("name", "30", "30"), ("name", "none", "none"),
        ("show", "False", False), ("show", "yes", True), ("show", False, False), ("show", "0", False),
    ],
)  # fmt: skip
def test_reads_values_by_their_annotation(name, given, read):
    found = checked("fig", KINDS, {name: given})[name]
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("steps", "abc", "an integer"), ("steps", "1.5", "an integer"), ("steps", True, "an integer"),
        ("steps", "", "an integer"), ("steps", None, "an integer"), ("steps", "none", "an integer"),
        ("rate", "abc", "a finite number"), ("rate", "nan", "a finite number"), ("rate", "inf", "a finite number"),
        ("rate", False, "a finite number"), ("rate", [1], "a finite number"), ("rate", "1e999", "a finite number"),
        ("stop", "1.5", "an integer or none"), ("name", 3, "text"), ("name", None, "text"),
        ("show", "maybe", "true or false"), ("show", 2, "true or false"),
    ],
)  # fmt: skip
def test_refuses_other_kinds(name, given, kind):
    with pytest.raises(UsageError, match=rf"^fig: {name}={re.escape(repr(given))} is not {kind}$"):
        checked("fig", KINDS, {name: given})


def test_says_everything_at_once():
    with pytest.raises(UsageError) as refused:
        checked("fig", KINDS, {"steps": "x", "stepz": 1, "rate": "y"})
    assert str(refused.value).splitlines() == [
        "fig: steps='x' is not an integer",
        "fig: unknown parameter 'stepz'; there are steps, rate, stop, name, show",
        "fig: rate='y' is not a finite number",
    ]


@pytest.mark.parametrize(
    ("line", "kind", "optional", "default"),
    [
        ("x: int = 70_000  # steps", "int", False, 70_000), ("x: float = 1e-3", "float", False, 1e-3),
        ("x: float = -1", "float", False, -1), ("x: int | None = None", "int", True, None),
        ("x: None | str = 'a'", "str", True, "a"), ("x = 3", "int", False, 3), ("x = 3.0", "float", False, 3.0),
        ("x = True", "bool", False, True), ("x = 'a'", "str", False, "a"),
    ],
)  # fmt: skip
def test_reads_the_parameters_cell(tmp_path, line, kind, optional, default):
    root = small_site.make(tmp_path / "a", fig=small_site.notebook(parameters=f'"""Text."""\n{line}'))
    assert read_parameters(root / "notebooks" / "fig.ipynb") == {"x": Parameter("x", kind, optional, default)}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("x: list = [1]", "annotation must be one of"),
        ("x: int | str = 1", "annotation must be one of"),
        ("x = None", "annotation must be one of"),
        ("x: int = print('executed')", "plain value"),
        ("x: int = 2 * y", "plain value"),
        ("x: int = ", "cannot be read as a notebook"),
    ],
)
def test_refuses_cells_that_it_cannot_check(tmp_path, capsys, cell, said):
    root = small_site.make(tmp_path / "a", fig=small_site.notebook(parameters=cell))
    with pytest.raises(UsageError, match=said):
        load(root)
    assert capsys.readouterr().out == ""


def test_profiles_are_checked_all_at_once_yaml_trap_included(tmp_path):
    profiles = """
        fig01_good:
          smoke: {parameters: {steps: 1.5, amplitude: 1e-3}}
          quick: {parameters: {steqs: 1}}
          odd: {parametres: {}}
          dear: {cost: {GPU: 3}}
        fig02_gone: {quick: {}}
    """
    root = small_site.make(tmp_path / "a", profiles)
    with pytest.raises(UsageError) as refused:
        load(root)
    said = str(refused.value).splitlines()
    assert len(said) == 5
    for line, part in zip(
        said, ["fig02_gone.ipynb", "smoke: steps=1.5", "'steqs'", "odd: expected", "dear"], strict=True
    ):
        assert part in line


def test_yaml_reads_1e_3_as_text_and_we_do_not(tmp_path):
    small = "fig01_good: {quick: {parameters: {amplitude: 1e-3}}}"
    figure = load(small_site.make(tmp_path / "a", small))["fig01_good"]
    assert values(figure, "quick") == {"amplitude": 0.001}


@pytest.mark.parametrize("profiles", ["fig01_good: {", "[1]", "fig01_good: 3", "fig01_good:", ""])
def test_malformed_profiles(tmp_path, profiles):
    with pytest.raises(UsageError, match=r"profiles\.yml"):
        load(small_site.make(tmp_path / "a", profiles))


def test_no_notebooks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="run dynloss in a checkout"):
        find_root()
    root = small_site.make(tmp_path / "a")
    (root / "notebooks" / "fig01_good.ipynb").unlink()
    monkeypatch.chdir(root / "book")
    assert find_root() == root
    with pytest.raises(UsageError, match="no notebooks"):
        load(root)


def test_find_by_name_number_or_beginning():
    stems = ["fig01_one", "fig011_more", "fig02_two", "figS1_eigen"]
    figures = {stem: stem_figure(stem) for stem in stems}
    for name, stem in {"fig01": stems[0], "fig02_t": stems[2], "figS": stems[3], "fig011_more": stems[1]}.items():
        assert find(figures, name).stem == stem
    with pytest.raises(UsageError, match="could be fig01_one or fig011_more or fig02_two"):
        find(figures, "fig0")
    for name in ("fig9", "", "one"):
        with pytest.raises(UsageError, match="unknown figure"):
            find(figures, name)


def stem_figure(stem):
    from dynloss_book.engine.runner.profiles import Figure

    return Figure(stem, None, {}, {})


def test_values_by_hand_go_before_the_profile(tmp_path):
    figure = load(small_site.make(tmp_path / "a"))["fig01_good"]
    assert values(figure, "smoke") == {"steps": 3}
    assert values(figure, "smoke", [("steps", "4"), ("amplitude", "30")], fresh=True) == {
        "steps": 4, "amplitude": 30.0, "fresh": True,
    }  # fmt: skip
    with pytest.raises(UsageError, match="no profile 'huge'; there are smoke, quick"):
        values(figure, "huge")


def test_without_a_paper_s_own_size_it_is_the_largest():
    """So that `make book PROFILE=paper`, which the README offers, holds for every notebook."""
    figures = load(ROOT)
    assert named(figures["fig04_learning_dynamics"], "paper") == "paper"
    assert named(figures["cifar_tuned_baseline"], "paper") == "reduced"
    for name in re.findall(r"PROFILE=(\w+)", (ROOT / "README.md").read_text("utf-8")):
        assert name == "best" or all(values(figure, name) is not None for figure in figures.values())
