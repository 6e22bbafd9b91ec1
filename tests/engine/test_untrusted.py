"""Files of others: what is in them is checked before memory is taken for it, shown as text, and names no file."""

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1]))  # for fuzzing, when only these tests are run

import fuzzing
import small_site

from dynloss_book.engine import archive, untrusted
from dynloss_book.engine.mime import PROVENANCE
from dynloss_book.engine.runner import gallery, gate, page, recorded, tables
from dynloss_book.engine.runner.profiles import UsageError, load
from dynloss_book.engine.sweeps.overview import overview

IMAGE, DOWNLOAD, ESCAPE = "<img src=x onerror=alert(1)>", "{download}`x <../_config.yml>`", "\x1b[2J"
SWEEP = "results/spiral_interpretations/6bf59feea5cc0e25"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Not to be changed by a test; `site` is a copy that may be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DYNLOSS_RESULTS", raising=False)
        return fuzzing.site(tmp_path_factory.mktemp("clean") / "checkout")


@pytest.fixture
def site(made, tmp_path, monkeypatch):
    root = shutil.copytree(made, tmp_path / "checkout")
    monkeypatch.delenv("DYNLOSS_RESULTS", raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def single(site):
    (path,) = (site / "results" / "fig01_good").glob("*.nc")
    return path


@pytest.fixture
def copy(site):
    return site / "_build" / "executed" / "quick" / "fig01_good.ipynb"


def attribute(name, value):
    def change(file):
        file.attrs[name] = value

    return change


def inside(name, key, value):
    """One value within an attribute of JSON."""

    def change(file):
        file.attrs[name] = json.dumps(json.loads(file.attrs[name]) | {key: value})

    return change


def external(file):
    file.create_dataset("secret", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def linked(file):
    file["secret"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file):
    file["secret"] = h5py.SoftLink("/x")


def virtual(file):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("secret", layout)


def huge(file):
    file.create_dataset("huge", (325_000_000,), "f8", chunks=(100_000,), compression="gzip")


def wordy(file):
    file.create_dataset("words", data=np.full(untrusted.NUMBERS + 1, b"a", "S1"), chunks=(1000,), compression="gzip")


def heaps(file):
    """What looks like the beginnings of heaps, each claiming the rest of the file: to walk them all takes for ever."""
    heap = b"GCOL\1\0\0\0" + (2**40).to_bytes(8, "little") + untrusted._OBJECT.pack(1, 16)
    file["heaps"] = np.frombuffer(heap * 2**15, "u1")


def filtered(file):
    file.create_dataset("packed", (4,), "f8", chunks=(4,), compression="lzf")


def many(file):
    for number in range(untrusted.VARIABLES):
        file[f"many_{number}"] = 1.0


ATTACKS = {
    "a script in the device": (attribute("device", IMAGE), "its device is not that of a result"),
    "a role in the scale": (attribute("scale", DOWNLOAD), "its scale is not that of a result"),
    "a link in the commit": (attribute("commit", "[x](../../../etc/passwd)"), "its commit is not"),
    "a script in a parameter": (inside("parameters", "width", IMAGE), "its parameters is not"),
    "a script in a parameter's name": (inside("parameters", IMAGE, 1), "its parameters is not"),
    "a script in the versions": (inside("versions", "jax", 1), "its versions is not"),
    "a number as device": (attribute("device", 1.5), "its device is not"),
    "deep JSON": (attribute("parameters", "[" * 50_000), "its parameters is not"),
    "the folder above as figure": (attribute("figure", "../../mine"), "its figure is not"),
    "a folder as figure": (attribute("figure", "/tmp/mine"), "its figure is not"),
    "an escape in the date": (attribute("date", f"2026-11-29 12:00 UTC{ESCAPE}"), "its date is not|no line of text"),
    "an escape in a reason": (
        attribute("affirmed", json.dumps([{"commit": ESCAPE, "what": "x"}])),
        "its affirmed is not",
    ),
    "no number of seconds": (attribute("seconds", np.inf), "its seconds is not"),
    "a number of 400 digits": (inside("parameters", "steps", 10**400), "its parameters is not"),
    "a long attribute": (attribute("device", "a" * 2_000_000), "device"),
    "many values": (attribute("extra", np.zeros(20_000, "i1")), "its attribute extra is neither a line of text"),
}
WITHIN = {
    "external storage": (external, "lies in another file"),
    "an external link": (linked, "secret is no variable, but a link or a group"),
    "a soft link": (soft, "secret is no variable, but a link or a group"),
    "a virtual dataset": (virtual, "lies in another file"),
    "2.6 GB": (huge, "asks for 2,600,000,000 bytes, and holds less"),
    "more words than anyone reads": (wordy, "holds 10,001 words, of at most 10,000"),
    "heaps without end": (heaps, "its heap of texts is damaged"),
    "a filter": (filtered, "is compressed in a way of its own"),
    "hundreds of variables": (many, "variables, of at most 200"),
    "a group": (lambda file: file.create_group("inside"), "inside is no variable"),
    "a name of a path": (lambda file: file["x"].attrs.modify("units", ESCAPE), "is no line of text"),
}


@pytest.mark.parametrize("what", ATTACKS)
def test_an_attribute_that_is_none_is_damage(site, single, dynloss, what):
    change, said = ATTACKS[what]
    with contextlib.suppress(OSError), h5py.File(single, "r+") as file:  # HDF5 may refuse it itself
        change(file)
    with pytest.raises(archive.Unreadable, match=said):
        archive.read(single)
    named(dynloss, single)


@pytest.mark.parametrize("what", WITHIN)
def test_a_variable_that_is_none_is_damage(site, single, dynloss, what):
    change, said = WITHIN[what]
    with h5py.File(single, "r+") as file:
        change(file)
    with pytest.raises(archive.Unreadable, match=said):
        archive.read(single)
    code, out, err = dynloss("compare", single)
    assert code == 2 and "Traceback" not in err and "cannot be read (" in out
    code, out, _ = dynloss("claims")
    assert code == 2 and "damaged: " in out and "cannot be read (" in out


def named(dynloss, path):
    """Every command names the file in a line, goes on with the others, and ends with the code for damage."""
    for command in (["list"], ["status"], ["claims"]):
        code, out, err = dynloss(*command)
        # `list` reads of a result what it shows.
        assert (code == 2 and f"{path} cannot be read (" in out) or (command == ["list"] and code == 0), command
        assert not fuzzing.CONTROL.search(out + err) and IMAGE not in out


def test_what_is_whole_is_read(site, single, dynloss):
    assert archive.read(single).x.size == 10
    for command in (["list"], ["status"], ["sweep", "status"], ["claims"]):
        assert dynloss(*command)[0] == 0
    assert [each.done for each in overview(site / "results") if each.figure.startswith("spiral")] == [70]


def test_a_published_file_in_a_folder_beside_does_not_end_the_others(site, single, dynloss):
    """It was enough to end `list` and `sweep status` for all figures."""
    (part,) = (site / SWEEP).glob("*.nc")
    backup = site / "results" / "own_data" / "backup"
    backup.mkdir()
    for path in (part, single):
        shutil.copy(path, backup)
    shutil.copy(part, next((site / "results" / "own_data").glob("[0-9a-f]*")))
    code, out, _ = dynloss("list")
    assert code == 0 and "fig01_good" in out
    code, out, _ = dynloss("sweep", "status")
    assert "70 of 70" in out and "(1 file cannot be read)" in out


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["axes"].update(period=list(range(60_000)), amplitude=list(range(20_000))),
        lambda found: found["axes"].update(period=list(range(11_000)), amplitude=list(range(12_000)), seed=[0]),
        lambda found: found["axes"].update(period=["a"]),
        lambda found: found["axes"].update(period=[1, 1.0]),
        lambda found: found.update(axes={"../x": [1]}),
        lambda found: found.update(figure="../x"),
        lambda found: found.update(parameters="{"),
        lambda found: found.update(points=None),
        lambda found: found.clear(),
    ],
)
def test_a_request_of_too_much_is_damage(site, dynloss, change):
    path = site / SWEEP / "request.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    code, out, _ = dynloss("sweep", "status")
    assert code == 2 and f"{path} cannot be read (" in out and "  70  " in out


