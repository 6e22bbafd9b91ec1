"""Which commit computed a result: the tree is dirty for changed code, not for results that have been gathered."""

import json
import subprocess

from dynloss_book.engine import provenance


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


def test_the_page_tells_why_a_result_of_older_code_is_fresh():
    plain = dict.fromkeys(("stale", "scale", "profile", "verified", "affirmed"), "")
    plain |= {"origin": "archived", "path": "x.nc", "device": "2 CPU cores", "dtype": "float32", "seconds": 1.0}
    plain |= {"commit": "0123456789", "date": "2026-11-29 10:00 UTC"}
    verified = {"what": "2 of its 9 points computed again, equal", "commit": "aaaa", "date": ""}
    affirmed = {"because": "a < b is b > a", "evidence": "3 golden runs are equal", "commit": "bbbb", "date": ""}
    once = plain | {"verified": json.dumps(verified)}
    twice = once | {"affirmed": json.dumps([affirmed])}
    shown = provenance.Provenance((plain, once, twice))._repr_mimebundle_()
    assert "held to be fresh at commit aaaa, bbbb" in shown["text/plain"]
    told = shown["text/markdown"].partition("<details>")[2]
    assert told.count("<li>") == 2
    assert "At commit aaaa: 2 of its 9 points computed again, equal." in told
    assert "At commit bbbb: a &lt; b is b &gt; a: 3 golden runs are equal." in told
    assert "<details>" not in provenance.Provenance((plain,))._repr_mimebundle_()["text/markdown"]
