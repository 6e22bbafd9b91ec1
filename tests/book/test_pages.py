"""What stands in the built pages: links, figures, equations, and what must not stand there."""

import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pypdfium2
import pytest
import yaml

from dynloss_book.engine.runner.profiles import renamed

pytestmark = pytest.mark.book

MOVED = renamed(Path(__file__).resolve().parents[2], "pages")
COLAB = "https://colab.research.google.com/github/"


def test_pages_are_those_of_the_contents(site, contents):
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    built = {name for name in built if not name.startswith("_")}
    moved = {f"notebooks/{name}" for name in MOVED}
    assert built == set(contents) | moved | {"404", "index", "genindex", "py-modindex", "search"}


def test_old_addresses_lead_to_the_new(parsed, site):
    for old, new in MOVED.items():
        target = re.search(r"url=(.*)", parsed(f"notebooks/{old}").find("meta", content=True)["content"])[1]
        assert target == f"{new}.html" and (site / "notebooks" / target).exists()


def test_first_page_leads_to_the_introduction(parsed, site):
    target = re.search(r"url=(.*)", parsed("index").meta["content"])[1]
    assert (site / target).exists() and target == "book/introduction.html"


def test_internal_targets_exist(page, parsed, identifiers, site):
    missing = []
    for tag in parsed(page).find_all(["a", "img", "script", "link"]):
        target = tag.get("href") or tag.get("src") or ""
        url = urlsplit(target)
        if url.scheme or url.netloc:
            continue
        path = ((site / f"{page}.html").parent / unquote(url.path)).resolve() if url.path else site / f"{page}.html"
        if not path.is_file() or path.stat().st_size == 0:
            missing.append(target)
        elif url.fragment and path.suffix == ".html":
            name = path.relative_to(site.resolve()).with_suffix("").as_posix() if url.path else page
            if unquote(url.fragment) not in identifiers(name):
                missing.append(target)
    assert not missing


def test_nothing_comes_from_elsewhere(page, parsed):
    tags = parsed(page).find_all(["script", "img", "iframe", "source", "video", "audio", "link"])
    sources = [tag.get("src") or tag.get("href") or "" for tag in tags if "canonical" not in tag.get("rel", [])]
    outside = [source for source in sources if re.match("(https?:)?//", source)]
    assert not outside


def test_style_sheets_import_nothing_from_elsewhere(site):
    for sheet in (site / "_static").rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_no_page_shows_an_error(page, parsed):
    outputs = " ".join(output.get_text() for output in parsed(page).select(".cell_output"))
    assert "Traceback (most recent call last)" not in outputs  # the API page may show one, in an example
    assert not parsed(page).select(".traceback, .problematic, .system-message")


def test_pages_say_what_they_are_to_those_who_link_to_them(chapter, parsed, site):
    head = parsed(chapter).head
    said = {tag.get("property") or tag.get("name"): tag["content"] for tag in head.find_all("meta", content=True)}
    assert head.find("link", rel="canonical")["href"] == said["og:url"]
    assert said["og:url"].endswith(f".github.io/dynloss/{chapter}.html")
    assert len(said["description"].split()) >= 4 and said["og:title"]
    assert (site / said["og:image"].partition(".github.io/dynloss/")[2]).is_file()


def test_figures_have_caption_number_and_alternative_text(chapter, parsed):
    for image in parsed(chapter).select("article img"):
        alt = image.get("alt", "")
        assert len(alt.split()) >= 5, f"alternative text of {image['src']}: {alt!r}"
        if "sd-card-img-top" in image.get("class", []) or image.find_parent("td"):
            continue  # a thumbnail, with its answer beside it
        figure = image.find_parent("figure")
        assert figure, f"{image['src']} has no caption"
        assert re.fullmatch(r"Figure B\.\d+", figure.select_one(".caption-number").get_text(strip=True))
        assert figure.select_one(".caption-text").get_text(strip=True)


def test_our_figures_are_numbered_through_the_book(parsed, contents):
    captions = [caption for name in contents for caption in parsed(name).select("figure .caption-number")]
    numbers = [int(caption.get_text().split()[1].removeprefix("B.")) for caption in captions]
    assert numbers and numbers == list(range(1, len(numbers) + 1))


def test_equations_keep_the_numbers_of_the_paper(parsed):
    numbers = [tag.find(string=True, recursive=False) for tag in parsed("book/theory").select(".eqno")]
    assert numbers == [f"({n})" for n in range(1, 15)]


def test_figure_pages_show_picture_provenance_and_data(notebook, parsed):
    article = parsed(notebook).find("article")
    assert article.select("figure img")
    downloads = [link["href"] for link in article.select("a.download")]
    assert any(link.endswith((".nc", ".csv")) for link in downloads), downloads
    assert re.search("computed|archive", article.get_text(), re.IGNORECASE)


def test_pictures_to_take_along_are_as_wide_as_the_papers(notebook, parsed, site):
    links = [link["href"] for link in parsed(notebook).select("a.download") if link["href"].endswith(".pdf")]
    assert links
    for link in links:
        width, height = pypdfium2.PdfDocument(site / "notebooks" / link)[0].get_size()
        assert width == pytest.approx(6.75 * 72, abs=0.01) and height <= 9 * 72  # points


