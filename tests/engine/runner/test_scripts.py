"""Scripts of built pages move to files; what is not the theme's is no script of ours."""

import pytest

from dynloss_book.engine.runner import scripts

THEME = '<script data-cfasync="false">\n  document.documentElement.dataset.mode = "auto";\n</script>'
BUTTON = '<button class="btn" onclick="window.print()" title="x">Print</button>'
SETTINGS = 'window.MathJax = {"options": {"processHtmlClass": "math"}}'


def page(body="", name="notebooks/fig01"):
    own = f"<script>DOCUMENTATION_OPTIONS.pagename = '{name}';</script>"
    return f"<html><head>{THEME}{own}</head><body>{body}</body></html>"


@pytest.fixture
def site(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "genindex.html").write_text(page(name="genindex"))
    return tmp_path


def moved(site, body):
    path = site / "notebooks" / "fig01.html"
    path.write_text(page(body))
    return scripts.moved(site), path.read_text()


def test_the_themes_scripts_move_to_files(site):
    data = '<script type="application/json">{"a": 1}</script>'
    wrong, html = moved(site, f"{BUTTON}<script>{SETTINGS}</script>{data}<script defer src='../_static/x.js'></script>")
    assert wrong == [] and "onclick" not in html and 'data-dynloss-click="print"' in html
    assert html.count('src="../_static/inline/') == 3 and data in html
    written = [path.read_text() for path in (site / "_static" / "inline").iterdir()]
    assert f"{SETTINGS}\n" in written and len(written) == 4  # with the one of genindex, which is called otherwise
    assert '<script data-cfasync="false" src="_static/inline/' in (site / "genindex.html").read_text()
    assert scripts.moved(site) == []  # once more changes nothing


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<script>alert(1)</script>", "a script that is none of ours: 'alert(1)'"),
        ("<script type='text/javascript'>alert(1)</script>", "a script that is no file of the book"),
        ('<script>window.MathJax = {"a": alert(1)}</script>', "a script that is none of ours"),
        ("<script>DOCUMENTATION_OPTIONS.pagename = 'x';alert(1)</script>", "a script that is none of ours"),
        ('<script src="https://example.org/x.js"></script>', "a script that is no file of the book"),
        ('<script src="//example.org/x.js"></script>', "a script that is no file of the book"),
        ('<button onclick="window.print();alert(1)">', "a handler: onclick"),
        ("<img src=x onerror=alert(1)>", "a handler: onerror"),
        ('<a href="java\tscript:alert(1)">x</a>', "a link that runs: a"),
        ('<object data="x.svg"></object>', "a tag that is none of ours: object"),
    ],
)
def test_others_stop_the_build(site, body, said):
    wrong, html = moved(site, body)
    assert len(wrong) == 1 and wrong[0].startswith("notebooks/fig01.html: ") and said in wrong[0]
    assert body in html