@pytest.mark.parametrize("zeros", [np.zeros(3), np.zeros(9_000_000)])
def test_axes_that_do_not_fit_are_damage(site, dynloss, zeros):
    """Of another length than the points, or, both together, of more memory than is taken for a file."""
    (path,) = (site / SWEEP).glob("*.nc")
    more = [f"more_{number}" for number in range(1 + (zeros.size > 3))]
    with h5py.File(path, "r+") as file:
        names = [] if zeros.size > 3 else json.loads(file.attrs["axes"])
        file.attrs["axes"] = json.dumps(names + more)
        for name in more:
            file.create_dataset(name, data=zeros, chunks=True, compression="gzip")
    code, out, _ = dynloss("sweep", "status")
    assert code == 2 and f"{path} cannot be read (" in out


def test_axes_that_are_not_there_are_damage(site, dynloss):
    (path,) = (site / SWEEP).glob("*.nc")
    with h5py.File(path, "r+") as file:
        file.attrs["axes"] = json.dumps(["nothing"])
    code, out, _ = dynloss("sweep", "status")
    assert code == 2 and f"{path} is no result of the sweep" in out


def test_points_that_span_too_large_a_grid_are_not_laid_out():
    with pytest.raises(ValueError, match=r"a grid of 1,000,000,000 points takes more than"):
        untrusted.check_size(10**9)


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_what_is_no_regular_file_is_not_waited_for(site, single, copy, dynloss, kind):
    for path in (single, copy):
        path.unlink()
        os.mkfifo(path) if kind == "a pipe" else path.symlink_to("/dev/zero")
    named(dynloss, single)
    assert dynloss("compare", copy)[0] == 2
    assert dynloss("compare", single)[0] == 2
    assert gate.problems(copy, site / "notebooks" / "fig01_good.ipynb", {}) == ["it was not executed"]
    with pytest.raises(ValueError, match="no regular file"):
        untrusted.content(single)


