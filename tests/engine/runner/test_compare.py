"""A re-run finds what belongs to it in the archive: files, folders and notebooks, whole, half, or of another figure."""

import contextlib
import json
import shutil

import numpy as np
import pytest
import small_site
import xarray as xr

from dynloss_book.engine import archive, sweeps
from dynloss_book.engine.findings import MIME as FINDINGS
from dynloss_book.engine.findings import Claim, Findings, Sentence, Verdict
from dynloss_book.engine.provenance import MIME as PROVENANCE
from dynloss_book.engine.runner import compare, recorded


def simulate(steps, amplitude):
    return xr.Dataset({"x": ("sample", amplitude * np.arange(steps))})


def other(steps, amplitude):
    return xr.Dataset({"x": ("sample", 2 * amplitude * np.arange(steps))})


def accuracy(amplitude, seed):
    return {"accuracy": 0.5 + 0.01 * amplitude + 0.001 * (7 * seed % 5)}


def drifted(amplitude, seed):
    return {"accuracy": 0.6 + 0.01 * amplitude + 0.001 * (3 * seed % 5)}


def fill(folder, *, computed=simulate, point=accuracy, steps=10, seeds=6):
    """An archive with a single result and a sweep."""
    parameters = {"steps": steps, "amplitude": 2.0}
    archive.fetch_or_compute("fig01_good", computed, parameters, results=folder)
    sweeps.run("fig02_sweep", point, axes={"amplitude": [1, 2]}, seeds=range(seeds), vectorize=False, progress=False,
               results=folder, store=folder / "fig02_sweep" / "abc")  # fmt: skip
    return folder


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    root = small_site.enter(monkeypatch, tmp_path / "checkout")
    fill(root / "results")
    return root


def test_a_folder_that_agrees(checkout, tmp_path, dynloss):
    code, out, err = dynloss("compare", fill(tmp_path / "mine", seeds=4))
    assert (code, err) == (0, "")
    assert "fig01_good: This run agrees with the published one point by point." in out
    assert "fig02_sweep: This run agrees with the published one point by point, at 2 of 2 points." in out


def test_a_sweep_without_a_point_yet_does_not_pass(checkout, tmp_path, dynloss):
    mine = fill(tmp_path / "mine", seeds=4)
    for path in (mine / "fig02_sweep" / "abc").glob("*.nc"):
        path.unlink()
    code, out, _ = dynloss("compare", mine)
    assert code == 2 and "abc holds no results yet" in " ".join(out.split())


def test_a_folder_that_differs(checkout, tmp_path, dynloss):
    code, out, _ = dynloss("compare", fill(tmp_path / "mine", computed=other, point=drifted))
    assert code == 1
    assert "x: 4 at sample=1, and 90.0% of the values apart, published 2" in out
    assert "accuracy, mean over 12 of 12 runs of 6 same seeds: 0.6167" in out
    assert "note: with other code: compute" in out


