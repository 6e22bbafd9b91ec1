"""The published results and one's own: commands read both, and only the maintainers' write to the published ones."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import small_site
from small_site import notebook

from dynloss_book.engine import policy
from dynloss_book.engine.sweeps import overview

SWEEP = """
import numpy as np
from dynloss_book.engine import sweeps
from dynloss_book.engine.archive import provenance
from dynloss_book.engine.findings import Claim, Findings, Sentence
from dynloss_book.engine.runner.compare import with_published
from dynloss_book.engine.verdicts import exists

def point(x, seed, *, offset):
    return {"value": np.float64(x + seed + offset)}

found = sweeps.run("fig01_sweep", point, axes={"x": [1, 2]}, seeds=range(seeds), constants={"offset": offset},
                   vectorize=False, progress=False, fresh=fresh)
"""
FOUND = """
said = Sentence("Section I", "It grows.")
claim = Claim("x grows", said, "yes", f"{float(found.value.max()):g}", exists(bool(found.value.max() > 3)))
findings = Findings("fig01_sweep", "Does x grow?", "It does.", "Twice.", f"{seeds} seeds", (claim,))
findings.answer
"""
CELLS = SWEEP, (FOUND, "answer"), "provenance(found)", "with_published(found)"
PARAMETERS = "seeds: int = 2\noffset: float = 1.0\nfresh: bool = False"
PROFILES = """
fig01_sweep:
  smoke: {parameters: {seeds: 1}}
  quick: {parameters: {}}
