"""What `make colab` says: a notebook that did not reach its end has not run well, and nothing is left behind."""

import os
import sys
from pathlib import Path

import pytest
from nbclient import NotebookClient

from tools import colab

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "fig02_spiral_dataset.ipynb"


def ends_with(monkeypatch, error):
    def execute(self):
        raise error

    monkeypatch.setattr(NotebookClient, "execute", execute)


def test_an_error_without_words_is_one(monkeypatch, tmp_path):
    ends_with(monkeypatch, OSError())
    assert colab.run(NOTEBOOK, {}, Path(sys.executable), tmp_path) == "OSError: "
    ends_with(monkeypatch, AssertionError())
    with pytest.raises(SystemExit, match="fig02_spiral_dataset: ended by a signal"):
        colab.run(NOTEBOOK, {}, Path(sys.executable), tmp_path)


@pytest.mark.parametrize(("error", "code"), [("", 0), ("OSError: ", 1)])
def test_the_temporary_folder_goes(monkeypatch, capsys, error, code):
    used, handlers = [], {}
    monkeypatch.setattr(colab.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(colab.os, "environ", dict(os.environ))  # of which it takes a variable
    monkeypatch.setattr(sys, "argv", ["colab.py", "fig02"])
    monkeypatch.setattr(colab, "environment", lambda python, folder, *packages: used.append(folder.parent))
    monkeypatch.setattr(colab, "versions", lambda python: {})
    monkeypatch.setattr(colab, "uninstall", lambda python: None)
    monkeypatch.setattr(colab, "run", lambda *arguments: error)
    with pytest.raises(SystemExit) as ended:
        colab.main()
    assert int(ended.value.code) == code and not used[0].exists()
    with pytest.raises(SystemExit, match="ended by a signal"):  # so that the folder goes then, too
        handlers[colab.signal.SIGTERM](colab.signal.SIGTERM, None)
    assert capsys.readouterr().out.rstrip().endswith(error.rstrip() or "well")
