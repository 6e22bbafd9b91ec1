"""The book as one PDF: `make pdf` prints what `make book` staged."""

import os
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.book, pytest.mark.browser]


@pytest.fixture(scope="module")
def printed(root, site, chromium, tmp_path_factory) -> str:
    """The text of the PDF, its pages apart by form feeds."""
    if not shutil.which("pdftotext"):
        reason = "no pdftotext on this machine (on Debian: apt-get install poppler-utils)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    pdf = tmp_path_factory.mktemp("print") / "book.pdf"
    command = [sys.executable, root / "tools" / "pdf.py", "--site", site.with_name("site"), "--output", pdf]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return subprocess.run(["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True, text=True).stdout


def squeezed(text: str) -> str:
    """Letters and digits alone: paper breaks lines, and sets formulas, elsewhere than a window."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def test_every_chapter_begins_a_page(printed, contents, parsed):
    pages = [squeezed(page) for page in printed.split("\f")]
    assert len(pages) > len(contents)
    for name in contents:
        title = squeezed(parsed(name).find("h1").find(string=True, recursive=False))
        assert any(page.startswith(title) for page in pages), name


def test_every_caption_is_there(printed, contents, parsed):
    text = squeezed(printed)
    captions = [tag for name in contents for tag in parsed(name).select("figure .caption-text")]
    assert len(captions) >= 10
    for caption in captions:
        words = caption.find(string=True)  # up to the first formula
        assert squeezed(words) in text, words


def test_nothing_to_click_on(printed):
    """Neither the site's controls nor its downloads, and no equation left as it was written."""
    for word in ("Show code", "Download:", "Back to top", "Open in Colab", "\\mathcal", "\\lambda"):
        assert word not in printed, word
