"""Results whose code has changed: computed again, or affirmed; and what becomes of those that cannot be told."""

import json
import subprocess

import pytest
import small_site
import xarray as xr
from small_site import notebook

from dynloss_book.engine.runner import keep
from dynloss_book.engine.runner.profiles import UsageError

CELL = """
import numpy as np, xarray as xr
from dynloss_book.engine.archive import fetch_or_compute, provenance

def compute(steps, amplitude):
    return xr.Dataset({{"x": ("step", {value})}})

def point(x, seed):
    return {{"value": {point}}}

dataset = fetch_or_compute("fig01_good", compute, {{"steps": steps, "amplitude": amplitude}}, fresh=fresh)
provenance(dataset)
"""
SWEEP = """
from dynloss_book.engine import sweeps
sweep = sweeps.run("fig01_good", point, axes={"x": [1, 2, 3]}, seeds=range(2), vectorize=False, progress=False)
"""
BEFORE = {"value": "amplitude * np.arange(steps)", "point": "x + seed"}
OTHERWISE = {"value": "np.arange(steps) * amplitude", "point": "seed + x"}  # equal to the last bit
APART = {"value": "amplitude * np.arange(steps) + 1.0", "point": "x + seed + 1e-3"}


@pytest.fixture
def site(tmp_path, monkeypatch, dynloss):
    """A checkout with a result and a sweep; called with other code, it says what becomes of a command."""
    root = small_site.enter(monkeypatch, tmp_path / "checkout", fig01_good=notebook(CELL.format(**BEFORE), SWEEP))
    with small_site.publishing(root):
        assert dynloss("run", "fig01_good", "--profile", "smoke")[0] == 0

    def changed(code, *command):
        path = root / "notebooks" / "fig01_good.ipynb"
        path.write_text(json.dumps(notebook(CELL.format(**code), SWEEP)))
        return dynloss(*command)

    changed.root = root
    (changed.single,) = (root / "results" / "fig01_good").glob("*.nc")
    (changed.store,) = (root / "results" / "fig01_good").glob("*/*.nc")
    return changed


VERIFY = ("verify", "fig01_good", "--profile", "smoke")


def attributes(path):
    return xr.load_dataset(path).attrs


def test_what_agrees_is_fresh_again_and_keeps_its_numbers(site):
    before = xr.load_dataset(site.single)
    code, out, _ = site(OTHERWISE, *VERIFY)
    assert code == 0, out
    assert (
        "kept: computed again, equal to the last bit" in out and "kept: 2 of its 6 points computed again, equal" in out
    )
    after = xr.load_dataset(site.single)
    assert after.drop_attrs().identical(before.drop_attrs()) and after.attrs["date"] == before.attrs["date"]
    assert json.loads(after.attrs["verified"])["what"] == "computed again, equal to the last bit"
    assert site(OTHERWISE, *VERIFY)[1] == "nothing is stale\n"


def test_what_differs_stays_and_stays_stale_unless_renewed(site):
    before = site.single.read_bytes(), site.store.read_bytes()
    code, out, _ = site(APART, *VERIFY)
    assert code == 1 and "differs: This run differs from the published one" in out
    assert "differs: at x=" in out and "2 differs" in out
    assert (site.single.read_bytes(), site.store.read_bytes()) == before
    code, out, _ = site(APART, *VERIFY, "--renew")
    assert code == 1 and "renewed: " in out  # the sweep still differs
    assert xr.load_dataset(site.single).x[0] == 1.0


def test_what_other_code_computed_is_said_by_a_run_and_is_not_published(site):
    run = "run", "fig01_good", "--profile", "quick"
    assert site(BEFORE, *run)[0] == 0
    code, _, said = site(APART, *run)
    assert code == 0 and "shows results of other code, fig01_good (compute changed); --fresh computes them anew" in said
    assert site(APART, *run, "--fresh")[0] == 0
    code, out, said = site(BEFORE, "publish", "fig01_good", "--yes")
    assert code == 1 and "stays: compute changed since; dynloss run --fresh, or affirm --own" in said, out
    assert list((site.root / "own_results" / "fig01_good").glob("*.nc"))
    mentions = notebook("# see fig01_good", parameters=None)  # by which another notebook may ask for it
    (site.root / "notebooks" / "fig02_other.ipynb").write_text(json.dumps(mentions))
    with (site.root / "notebooks" / "profiles.yml").open("a") as profiles:
        profiles.write("fig02_other: {quick: {}}\n")
    assert site(BEFORE, "publish", "--yes")[0] == 1
    assert list((site.root / "own_results" / "fig01_good").glob("*.nc"))


def test_a_processor_cannot_confirm_what_a_graphics_card_made(site):
    for path in (site.single, site.store):
        made = xr.load_dataset(path).assign_attrs(device="NVIDIA H200")
        made.to_netcdf(path, engine="h5netcdf")
    code, out, _ = site(OTHERWISE, *VERIFY)
    assert code == 2 and out.count("was computed on NVIDIA H200, and this is") == 2 and "2 cannot be told" in out


