"""Every page in a real browser: on a desk and on a phone, by day and by night, without a network."""

import pytest

pytestmark = [pytest.mark.book, pytest.mark.browser]

RENDERED = """async () => { if (window.MathJax) { await MathJax.startup.promise; } }"""

# What sticks out of the window and cannot be reached by scrolling its own box.
STICKING_OUT = """() => {
  const scrolls = e => e && (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const assistive = e => e.closest("mjx-assistive-mml, .visually-hidden, .sr-only");
  return [...document.querySelectorAll("article *")]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement) && !assistive(e))
    .map(e => e.outerHTML.slice(0, 120));
}"""

BROKEN = """() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"""

# MathJax sets a macro that it does not know in red, and says nothing.
UNRENDERED = """() => [...document.querySelectorAll("article .math")]
  .filter(e => !e.querySelector("mjx-container") || e.querySelector("mjx-merror, mjx-mtext[style*=red]"))
  .map(e => e.textContent)"""

NOT_ON_WHITE = """() => [...document.querySelectorAll("article img")]
  .filter(i => getComputedStyle(i).backgroundColor != "rgb(255, 255, 255)" || getComputedStyle(i).filter != "none")
  .map(i => i.src)"""


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=[1280, 390], ids=["desk", "phone"])
def window(request, chromium, scheme):
    """A browser's window of one width and colour scheme."""
    context = chromium.new_context(viewport={"width": request.param, "height": 844}, color_scheme=scheme)
    yield context
    context.close()


def test_page_is_sound(page, window, scheme, address):
    tab = window.new_page()
    complaints, requests = [], []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
    tab.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    tab.on("request", lambda request: requests.append(request.url))
    try:
        tab.goto(f"{address}/{page}.html", wait_until="load")
        tab.evaluate(RENDERED)
        assert not complaints
        assert not [url for url in requests if not url.startswith((address, "data:", "blob:"))]
        assert not tab.evaluate(BROKEN)
        assert not tab.evaluate(UNRENDERED)
        assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert not tab.evaluate(STICKING_OUT)
        assert tab.evaluate("document.documentElement.dataset.theme") == scheme
        if scheme == "dark":
            assert not tab.evaluate(NOT_ON_WHITE)
    finally:
        tab.close()
