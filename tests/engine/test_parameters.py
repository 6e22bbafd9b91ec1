"""What a parameters cell declares, and values read as it says, by our runner and under plain papermill."""

import json
import logging
import re
import sys
import types
from pathlib import Path

import papermill.cli
import pytest
import small_site
from click.testing import CliRunner

from dynloss_book.engine import parameters
from dynloss_book.engine.parameters import Parameter, UsageError, checked, read_parameters, renamed
from dynloss_book.engine.runner.profiles import load

ROOT = Path(__file__).resolve().parents[2]
FIGURES = load(ROOT)
KINDS = {
    "steps": Parameter("steps", "int", False, 10),
    "rate": Parameter("rate", "float", False, 1.0),
    "stop": Parameter("stop", "int", True, None),
    "name": Parameter("name", "str", False, "a"),
    "show": Parameter("show", "bool", False, True),
    "sizes": Parameter("sizes", "list[int]", False, [1]),
    "rates": Parameter("rates", "list[float]", False, [0.1]),
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
        ("rates", 0.02, [0.02]), ("rates", "0.02", [0.02]), ("rates", "0 1e-3", [0.0, 0.001]),
        ("rates", [1, 2], [1.0, 2.0]),
        ("sizes", "[2, 8]", [2, 8]), ("sizes", "2,8", [2, 8]), ("sizes", 3.0, [3]), ("sizes", ("2", 8), [2, 8]),
    ],
)  # fmt: skip
def test_reads_values_by_their_annotation(name, given, read):
    found = checked("fig", KINDS, {name: given})[name]
    assert found == read
    assert type(found) is type(read)
    assert not isinstance(read, list) or [*map(type, found)] == [*map(type, read)]


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("steps", "abc", "an integer"), ("steps", "1.5", "an integer"), ("steps", True, "an integer"),
        ("steps", "", "an integer"), ("steps", None, "an integer"), ("steps", "none", "an integer"),
        ("rate", "abc", "a finite number"), ("rate", "nan", "a finite number"), ("rate", "inf", "a finite number"),
        ("rate", False, "a finite number"), ("rate", [1], "a finite number"), ("rate", "1e999", "a finite number"),
        ("stop", "1.5", "an integer or none"), ("name", 3, "text"), ("name", None, "text"),
        ("show", "maybe", "true or false"), ("show", 2, "true or false"),
        ("sizes", "2 8.5", "a list of integers, as 2 8 32"), ("sizes", [], "a list of integers, as 2 8 32"),
        *(("rates", given, "a list of finite numbers, as 0.01 0.02") for given in ("", None, [[1]], True, "1 nan")),
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
        "fig: unknown parameter 'stepz'; there are steps, rate, stop, name, show, sizes, rates",
        "fig: rate='y' is not a finite number",
    ]


