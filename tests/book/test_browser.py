"""Every page in a real browser: on a desk and on a phone, by day and by night, without a network."""

import pytest
from browsing import DESK, chapters, serious

pytestmark = [pytest.mark.book, pytest.mark.browser]

# Where the page's first picture begins and the page's code that is wider than its box, the folded code unfolded.
TOP = """() => document.querySelector("article .cell_output img").getBoundingClientRect().top"""
WIDE_CODE = """() => {
  document.querySelectorAll("article details").forEach(e => { e.open = true; });
  return [...document.querySelectorAll("article div.highlight pre")]
    .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 120));
}"""
AT_ONCE = "* { transition: none !important; }"  # else colours fade over from day to night
FOCUSED = """() => `${document.activeElement.tagName} ${document.activeElement.textContent.trim().slice(0, 40)}`"""

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


SCHEMES = ("light", "dark")
WINDOWS = {"desk": DESK, "phone": {"width": 390, "height": 844}}
PICTURE_WITHIN = {"desk": 1000, "phone": 1400}  # pixels from the top to the first picture
THEME = """scheme => document.documentElement.dataset.theme === scheme"""


def fits(tab) -> None:
    """Nothing sticks out of the window."""
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert not tab.evaluate(STICKING_OUT)


# The rules that day and night decide. To look at an element by them takes axe milliseconds, and long pages have
# thousands that are alike: of those of one colour on one ground in the same surroundings, one is looked at.
COLOURS = ["color-contrast", "link-in-text-block"]
MARK_KINDS = """() => {
  const SEEN = ["color", "backgroundColor", "backgroundImage", "opacity", "filter", "fontSize", "fontWeight",
                "textDecorationLine", "borderBottomStyle"];
  const kinds = new Map(), memory = new Map();
  const text = e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
  const kind = e => {
    if (!e) return "";
    if (!memory.has(e)) {
      const style = getComputedStyle(e);
      const own = [e.tagName, e.className, e.style.cssText, ...SEEN.map(name => style[name])];
      memory.set(e, `${kind(e.parentElement)}>${own}`);
    }
    return memory.get(e);
  };
  document.querySelectorAll("[data-look]").forEach(e => delete e.dataset.look);
  for (const e of document.querySelectorAll("body *")) {
    if ((text(e) || e.matches("input, select, textarea")) && e.checkVisibility() && !kinds.has(kind(e))) {
      kinds.set(kind(e), e);
      e.dataset.look = "";
    }
  }
}"""


def bad_colours(tab) -> dict[str, list[str]]:
    """What the rules of colours find in one element of each kind."""
    tab.evaluate(MARK_KINDS)
    return serious(tab, "[data-look]", runOnly={"type": "rule", "values": COLOURS})


def test_what_we_found_takes_two_screens_and_the_introduction_little_to_load(chromium, opened, address):
    found = opened("book/found.html")
    assert found.evaluate("document.documentElement.scrollHeight") <= 2 * DESK["height"]
    with chromium.new_page(viewport=DESK) as tab:
        loaded = []
        network = tab.context.new_cdp_session(tab)
        network.send("Network.enable")
        network.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
        tab.goto(f"{address}/book/introduction.html", wait_until="networkidle")
        assert 1e5 < sum(loaded) <= 1.5e6


# To look at a page by all rules of accessibility, by day and by night, takes as long as all else: at each change only
# those are looked at that have what others have, too.
OF_EACH_KIND = {"book/introduction", "book/found", "book/scorecard", "book/playground", "book/status", "book/theory",
                "notebooks/fig01_cifar_phase_diagram", "notebooks/fig04_learning_dynamics", "search"}  # fmt: skip


def marked(name: str) -> list:
    return [pytest.mark.xdist_group(name)] + [pytest.mark.slow] * (name not in OF_EACH_KIND)


# Loading a page takes longer than all the looks at it, so it is loaded once, and then window and scheme change.
def test_page_is_sound(page, opened):
    tab = opened(f"{page}.html")
    tab.add_style_tag(content=AT_ONCE)
    assert not tab.evaluate(BROKEN)
    assert not tab.evaluate(UNRENDERED)
    for window, size in WINDOWS.items():
        tab.set_viewport_size(size)
        fits(tab)
        if page.startswith("notebooks/"):
            assert 0 < tab.evaluate(TOP) <= PICTURE_WITHIN[window]
    shown_in(tab, "dark")
    assert not tab.evaluate(NOT_ON_WHITE)
    tab.set_viewport_size(DESK)
    if page.startswith("notebooks/"):
        code_is_folded(tab)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marked(name)) for name in [*chapters(), "search"]])
def test_page_is_accessible(name, opened):
    """Nothing serious is wrong: by the rules of colours by day and by night, by all others once."""
    tab = opened(f"{name}.html")
    tab.add_style_tag(content=AT_ONCE)
    assert not serious(tab, rules={rule: {"enabled": False} for rule in COLOURS})
    for scheme in SCHEMES:
        shown_in(tab, scheme)
        assert not bad_colours(tab)


def shown_in(tab, scheme) -> None:
    """By day or by night, as the system says."""
    tab.emulate_media(color_scheme=scheme)
    tab.wait_for_function(THEME, arg=scheme)


def code_is_folded(tab) -> None:
    """Only the physics is shown, and no code runs past its column on a desk."""
    assert tab.locator("article div.cell.tag_physics div.cell_input").first.is_visible()
    assert tab.locator("article").get_by_text("importlib.util.find_spec").count() == 0
    assert not tab.evaluate(WIDE_CODE)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", ["book/introduction", "notebooks/fig04_learning_dynamics"])
def test_first_opened_in_any_scheme_and_window(name, window, scheme, opened):
    tab = opened(f"{name}.html", viewport=WINDOWS[window], color_scheme=scheme)
    assert tab.evaluate(THEME, scheme)
    fits(tab)
    assert not tab.evaluate(UNRENDERED)


LINK = "<p>All this is <a href=y style=color:#333;text-decoration:none>one link</a> among words</p>"


@pytest.mark.parametrize("change", ["style.color = '#aaa'", f"outerHTML = '{LINK}'"], ids=["pale", "link"])
def test_one_bad_colour_among_many_is_found(opened, change):
    tab = opened("book/statistics.html")
    assert not bad_colours(tab)
    tab.evaluate(f"[...document.querySelectorAll('article p')].at(-1).{change}")
    assert bad_colours(tab)


def test_keyboard_reaches_what_counts(opened):
    """From the top of a figure's page the tab key reaches its folded code, which opens on enter."""
    tab, reached = opened("notebooks/fig04_learning_dynamics.html"), []
    for _ in range(120):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate(FOCUSED))
        if reached[-1].startswith("SUMMARY"):
            break
    assert reached[0] == "A Skip to main content"
    assert reached[-1].startswith("SUMMARY Show code")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.closest('details').open")
