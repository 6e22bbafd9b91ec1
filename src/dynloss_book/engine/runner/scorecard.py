"""The scorecard: every claim of the paper with its verdict, by section, as the notebooks' records have them.

Questions of our own and definitions have parts of their own, and totals of their own. The page needs no script: each
verdict is a radio button, and the style sheet shows the rows that it names.
"""

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dynloss_book.engine import hooks
from dynloss_book.engine.findings import SIGNS, Kind, Verdict, parts, shown, style, titled
from dynloss_book.engine.runner import tables
from dynloss_book.engine.runner.gallery import Entry

COLUMNS = ("The paper says", "Tested", "Here", "Counts as agreeing", "Verdict")
ELSEWHERE = "Elsewhere"  # claims that name no section of the paper


def section(where: str, names: Collection[str]) -> str:
    """The section of the paper that a claim is in: the longest of these names that is the first part of its place.

    >>> section("Section III.B, Figure 4 (e)", ["Section III", "Section III.B"]), section("Figure 9", ["Section III"])
    ('Section III.B', 'Elsewhere')
    """
    return max((name for name in names if where.startswith(name)), key=len, default=ELSEWHERE)


def page(entries: Sequence[Entry], pages: str) -> str:
    """A table for each section, in Markdown with raw HTML.

    Args:
        entries: of the notebooks; those without claims are left out.
        pages: the folder of the notebooks, seen from the page.
    """
    judged = [(claim, each) for each in entries if each.found for claim in each.found["claims"]]
    shares, titles = [_filter([claim for claim, _ in judged])], hooks.told("sections")
    for name in [*titles, ELSEWHERE, Kind.QUESTION, Kind.DEFINITION]:
        if rows := "".join(_row(claim, entry, pages) for claim, entry in judged if _part(claim, titles) == name):
            heading = ": ".join(part for part in (titled(name), titles.get(name)) if part)
            head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
            table = f'<table class="dynloss-scorecard"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
            shares += [f"## {heading}", table]
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


def _part(claim: Mapping[str, Any], names: Collection[str]) -> str:
    """The page's section for a claim: the paper's section, or the kind of the claim."""
    return section(claim["where"], names) if claim["kind"] == Kind.CLAIM else claim["kind"]


def _filter(claims: Sequence[Mapping[str, Any]]) -> str:
    """A button for each verdict."""
    there = [verdict for verdict in Verdict if any(claim["verdict"] == verdict for claim in claims)]
    buttons = [
        _button("all", f"all {len(claims)}", " checked"),
        *(_button(style(verdict), f"{SIGNS[verdict]} {verdict}") for verdict in there),
    ]
    return f'<fieldset class="dynloss-filter"><legend>Show</legend>{"".join(buttons)}</fieldset>'


def _button(name: str, text: str, state: str = "") -> str:
    return (
        f'<label class="dynloss-{name}"><input type="radio" name="dynloss-show" id="dynloss-show-{name}"{state}> '
        f"{html.escape(text)}</label>"
    )


def _row(claim: Mapping[str, Any], entry: Entry, pages: str) -> str:
    """One claim, and the notebook that judges it."""
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
        html.escape(claim.get("tolerance", "")) or "–",
        f'<span class="dynloss-{style(verdict)}">{shown(claim)}</span>',
    ]
    where = f'<div class="dynloss-origin">{html.escape(claim["where"])}</div>'
    said = f'<th scope="row"><q>{html.escape(claim["quotation"])}</q>{where}</th>'
    others = "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in zip(COLUMNS[1:], cells, strict=True))
    return f'<tr class="is-{style(verdict)}">{said}{others}</tr>'
