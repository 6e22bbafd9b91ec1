"""What the README shows works: its example runs, and the commands and files it names are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click import Context

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BASH = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.S))


def test_python_examples(tmp_path):
    """One after the other, as a reader would try them."""
    learns = "\nassert float(run.trajectory.accuracy[-1]) > float(run.trajectory.accuracy[0])\n"
    script = "".join(example + learns for example in re.findall(r"```python\n(.*?)```", README, re.S))
    assert script.count(learns) == 2
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "accuracy" in ended.stdout


def test_make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z]+)", "\n".join([BASH, *re.findall(r"`(.*?)`", README)])))
    assert {"book", "test"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.M))


def test_commands():
    from dynloss_book.engine.cli import cli

    named = set(re.findall(r"^dynloss (\w+)", BASH, re.M))
    assert named and named <= set(cli.list_commands(Context(cli)))


@pytest.mark.parametrize(
    "target",
    sorted(
        set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
        | set(re.findall(r"/blob/main/([\w./-]+)", README))
        | set(re.findall(r"^papermill (\S+)", BASH, re.M))
    ),
)
def test_files(target):
    assert (ROOT / target).is_file()
