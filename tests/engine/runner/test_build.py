"""The book is built from what passed the gate, whole or not at all. Sphinx itself runs in one test only."""

import errno
import io
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from PIL import Image

from dynloss_book.engine import archive
from dynloss_book.engine.findings import MIME as FINDINGS
from dynloss_book.engine.findings import Findings
from dynloss_book.engine.provenance import MIME
from dynloss_book.engine.runner import book, gallery
from dynloss_book.engine.runner.book import BookError
from dynloss_book.engine.runner.profiles import load, renamed
from dynloss_book.engine.runner.tables import executed_copy
from dynloss_book.playground import hooks as playground_hooks
from dynloss_book.plots import hooks as plots_hooks
from dynloss_book.plots import idea


@pytest.fixture(autouse=True)
def own_results(monkeypatch):
    monkeypatch.delenv("DYNLOSS_RESULTS", raising=False)


@pytest.fixture
def published(site):
    """The book of an earlier run."""
    html = site / "_build" / "html"
    html.mkdir()
    (html / "index.html").write_text("old")
    return html


def builder(monkeypatch, returncode=0, log=""):
    """A stand-in for Sphinx: writes one page, and returns this code."""

    def run(command, **_):
        html = book.Path(command[command.index("build") + 1]) / "_build" / "html"
        html.mkdir(parents=True)
        (html / "index.html").write_text("new")
        return SimpleNamespace(returncode=returncode, stdout=log)

    monkeypatch.setattr(subprocess, "run", run)


def pages(html):
    return {path.name: path.read_text() for path in html.iterdir()}


@pytest.mark.slow
def test_a_real_book(site):
    first_page = book.build(site, load(site), "smoke")
    assert first_page == site / "_build" / "html" / "index.html"
    html = first_page.parent
    figure = (html / "notebooks" / "fig01_good.html").read_text()
    assert "Provenance: computed in this run" in figure
    (data,) = (html / "_downloads").rglob("fig01_good-*.nc")
    assert f"{data.parent.name}/{data.name}" in figure
    assert "A figure" in (html / "book" / "status.html").read_text()
    assert "0.2 GB on 2 CPU cores" in (html / "book" / "introduction.html").read_text()
    published = [path for path in html.rglob("*") if path.suffix in (".html", ".ipynb", ".md", ".js")]
    assert not [path for path in published if str(site) in path.read_text()]  # no path of this machine


def test_stage_leaves_executed_copies_and_pages_alone(site):
    copy = executed_copy(site, "smoke", "fig01_good")
    before = copy.read_text(), (site / "book" / "status.md").read_text()
    staged = book.stage(site, load(site), "smoke")
    assert (copy.read_text(), (site / "book" / "status.md").read_text()) == before
    notebook = json.loads((staged / "notebooks" / "fig01_good.ipynb").read_text())
    assert MIME not in json.dumps(notebook)
    menu = ":::{dropdown} Download: the data\n- fig01_good: {download}`NetCDF, "
    assert notebook["cells"][-1]["source"].startswith(menu)


def test_stage_starts_afresh(site):
    (site / "_build" / "site" / "book").mkdir(parents=True)
    (site / "_build" / "site" / "book" / "gone.md").touch()
    assert not (book.stage(site, load(site), "smoke") / "book" / "gone.md").exists()


def test_what_tells_of_all_notebooks_follows_the_book(site):
    """The gallery, the introduction's table and the status page: as the chapters do, and not as the alphabet."""
    first = executed_copy(site, "smoke", "fig01_good")
    notebook = json.loads(first.read_text())
    found = Findings("fig01_good", "Does x grow?", "It does.", "Twice.", "1 seed").record()
    notebook["cells"][-1]["outputs"].append({"output_type": "display_data", "metadata": {}, "data": {FINDINGS: found}})
    for stem in ("fig01_good", "fig02_last", "fig03_none"):
        executed_copy(site, "smoke", stem).write_text(json.dumps(notebook))
        if stem != "fig01_good":
            shutil.copy(site / "notebooks" / "fig01_good.ipynb", site / "notebooks" / f"{stem}.ipynb")
    profiles = "".join(f"{stem}: {{quick: {{}}, smoke: {{}}}}\n" for stem in ("fig01_good", "fig02_last", "fig03_none"))
    (site / "notebooks" / "profiles.yml").write_text(profiles)
    chapters = "  - file: notebooks/fig02_last\n  - file: notebooks/fig01_good\n"
    (site / "_toc.yml").write_text(f"format: jb-book\nroot: book/introduction\nchapters:\n{chapters}")
    (site / "book" / "gallery.md").write_text(
        "# Gallery\n\n<!-- gallery -->\n\n<!-- questions -->\n\n<!-- answer fig01_good -->\n"
    )
    staged = book.stage(site, load(site), "smoke") / "book"
    for page, link in (("gallery", ":link: "), ("status", r"\]\(")):
        order = re.findall(rf"{link}\.\./notebooks/(\w+)", (staged / f"{page}.md").read_text())
        assert order == ["fig02_last", "fig01_good", "fig03_none"]
    assert (staged / "gallery.md").read_text().endswith("\n\nIt does.\n")


def test_the_playground_comes_with_a_page_that_asks_for_it(site):
    folder = site / "_build" / "site" / "book" / "_static" / "playground"
    book.stage(site, load(site), "smoke")
    assert not folder.exists()
    page = site / "book" / "status.md"
    page.write_text(page.read_text() + '<script type="module" src="../_static/playground/playground.js"></script>\n')
    book.stage(site, load(site), "smoke")
    assert {path.name for path in folder.iterdir()} == {"playground.js", "playground.css", "engine.wasm"}
    assert (folder / "engine.wasm").read_bytes().startswith(b"\0asm")


