"""Every page in a real browser: on a desk and on a phone, by day and by night, without a network."""

import pytest

pytestmark = [pytest.mark.book, pytest.mark.browser]

# Where the page's first picture begins and the page's code that is wider than its box, the folded code unfolded.
TOP = """() => document.querySelector("article .cell_output img").getBoundingClientRect().top"""
WIDE_CODE = """() => {
  document.querySelectorAll("article details").forEach(e => { e.open = true; });
  return [...document.querySelectorAll("article div.highlight pre")]
    .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 120));
}"""
FOCUSED = """() => `${document.activeElement.tagName} ${document.activeElement.textContent.trim().slice(0, 40)}`"""
PAINTED = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""

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


@pytest.fixture(params=[(1280, 800, 1000), (390, 844, 1400)], ids=["desk", "phone"])
def screen(request):
    """Width and height of a window, and within how many pixels the picture begins."""
    return request.param


def test_picture_before_code(notebook, screen, chromium, address):
    """The answer and the picture lead; no code runs past its column on a desk; the page is there at once."""
    width, height, bound = screen
    context = chromium.new_context(viewport={"width": width, "height": height})
    try:
        tab = context.new_page()
        tab.goto(f"{address}/{notebook}.html", wait_until="load")
        tab.evaluate(RENDERED)
        assert 0 < tab.evaluate(TOP) <= bound
        assert tab.evaluate(PAINTED) < 2000  # milliseconds
        assert tab.locator("article div.cell.tag_physics div.cell_input").first.is_visible()
        assert tab.locator("article").get_by_text("importlib.util.find_spec").count() == 0
        if width == 1280:
            assert not tab.evaluate(WIDE_CODE)
    finally:
        context.close()


def test_accessible(page, chromium, scheme, address):
    """axe finds nothing serious, by day and by night."""
    from axe_playwright_python.sync_playwright import Axe

    context = chromium.new_context(viewport={"width": 1280, "height": 844}, color_scheme=scheme)
    try:
        tab = context.new_page()
        tab.goto(f"{address}/{page}.html", wait_until="load")
        tab.evaluate(RENDERED)
        found = Axe().run(tab).response["violations"]
        serious = {
            each["id"]: [node["html"][:150] for node in each["nodes"][:3]]
            for each in found
            if each["impact"] in ("serious", "critical")
        }
        assert not serious
    finally:
        context.close()


def test_keyboard_reaches_what_counts(chromium, address):
    """From the top of a figure's page the tab key reaches its folded code, which opens on enter."""
    context = chromium.new_context(viewport={"width": 1280, "height": 844})
    try:
        tab = context.new_page()
        tab.goto(f"{address}/notebooks/fig04_learning_dynamics.html", wait_until="load")
        reached = []
        for _ in range(120):
            tab.keyboard.press("Tab")
            reached.append(tab.evaluate(FOCUSED))
            if reached[-1].startswith("SUMMARY"):
                break
        assert reached[0] == "A Skip to main content"
        assert reached[-1].startswith("SUMMARY Show code")
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.activeElement.closest('details').open")
    finally:
        context.close()