"""
ROOT = Path(__file__).resolve().parents[2]


def test_folders_for_results(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNLOSS_RESULTS", str(tmp_path / "mine"))
    assert policy.folders("here") == (Path.cwd() / "here",)
    assert policy.folders() == (tmp_path / "mine",)
    monkeypatch.setenv("DYNLOSS_BESIDE", "/published")
    assert policy.folders() == (tmp_path / "mine", Path("/published"))
    assert policy.folders("here") == (Path.cwd() / "here",)
    monkeypatch.delenv("DYNLOSS_RESULTS")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert policy.folders() == (tmp_path / "notebooks" / "own_results",)  # an installed wheel, and no checkout
    (tmp_path / "_toc.yml").touch()
    assert policy.folders() == (tmp_path / "own_results", tmp_path / "results")
    assert policy.published(tmp_path) == tmp_path / "results"
    assert policy.is_published(tmp_path / "results" / "fig" / "a.nc")
    assert not policy.is_published(tmp_path / "own_results" / "fig" / "a.nc")


def git(*arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def published_site(tmp_path_factory):
    """A checkout in git that has published a sweep of two seeds. Not to be changed by a test."""
    from dynloss_book.engine import cli

    root = tmp_path_factory.mktemp("site") / "checkout"
    with pytest.MonkeyPatch.context() as patch:
        small_site.enter(patch, root, PROFILES, fig01_sweep=notebook(*CELLS, parameters=PARAMETERS))
        shutil.copy(ROOT / ".gitignore", root)
        cli.main(["run", "fig01"])
        cli.main(["publish", "fig01"])
        assert not (root / "results").exists()  # it was only said
        cli.main(["publish", "fig01", "--yes"])
        with contextlib.suppress(SystemExit):
            cli.main(["claims", "--update"])
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message", "published")
    return root


@pytest.fixture
def site(published_site, tmp_path, monkeypatch):
    root = shutil.copytree(published_site, tmp_path / "checkout", ignore=shutil.ignore_patterns("_build"))
    monkeypatch.delenv("DYNLOSS_RESULTS")
    monkeypatch.chdir(root)
    return root


def whole(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def shown(site, folder):
    """The text of all outputs of the executed copy in a folder of `_build/executed`."""
    return (site / "_build" / "executed" / folder / "fig01_sweep.ipynb").read_text()


def test_more_seeds_leave_what_is_published_as_it_is(site, dynloss):
    before = whole(site / "results")
    assert len(before) == 3  # the points, what was asked for, and the verdicts
    code, _, err = dynloss("run", "fig01", "-p", "seeds", 3)
    assert code == 0, err
    assert whole(site / "results") == before and git("status", "--porcelain") == ""
    (own,) = overview.overview(site / "own_results")
    assert own.done == 2  # the points of the third seed, and no others
    assert "computed in this run, beside published points" in shown(site, "custom")
    code, out, _ = dynloss("sweep", "status")
    assert code == 0 and "6 of 6" in out and "own, published" in out
    out = dynloss("list")[1]
    assert "published, " in out and "; own, " in out.replace("; published, ", "; own, ")
    code, out, _ = dynloss("publish", "fig01", "--yes")
    assert code == 0 and "adds 2 points to 4" in out
    assert dynloss("publish")[0] == 2  # it has moved
    changed = git("status", "--porcelain")
    assert "results/fig01_sweep" in changed and "own_results" not in changed  # nothing that is published is invisible


def test_the_published_result_itself_is_not_compared_and_a_fresh_one_is(site, dynloss):
    assert dynloss("run", "fig01")[0] == 0
    assert "it is the published result itself" in shown(site, "quick") and not list((site / "own_results").rglob("*"))
    assert dynloss("run", "fig01", "--fresh")[0] == 0
    assert "This run agrees with the published one" in shown(site, "quick")
    assert "it is the published result itself" not in shown(site, "quick")
    assert dynloss("compare", "own_results")[0] == 0
    assert git("status", "--porcelain") == ""


def test_claims_and_book_read_what_is_published_unless_told_otherwise(site, dynloss):
    path = site / "notebooks" / "fig01_sweep.ipynb"
    path.write_text(path.read_text().replace("x + seed", "0 * x + seed"))
    assert dynloss("run", "fig01", "--fresh")[0] == 0  # of other code: x does not grow now
    code, out, _ = dynloss("claims")
    assert code == 2 and "stale: the archived fig01_sweep is stale" in out
    code, out, _ = dynloss("claims", "--own")
    assert code == 1 and "on record: reproduced" in out
    code, _, err = dynloss("claims", "--own", "--update")
    assert code == 2 and "leave out --own" in err
    before = whole(site / "results")
    code, out, _ = dynloss("claims", "--update")
    assert code == 2 and whole(site / "results") == before  # what cannot be judged stays on record
    (site / "results" / "claims.json").write_text("{")  # and what cannot be read is not written anew without it
    assert dynloss("claims", "--update")[0] == 2 and (site / "results" / "claims.json").read_text() == "{"


def test_verify_looks_at_what_is_published_or_at_ones_own(site, dynloss):
    path = site / "notebooks" / "fig01_sweep.ipynb"
    assert dynloss("run", "fig01", "--fresh")[0] == 0
    path.write_text(path.read_text().replace("x + seed", "0 + x + seed"))
    before = whole(site / "results")
    code, out, _ = dynloss("verify", "fig01", "--profile", "quick", "--own")
    assert code == 0 and "kept: 2 of its 4 points computed again, equal" in out and whole(site / "results") == before
    code, out, _ = dynloss("verify", "fig01", "--profile", "quick")
    assert code == 0 and "1 kept" in out and whole(site / "results") != before


def test_nothing_found_is_2_and_leaves_nothing_behind(site, dynloss, monkeypatch, tmp_path):
    empty, mistyped = tmp_path / "empty", tmp_path / "mistyped"
    empty.mkdir()
    for folder in (empty, mistyped):
        monkeypatch.setenv("DYNLOSS_RESULTS", str(folder))
        for command in (["list"], ["sweep", "status"], ["publish"], ["claims"], ["claims", "--update"]):
            code, out, err = dynloss(*command)
            assert code == 2 and ("nothing" in err or "no verdict is on record" in out), command
        assert dynloss("compare", folder)[0] == 2
    assert not mistyped.exists() and not list(empty.iterdir())
    assert dynloss("compare", empty)[2] == f"dynloss: nothing to compare: {empty} holds no results\n"


def test_a_result_that_could_not_be_kept_is_a_failure_and_is_named(site, dynloss, monkeypatch):
    (site / "own_results" / "fig01_sweep").mkdir(parents=True)
    code = "def full(path, content):\n    raise OSError(28, 'No space left on device', str(path))"
    path = site / "notebooks" / "fig01_sweep.ipynb"
    cells = (f"from dynloss_book.engine import archive\n\n{code}\n\narchive.write = full", *CELLS)
    path.write_text(json.dumps(notebook(*cells, parameters=PARAMETERS)))
    code, _, err = dynloss("run", "fig01", "--fresh")
    assert code == 1 and "results of fig01_sweep were computed, but could not be kept" in err
    assert "computed, NOT KEPT" in dynloss("status", "--profile", "quick")[1]