def test_a_single_file_and_a_store(checkout, tmp_path, dynloss):
    mine = fill(tmp_path / "mine")
    (single,) = (mine / "fig01_good").glob("*.nc")
    assert dynloss("compare", single)[0] == 0
    (part,) = (mine / "fig02_sweep" / "abc").glob("*.nc")
    assert dynloss("compare", part)[0] == 0
    assert dynloss("compare", mine / "fig02_sweep" / "abc", checkout / "results" / "fig02_sweep")[0] == 0


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (lambda mine, published: published, "it is the published result itself; --fresh "),
        (lambda mine, published: half(mine), "cannot be read ("),
        (lambda mine, published: mine.parent / "nothing", "does not exist"),
        (lambda mine, published: text(mine), "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_2(checkout, tmp_path, dynloss, arrange, said):
    (mine,) = (fill(tmp_path / "mine") / "fig01_good").glob("*.nc")
    (published,) = (checkout / "results" / "fig01_good").glob("*.nc")
    code, out, err = dynloss("compare", arrange(mine, published))
    assert code == 2 and said in out + err
    assert (out + err).count("\n") == 1


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def text(path):
    path.write_text("no NetCDF")
    return path


def test_half_a_store_is_not_taken_for_a_whole(checkout, tmp_path, dynloss):
    folder = fill(tmp_path / "mine") / "fig02_sweep" / "abc"
    (part,) = folder.glob("*.nc")
    shutil.copy(part, folder / "zz.nc")
    half(folder / "zz.nc")
    code, out, _ = dynloss("compare", folder)
    assert code == 2 and "zz.nc cannot be read" in out


def test_what_cannot_be_read_of_the_published_is_named(checkout, tmp_path, dynloss):
    """It may be the very result that seems to be missing."""
    (mine,) = (fill(tmp_path / "mine") / "fig01_good").glob("*.nc")
    (published,) = (checkout / "results" / "fig01_good").glob("*.nc")
    torn(published)
    code, out, _ = dynloss("compare", mine)
    assert code == 2 and "holds no such result; " in out and f"{published} cannot be read (" in out
    fill(checkout / "results", steps=5)
    code, out, _ = dynloss("compare", mine)
    assert code == 2 and "the nearest differs in steps" in out and f"{published} cannot be read (" in out


def torn(path):
    """As long as it should be, but half of it never came."""
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: size // 2] + bytes(size - size // 2))


def test_what_another_program_has_locked_is_compared(checkout, tmp_path, dynloss):
    fcntl = pytest.importorskip("fcntl")
    mine = fill(tmp_path / "mine")
    with contextlib.ExitStack() as locked:
        for path in [*mine.rglob("*.nc"), *(checkout / "results").rglob("*.nc")]:
            fcntl.flock(locked.enter_context(path.open("rb")), fcntl.LOCK_EX)
        code, out, _ = dynloss("compare", mine)
    assert code == 0 and out.count("agrees with the published one") == 2


def test_another_figure_and_other_parameters_are_2(checkout, tmp_path, dynloss):
    mine = fill(tmp_path / "mine", steps=20)
    (single,) = (mine / "fig01_good").glob("*.nc")
    code, out, _ = dynloss("compare", single)
    assert code == 2 and "the nearest differs in steps=20, published 10" in out
    code, out, _ = dynloss("compare", single, checkout / "results" / "fig02_sweep")
    assert code == 2 and "it is of fig01_good, and" in out and "holds fig02_sweep" in out


def executed(path, *records):
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [{"data": record} for record in records]}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    return path


def test_a_notebook_leads_to_its_results(checkout, tmp_path, dynloss):
    (single,) = (fill(tmp_path / "mine") / "fig01_good").glob("*.nc")
    notebook = executed(tmp_path / "mine.ipynb", {PROVENANCE: {"path": str(single)}})
    code, out, _ = dynloss("compare", notebook)
    assert code == 0 and "point by point" in out


def record(verdict, scale="1 seed"):
    claim = Claim("x grows", Sentence("Section I", "It grows."), "yes", "it does", verdict)
    return Findings("fig01_good", "Does x grow?", "It does.", "Twice.", scale, (claim,)).record()


def test_two_notebooks(checkout, tmp_path, dynloss):
    """By their results where both are here, else by their verdicts."""
    mine, other_ = (next((fill(tmp_path / name) / "fig01_good").glob("*.nc")) for name in ("mine", "other"))
    found = {FINDINGS: record(Verdict.REPRODUCED)}
    a = executed(tmp_path / "a.ipynb", {PROVENANCE: {"path": str(mine)}}, found)
    b = executed(tmp_path / "b.ipynb", {PROVENANCE: {"path": str(other_)}}, found)
    code, out, _ = dynloss("compare", a, b)
    assert code == 0 and "point by point" in out
    c = executed(tmp_path / "c.ipynb", {PROVENANCE: {"path": "/content/x.nc"}}, {FINDINGS: record(Verdict.UNDECIDED)})
    code, out, _ = dynloss("compare", a, c)
    assert code == 1 and "x grows: it does: reproduced, published it does: inconclusive" in out
    code, out, _ = dynloss("compare", c, a)
    assert code == 1 and "x grows: it does: inconclusive, published it does: reproduced" in out


