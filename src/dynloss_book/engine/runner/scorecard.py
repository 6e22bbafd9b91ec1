"""The scorecard: every claim of the paper with its verdict, by section, as the notebooks' records have them.

Questions of our own and definitions have parts of their own, and totals of their own. The page needs no script: each
verdict is a radio button, and the style sheet shows the rows that it names.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dynloss_book.engine.findings import SIGNS, Kind, Verdict, counts, parts, shown, style, titled
from dynloss_book.engine.runner import tables
from dynloss_book.engine.runner.gallery import Entry

SECTIONS = {
    "Abstract": "",
    "Section I": "Introduction",
    "Section II": "Myrtle5 and CIFAR-10",
    "Section III": "Understanding the dynamical loss in a simpler model",
    "Section III.A": "Phase diagrams for the spiral",
    "Section III.B": "The dynamics of learning and the curvature of the landscape",
    "Section III.C": "The threshold and the learning rate",
    "Section III.D": "The bifurcations and the neural tangent kernel",
    "Section IV": "Discussion",
    "Supplement I": "Further eigenvalues and further bifurcations",
    "Supplement II": "Bifurcations of Myrtle5 on CIFAR-10",
    "Supplement III": "Stopping the oscillations",
    "Supplement IV": "Wide residual networks",
}
ELSEWHERE = "Elsewhere"  # claims that name no section of the paper


class Line(NamedTuple):
    """One claim and the notebook that judges it."""

    claim: Mapping[str, Any]
    entry: Entry


def section(where: str) -> str:
    """The section of the paper that a claim is in: the first that its `where` names.

    >>> section("Section III.B, Figure 4 (e)"), section("Figure 9")
    ('Section III.B', 'Elsewhere')
    """
    found = re.search(r"Abstract|(Section|Supplement) [IV]+(\.[A-D])?", where)
    return found[0] if found and found[0] in SECTIONS else ELSEWHERE


def page(entries: Sequence[Entry], pages: str) -> str:
    """The tally and a table for each section, in Markdown with raw HTML.

    Args:
        entries: of the notebooks; those without claims are left out.
        pages: the folder of the notebooks, seen from the page.
    """
    lines = [Line(claim, each) for each in entries if each.found for claim in each.found["claims"]]
    shares = [_totals(lines), _filter(lines)]
    for name in [*SECTIONS, ELSEWHERE, Kind.QUESTION, Kind.DEFINITION]:
        own = [line for line in lines if _part(line.claim) == name]
        if own:
            heading = ": ".join(part for part in (titled(name), SECTIONS.get(name)) if part)
            shares += [f"## {heading}", _table(own, pages)]
    return "\n\n".join(shares)


def plain(entries: Sequence[Entry]) -> str:

    """Every claim, in Markdown, for print, a table for each kind and scale: what was tested and found, and where."""
    claims = [claim for each in entries if each.found for claim in each.found["claims"]]
    shares = ["; ".join(f"{SIGNS[verdict]} {verdict}" for verdict in Verdict if verdict != Verdict.NOT_COMPUTED) + "."]
    for name, these in parts(claims).items():
        rows = [("", "Tested", "Paper", "Here", "Where")]
        rows += [(SIGNS[c["verdict"]], c["statement"], c["paper"], c["here"], c["where"]) for c in these]
        shares += [f"**{titled(name)}**", tables.markdown(rows)]
    return "\n\n".join(shares)


def _part(claim: Mapping[str, Any]) -> str:
    """The page's section for a claim: the paper's section, or the kind of the claim."""
    return section(claim["where"]) if claim["kind"] == Kind.CLAIM else claim["kind"]


def _totals(lines: Sequence[Line]) -> str:
    """How many have which verdict, by kind and scale."""
    rows = [("", "Number", "Verdicts")]
    for name, these in parts(line.claim for line in lines).items():
        said = ", ".join(f"{SIGNS[verdict]} {number} {words}" for verdict, words, number in counts(these))
        rows.append((titled(name), str(len(these)), said))
    return tables.markdown(rows)


def _filter(lines: Sequence[Line]) -> str:
    """A button for each verdict."""

    def buttons() -> Iterator[str]:
        yield _button("all", f"all {len(lines)}", "", checked=True)
        for verdict in Verdict:
            if any(line.claim["verdict"] == verdict for line in lines):
                yield _button(style(verdict), f"{SIGNS[verdict]} {verdict}", f"dynloss-{style(verdict)}")

    return f'<fieldset class="dynloss-filter"><legend>Show</legend>{"".join(buttons())}</fieldset>'


def _button(name: str, text: str, colour: str, checked: bool = False) -> str:
    state = " checked" if checked else ""
    return (
        f'<label class="{colour}"><input type="radio" name="dynloss-show" id="dynloss-show-{name}"{state}> '
        f"{html.escape(text)}</label>"
    )


def _table(lines: Sequence[Line], pages: str) -> str:
    names = ("The paper says", "Tested", "Here", "Counts as agreeing", "Verdict")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(_row(line, names, pages) for line in lines)
    return f'<table class="dynloss-scorecard"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _row(line: Line, names: Sequence[str], pages: str) -> str:
    claim, entry = {"tolerance": "", **line.claim}, line.entry
    verdict = Verdict(claim["verdict"])
    devices = dict.fromkeys(device for each in entry.provenances for device in each["device"].split(", "))
    scale = entry.found["scale"] if entry.found else ""
    stale = any(each["stale"] for each in entry.provenances)
    origin = (
        f'<a href="{pages}/{entry.stem}.html">{html.escape(entry.title.split(":")[0])}</a>, '
        f"profile {html.escape(entry.profile)}, {html.escape(', '.join(devices)) or 'computed in this run'}"
        f"{', <strong>stale</strong>' * stale}"
        f"<details><summary>scale</summary>{html.escape(scale)}</details>"
    )
    cells = [
        f"{html.escape(claim['statement'])}: <strong>{html.escape(claim['paper'])}</strong>"
        f"{' <small>(at reduced scale)</small>' * claim['reduced']}",
        f'{html.escape(claim["here"])}<div class="dynloss-origin">{origin}</div>',
        html.escape(claim["tolerance"]) or "–",
        f'<span class="dynloss-{style(verdict)}">{shown(claim)}</span>',
    ]
    where = f'<div class="dynloss-origin">{html.escape(claim["where"])}</div>'
    said = f'<th scope="row"><q>{html.escape(claim["quotation"])}</q>{where}</th>'
    others = "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in zip(names[1:], cells, strict=True))
    return f'<tr class="is-{style(verdict)}">{said}{others}</tr>'
