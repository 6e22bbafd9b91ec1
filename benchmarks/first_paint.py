"""Milliseconds until headless Chromium first paints each page of the built book, beside an empty page.

Every page is opened in a fresh window, so nothing is cached, and served by this machine; the pages take turns. Exits
with 1 if the median of one page's visits takes longer than the bound, in milliseconds.

    make book && python benchmarks/first_paint.py [--rounds 3] [--bound 2000]
"""

import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "tests"))

import browsing  # noqa: E402
import setting  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

PAINTED = """() => new Promise(resolve => new PerformanceObserver(list => {
  const [entry] = list.getEntriesByName("first-contentful-paint");
  if (entry) { resolve(entry.startTime); }
}).observe({type: "paint", buffered: true}))"""
EMPTY = "<!doctype html><html lang=en><title>empty</title><p>painted</p></html>"


def painted(browser, url):
    """Milliseconds from asking for a page to its first paint."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        tab = context.new_page()
        tab.goto(url, wait_until="commit")
        milliseconds = tab.evaluate(PAINTED)
        tab.wait_for_load_state("load")  # a server that is hung up on complains
        return milliseconds
    finally:
        context.close()


def main():
    """Print the slowest pages, the median and the empty page."""
    given = setting.arguments(__doc__, {"rounds": 1}, rounds=3, bound=2000.0)
    if not browsing.executable():
        sys.exit("first_paint needs Chromium, and finds none")
    if not BOOK.exists():
        sys.exit("first_paint needs the built book: make book")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (Path(folder) / "index.html").write_text(EMPTY)
        browser = browsing.launched(playwright.chromium)
        with browsing.serving(BOOK) as book, browsing.serving(Path(folder)) as other:
            urls = {"(an empty page)": f"{other}/"} | {name: f"{book}/{name}.html" for name in browsing.chapters()}
            times = {name: [] for name in urls}
            for _ in range(given.rounds):
                for name, url in urls.items():
                    times[name].append(painted(browser, url))
        browser.close()
    medians = {name: statistics.median(each) for name, each in times.items()}
    empty = medians.pop("(an empty page)")
    for name in sorted(medians, key=medians.get, reverse=True)[:5]:
        print(f"{name}: {medians[name]:.0f} ms, at most {max(times[name]):.0f} ms")
    middle = statistics.median(medians.values())
    print(f"{len(medians)} pages, median {middle:.0f} ms: {middle / empty:.1f} times an empty page ({empty:.0f} ms)")
    if slow := [name for name, each in medians.items() if each > given.bound]:
        sys.exit(f"over {given.bound:g} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
