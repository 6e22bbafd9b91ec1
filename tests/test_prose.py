"""The linter of sentences: each pattern finds its example and lets the right use pass, and the repository has none."""

import re

import pytest

from tools import prose

ROOT = prose.ROOT
PAGE = "# A page\n\nOne line `what stands here` $stands$\n\n```\nwhat stands here\n```\n\nand what\n  stands here.\n"
NOTEBOOK = """# %% [markdown]
# # A title
#
# It is
# amid them.

# %% tags=["lead"] mystnb={"figure": {"caption": "Of photographs.", "name": "a"}, "image": {"alt": "The neighbors."}}
print("The verdict is undecided", "undecided")
"""
MODULE = '''"""Takes the paper at its word.

What stands here is passed over, and in `stands` too.
"""
amid = {"amid": 1}  # amid
label = f"{amid['amid']} networks, for sure"
'''


@pytest.mark.parametrize(("pattern", "rule"), prose.patterns().items())
def test_each_pattern_finds_its_example_and_lets_the_right_use_pass(pattern, rule):
    assert re.search(pattern, rule["wrong"], re.IGNORECASE) and rule["say"]
    assert not re.search(pattern, rule["right"], re.IGNORECASE)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("page.md", PAGE, [(10, "stands")]),
        ("notebooks/a.py", NOTEBOOK, [(5, "amid"), (7, "neighbor"), (7, "photographs"), (8, "undecided")]),
        ("module.py", MODULE, [(1, "at its word"), (6, "for sure")]),
    ],
)
def test_findings_have_their_lines(tmp_path, name, text, expected, capsys):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert sorted((each.line, each.words) for each in prose.findings(path)) == expected
    assert prose.main([str(path)]) == 1 and f"{path}:{expected[0][0]}: {expected[0][1]} → " in capsys.readouterr().out


def test_the_repository_has_no_findings(capsys):
    assert prose.main([]) == 0, capsys.readouterr().out
    assert len(list(prose.ROOT.glob("notebooks/*.py"))) < int(re.search(r"in (\d+) files", capsys.readouterr().out)[1])
