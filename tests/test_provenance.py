"""Which commit computed a result: the tree is dirty for changed code, not for results that have been gathered."""

import subprocess

from dynloss import provenance


def test_results_do_not_make_the_tree_dirty(tmp_path, monkeypatch):
    package, results = tmp_path / "src" / "dynloss", tmp_path / "results"
    for folder in (package, results):
        folder.mkdir(parents=True)
        (folder / "archive.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    assert provenance.commit().startswith("none (dynloss ")

    def git(*arguments):
        said = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
        command = ["git", *said, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "Begin")
    head = git("rev-parse", "--short=10", "HEAD").strip()
    assert provenance.commit() == head
    (results / "archive.py").unlink()
    assert provenance.commit() == head
    (package / "archive.py").write_text("x = 2\n")
    assert provenance.commit() == f"{head}+dirty"
