"""The book: stage the pages and the executed notebooks, build them, and publish the result only when all is well.

The pages are staged in `_build/site` under the paths that they have in the repository, so that a page's Colab button
leads to the committed notebook. What was built replaces `_build/html` only at the end.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urljoin

from dynloss import files
from dynloss_book.engine import hooks, untrusted
from dynloss_book.engine.runner import compare, gallery, gate, kernels, page, scorecard, scripts, tables, together
from dynloss_book.engine.runner.profiles import Figure, UsageError, renamed, values

# What a page leaves to be filled in from the results: a table, or `answer NOTEBOOK`.
PLACEHOLDER = re.compile(r"<!-- ([\w ]+) -->")

_MOVED = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>This page has moved</title>
<link rel="canonical" href="{address}">
<meta http-equiv="refresh" content="0; url={address}">
</head>
<body><p>This page has moved to <a href="{address}">{address}</a>.</p></body>
</html>
"""


class BookError(RuntimeError):
    """The book was not built; what was published before is still there."""


def check() -> None:
    """Whether there is what builds a book."""
    if not find_spec("jupyter_book"):
        raise UsageError("the book needs jupyter-book: pip install 'dynloss[book]'")


def build(root: Path, figures: Mapping[str, Figure], profile: str) -> Path:
    """Judge the executed copies, stage, build and publish. Returns the path of the first page.

    Args:
        root: the checkout.
        figures: all that the book has, by name.
        profile: that its notebooks were executed in, or "best".

    Raises:
        BookError: a copy or a page did not pass the gate, or the build had a warning or error.
        OSError: a file cannot be written.
    """
    wrong = []
    for figure in figures.values():
        copy = tables.executed_copy(root, profile, figure.stem)
        own = tables.profile_of(figure, profile, copy)
        found = gate.problems(copy, figure.path, values(figure, own))
        wrong += [f"{figure.stem} [{own}]: {problem}" for problem in found]
    if wrong:
        raise BookError("\n".join(wrong))
    site = stage(root, figures, profile)
    start = "from jupyter_book.cli.main import main; main()"  # by this Python: its script may not be on the path
    command = [sys.executable, "-c", start, "build", str(site), "-W", "-n", "--keep-going"]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    built = site / "_build" / "html"
    if done.returncode or not (built / "index.html").is_file():
        raise BookError(f"{_what_failed(done.stdout)}\nthe book was not built; its pages are staged in {site}")
    for path in built.rglob("*.html"):
        files.write(path, headed(accessible(path.read_text("utf-8"))))
    if wrong := scripts.moved(built):
        raise BookError("\n".join(wrong))
    redirect(renamed(root, "pages"), built / "notebooks")
    return _publish(built, root / "_build" / "html") / "index.html"


def stage(root: Path, figures: Mapping[str, Figure], profile: str) -> Path:
    """Put everything that the book is built from into `_build/site`.

    Args:
        root, figures, profile: as of ``build``.
    """
    site = root / "_build" / "site"
    shutil.rmtree(site, ignore_errors=True)
    (site / "notebooks" / "data").mkdir(parents=True)
    for path in (root / "_config.yml", root / "_toc.yml", *(root / "book").rglob("*")):
        own = path.relative_to(root)
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in own.parts):
            files.write(site / own, path.read_bytes())
    data, images = site / "notebooks" / "data", site / "book" / "images" / "gallery"
    figures = _in_order(root, figures)
    copies = [(figure, tables.executed_copy(root, profile, figure.stem)) for figure in figures.values()]
    with ProcessPoolExecutor(together.at_once(), kernels.context()) as pool:
        pages = [pool.submit(_arrange, copy, figure.path.parent, data) for figure, copy in copies]
        entries = [gallery.entry(figure, copy, profile, images) for figure, copy in copies]
        for each in pages:
            each.result()
    theirs = [each for each in entries if each.stem.startswith("fig")]  # the paper's figures
    costs = [(each.stem, size.name, tables.cost(size)) for each in figures.values() for size in each.profiles.values()]
    texts = {
        "gallery": gallery.cards(entries, "images/gallery", "../notebooks"),
        "headlines": gallery.headlines(theirs, "images/gallery", "../notebooks"),
        "failing": gallery.failing(entries, "../notebooks"),
        "standing": gallery.standing(entries, "../notebooks"),
        "totals": gallery.totals(entries),
        "questions": gallery.answers([each for each in entries if each not in theirs], "../notebooks"),
        "claims": scorecard.plain(entries),
        "scorecard": scorecard.page(entries, "../notebooks"),
        "status": gallery.status(entries, "../notebooks"),
        "profiles": tables.markdown([tables.PROFILES[:3], *costs]),
    }
    kept = {site / "book" / "comparison.json": compare.rates, site / "book" / "versions.json": compare.versions}
    texts |= {path.stem: shown(path) for path, shown in kept.items() if path.is_file()}
    texts |= {f"answer {each.stem}": each.found["plain"] for each in entries if each.found}
    _fill(site / "book", texts)
    text = "".join(path.read_text("utf-8") for path in (site / "book").rglob("*.md"))
    for publish in hooks.called("publish"):
        publish(site / "book", text)
    return site