def test_a_heap_that_hdf5_never_ends_reading_is_damage(single, dynloss):
    """The free space at its end, object 0, has a size of 0."""
    content = bytearray(single.read_bytes())
    place = content.index(b"GCOL") + 16
    while content[place]:
        place += 16 + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    content[place + 8 : place + 16] = bytes(8)
    single.write_bytes(content)
    named(dynloss, single)


@pytest.mark.parametrize("many", ["{}", '{"data": {"a": {}}}'])
def test_a_notebook_of_too_many_tables_is_not_taken_apart(copy, dynloss, many):
    found = json.loads(copy.read_text())
    (found["metadata"] if many == "{}" else found["cells"][-1]["outputs"][0])["x"] = "@"
    copy.write_text(json.dumps(found).replace('"@"', f"[{','.join([many] * untrusted.NESTED)}]"))
    for command in (["status", "--profile", "quick"], ["compare", copy]):
        _, out, err = dynloss(*command)
        assert "it holds more than 100,000 lists and tables" in out + err


def test_a_notebook_with_a_number_of_400_digits_is_no_provenance(copy, dynloss):
    found = json.loads(copy.read_text())
    (data,) = [out["data"] for out in found["cells"][-1]["outputs"] if PROVENANCE in out["data"]]
    data[PROVENANCE]["parameters"]["steps"] = 10**400
    copy.write_text(json.dumps(found))
    code, out, err = dynloss("compare", copy)
    assert code == 2 and "the parameters of its provenance is not that of a result" in out + err


