"""The playground on the built pages: a page of its own, and a small one on the introduction."""

import pytest
from browsing import loaded

pytestmark = [pytest.mark.book, pytest.mark.browser]

CASCADE = """() => document.querySelector("[data-value=cascades]").textContent === "1"
  && /cascade 1/.test(document.querySelector("[data-sentence]").textContent)"""
READY = "[data-ready=yes]"


def test_introduction_shows_a_cascade_after_a_click(opened):
    tab = opened("book/introduction.html")
    tab.locator("[data-dynloss-playground]").scroll_into_view_if_needed()
    tab.wait_for_selector(READY)
    assert tab.text_content("[data-value=step]") == "0"
    tab.click("[data-button=play]")
    tab.wait_for_function(CASCADE, timeout=60_000)


def test_introduction_does_not_move_when_it_comes(opened):
    place = "document.querySelector('#where-to-go').getBoundingClientRect().top + scrollY"
    tab = opened("book/introduction.html")
    before = tab.evaluate(place)
    assert tab.locator("[data-button]").count() == 0
    tab.locator("[data-dynloss-playground]").scroll_into_view_if_needed()
    tab.wait_for_selector(READY)
    assert tab.evaluate(place) == before


def test_on_a_phone_its_picture_is_in_the_first_screen(opened):
    tab = opened("book/playground.html", viewport={"width": 390, "height": 844})
    tab.wait_for_selector(READY)
    plane, button = (tab.locator(part).bounding_box() for part in (".dl-plane", "[data-button=play]"))
    assert plane["width"] > 300 and plane["y"] + plane["height"] <= button["y"] < 800


def test_its_own_page_has_every_control_and_a_picture(opened):
    tab = opened("book/playground.html?A=30&T=400")
    tab.wait_for_selector(READY)
    assert tab.input_value("[data-number=amplitude]") == "30" and tab.input_value("[data-number=period]") == "400"
    tab.click("[data-button=next]")
    tab.wait_for_function(CASCADE, timeout=60_000)
    assert tab.locator("[data-preset]").count() == 4
    picture = tab.locator("article figure img")
    assert picture.get_attribute("src").endswith(".png") and len(picture.get_attribute("alt").split()) > 20


def test_engine_comes_with_the_book(opened, site):
    tab = opened("book/playground.html")
    tab.wait_for_selector(READY)
    own = [url.rsplit("/", 1)[1] for url in loaded(tab) if "_static/playground/" in url]
    assert set(own) == {"playground.js", "playground.css", "engine.wasm"}
    assert sum((site / "_static" / "playground" / name).stat().st_size for name in own) < 300_000