def _arrange(executed: Path, folder: Path, data: Path) -> None:
    """Write the page of an executed notebook, and its data."""
    made = page.arranged(untrusted.notebook(executed), folder, data)
    files.write(data.parent / executed.name, json.dumps(made, indent=1, ensure_ascii=False))


def _in_order(root: Path, figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """The notebooks in the order of the book's chapters, all others last."""
    chapters = re.findall(r"file: notebooks/(\w+)", (root / "_toc.yml").read_text("utf-8"))
    place = {stem: number for number, stem in enumerate(chapters)}
    return dict(sorted(figures.items(), key=lambda named: place.get(named[0], len(place))))


def _fill(folder: Path, texts: Mapping[str, str]) -> None:
    for path in folder.rglob("*.md"):
        content = path.read_text("utf-8")
        if (filled := PLACEHOLDER.sub(lambda found: texts.get(found[1], found[0]), content)) != content:
            files.write(path, filled)


def _what_failed(log: str) -> str:
    """The warnings and errors of a build; its last lines if there are none."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines()
    return "\n".join([line for line in lines if re.search(r"WARNING|ERROR|CRITICAL", line)] or lines[-30:])


def accessible(html: str) -> str:
    """Without two things of Sphinx that screen readers stumble over: lists of no items, and terms without a name.

    >>> accessible('<dl>\\n<dd>a,</dd>\\n<dd>b</dd>\\n</dl>')
    '<span class="sig-line">a,</span>\\n<span class="sig-line">b</span>\\n'
    """
    html = html.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    return re.sub(
        r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>",
        lambda lines: lines[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>"),
        html,
    )


def headed(html: str) -> str:
    """With what others show of a page, its answer or first paragraph and its first picture, where an address is known.

    Without the theme's icons as a script of 1.5 MB, which are there as a font, and without MathJax where no formula is.

    >>> page = '<head><link rel="canonical" href="https://a.io/b/c.html" /></head><article><p>One <b>two</b>.</p>'
    >>> re.findall('<meta.*?>', headed(page))[:2]
    ['<meta property="og:url" content="https://a.io/b/c.html">', '<meta name="description" content="One two.">']
    """
    needless = r"[^>]*/fontawesome\.js[^>]*>"
    if 'class="math' not in html:  # the first page asks for it for all the others
        needless += r"|[^>]*/tex-chtml\.js[^>]*>|>window\.MathJax = [^<]*"
    html = re.sub(rf"\s*<script(?:{needless})</script>", "", html)
    address = re.search(r'<link rel="canonical" href="(.*?)"', html)
    article = html.partition("<article")[2]
    words = re.search(r"<p>(<strong>.*?</strong>)", article, re.S) if "cell_output" in article else None
    if not address or not (words := words or re.search(r"<p>(.*?)</p>", article, re.S)):
        return html
    said = " ".join(re.sub(r"<[^>]+>", "", words[1]).split()).replace('"', "&quot;")
    title = re.search(r"<title>(.*?)</title>", html)
    picture = re.search(r'<img[^>]*src="(.*?\.png)"', article)
    about = {
        'property="og:url"': address[1],
        'name="description"': said,
        'property="og:description"': said,
        'property="og:title"': title[1] if title else "",
        'property="og:image"': urljoin(address[1], picture[1] if picture else "../_images/idea.png"),
    }
    lines = "".join(f'<meta {name} content="{content}">\n' for name, content in about.items())
    return html.replace("</head>", f"{lines}</head>", 1)


def redirect(pages: Mapping[str, str], folder: Path) -> None:
    """Write pages, into the folder of the built ones, that lead from old addresses to the new.

    An old name that a page still has is left to it.

    Raises:
        BookError: there is no page of the new name.
    """
    for old, new in pages.items():
        place = folder / f"{old}.html"
        if place.exists():
            continue
        if not (folder / f"{new}.html").is_file():
            raise BookError(f"renamed.yml leads from {old} to {new}, and there is no such page")
        files.write(place, _MOVED.format(address=f"{new}.html"))


def _publish(built: Path, published: Path) -> Path:
    """Put the new pages in the place of the old ones."""
    old = published.with_name("html.old")
    shutil.rmtree(old, ignore_errors=True)
    if published.exists():
        published.rename(old)
    try:
        built.rename(published)
    except OSError:
        if old.exists():
            old.rename(published)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return published