def test_a_damaged_and_a_missing_file_are_named_and_nothing_is_computed(site):
    site.single.write_bytes(site.single.read_bytes()[:300])
    code, out, _ = site(BEFORE, *VERIFY)
    assert code == 2 and f"{site.single.name} cannot be read (" in out
    assert "; nothing was computed\n1 cannot be told" in out
    site.single.unlink()
    code, out, _ = site(BEFORE, *VERIFY)
    assert code == 2 and "the archive has no fig01_good with these parameters" in out and not site.single.exists()
    assert site(BEFORE, "verify", "fig01_good")[1] == "nothing is stale\n"  # of profiles that were never computed


@pytest.mark.parametrize("command", [VERIFY, ("affirm", *VERIFY[1:], "--because", "it is equal")])
def test_an_archive_that_cannot_be_written_to_is_found_out_before_anything_is_computed(site, monkeypatch, command):
    monkeypatch.setattr(keep, "commit", lambda: "aaaa")
    monkeypatch.setattr(keep, "golden", lambda *_: pytest.fail("ran"))

    def denied(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    code, out, err = site(OTHERWISE, *command)
    assert (code, out, err.count("\n")) == (74, "", 1)
    assert f"results cannot be written to {site.single.parent} (Permission denied); nothing was computed" in err


# Affirmed


@pytest.fixture
def affirm(site, monkeypatch):
    """The command, with golden runs that say this of a change."""
    monkeypatch.setattr(keep, "commit", lambda: "0123456789")

    def affirmed(code, **said):
        found = {"runs": ["a run"], "missing": [], "apart": []} | said
        monkeypatch.setattr(keep, "golden", lambda root, base, *changed: found)
        return site(code, "affirm", "fig01_good", "--profile", "smoke", "--because", "the factors are exchanged")

    return affirmed


def test_affirmed_where_golden_runs_that_reach_the_change_are_equal(affirm, site, monkeypatch):
    code, out, _ = affirm(OTHERWISE)
    assert code == 0 and "2 kept" in out
    for path in (site.single, site.store):
        (record,) = json.loads(attributes(path)["affirmed"])
        assert (record["because"], record["commit"]) == ("the factors are exchanged", "0123456789")
        assert attributes(path)["fresh_at"] == "0123456789"
    monkeypatch.setattr(keep, "commit", lambda: "abcdef0123")
    affirm(BEFORE)
    assert len(json.loads(attributes(site.single)["affirmed"])) == 2


def test_a_golden_run_that_differs_refuses(affirm, site):
    before = site.single.read_bytes()
    code, out, _ = affirm(OTHERWISE, apart=["a run:x: by 1.1e-15"])
    assert code == 1 and "of 1 golden runs that reach what changed" in out and "a run:x: by 1.1e-15" in out
    assert site.single.read_bytes() == before


def test_a_change_that_no_golden_run_reaches_is_refused(affirm):
    code, out, _ = affirm(OTHERWISE, missing=["compute"])
    assert code == 2 and "no golden run reaches compute" in out


def test_only_what_is_committed_can_be_affirmed(tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "commit", lambda: "0123456789+dirty")
    with pytest.raises(UsageError, match="commit first"):
        keep.Affirmer(tmp_path, "nothing changes")


def test_the_golden_runs_are_asked_once_and_what_they_lack_is_said(tmp_path):
    folder = tmp_path / "tests" / "golden"
    folder.mkdir(parents=True)
    program = "import json, sys; open('asked', 'a').write('.'); print(json.dumps({'runs': sys.argv[1:]}))"
    (folder / "compare.py").write_text(program)
    assert [keep.golden(tmp_path, "base", "part") for _ in range(2)] == [{"runs": ["base", "part"]}] * 2
    assert (tmp_path / "asked").read_text() == "."
    (folder / "compare.py").write_text("import sys; sys.exit('nothing has no golden runs')")
    with pytest.raises(UsageError, match=r"^nothing has no golden runs$"):
        keep.golden(tmp_path, "nothing", "part")


def test_a_commit_that_history_has_lost_is_found_by_its_fingerprint(tmp_path):
    def git(*words):
        named = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(named, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (folder := tmp_path / "tests" / "golden").mkdir(parents=True)
    known = []
    for fingerprint in ("aaaa", "bbbb"):
        (folder / "fingerprints.json").write_text(f'{{"run": "{fingerprint}"}}')
        git("add", ".")
        git("commit", "-qm", fingerprint)
        known.append(git("rev-parse", "--short", "HEAD"))
    lost = "0123456789"
    for commit, fingerprint, base in [(lost, "bbbb", known[1]), (lost, "cccc", lost), (known[0], "bbbb", known[0])]:
        assert keep._base(tmp_path, {"commit": commit, "fingerprint": fingerprint}) == base