def test_what_was_not_archived_has_no_download(site):
    copy = executed_copy(site, "smoke", "fig01_good")
    notebook = json.loads(copy.read_text())
    notebook["cells"][-1]["outputs"][0]["data"][MIME]["path"] = ""
    copy.write_text(json.dumps(notebook))
    assert "{download}" not in (book.stage(site, load(site), "smoke") / "notebooks" / "fig01_good.ipynb").read_text()


def test_new_pages_replace_old_ones(site, published, monkeypatch):
    builder(monkeypatch)
    (published / "gone.html").touch()
    book.build(site, load(site), "smoke")
    assert pages(published) == {"index.html": "new"}
    assert {path.name for path in (site / "_build").iterdir()} == {"executed", "html", "site"}


def test_old_addresses_lead_to_the_new_pages(site, monkeypatch):
    builder(monkeypatch)
    table = site / "notebooks" / "renamed.yml"
    table.write_text("pages: {older: fig01_good, index: fig01_good}")
    with pytest.raises(BookError, match=r"renamed\.yml leads from older to fig01_good, and there is no such page"):
        book.build(site, load(site), "smoke")
    assert not (site / "_build" / "html").exists()
    html = site / "html"
    html.mkdir()
    for name in ("index", "fig01_good"):
        (html / f"{name}.html").write_text("a page")
    book.redirect(renamed(site, "pages"), html)
    assert pages(html)["index.html"] == "a page"  # a page that is still there is left alone
    (address,) = re.findall('http-equiv="refresh" content="0; url=(.*)"', pages(html)["older.html"])
    assert address == "fig01_good.html" and f'<link rel="canonical" href="{address}">' in pages(html)["older.html"]


def test_nothing_is_published_after_the_gate(site, published, monkeypatch):
    builder(monkeypatch)
    executed_copy(site, "smoke", "fig01_good").write_text("{")
    with pytest.raises(BookError, match=r"^fig01_good \[smoke\]: it is no valid notebook"):
        book.build(site, load(site), "smoke")
    assert pages(published) == {"index.html": "old"}
    assert not (site / "_build" / "site").exists()


def test_nothing_is_published_after_a_warning(site, published, monkeypatch):
    log = "reading\n\x1b[31msite/book/a.md:1: WARNING: no such thing\x1b[0m\ndone"
    builder(monkeypatch, returncode=1, log=log)
    with pytest.raises(BookError, match=r"^site/book/a.md:1: WARNING: no such thing\nthe book was not built"):
        book.build(site, load(site), "smoke")
    assert pages(published) == {"index.html": "old"}


def sources(site, monkeypatch):
    (site / "book" / "long.md").write_text("long\n" * 300)
    return lambda: book.stage(site, load(site), "smoke"), "_build/site/book/long.md"


def filled(site, monkeypatch):
    return lambda: book._fill(site / "book", {"status": "x" * 2000}), "book/status.md"


def arranged(site, monkeypatch):
    copy = executed_copy(site, "smoke", "fig01_good")
    copy.write_text(re.sub(r'"path": ".*?"', '"path": ""', copy.read_text()))  # of its data see below
    return lambda: book._arrange(copy, site / "notebooks", site / "data"), "fig01_good.ipynb"


def drawn(site, monkeypatch):
    monkeypatch.setattr(idea, "plot", lambda: Figure((9, 9)))  # its own needs JAX, which keeps things on the disk too
    return lambda: plots_hooks.publish(site / "book", "![](images/idea.png)"), "book/images/idea.png"


def thumbnail(site, monkeypatch):
    picture = io.BytesIO()
    Image.effect_noise((99, 99), 50).save(picture, "PNG")
    return lambda: gallery._thumbnail(picture.getvalue(), site / "images" / "fig.png"), "images/fig.png"


def played(site, monkeypatch):
    name = "_static/playground/playground.js"
    return lambda: playground_hooks.publish(site / "book", name), f"book/{name}"


@pytest.mark.parametrize("prepared", [sources, filled, arranged, drawn, thumbnail, played])
def test_a_file_for_which_there_is_no_room_is_named_and_left_as_it_was(site, small_disk, monkeypatch, prepared):
    call, name = prepared(site, monkeypatch)
    path = site / name
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(OSError, match="File too large") as said, small_disk():
        call()
    assert said.value.filename == str(path)
    assert (path.read_bytes() if path.exists() else None) == before
    assert not [each for each in site.rglob("*") if each.name.endswith(".part")]


def test_data_for_which_there_is_no_room_are_named(site, small_disk):
    (result,) = (site / "results").rglob("*.nc")
    with pytest.raises(OSError, match="File too large") as said, small_disk():
        book._arrange(executed_copy(site, "smoke", "fig01_good"), site / "notebooks", site / "data")
    assert said.value.filename == str(site / "data" / f"fig01_good-{result.name}")


def test_a_result_that_can_no_longer_be_read_is_named(site, executed_site):
    copy, (result,) = executed_copy(site, "smoke", "fig01_good"), (site / "results").rglob("*.nc")
    copy.write_text(copy.read_text().replace(str(executed_site), str(site)))
    result.write_bytes(result.read_bytes()[:5000])
    with pytest.raises(archive.Unreadable, match=f"{result} cannot be read"):
        book._arrange(copy, site / "notebooks", site / "data")


def test_the_old_book_stays_where_the_new_one_cannot_take_its_place(site, published, monkeypatch):
    builder(monkeypatch)
    rename = book.Path.rename

    def full(path, target):
        if path.name == "html" and target == published:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return rename(path, target)

    monkeypatch.setattr(book.Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        book.build(site, load(site), "smoke")
    assert pages(published) == {"index.html": "old"}
