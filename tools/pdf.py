"""Print the book, or one page of it, into a PDF, from what `make book` built.

    python tools/pdf.py [--site _build/site | --page _build/html/book/report.html] [--output FILE]

Sphinx puts all pages into one, and Chromium prints it by the book's print style.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from dynloss_book.engine.runner.doctor import CHROMIUM

ROOT = Path(__file__).resolve().parents[1]
FOOTER = '<div style="width: 100%; text-align: center; font-size: 8px"><span class="pageNumber"></span></div>'
# Pictures load when they are scrolled to, and equations when they are set: nobody scrolls here.
READY = """async () => {
  document.querySelectorAll("img").forEach(each => { each.loading = "eager"; });
  await Promise.all([...document.images].map(each => each.decode().catch(() => null)));
  if (window.MathJax) { await MathJax.startup.promise; }
}"""


def single_page(site: Path) -> Path:
    """All staged pages as one, by Jupyter Book's own builder."""
    if not (site / "_toc.yml").is_file():
        sys.exit(f"nothing is staged in {site}: run `make book` first")
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(site), "--builder", "singlehtml", "--keep-going"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    built = site / "_build" / "singlehtml"
    page = built / "book" / "introduction.html"
    if not page.is_file():
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return page.rename(built / "book.html")  # its pictures and scripts count from here


def print_page(page: Path, target: Path, scale: float = 1) -> None:
    """On A4, by day, with the page's headings as bookmarks."""
    from playwright import sync_api

    if not (found := next(filter(None, map(shutil.which, CHROMIUM)), None)):
        sys.exit("no Chromium on this machine (on Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(300_000)
        tab.goto(page.as_uri(), wait_until="load")
        tab.evaluate(READY)
        tab.pdf(
            path=target,
            format="A4",
            scale=scale,
            margin={"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            outline=True,
            tagged=True,
        )
        browser.close()


def main() -> None:
    """Print what the arguments name."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--site", type=Path, default=ROOT / "_build" / "site")
    arguments.add_argument("--page", type=Path, help="of the built book; all of them by default")
    arguments.add_argument("--output", type=Path, default=ROOT / "_build" / "dynloss.pdf")
    options = arguments.parse_args()
    if options.page and not options.page.is_file():
        sys.exit(f"there is no {options.page}: run `make book` first")
    if options.page:
        print_page(options.page.resolve(), options.output, scale=0.77)
    else:
        print_page(single_page(options.site), options.output)
    print(options.output)


if __name__ == "__main__":
    main()
