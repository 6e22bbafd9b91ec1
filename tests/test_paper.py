"""What the paper says stands in it: each quotation, as far as the text is at hand."""

import re
import unicodedata
from pathlib import Path

import pytest

from dynloss_book import paper

TEXT = Path(__file__).parents[2] / "shared" / "paper" / "paper.md"  # no file of ours: beside the checkout, if anywhere
SYMBOLS = {
    "sim": "∼", "lesssim": "≲", "approx": "≈", "neq": "≠", "geq": "≥", "leq": "≤", "rightarrow": "→", "infty": "∞",
    "Gamma": "Γ", "lambda": "λ", "eta": "η",
}  # fmt: skip


def plain(text: str) -> str:
    """Without white space, and with formulas in plain letters."""
    text = re.sub(r"\\([A-Za-z]+)", lambda found: SYMBOLS.get(found[1], ""), text)
    letters = unicodedata.normalize("NFD", text).replace("\u0303", "").replace("~", "∼").replace("≠", "≠")
    return unicodedata.normalize("NFC", re.sub(r"[\s${}*\\]", "", letters))


@pytest.mark.parametrize("name", paper.SAYS)
def test_every_quotation_stands_in_the_paper(name):
    if not TEXT.is_file():
        pytest.skip("the paper's text is not at hand")
    parts = [plain(part) for part in paper.SAYS[name].words.split("…")]
    text = plain(TEXT.read_text("utf-8"))
    assert re.search(".*".join(map(re.escape, parts)), text)


def test_every_sentence_says_where_it_stands():
    assert all(re.match(r"(Abstract|Section|Supplement)", each.where) for each in paper.SAYS.values())


def test_every_sentence_is_tested_somewhere():
    rooms = Path(paper.__file__).parent.glob("*/claims.py")
    code = "".join(room.read_text("utf-8") for room in rooms)
    assert [name for name in paper.SAYS if f'SAYS["{name}"]' not in code] == []
