"""A headless Chromium, a server for this machine only, and the book's pages: for their tests and benchmarks."""

import functools
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
DESK = {"width": 1280, "height": 800}
RENDERED = """async () => { if (window.MathJax) { await MathJax.startup.promise; } }"""


@functools.cache
def chapters() -> list[str]:
    """The pages of _toc.yml, without suffix, the root first."""
    toc = yaml.safe_load((Path(__file__).resolve().parents[1] / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


class _Quiet(SimpleHTTPRequestHandler):
    policy = ""  # the header of that name, for contents

    def end_headers(self) -> None:
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, format, *args) -> None:
        """Say nothing: a missing file shows in the browser's console."""


@contextmanager
def serving(folder: Path, policy: str = "") -> Iterator[str]:
    """The address of a folder's pages, whose server may have a policy for their contents."""
    handler = type("Handler", (_Quiet,), {"policy": policy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def executable() -> str | None:
    """The path of a Chromium, if there is one."""
    from dynloss_book.engine.runner.doctor import CHROMIUM  # late: the tests' import hook comes first

    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def launched(kind: Any, *flags: str) -> Any:
    """A browser of Playwright's kind, with further flags."""
    if not executable():
        sys.exit("this needs Chromium (on Debian: apt-get install chromium)")
    return kind.launch(executable_path=executable(), args=[*FLAGS.split(), *flags])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium. Where there is none the tests are skipped, but in CI they fail."""
    if not executable():
        reason = "no Chromium on this machine (on Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        yield browser
        browser.close()


def heard(tab: Any, address: str) -> list[str]:
    """What goes wrong on a page, as it comes: complaints, what is not there, and what it asks for from elsewhere."""
    wrong, own = [], (address, "data:", "blob:")
    tab.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(f"{request.url}: {request.failure}"))
    tab.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    tab.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
    return wrong


@pytest.fixture
def opened(chromium: Any, address: str) -> Iterator[Callable[..., Any]]:
    """A function that opens a page in a window of its own; to the end of the test nothing may go wrong there."""
    wrong = []
    with ExitStack() as windows:

        def open_page(name: str, **options: Any) -> Any:
            tab = windows.enter_context(chromium.new_page(**{"viewport": DESK} | options))
            wrong.append(heard(tab, address))
            tab.goto(f"{address}/{name}")
            tab.evaluate(RENDERED)
            return tab

        yield open_page
    assert not any(wrong), wrong


def loaded(tab: Any) -> list[str]:
    """The addresses of what a page has loaded."""
    return tab.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")


def serious(tab: Any, part: str | None = None, **options: Any) -> dict[str, list[str]]:
    """What axe finds on a page, or in the parts of it that a selector names, by axe's options: the rules that are
    broken seriously, each with the first elements that break it."""
    from axe_playwright_python.sync_playwright import Axe

    # To tell in full what is well takes it as long as to look; and it would look for style sheets in the wrong place.
    found = Axe().run(tab, part, options={"resultTypes": ["violations"], "preload": False} | options)
    return {
        each["id"]: [node["html"][:150] for node in each["nodes"][:3]]
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    }
