"""The gate lets a good copy through, and rejects every kind of broken one."""

import json

import pytest

from dynloss_book.engine.runner import gate

PARAMETERS = {"steps": 3}


@pytest.fixture
def source(site):
    return site / "notebooks" / "fig01_good.ipynb"


@pytest.fixture
def executed(site):
    return site / "_build" / "executed" / "smoke" / "fig01_good.ipynb"


def changed(path, change):
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def last(notebook):
    return notebook["cells"][-1]


def error(name, value):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def set_(*keys, to):
    """A change: the entry of the notebook at these keys."""

    def change(notebook):
        for key in keys[:-1]:
            notebook = notebook[key]
        notebook[keys[-1]] = to

    return change


def test_a_good_copy_passes(executed, source):
    assert gate.problems(executed, source, PARAMETERS) == []


def test_defaults_and_fresh_do_not_count(executed, source):
    assert gate.problems(executed, source, {"steps": 3, "amplitude": 70, "fresh": True}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_("metadata", "papermill", "end_time", to=None), "its metadata are not those of a run"),
        (set_("metadata", "dynloss", "complete", to=False), "its run did not end well"),
        (lambda notebook: notebook["metadata"].pop("dynloss"), "its run did not end well"),
        (lambda notebook: notebook["metadata"].pop("papermill"), "its metadata are not those of a run"),
        (set_("cells", -1, "metadata", "papermill", "status", to="running"), "cell 4 was not completed"),
        (set_("cells", -1, "metadata", "papermill", "end_time", to=None), "cell 4 was not completed"),
        (set_("cells", -1, "execution_count", to=None), "cell 4 was not completed"),
        (lambda notebook: last(notebook)["outputs"].append(error("ValueError", "no")), "cell 4: ValueError: no"),
        (lambda notebook: last(notebook)["outputs"].append(error("SystemExit", "0")), "cell 4 called sys.exit"),
        (set_("cells", -1, "metadata", "mystnb", to={"figure": {"caption": "A"}}), "cell 4 has drawn no figure"),
        (set_("cells", 2, "source", to="steps = 4\n"), "it ran with steps=4 instead of 3"),
        (lambda notebook: notebook["cells"].pop(2), "it ran with steps=10 instead of 3"),
        (set_("metadata", "dynloss", "source", to="0"), "its source has changed since it was executed"),
        (set_("cells", -1, "source", to="1"), "its cells are not those of its source"),
        (lambda notebook: notebook["cells"].pop(), "its cells are not those of its source"),
        (lambda notebook: notebook.pop("cells"), "it is no valid notebook"),
        (set_("cells", 2, "source", to="steps = ("), "it is no valid notebook"),
    ],
)
def test_rejects(executed, source, change, said):
    changed(executed, change)
    assert any(problem.startswith(said) for problem in gate.problems(executed, source, PARAMETERS))


def test_rejects_other_parameters_than_expected(executed, source):
    assert gate.problems(executed, source, {"steps": 4}) == ["it ran with steps=3 instead of 4"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"cells": 3}'])
def test_rejects_what_is_no_notebook(executed, source, text):
    executed.write_text(text)
    (problem,) = gate.problems(executed, source, PARAMETERS)
    assert problem.startswith("it is no valid notebook")


def test_rejects_half_a_file(executed, source):
    text = executed.read_text()
    executed.write_text(text[: len(text) // 2])
    assert "it is no valid notebook" in gate.problems(executed, source, PARAMETERS)[0]


def test_rejects_a_copy_of_another_source(executed, source):
    changed(source, set_("cells", 0, "source", to="# Another title"))
    assert gate.problems(executed, source, PARAMETERS) == ["its source has changed since it was executed"]


def test_rejects_what_was_never_executed(source, executed):
    executed.unlink()
    assert gate.problems(executed, source, PARAMETERS) == ["it was not executed"]
    executed.write_text(source.read_text())
    assert "its run did not end well" in gate.problems(executed, source, PARAMETERS)