def test_what_is_too_large_is_not_read(tmp_path):
    (tmp_path / "large").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="it has 100 bytes, of at most 99"):
        untrusted.content(tmp_path / "large", 99)


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/etc/passwd", "../../fig/ab.nc", "/x/../fig/ab.nc", "/x/other/ab.nc", 3]
)
def test_a_notebook_names_no_file_but_a_results(copy, dynloss, path):
    notebook = json.loads(copy.read_text())
    record = notebook["cells"][-1]["outputs"][0]["data"][PROVENANCE]
    record |= {"path": path, "figure": "fig"}
    copy.write_text(json.dumps(notebook))
    code, out, err = dynloss("compare", copy)
    assert code == 2 and "the path of its provenance is not that of a result" in out + err


def changed(copy, change):
    notebook = json.loads(copy.read_text())
    change(notebook)
    copy.write_text(json.dumps(notebook))


def output(**data):
    """A change: the last cell shows this as well."""
    kinds = {name.replace("_", "/"): value for name, value in data.items()}

    def change(notebook):
        shown = {"output_type": "display_data", "metadata": {}, "data": kinds}
        notebook["cells"][-1]["outputs"].append(shown)

    return change


def entry(*keys, to):
    """A change: the entry of the last cell at these keys."""

    def change(notebook):
        place = notebook["cells"][-1]
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (output(text_html="<script>alert(1)</script>"), "a script that is no file"),
        (output(text_html=f"<table><tr><td>{IMAGE}</td></tr></table>"), "a handler: onerror"),
        (output(text_html='<a href="javascript:alert(1)">x</a>'), "a link that runs: a"),
        (output(text_html="<!--><img src=x onerror=alert(1)>-->"), "it holds '<!'"),
        (output(text_html="<td onclick=alert(1) "), "it holds"),
        (output(text_html="<style>@import '//example.org'</style>"), "it holds '@import'"),
        (output(text_html='<iframe srcdoc="x"></iframe>'), "a handler: srcdoc"),
        (output(text_markdown=IMAGE), "a handler: onerror"),
        (output(text_markdown=DOWNLOAD), "it holds '{download}`'"),
        (output(text_markdown="```{include} /etc/passwd\n```"), "it holds '```{'"),
        (output(text_markdown=":::{raw} html\n<b>\n:::"), "it holds ':::{'"),
        (output(text_markdown="[x](../../../etc/passwd)"), "it holds ']('"),
        (output(text_markdown="![x](../../../etc/passwd)"), "it holds '!['"),
        (output(text_markdown="[x]: ../../../etc/passwd"), "it holds '[x]:'"),
        (output(text_markdown=r"$\href{javascript:alert(1)}{x}$"), "it holds '\\\\href'"),
        (output(text_markdown="{{ 7 * 7 }}"), "it holds '{{'"),
        (output(application_javascript="alert(1)"), "no page shows such"),
        (output(**{"image_svg+xml": "<svg onload=alert(1)>"}), "no page shows such"),
        (output(image_png="PHN2Zz4="), "it is no such file"),
        (entry("metadata", "mystnb", "figure", "name", to="../../../out"), "its cells are not those of its source"),
        (entry("id", to="of-mine"), "its cells are not those of its source"),
        (lambda notebook: notebook["metadata"].update(mystnb={"render_markdown_format": "myst"}), "its cells are not"),
        (lambda notebook: notebook["metadata"]["dynloss"].update(commit=IMAGE), "its metadata are not those of a run"),
        (lambda notebook: notebook["metadata"].update(papermill="x"), "it is no valid notebook"),
        (
            lambda notebook: notebook["cells"][-1]["outputs"][0]["data"][PROVENANCE].update(device=IMAGE),
            "the device of",
        ),
        (
            lambda notebook: notebook["cells"][-1]["outputs"][0]["data"][PROVENANCE].update(figure=".."),
            "of its provenance",
        ),
    ],
)
def test_the_gate_lets_nothing_run(site, copy, change, said):
    source = site / "notebooks" / "fig01_good.ipynb"
    assert gate.problems(copy, source, {}) == []
    changed(copy, change)
    assert any(said in problem for problem in gate.problems(copy, source, {})), gate.problems(copy, source, {})