def test_a_notebook_of_a_size_that_is_not_on_record(checkout, tmp_path, dynloss, monkeypatch):
    """As Colab's is, at its default size, where the record holds the largest one alone."""
    now = record(Verdict.REPRODUCED, scale="quick")
    asked = []

    def answer(figure, parameters, folders):
        asked.append((figure.stem, folders))
        return now

    monkeypatch.setattr(compare.answers, "answer", answer)
    large = record(Verdict.NOT_REPRODUCED) | {"profile": "paper"}
    recorded.write(checkout / "results", {"fig01_good": large})
    monkeypatch.setenv("DYNLOSS_RESULTS", str(tmp_path / "own"))
    notebook = executed(tmp_path / "mine.ipynb", {PROVENANCE: {"path": "/content/results/ab.nc"}}, {FINDINGS: now})
    code, out, _ = dynloss("compare", notebook)
    assert code == 0 and "agrees with the published one in its verdicts" in out
    assert asked[0] == ("fig01_good", [checkout / "results"])  # whatever folder is one's own


def test_too_few_seeds_are_no_agreement(checkout, tmp_path, dynloss):
    code, out, _ = dynloss("compare", fill(tmp_path / "mine", point=drifted, seeds=1))
    assert code == 2 and "fig02_sweep: Too few seeds to tell" in out


def test_a_notebook_from_elsewhere_is_compared_by_its_verdicts(checkout, tmp_path, dynloss):
    published = record(Verdict.REPRODUCED)
    recorded.write(checkout / "results", {"fig01_good": published | {"profile": "quick", "devices": ""}})
    elsewhere = {PROVENANCE: {"path": "/content/results/fig01_good/ab.nc"}}
    for found, code, said in [
        (published, 0, "agrees with the published one in its verdicts"),
        (record(Verdict.NOT_REPRODUCED), 1, "x grows: it does: not reproduced, published it does: reproduced"),
        (record(Verdict.REPRODUCED, scale="5 seeds"), 2, "another scale: 5 seeds; published: 1 seed"),
    ]:
        notebook = executed(tmp_path / "mine.ipynb", elsewhere, {FINDINGS: found})
        got, out, _ = dynloss("compare", notebook)
        assert got == code and said in out
    got, _, err = dynloss("compare", executed(tmp_path / "mine.ipynb"))
    assert got == 2 and "was not executed" in err
    (tmp_path / "mine.ipynb").write_text("{")
    got, _, err = dynloss("compare", tmp_path / "mine.ipynb")
    assert got == 2 and "cannot be read as a notebook" in err


def shown(comparison):
    return comparison._repr_mimebundle_()["text/plain"]


def test_the_last_cell_of_a_notebook(checkout, tmp_path, monkeypatch):
    published = archive.fetch_or_compute("fig01_good", simulate, {"steps": 10, "amplitude": 2.0})
    assert published.published == published.path
    assert "it is the published result itself" in shown(compare.with_published(published))
    mine = archive.fetch_or_compute("fig01_good", simulate, {"steps": 10, "amplitude": 2.0}, results=tmp_path / "mine")
    assert "This run agrees with the published one" in shown(compare.with_published(mine))
    apart = archive.fetch_or_compute("fig01_good", other, {"steps": 10, "amplitude": 2.0}, results=tmp_path / "apart")
    assert "This run differs" in shown(compare.with_published(mine, apart))
    new = archive.fetch_or_compute("fig01_good", simulate, {"steps": 5, "amplitude": 2.0}, results=tmp_path / "mine")
    assert "no published result has its parameters" in shown(compare.with_published(new))
    assert "cannot be compared" in shown(compare.with_published(xr.Dataset()))  # whatever it is given
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    assert compare.with_published(published) is None  # a book is made of published results


def test_without_an_archive_the_last_cell_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert compare.with_published(xr.Dataset()) is None
    assert capsys.readouterr().out.startswith("There are no published results here to compare with")


def test_a_table_of_the_versions_of_jax(tmp_path):
    said = {"Figure 1": {"0.12": "agrees", "0.7.2": "differs"}, "Figure 4": {"0.7.2": "agrees"}}
    (tmp_path / "versions.json").write_text(json.dumps(said))
    head, _, *rows = compare.versions(tmp_path / "versions.json").splitlines()
    assert head == "|  | JAX 0.7.2 | JAX 0.12 |"
    assert rows == ["| Figure 1 | differs | agrees |", "| Figure 4 | agrees | – |"]
