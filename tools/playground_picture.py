"""Draw the still picture of the playground anew, by `python tools/playground_picture.py`. Needs Chromium."""

import importlib
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "book" / "images" / "playground.png"
CASCADES = 3


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    browsing, playground_site = (importlib.import_module(name) for name in ("browsing", "playground_site"))

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = browsing.launched(playwright.chromium)
        with browsing.serving(playground_site.make(Path(folder))) as address:
            tab = browser.new_page(viewport={"width": 800, "height": 1100}, device_scale_factor=1.25)
            tab.goto(f"{address}/full.html?view=run")
            tab.wait_for_selector("[data-ready=yes]")
            for number in range(1, CASCADES + 1):
                tab.click("[data-button=next]")
                paused = f"document.querySelector('[data-value=cascades]').textContent === '{number}'"
                tab.wait_for_function(f"{paused} && document.querySelector('[data-state=paused]')", timeout=300_000)
            tab.click("[data-button=play]")  # some way into the last one
            tab.wait_for_timeout(900)
            tab.click("[data-button=play]")
            tab.wait_for_timeout(500)
            tab.locator(".dl-playground").screenshot(path=TARGET)
        browser.close()
    # 256 colours, the rare ones too, and dithered: a third of the size, and no difference to the eye.
    picture = Image.open(TARGET).convert("RGB")
    palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
