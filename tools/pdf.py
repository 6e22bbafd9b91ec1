"""Print the whole book into one PDF, from the pages that `make book` staged.

    python tools/pdf.py

Sphinx puts all pages into one, and Chromium prints it by the book's print style. Writes `_build/dynloss.pdf`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "site"
CHROMIUM = ["chromium", "chromium-browser", "google-chrome"]


def single_page() -> Path:
    """All pages as one; Jupyter Book's own builder, with the pages staged by the last `make book`."""
    if not (SITE / "_toc.yml").is_file():
        sys.exit("nothing is staged in _build/site: run `make book` first")
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(SITE), "--builder", "singlehtml", "--keep-going"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    (page,) = list((SITE / "_build" / "singlehtml").rglob("introduction.html"))[:1] or [None]
    if page is None:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return page


def print_page(page: Path, target: Path) -> None:
    """With Chromium, once its equations are set."""
    from playwright import sync_api

    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        sys.exit("no Chromium on this machine (on Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(300_000)
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate("async () => { if (window.MathJax) { await MathJax.startup.promise; } }")
        margin = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
        tab.pdf(path=target, format="A4", margin=margin, print_background=True, outline=True, tagged=True)
        browser.close()


if __name__ == "__main__":
    pdf = ROOT / "_build" / "dynloss.pdf"
    print_page(single_page(), pdf)
    print(pdf)