def test_tables_pictures_and_formulas_pass_the_gate(site, copy):
    table = '<style scoped>td { text-align: right; }</style><table border="1"><tr style="x: y"><td>1</td></tr></table>'
    changed(
        copy, output(text_html=table, text_markdown=r"**Yes**, $\lambda < 2/\eta$: [x](https://example.org), 1 < 2")
    )
    assert gate.problems(copy, site / "notebooks" / "fig01_good.ipynb", {}) == []


def test_an_error_of_a_notebook_moves_no_cursor(copy, dynloss):
    error = {"output_type": "error", "ename": "ValueError", "evalue": f"{ESCAPE}x", "traceback": []}
    changed(copy, lambda notebook: notebook["cells"][-1]["outputs"].append(error))
    code, out, _ = dynloss("status")
    assert code == 0 and r"\x1b[2Jx" in out and ESCAPE not in out


def test_a_name_of_a_file_moves_no_cursor(site, single, dynloss):
    (single.parent / f"{ESCAPE}.nc").write_text("no NetCDF")
    for command in (["list"], ["compare", single.parent]):
        code, out, err = dynloss(*command)
        assert code == 2 and ESCAPE not in out + err and r"\x1b[2J.nc" in out + err


def test_what_is_shown_is_escaped_though_it_was_checked(single):
    """Whoever hands a page a text that was not."""
    dataset = archive.read(single).assign_attrs(origin="archived", stale="", path="", device=f"{IMAGE}{DOWNLOAD}")
    shown = archive.provenance(dataset)._repr_mimebundle_()["text/markdown"]
    assert IMAGE not in shown and r"\<img src=x onerror=alert(1)\>\{download\}\`x" in shown
    (record,) = archive.provenance(dataset).records
    status = gallery.status([gallery.Entry("fig01", "Figure 1", "quick", None, [record], "")], "..")
    assert r"\<img src=x" in status and IMAGE not in status
    words = page.apart([record | {"parameters": {"a": 1}}, record | {"parameters": {"a": DOWNLOAD}}])
    assert words[1].startswith(r"a=\{download\}\`x")
    assert ESCAPE not in tables.plain([("a",), (ESCAPE,)])


@pytest.mark.parametrize(
    "content", ["[]", '{"a": 1}', '{"fig": {"claims": [{"verdict": 1}], "profile": "x"}}', "[" * 90_000]
)
def test_a_record_of_verdicts_that_is_none_is_damage(tmp_path, content):
    (tmp_path / recorded.RECORD).write_text(content)
    with pytest.raises(UsageError, match="is damaged"):
        recorded.read(tmp_path)


def test_numbers_of_other_figures_are_not_looked_at_for_a_verdict(site, single, dynloss):
    """With ten thousand results that was what `claims` waited for."""
    with small_site.publishing(site):
        archive.fetch_or_compute("fig01_good", _compute, {"steps": 11, "amplitude": 70.0})
    (other,) = set(single.parent.glob("*.nc")) - {single}
    content = bytearray(other.read_bytes())
    with h5py.File(other) as file:
        start = file["x"].id.get_chunk_info(0).byte_offset
    content[start : start + 8] = b"\xff" * 8
    other.write_bytes(content)
    with pytest.raises(archive.Unreadable):
        archive.read(other)
    assert tables.archived(load(site)["fig01_good"], [site / "results"]).unreadable == [] and dynloss("claims")[0] == 0


def _compute(steps, amplitude):
    return xr.Dataset({"x": ("step", amplitude * np.arange(steps))})


def test_some_mutated_files(made, site):
    """A few; `python tests/fuzzing.py 2000` tries more."""
    assert [wrong for seed in range(12) if (wrong := fuzzing.tried(site, made, seed))] == []
