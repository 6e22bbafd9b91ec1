"""The pictures that readers can explore, in Chromium: what is read off them is what the archive holds."""

import re

import pytest
import xarray as xr
from browsing import loaded, serious

pytestmark = [pytest.mark.book, pytest.mark.browser]

PAGES = ["fig03_spiral_phase_diagram", "fig04_learning_dynamics", "fig05_curvature_threshold"]
READING = re.compile(
    r"T = (\d+) steps, A = ([\d.]+) · 100 units, validation accuracy: ([\d.]+) ± ([\d.]+) "
    r"\(95 % interval of the mean\), (\d+) seeds"
)


@pytest.fixture
def explore(opened):
    """A function that opens a page and what can be explored on it."""

    def explored(stem):
        tab = opened(f"notebooks/{stem}.html", viewport={"width": 1280, "height": 1000})
        assert not [url for url in loaded(tab) if "uPlot" in url]  # it comes for those who open it
        tab.locator("details.dynloss-explore > summary").click()
        tab.wait_for_selector("details.dynloss-explore[data-ready]")
        return tab

    return explored


def archived(parsed, site, stem) -> xr.Dataset:
    """The first data that the page offers to take along."""
    links = [link["href"] for link in parsed(f"notebooks/{stem}").select("a.download")]
    link = next(each for each in links if each.endswith(".nc"))
    return xr.load_dataset((site / "notebooks" / link).resolve(), engine="h5netcdf")


def plain(text: str) -> str:
    """Without the spaces between thousands."""
    return text.replace("\u202f", "")


def shown(tab) -> list[bytes]:
    """What all the panels look like: the axes and dots, without the cursor."""
    tab.wait_for_timeout(100)
    return tab.evaluate("() => [...document.querySelectorAll('.dynloss-panel canvas')].map(e => e.toDataURL())")


def test_a_value_of_figure_4_under_the_pointer(explore, parsed, site):
    tab = explore("fig04_learning_dynamics")
    opened = [plain(text) for text in tab.locator(".dynloss-reading").all_inner_texts()]
    assert len({re.search(r"t = (\d+) steps", text)[1] for text in opened}) == 1
    loss = archived(parsed, site, "fig04_learning_dynamics").loss
    area = tab.locator(".dynloss-panel .u-over").nth(1)
    area.hover(position={"x": 211, "y": 40})
    said = plain(tab.locator(".dynloss-reading").nth(1).inner_text())
    step, value = re.search(r"t = (\d+) steps: F ([\d.e-]+) nats", said).groups()
    assert float(value) == pytest.approx(float(loss.sel(step=int(step))), rel=1e-3)
    others = [plain(text) for text in tab.locator(".dynloss-reading").all_inner_texts()]
    steps = [int(re.search(r"t = (\d+) steps", text)[1]) for text in others]
    assert len(steps) == 6 and max(steps) - min(steps) < len(loss) / 200  # the others follow


def test_keys_read_and_zoom_and_dragging_zooms(explore):
    tab = explore("fig04_learning_dynamics")
    panel = tab.locator(".dynloss-panel").nth(4)
    panel.focus()
    value = "e => [e.getAttribute('aria-valuetext'), +e.getAttribute('aria-valuenow')]"
    said, before = panel.evaluate(value)
    tab.keyboard.press("ArrowRight")
    later, after = panel.evaluate(value)
    assert after > before and later != said
    whole = shown(tab)
    tab.keyboard.press("+")
    assert shown(tab) != whole
    tab.keyboard.press("0")
    assert shown(tab) == whole
    area = tab.locator(".dynloss-panel .u-over").nth(3)
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    tab.mouse.move(box["x"] + 100, box["y"] + 30)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 180, box["y"] + 30, steps=4)
    tab.mouse.up()
    assert shown(tab) != whole
    tab.get_by_role("button", name="Reset the zoom").click()
    assert shown(tab) == whole


def test_a_cell_of_figure_3_under_the_pointer(explore, parsed, site):
    tab = explore("fig03_spiral_phase_diagram")
    narrow = archived(parsed, site, "fig03_spiral_phase_diagram").validation_accuracy
    plane = tab.locator(".dynloss-plane svg").nth(1)
    plane.hover(position={"x": 150, "y": 100})
    seen = []
    for key in ("", "ArrowLeft", "ArrowUp"):
        if key:
            tab.mouse.move(1, 1)  # what scrolls under a resting pointer would be read as well
            plane.press(key)
        period, amplitude, mean, margin, seeds = READING.fullmatch(
            plain(tab.locator("details .dynloss-reading").inner_text())
        ).groups()
        cell = narrow.sel(period=float(period), amplitude=float(amplitude), method="nearest").dropna("seed")
        assert float(mean) == pytest.approx(float(cell.mean()), rel=1e-3)
        assert int(seeds) == len(cell) and 0 < float(margin) < 0.2
        seen.append((float(period), float(amplitude)))
    (first, low), (left, same), (above, high) = seen
    assert left < first and same == low and above == left and high > low


@pytest.mark.parametrize("stem", PAGES)
def test_accessible_when_open(explore, stem):
    assert not serious(explore(stem), "details.dynloss-explore")


@pytest.mark.parametrize("stem", PAGES)
def test_pages_stay_small_and_the_picture_stays(parsed, site, stem):
    assert (site / "notebooks" / f"{stem}.html").stat().st_size < 400_000
    (details,) = parsed(f"notebooks/{stem}").select("details.dynloss-explore")
    assert details.has_attr("hidden")  # nothing to open without the script
    assert details.find_previous("figure").select("img")