@pytest.mark.parametrize(
    ("line", "kind", "optional", "default"),
    [
        ("x: int = 70_000  # steps", "int", False, 70_000), ("x: float = 1e-3", "float", False, 1e-3),
        ("x: float = -1", "float", False, -1), ('x: "Optional[int]" = None', "int", True, None),
        ("x: Optional[str] = 'a'", "str", True, "a"), ("x: list[float] = [1, 0.5]", "list[float]", False, [1, 0.5]),
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
        ("x: int | None = 1", "annotation must be one of"),  # which papermill overlooks
        ("x = 3", "needs an annotation"),
        ("x: int", "needs an annotation and a default"),
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


# What people write behind `-p`, by kind, and what it means; papermill makes numbers of what looks like one.
WRITTEN = {
    "int": {"7": 7, "1e1": 10},
    "float": {"7": 7.0, "0.5": 0.5},
    "str": {"float32": "float32", "a 'b'": "a 'b'"},
    "bool": {"false": False, "False": False, "true": True, "0": False},
    "list[int]": {"3": [3], "3 7": [3, 7], "[3, 7]": [3, 7]},
    "list[float]": {"0.02": [0.02], "7": [7.0], "0.02 1e-3": [0.02, 0.001]},
}
OPTIONAL = {"null": None, "None": None, "none": None}


@pytest.fixture
def through_papermill(tmp_path, monkeypatch, caplog):
    """A notebook's parameters as they are after its first cell that can know, and what papermill warned of."""

    def through_papermill(stem, *given):
        options = [word for name, text in given for word in ("-p", name, text)]
        out = str(tmp_path / "out.ipynb")
        caplog.clear()
        with caplog.at_level(logging.WARNING, "papermill"):
            command = [str(FIGURES[stem].path), out, "--prepare-only", *options]
            CliRunner().invoke(papermill.cli.papermill, command, catch_exceptions=False)
        main = types.ModuleType("__main__")
        cells = json.loads(Path(out).read_text())["cells"]
        tagged = {"parameters", "injected-parameters"}
        main.In = ["".join(cell["source"]) for cell in cells if tagged & set(cell["metadata"].get("tags", []))]
        for cell in main.In:
            exec(cell, vars(main))
        monkeypatch.setitem(sys.modules, "__main__", main)
        parameters.validate(stem)
        return vars(main), [record.getMessage() for record in caplog.records]

    return through_papermill


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_papermill_hands_over_every_parameter_as_it_is_meant(stem, through_papermill):
    declared = FIGURES[stem].parameters.values()
    forms = {each.name: list((WRITTEN[each.kind] | (OPTIONAL if each.optional else {})).items()) for each in declared}
    for number in range(max(map(len, forms.values()))):
        chosen = {name: form[number % len(form)] for name, form in forms.items()}
        found, warned = through_papermill(stem, *((name, text) for name, (text, _) in chosen.items()))
        assert warned == []
        expected = {name: value for name, (_, value) in chosen.items()}
        assert repr({name: found[name] for name in chosen}) == repr(expected)  # kinds too


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_papermill_sees_what_is_declared(stem):
    seen = papermill.inspect_notebook(FIGURES[stem].path)
    assert list(seen) == list(FIGURES[stem].parameters)
    for name, each in FIGURES[stem].parameters.items():
        assert seen[name]["inferred_type_name"] == (f"Optional[{each.kind}]" if each.optional else each.kind)


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_a_notebook_refuses_what_it_does_not_have(stem, through_papermill):
    """Its first cell after the parameters asks, before anything is computed."""
    cells = [cell for cell in json.loads(FIGURES[stem].path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert "parameters" in cells[1]["metadata"]["tags"]
    assert f'parameters.validate("{stem}")' in "".join(cells[2]["source"]).splitlines()
    own = ", ".join(FIGURES[stem].parameters)
    with pytest.raises(UsageError, match=f"^{stem}: unknown parameter 'step'; there are {re.escape(own)}$"):
        through_papermill(stem, ("step", "400"), ("fresh", "false"))


def test_old_names_of_parameters_hold_with_a_warning(through_papermill, capsys):
    old = renamed(ROOT, "parameters")
    assert old
    for stem, names in old.items():
        for before, now in names.items():
            found, _ = through_papermill(stem, (before, "5"))
            assert found[now] == 5
            assert f"{stem}: {before} is now called {now}" in capsys.readouterr().err
            with pytest.raises(UsageError, match=f"{now} is given twice"):
                through_papermill(stem, (before, "5"), (now, "6"))


def test_a_value_of_another_kind_is_refused(through_papermill):
    with pytest.raises(UsageError) as refused:
        through_papermill("cifar_tuned_baseline", ("peak_rates", "fast"), ("seeds", "1.5"), ("minutes", "soon"))
    assert str(refused.value).splitlines() == [
        "cifar_tuned_baseline: peak_rates='fast' is not a list of finite numbers, as 0.01 0.02",
        "cifar_tuned_baseline: seeds=1.5 is not an integer",
        "cifar_tuned_baseline: minutes='soon' is not a finite number or none",
    ]
