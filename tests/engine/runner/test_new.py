"""A figure that `dynloss new` lays out runs, passes its tests, and is where the house wants it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import small_site
import yaml
from small_site import Path

from dynloss_book.engine.runner import new

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What of the repository a new figure needs."""
    root = tmp_path / "checkout"
    needed = "src notebooks tools tests/test_house.py tests/rooms _toc.yml _config.yml pyproject.toml"
    for name in needed.split():
        source, place = ROOT / name, root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
    (root / "results").mkdir()
    monkeypatch.chdir(root)
    return root


def environment(root):
    return {"PYTHONPATH": str(root / "src"), "DYNLOSS_RESULTS": str(root / "results")}


def python(root, *arguments):
    command, variables = [sys.executable, *arguments], os.environ | environment(root)
    ended = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_a_new_figure_runs_passes_its_tests_and_those_of_the_house_and_has_its_page(checkout, dynloss, monkeypatch):
    code, said, _ = dynloss("new", "fig06_more")
    assert code == 0 and said.splitlines()[-1].startswith("next: make sync, then dynloss run fig06_more")
    assert all((checkout / line).is_file() for line in said.splitlines()[:-1])
    assert "src/dynloss_book/fig06_more/claims.py" in said
    assert "  - file: notebooks/fig06_more\n" in Path("_toc.yml").read_text()
    assert "new_figure" not in "".join((checkout / line).read_text() for line in said.splitlines()[:-1])
    python(checkout, "tools/sync.py")
    for name, value in environment(checkout).items():
        monkeypatch.setenv(name, value)
    assert dynloss("run", "fig06_more", "--profile", "smoke")[0] == 0
    assert len(list((checkout / "results" / "fig06_more").glob("*.nc"))) == 1
    python(checkout, "-m", "pytest", "-n", "0", "-q", "tests/test_house.py", "tests/rooms/test_fig06_more.py")
    profiles = yaml.safe_load((checkout / "notebooks" / "profiles.yml").read_text())["fig06_more"]
    notebook = json.loads((checkout / "notebooks" / "fig06_more.ipynb").read_text())
    alone = small_site.make(checkout / "alone", yaml.safe_dump({"fig06_more": profiles}), fig06_more=notebook)
    (alone / "book" / "glossary.md").write_text("# Glossary\n")
    with (alone / "_toc.yml").open("a") as contents:
        contents.write("  - file: book/glossary\n")
    monkeypatch.chdir(alone)
    code, _, error = dynloss("book", "--profile", "smoke")
    assert code == 0, error
    page = (alone / "_build" / "html" / "notebooks" / "fig06_more.html").read_text()
    assert 'alt="Two panels against the step' in page and "scale 1 seed, 60 steps" in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("6th", "'6th' is no name for a figure"), ("class", "'class' is no name"), ("a-b", "'a-b' is no name"),
        ("../x", "'../x' is no name"), ("größe", "'größe' is no name"), ("_x", "'_x' is no name"),
        ("", "'' is no name"),
        ("statements", "there is a src/dynloss_book/statements already"),
        ("paper", "there is a src/dynloss_book/paper.py already"), ("engine", "there is a src/dynloss_book/engine"),
    ],
)  # fmt: skip
def test_bad_and_taken_names_are_one_line_and_nothing_is_written(checkout, dynloss, name, said):
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    code, _, error = dynloss("new", name)
    assert code == 2 and said in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before


def test_every_template_has_its_place():
    names = {str(path.relative_to(new.TEMPLATE)) for path in new.TEMPLATE.rglob("*") if path.is_file()}
    assert len(names) == 7 and all(name.endswith(".template") for name in names)
