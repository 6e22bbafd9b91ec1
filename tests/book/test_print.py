"""The book as one PDF: `make pdf` prints what `make book` staged."""

import re
import subprocess
import sys

import pytest
from pypdfium2 import PdfDocument

pytestmark = [pytest.mark.book, pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def printed(root, site, chromium, tmp_path_factory) -> list[tuple[str, str]]:
    """The text of the PDF, page by page: what stands in the uppermost 120 points, where headings are, and all."""
    pdf = tmp_path_factory.mktemp("print") / "book.pdf"
    command = [sys.executable, root / "tools" / "pdf.py", "--site", site.with_name("site"), "--output", pdf]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pages = [(page.get_textpage(), page.get_height()) for page in PdfDocument(pdf)]
    return [(text.get_text_bounded(bottom=height - 120), text.get_text_bounded()) for text, height in pages]


def squeezed(text: str) -> str:
    """Letters and digits alone: paper breaks lines, and sets formulas, elsewhere than a window."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def test_every_chapter_begins_a_page(printed, contents, parsed):
    tops = [squeezed(top) for top, _ in printed]
    assert len(tops) > len(contents)
    for name in contents:
        title = squeezed(parsed(name).find("h1").find(string=True, recursive=False))
        assert any(title in top for top in tops), name


def test_every_caption_is_there(printed, contents, parsed):
    text = squeezed("".join(page for _, page in printed))
    captions = [tag for name in contents for tag in parsed(name).select("figure .caption-text")]
    assert len(captions) >= 10
    for caption in captions:
        words = caption.find(string=True)  # up to the first formula
        assert squeezed(words) in text, words


def test_nothing_to_click_on(printed):
    """Neither the site's controls nor its downloads, and no equation left as it was written."""
    for word in ("Show code", "Download:", "Back to top", "Open in Colab", "\\mathcal", "\\lambda"):
        assert not [page for _, page in printed if word in page], word