def test_colab_opens_a_tracked_notebook(notebook, parsed, root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"].removeprefix("https://github.com/")
    links = {link["href"] for link in parsed(notebook).find_all("a", href=re.compile("colab"))}
    assert links == {f"{COLAB}{repository}/blob/main/{notebook}.ipynb"}
    assert (root / f"{notebook}.ipynb").exists()
    if (root / ".git").exists():
        subprocess.run(["git", "ls-files", "--error-unmatch", f"{notebook}.ipynb"], cwd=root, check=True)


def test_only_notebooks_offer_colab(contents, parsed):
    offering = [name for name in contents if parsed(name).find("a", href=re.compile(COLAB))]
    assert offering == [name for name in contents if name.startswith("notebooks/")]


def test_status_names_every_notebook(parsed, notebook):
    (row,) = [each for each in parsed("book/status").select("tbody tr") if f"{notebook}.html" in str(each)]
    cells = [cell.get_text() for cell in row.select("td")]
    assert len(cells) == 5 and all(cells) and re.search(r"\b[0-9a-f]{10}\b|^none", cells[-1])


def test_gallery_shows_every_figure_with_answer_scale_and_verdicts(parsed, notebook):
    (card,) = [each for each in parsed("book/gallery").select(".sd-card") if f"{notebook}.html" in str(each)]
    text = " ".join(card.get_text().split())
    assert card.select_one("img.sd-card-img-top")["alt"]
    assert "Scale: " in text and " ".join(answer_of(parsed(notebook)).split()) in text
    if notebook.startswith("notebooks/fig"):
        assert re.search(r"[✓✗◐?○–] \d+ (reproduced|not reproduced|mixed|inconclusive|one run|not testable)", text)


def answer_of(page):
    """The bold sentence with which the first paragraph that has one begins."""
    bold = (paragraph.find("strong") for paragraph in page.select("article section p"))
    return next(each for each in bold if each and each.parent.get_text().startswith(each.get_text())).get_text()


def test_what_we_found_answers_for_every_notebook(parsed, notebook):
    """A figure of the paper has a row with its answer and verdict, the others a line."""
    page, name = parsed("book/found"), f"{notebook}.html"
    (own,) = [each for each in page.select(".dynloss-found > ul li, .dynloss-found tr") if name in str(each)]
    answer = answer_of(parsed(notebook))
    assert " ".join(answer.split()) in " ".join(own.get_text().split())
    assert (own.name == "tr") == notebook.startswith("notebooks/fig")
    if own.name == "tr":
        rows = [row.get_text() for row in parsed(notebook).select("table.dynloss-claims tbody tr")]
        verdict, _, others = own.select("td")[-1].get_text().partition("; others: ")
        assert any(verdict in row for row in rows)
        failing = sum(bool(re.search("✗ not reproduced|◐ mixed", row)) for row in rows) - (verdict[0] in "✗◐")
        assert sum(map(int, re.findall(r"[✗◐]\s(\d+)", others))) == failing


def test_every_page_begins_with_a_plain_answer(parsed, notebook):
    """In one sentence, or two short ones; the numbers come after it."""
    answer = answer_of(parsed(notebook))
    assert len(answer.split()) <= 35 and len(re.findall(r"\d[\d.,]*", answer)) <= 3 and answer.endswith(".")


def test_the_scorecard_has_the_rows_of_every_page(parsed, contents):
    """As many claims and verdicts as stand on the notebooks' pages, and as the tally says."""
    pages = [parsed(name) for name in contents if name.startswith("notebooks/")]
    own = [row.select("td")[-1].get_text() for each in pages for row in each.select("table.dynloss-claims tbody tr")]
    card = parsed("book/scorecard")
    rows = [row.select("td")[-1].get_text() for row in card.select("table.dynloss-scorecard tbody tr")]
    assert rows and sorted(rows) == sorted(own)
    assert f"all {len(rows)}" in card.select_one("fieldset.dynloss-filter").get_text()
    links = {link["href"] for link in card.select("table.dynloss-scorecard a")}
    assert links <= {f"../{name}.html" for name in contents}


def test_profiles_are_listed_with_their_cost(parsed, root):
    profiles = yaml.safe_load((root / "notebooks" / "profiles.yml").read_text(encoding="utf-8"))
    table = " ".join(table.get_text() for table in parsed("book/how_to_run").select("article table"))
    assert set(profiles) and all(figure in table for figure in profiles)
    assert all(profile in table for figure in profiles.values() for profile in figure)


def test_no_placeholder_is_left(page, site):
    text = (site / f"{page}.html").read_text(encoding="utf-8")
    names = "status|profiles|scorecard|gallery|headlines|failing|standing|totals|questions|onsets|comparison|versions"
    assert not re.search(rf"<!-- ({names}|answer \w+) -->", text)


# Of TeX, what sets a formula and is no symbol of it.
TYPOGRAPHY = r"""
    \mathcal \mathbf \mathsf \vec \hat \begin \end \left \right \frac \tfrac \sum \log \nabla \partial \leq \geq
    \cdot \approx \propto \bmod \lfloor \rfloor \quad aligned cases max e
"""


def symbols(tex: str) -> set[str]:
    """The letters of a formula, Latin and Greek."""
    bare = re.sub(r"\\text\{[^}]*\}|:label:.*", " ", tex)
    return set(re.findall(r"\\?[A-Za-z]+", bare)) - set(TYPOGRAPHY.split())


def test_every_symbol_of_the_equations_stands_in_the_glossary(root):
    theory, glossary = ((root / "book" / f"{name}.md").read_text("utf-8") for name in ("theory", "glossary"))
    equations = symbols(" ".join(re.findall(r"```\{math\}\n(.*?)```", theory, re.S)))
    assert {"T", "A", r"\Gamma", r"\eta", r"\Theta", "W", "P"} <= equations
    assert equations <= symbols(" ".join(re.findall(r"\$([^$]+)\$", glossary)))
