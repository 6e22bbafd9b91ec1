"""Claims with their verdicts, and how a notebook and the book show them."""

import html
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from dynloss_book.engine.mime import FINDINGS as MIME


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    UNDECIDED = "undecided"  # the interval holds both
    NOT_TESTABLE = "not testable at this scale"
    NOT_COMPUTED = "not computed"


SIGNS = {
    Verdict.REPRODUCED: "✓",
    Verdict.NOT_REPRODUCED: "✗",
    Verdict.UNDECIDED: "?",
    Verdict.NOT_TESTABLE: "–",
    Verdict.NOT_COMPUTED: "–",
}


class Claim(NamedTuple):
    """One statement of the paper.

    Attributes:
        statement: what is said, in words.
        where: section and figure of the paper.
        paper: the paper's value or sign.
        here: what was measured, with its interval.
        verdict: whether the two agree.
        tolerance: when they count as agreeing, and why so.
    """

    statement: str
    where: str
    paper: str
    here: str
    verdict: Verdict
    tolerance: str = ""


@dataclass(frozen=True)
class Findings:
    """What a figure says; shown as the table of its claims.

    Attributes:
        figure: the notebook's name.
        question: what the figure asks.
        summary: the answer, one sentence or two, in Markdown; from the data.
        scale: of the computation, in words.
        claims: of the paper, the headline first; none for a page that is not of the paper.
    """

    figure: str
    question: str
    summary: str
    scale: str
    claims: tuple[Claim, ...] = ()

    @property
    def answer(self) -> "Answer":
        """The answer as a paragraph, with the record for the book's gallery."""
        return Answer(self)

    @property
    def tally(self) -> str:
        """How many claims have which verdict."""
        return tally(claim.verdict for claim in self.claims)

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "figure": self.figure,
            "question": self.question,
            "summary": self.summary,
            "scale": self.scale,
            "tally": self.tally,
            "claims": [claim._asdict() | {"verdict": str(claim.verdict)} for claim in self.claims],
        }

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        lines = [
            f"{SIGNS[each.verdict]} {each.statement}: {each.here} (paper: {each.paper}) {each.verdict}"
            for each in self.claims
        ]
        return {"text/plain": "\n".join(lines), "text/html": self._table()}

    def _table(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in ("The paper says", "Paper", "Here", "Verdict"))
        rows = "".join(
            f'<tr><th scope="row">{html.escape(each.statement)}<br><small>{html.escape(each.where)}</small></th>'
            f"<td>{html.escape(each.paper)}</td><td>{html.escape(each.here)}</td>"
            f'<td class="dynloss-{kind(each.verdict)}">{SIGNS[each.verdict]} {each.verdict}</td></tr>'
            for each in self.claims
        )
        return f'<table class="dynloss-claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


@dataclass(frozen=True)
class Answer:
    """The answer of `Findings`, as a notebook shows it above its picture."""

    findings: Findings

    def __str__(self) -> str:
        found = self.findings
        verdicts = f" **Claims of the paper:** {found.tally}." if found.claims else ""
        return f"**{found.question}** {found.summary}{verdicts} *Scale: {found.scale}.*"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        text = str(self)
        return {"text/plain": text.replace("*", ""), "text/markdown": text, MIME: self.findings.record()}


def tally(verdicts: Iterable[Verdict | str]) -> str:
    """How many claims have which verdict.

    >>> tally([Verdict.REPRODUCED, Verdict.UNDECIDED, Verdict.REPRODUCED])
    '2 reproduced, 1 undecided'
    """
    counts = Counter(Verdict(verdict) for verdict in verdicts)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def kind(verdict: Verdict | str) -> str:
    """A verdict's class in the style sheet.

    >>> kind(Verdict.NOT_REPRODUCED)
    'not-reproduced'
    """
    return str(verdict).split(" at ")[0].replace(" ", "-")
