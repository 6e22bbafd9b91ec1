"""`best` takes the largest profile that the archive can serve, and computes at most `quick`."""

import json
import os

import pytest
import small_site
import xarray as xr

from dynloss_book.engine.runner import best, book
from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import BEST, UsageError, load, values
from dynloss_book.engine.runner.tables import executed_copy, profile_of, status_rows

PROFILES = """
fig01_good:
  smoke: {parameters: {steps: 3}}
  quick: {parameters: {}}
  reduced: {parameters: {steps: 100}}
  paper: {parameters: {steps: 1000}}
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("DYNLOSS_RESULTS", raising=False)
    return small_site.make(tmp_path / "checkout", PROFILES)


def archived(root, profile):
    """Compute a profile, so that the archive has it."""
    figure = load(root)["fig01_good"]
    with small_site.publishing(root):
        assert execute(figure, profile, values(figure, profile), root / "trial.ipynb").error == ""


def run_best(root):
    figure = load(root)["fig01_good"]
    outcome = best.execute_best(figure, root, executed_copy(root, BEST, figure.stem))
    assert outcome.error == ""
    return outcome.profile


def change_code(root):
    path = root / "notebooks" / "fig01_good.ipynb"
    path.write_text(path.read_text().replace("amplitude * np.arange", "2 * amplitude * np.arange"))


def test_what_is_stale_or_damaged_is_passed_over_and_nothing_large_is_computed(checkout, capsys):
    archived(checkout, "paper")
    (paper,) = (checkout / "results").rglob("*.nc")
    before = paper.read_bytes()
    change_code(checkout)
    assert run_best(checkout) == "quick"
    assert [path.read_bytes() for path in (checkout / "results").rglob("*.nc")] == [before]
    assert len(list((checkout / "_build" / "results").rglob("*.nc"))) == 1  # quick's own
    paper.write_bytes(before[:100])
    assert run_best(checkout) == "quick"
    assert f"fig01_good: {paper} cannot be read (" in capsys.readouterr().err


def test_the_largest_that_is_archived_is_shown_and_named(checkout):
    """Nothing is archived; then more and more is, then the largest is damaged, then the one below is missing, too."""

    def shown():
        profile = run_best(checkout)
        (row,) = status_rows(checkout, load(checkout), BEST)
        assert row[1] == profile
        return profile, row[2].partition(";")[0]

    assert shown()[0] == "quick"
    for profile in ("reduced", "paper"):
        archived(checkout, profile)
        assert shown()[0] == profile
    steps = {json.loads(xr.load_dataset(path, engine="h5netcdf").attrs["parameters"])["steps"]: path
             for path in (checkout / "results").rglob("*.nc")}  # fmt: skip
    damaged = steps[1000].read_bytes()[:500]
    steps[1000].write_bytes(damaged)
    profile, origin = shown()
    assert profile == "reduced" and origin.startswith("published, fresh")
    steps[100].unlink()
    assert shown()[0] == "quick"
    assert steps[1000].read_bytes() == damaged


def test_only_missing_results_lead_to_a_smaller_profile(checkout):
    """A notebook that fails at a profile for another reason has failed: the book must not hide it."""
    archived(checkout, "paper")
    path = checkout / "notebooks" / "fig01_good.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"].append(small_site.notebook("assert steps < 1000")["cells"][-1] | {"id": "late"})
    path.write_text(json.dumps(notebook))
    figure = load(checkout)["fig01_good"]
    outcome = best.execute_best(figure, checkout, checkout / "out.ipynb")
    assert outcome.profile == "paper" and "AssertionError" in outcome.error


def test_the_book_names_the_profile_of_each_page(checkout):
    archived(checkout, "reduced")
    run_best(checkout)
    figures = load(checkout)
    assert profile_of(figures["fig01_good"], BEST, executed_copy(checkout, BEST, "fig01_good")) == "reduced"
    (row,) = status_rows(checkout, figures, BEST)
    assert row[1] == "reduced" and row[2].startswith("published, fresh")
    book.stage(checkout, figures, BEST)
    assert "DYNLOSS_ARCHIVE_ONLY" not in os.environ


def test_best_is_no_name_for_a_profile(checkout):
    path = checkout / "notebooks" / "profiles.yml"
    path.write_text(PROFILES.replace("paper:", "best:"))
    with pytest.raises(UsageError, match="'best' should not be valid"):
        load(checkout)
    path.write_text(PROFILES.replace("  quick: {parameters: {}}\n", ""))
    with pytest.raises(UsageError, match="fig01_good: 'quick' is a required property"):
        load(checkout)
