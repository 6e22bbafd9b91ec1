"""The book works on a server that forbids all scripts but the book's own files."""

import browsing
import pytest
from playwright.sync_api import expect
from test_browser import UNRENDERED

from dynloss_book.engine.runner.scripts import CSP

pytestmark = [pytest.mark.book, pytest.mark.browser]


@pytest.fixture(scope="module")
def address(site):
    """Where the book is served under the policy."""
    with browsing.serving(site, CSP) as where:
        yield where


@pytest.mark.parametrize("which", ["book/introduction", "book/theory", "notebooks/fig02_spiral_dataset", "search"])
def test_nothing_is_violated_and_formulas_appear(opened, which):
    tab = opened(f"{which}.html")
    assert tab.evaluate(UNRENDERED) == []
    assert tab.evaluate("document.documentElement.dataset.theme") in ("light", "dark")  # the theme's first script ran


def test_the_policy_forbids_what_others_put_in(chromium, address):
    with chromium.new_page() as tab:
        wrong = browsing.heard(tab, address)
        tab.goto(f"{address}/book/theory.html")
        image = '<img src="none" onerror="window.run = true">'
        tab.evaluate(f"""document.body.insertAdjacentHTML("beforeend", `{image}`)""")
        tab.wait_for_timeout(200)
        assert tab.evaluate("window.run") is None and any("Content Security Policy" in each for each in wrong)


def test_buttons_of_the_theme_work(opened):
    tab = opened("book/theory.html")
    tab.evaluate("window.print = () => { window.printed = true; }")
    tab.evaluate("""document.querySelector("[data-dynloss-click=print]").click()""")
    assert tab.evaluate("window.printed")


def test_the_playground_plays(opened):
    tab = opened("book/playground.html")
    tab.get_by_role("button", name="Step", exact=True).click()
    # Not wait_for_function: where it has to look twice it evaluates text in the page, which the policy forbids.
    expect(tab.locator(".dl-playground")).to_contain_text("Step 1.")


def test_a_picture_opens(opened):
    tab = opened("notebooks/fig04_learning_dynamics.html")
    tab.locator("details.dynloss-explore summary").first.click()
    tab.locator("details.dynloss-explore canvas").first.wait_for()
