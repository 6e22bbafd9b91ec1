"""Several notebooks at the same time: all end, whatever becomes of one, or all are interrupted."""

import io
import json
import time

import pytest
import small_site

from dynloss_book.engine import cli
from dynloss_book.engine.runner import together
from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import load
from dynloss_book.engine.runner.tables import executed_copy


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A function that makes one of these notebooks."""
    monkeypatch.setenv("DYNLOSS_RESULTS", str(tmp_path / "results"))

    def make(**codes):
        notebooks = {name: small_site.notebook(code) for name, code in codes.items()}
        profiles = "".join(f"{name}: {{quick: {{}}}}\n" for name in notebooks)
        return small_site.make(tmp_path / "checkout", profiles, **notebooks)

    return make


@pytest.mark.parametrize(("profile", "jobs"), [("best", []), ("quick", ["--jobs", "2"])])
def test_one_fails_and_the_others_do_not(checkout, monkeypatch, capfd, profile, jobs):
    root = checkout(fig01_good=small_site.GOOD, fig02_bad=small_site.BAD, fig03_fine="print(steps)")
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--all", "--profile", profile, *jobs])
    said = capfd.readouterr().err
    assert ended.value.code == 1
    assert said.splitlines()[-1] == "dynloss: 1 of 3 notebooks failed"
    assert "fig02_bad failed after" in said and "started" not in said
    for name, complete in (("fig01_good", True), ("fig02_bad", False), ("fig03_fine", True)):
        copy = json.loads(executed_copy(root, profile, name).read_text())
        assert copy["metadata"]["dynloss"]["complete"] is complete


def test_each_has_the_parameters_that_were_given(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(checkout(fig01_one="print(2 * steps)", fig02_two="print(3 * steps)"))
    cli.main(["run", "--all", "--jobs", "2", "-p", "steps", "50", "--out", str(tmp_path / "out")])
    last = {path.stem: json.loads(path.read_text())["cells"][-1] for path in (tmp_path / "out").iterdir()}
    said = {name: "".join(cell["outputs"][0]["text"]) for name, cell in last.items()}
    assert said == {"fig01_one": "100\n", "fig02_two": "150\n"}


def test_a_parameter_that_one_of_them_lacks_starts_none(checkout, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(checkout(fig01_one="", fig02_two=""))
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--all", "--jobs", "2", "-p", "width", "50", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2 and "width" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_they_are_interrupted_together(checkout, tmp_path):
    sleep = "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(600)"
    wait = "import pathlib, time\nwhile not pathlib.Path('begun').exists(): time.sleep(0.1)"
    root = checkout(fig01_slow=sleep, fig02_good=wait, fig03_slow=sleep, fig04_late="never begun")

    def one(figure):
        return execute(figure, "quick", {}, tmp_path / "out" / f"{figure.stem}.ipynb", io.StringIO())

    running = together.execute_all(one, list(load(root).values()), 2)
    outcome = next(running)
    assert (outcome.figure, outcome.error) == ("fig02_good", "")
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 60
    assert json.loads((tmp_path / "out" / "fig01_slow.ipynb").read_text())["metadata"]["dynloss"]["complete"] is False
