"""What `dynloss list`, `dynloss status` and the book's tables say."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dynloss_book.engine import archive, untrusted
from dynloss_book.engine.runner import recorded, tables
from dynloss_book.engine.runner.profiles import load

CLAIM = {
    "statement": "x grows", "where": "Section I", "quotation": "It grows.", "paper": "yes", "here": "it does",
    "tolerance": "", "verdict": "reproduced", "kind": "claims of the paper", "reduced": False,
}  # fmt: skip


def listed(site):
    rows, _ = tables.profile_rows(site, load(site))
    return rows


@pytest.fixture(autouse=True)
def own_results(monkeypatch):
    monkeypatch.delenv("DYNLOSS_RESULTS", raising=False)


def records(site):
    path = tables.executed_copy(site, "smoke", "fig01_good")
    notebook = json.loads(path.read_text())
    return path, notebook, notebook["cells"][-1]["outputs"][0]["data"][tables.MIME]


def status(site):
    return list(tables.status_rows(site, load(site), "smoke"))


def test_profiles_say_cost_and_what_the_archive_has(site):
    smoke, quick = listed(site)
    assert smoke[:3] == ("fig01_good", "smoke", "2.0 s, 0.2 GB on 2 CPU cores")
    assert quick == ("fig01_good", "quick", "–", "–")  # archived with 3 steps, not with 10
    (result,) = (site / "results" / "fig01_good").glob("*.nc")
    assert "commit" in smoke[3]
    result.write_bytes(result.read_bytes()[:100])
    assert [row[3] for row in listed(site)] == ["– (1 file cannot be read)"] * 2
    (line,) = tables.unreadable(site, {"fig01_good"})
    assert line.startswith(f"{result} cannot be read (") and tables.unreadable(site, {"fig02_other"}) == []


def test_list_marks_what_other_code_computed(site):
    """Of the functions of the notebook, and of those that it imports; and without running any of it."""
    path = site / "notebooks" / "fig01_good.ipynb"
    source = path.read_text()
    for old, new, changed in [
        ("amplitude * np", "2 * amplitude * np", True),
        ("steps, amplitude):", "steps, amplitude):  # so many", False),
        ("steps, amplitude):", "steps, amplitude=1):", True),
        ("amplitude * np.arange(steps)", "amplitude * tables.cost(steps)", True),
        ("compute, {", "other, {", False),  # nobody knows what that would be
        ("xr.Dataset(", "xr.Dataset((", False),
    ]:
        assert source.count(old) == 1
        imports = "import numpy as np", "from dynloss_book.engine.runner import tables\\nimport numpy as np"
        path.write_text(source.replace(old, new).replace(*imports))
        smoke, quick = listed(site)
        assert (", stale: compute" in smoke[3]) == changed and "commit" in smoke[3], new
        assert quick[3] == "–"


def test_a_list_of_many_results_reads_each_once_and_of_its_attributes_few(site, monkeypatch):
    """Ten thousand results shall take seconds."""
    (result,) = (site / "results" / "fig01_good").glob("*.nc")
    for number in range(20):
        shutil.copy(result, result.with_name(f"{number:016}.nc"))
    read = []
    about = untrusted.about
    monkeypatch.setattr(untrusted, "about", lambda content, only: read.append(only) or about(content, only))
    assert "commit" in listed(site)[0][3]
    assert sorted(map(len, read)) == [0, *[len(tables.SHOWN)] * 21]  # of one all is told


def test_several_processes_read_the_same(site):
    """In a process without JAX, since whoever has its threads does not fork."""
    code = "from pathlib import Path; from dynloss_book.engine import archive; archive.MANY = 0; "
    code += "print(archive.contents(Path('results')).records)"
    done = subprocess.run([sys.executable, "-c", code], cwd=site, check=True, capture_output=True, text=True)
    with contextlib.chdir(site):
        alone = archive.contents(Path("results")).records
    assert done.stdout == f"{alone}\n" and alone


def test_what_another_program_has_locked_is_there(site):
    fcntl = pytest.importorskip("fcntl")
    with next((site / "results" / "fig01_good").glob("*.nc")).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "commit" in listed(site)[0][3]
        assert tables.unreadable(site) == []


@pytest.mark.parametrize("command", [["list"], ["status"], ["sweep", "status"], ["claims"]])
def test_every_command_names_what_it_cannot_read(site, command, dynloss, monkeypatch):
    monkeypatch.chdir(site)
    folder = site / "results" / "fig01_good"
    (result,) = folder.glob("*.nc")
    (folder / "store").mkdir()
    shutil.copy(result, folder / "store")
    for path in (result, folder / "store" / result.name):
        path.write_bytes(path.read_bytes()[:5000])
    recorded.write(site / "results", {"fig01_good": {"profile": "smoke", "claims": [CLAIM]}})
    _, out, _ = dynloss(*command)
    assert f"{result} cannot be read (" in out and f"store/{result.name} cannot be read (" in out


def test_damage_of_what_one_row_alone_shows_is_named(site, dynloss, monkeypatch):
    monkeypatch.chdir(site)
    (result,) = (site / "results" / "fig01_good").glob("*.nc")
    result.write_bytes(archive.encode(archive.read(result).assign_attrs(device="<img src=x>")))
    code, out, _ = dynloss("list")
    assert code == 2 and f"{result} cannot be read (its device is not that of a result)" in out


def test_archive_of_another_figure_counts_where_the_notebook_asks_for_it(site):
    notebooks = site / "notebooks"
    (notebooks / "fig02_same.ipynb").write_text((notebooks / "fig01_good.ipynb").read_text())
    profiles = "fig01_good: {quick: {}}\nfig02_same: {quick: {}, smoke: {parameters: {steps: 3}}}"
    (notebooks / "profiles.yml").write_text(profiles)
    assert "commit" in listed(site)[-1][3]


def test_status_says_what_made_a_notebook(site):
    (row,) = status(site)
    assert row[:3] == ("fig01_good", "smoke", "computed")
    assert "–" not in row


def test_status_says_stale_and_scale(site):
    path, notebook, record = records(site)
    record.update(origin="archived", stale="dynloss.losses", scale="5 of 50 seeds")
    path.write_text(json.dumps(notebook))
    assert status(site)[0][2] == "own, STALE: dynloss.losses changed since (5 of 50 seeds)"


def test_status_of_a_notebook_without_archive(site):
    path, notebook, _ = records(site)
    notebook["cells"][-1]["outputs"] = []
    path.write_text(json.dumps(notebook))
    (row,) = status(site)
    assert row[2:4] == ("computed", "–")
    assert row[5].endswith("UTC")


def test_status_says_why_a_copy_is_unfit(site):
    path, _, _ = records(site)
    path.write_text("{")
    assert status(site)[0][2].startswith("not fit for the book: it is no valid notebook")
    path.unlink()
    assert status(site)[0][2] == "not run"


def test_markdown_escapes_bars():
    assert tables.markdown([("a", "b"), ("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"


def one_point(period, seed, *, steps):
    return {"value": period * steps}


def test_sweep_rows_say_how_far_a_sweep_is(tmp_path, monkeypatch):
    from dynloss_book.engine import sweeps

    monkeypatch.setenv("DYNLOSS_RESULTS", str(tmp_path))
    assert tables.sweeps(tmp_path) == []
    call = {"axes": {"period": [10, 20]}, "constants": {"steps": 5}, "progress": False}
    sweeps.run("fig_a", one_point, seeds=range(2), **call)
    (row,) = map(tables.sweep_row, tables.sweeps(tmp_path))
    assert row[:4] == ("fig_a", "steps=5", "4 of 4", "2 seeds")
    (folder,) = (tmp_path / "fig_a").iterdir()
    (folder / "half.nc").write_bytes(b"")
    assert tables.sweep_row(*tables.sweeps(tmp_path))[2] == "4 of 4 (1 file cannot be read)"
    (folder / "half.nc").unlink()
    (folder / "request.json").write_text(
        (folder / "request.json").read_text().replace('"seed": [0, 1]', '"seed": [0, 1, 2]')
    )
    (row,) = map(tables.sweep_row, tables.sweeps(tmp_path))
    assert row[2:4] == ("4 of 6", "2 of 3 seeds")
    assert tables.sweeps(tmp_path, {"fig_b"}) == []
    (folder / "request.json").unlink()
    (row,) = map(tables.sweep_row, tables.sweeps(tmp_path))
    assert row[2] == "4"
