"""Every misuse is found before anything starts, and said in one line each."""

import re
from pathlib import Path

import pytest
import small_site

from dynloss_book.engine.parameters import UsageError
from dynloss_book.engine.runner.profiles import find, find_root, load, named, values

ROOT = Path(__file__).resolve().parents[3]


SHAPES = """
fig01_good: {quick: {}, odd: {parametres: {}}, dear: {cost: {GPU: 3}}, best: {}}
fig02_gone: {}
"""
VALUES = """
fig01_good: {smoke: {parameters: {steps: 1.5, amplitude: 1e-3}}, quick: {parameters: {steqs: 1}}}
fig02_gone: {quick: {}}
"""


@pytest.mark.parametrize(
    ("profiles", "wrong"),
    [
        (SHAPES, ["dear.cost.GPU: 3 is not", "odd: ", "yml: fig01_good: 'best'", "fig02_gone: 'quick' is a required"]),
        (VALUES, ["fig02_gone.ipynb", "smoke: steps=1.5", "'steqs'"]),
    ],
)
def test_profiles_are_checked_all_at_once_yaml_trap_included(tmp_path, profiles, wrong):
    with pytest.raises(UsageError) as refused:
        load(small_site.make(tmp_path / "a", profiles))
    said = str(refused.value).splitlines()
    assert all(part in line for part, line in zip(wrong, said, strict=True)), said


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
    with pytest.raises(UsageError, match=r"no notebook fig01_good\.ipynb"):
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
