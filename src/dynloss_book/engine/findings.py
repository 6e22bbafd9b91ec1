"""Claims with their verdicts, and how a notebook and the book show them."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from dynloss_book.engine.mime import FINDINGS as MIME


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    MIXED = "mixed"  # true of one part and false of another
    UNDECIDED = "inconclusive"  # the interval contains both
    ONE_RUN = "one run"  # decides nothing that differs from seed to seed
    NOT_TESTABLE = "not testable at this scale"
    NOT_COMPUTED = "not computed"


FAILING = (Verdict.NOT_REPRODUCED, Verdict.MIXED)  # named wherever verdicts are counted
SIGNS = {
    Verdict.REPRODUCED: "✓",
    Verdict.NOT_REPRODUCED: "✗",
    Verdict.MIXED: "◐",
    Verdict.UNDECIDED: "?",
    Verdict.ONE_RUN: "○",
    Verdict.NOT_TESTABLE: "–",
    Verdict.NOT_COMPUTED: "–",
}


class Kind(StrEnum):
    """What is tested. Only the first counts for or against the paper."""

    CLAIM = "claims of the paper"
    QUESTION = "our own questions"  # or left open by the paper
    DEFINITION = "definitions"  # and what follows from them: true of any code that is right


ANSWERS = {Verdict.REPRODUCED: "yes", Verdict.NOT_REPRODUCED: "no"}  # of a question


class Sentence(NamedTuple):
    """A sentence of the paper.

    Attributes:
        where: its section and figure.
        words: as they stand there, "…" where some are left out; formulas in plain letters.
    """

    where: str
    words: str


class Claim(NamedTuple):
    """One test of a sentence of the paper, or of a question that it raises.

    Attributes:
        statement: what is tested, in our words.
        sentence: of the paper, that says or raises it.
        paper: the paper's value or sign.
        here: what was measured, with its interval.
        verdict: whether the two agree.
        tolerance: when they count as agreeing, and why so.
        kind: whether the paper claims it.
        reduced: whether it was tested at less than the paper's scale.
    """

    statement: str
    sentence: Sentence
    paper: str
    here: str
    verdict: Verdict
    tolerance: str = ""
    kind: Kind = Kind.CLAIM
    reduced: bool = False

    def record(self) -> dict[str, Any]:
        """The claim as plain values, with numbers as they are printed."""
        return {
            "statement": minus(self.statement),
            "paper": minus(self.paper),
            "here": minus(self.here),
            "verdict": str(self.verdict),
            "tolerance": minus(self.tolerance),
            "kind": str(self.kind),
            "reduced": self.reduced,
            "where": self.sentence.where,
            "quotation": self.sentence.words,
        }


@dataclass(frozen=True)
class Findings:
    """What a figure says; shown as the table of its claims.

    Attributes:
        figure: the notebook's name.
        question: what the figure asks.
        plain: the answer as one would say it at a table, in one sentence from the data: 35 words, 3 numbers at most.
        summary: the numbers behind it, in Markdown.
        scale: of the computation, in words.
        claims: the headline first.
    """

    figure: str
    question: str
    plain: str
    summary: str
    scale: str
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        for each in self.claims:
            if not isinstance(each.sentence, Sentence):
                raise ValueError(f"{each.statement!r} needs a sentence, as of paper.SAYS; got {each.sentence!r}")

    @property
    def answer(self) -> "Answer":
        """The answer as a paragraph, with the record for the book's gallery."""
        return Answer(self)

    def record(self) -> dict[str, Any]:
        """The findings as plain values."""
        return {
            "figure": self.figure,
            "question": self.question,
            "plain": minus(self.plain),
            "summary": _once(minus(self.summary)),
            "scale": self.scale,
            "claims": [claim.record() for claim in self.claims],
        }

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        claims = self.record()["claims"]
        lines = [f"{shown(each)}: {each['statement']}: {each['here']} (paper: {each['paper']})" for each in claims]
        shares = "".join(_table(name, these) for name, these in parts(claims).items())
        return {"text/plain": "\n".join(lines), "text/html": shares}


@dataclass(frozen=True)
class Answer:
    """The answer of `Findings`, as a notebook shows it above its picture."""

    findings: Findings

    def __str__(self) -> str:
        record = self.findings.record()
        claims = record["claims"]
        verdicts = f" **What holds.** {tally(claims)}." if claims else ""
        for verdict in FAILING:
            failed = [each["statement"] for each in of_paper(claims, verdict)]
            verdicts += f" {titled(verdict)}: {'; '.join(failed)}." * bool(failed)
        return f"**{record['plain']}** {record['summary']}{verdicts} *Scale: {record['scale']}.*"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        text = str(self)
        return {"text/plain": text.replace("*", ""), "text/markdown": text, MIME: self.findings.record()}


def parts(claims: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Records of claims by kind and scale, in order: what is counted together."""
    listed = list(claims)
    names = {f"{kind}{', at reduced scale' * reduced}": (kind, reduced) for kind in Kind for reduced in (False, True)}
    found = {name: [each for each in listed if (each["kind"], each["reduced"]) == of] for name, of in names.items()}
    return {name: these for name, these in found.items() if these}


def of_paper(claims: Iterable[Mapping[str, Any]], *verdicts: Verdict) -> list[Mapping[str, Any]]:
    """Of records of claims those of the paper, with one of these verdicts where any are named."""
    wanted = verdicts or tuple(Verdict)
    return [each for each in claims if each.get("kind") == Kind.CLAIM and each["verdict"] in wanted]


def counts(claims: Sequence[Mapping[str, Any]]) -> list[tuple[Verdict, str, int]]:
    """Each verdict among claims of one kind, in words, with the number of claims that have it."""
    found = Counter(Verdict(each["verdict"]) for each in claims)
    words = {Verdict(each["verdict"]): worded(each) for each in claims}
    return [(verdict, words[verdict], found[verdict]) for verdict in Verdict if verdict in found]


def tally(claims: Iterable[Mapping[str, Any]]) -> str:
    """How many records of claims have which verdict, by kind and scale.

    >>> tally([{"kind": "definitions", "reduced": False, "verdict": "reproduced"}])
    'Definitions: 1 reproduced'
    """
    listed = {
        name: ", ".join(f"{number} {words}" for _, words, number in counts(these))
        for name, these in parts(claims).items()
    }
    return "; ".join(f"{titled(name)}: {verdicts}" for name, verdicts in listed.items())


def titled(words: str) -> str:
    """The text with a capital, as a title begins."""
    return words[:1].upper() + words[1:]


def worded(claim: Mapping[str, Any]) -> str:
    """The verdict of a claim's record in words; a question is answered."""
    verdict = Verdict(claim["verdict"])
    return ANSWERS.get(verdict, str(verdict)) if claim.get("kind") == Kind.QUESTION else str(verdict)


def shown(claim: Mapping[str, Any]) -> str:
    """The same with its sign."""
    return f"{SIGNS[Verdict(claim['verdict'])]} {worded(claim)}"


def style(verdict: Verdict | str) -> str:
    """A verdict's class in the style sheet.

    >>> style(Verdict.NOT_REPRODUCED)
    'not-reproduced'
    """
    return str(verdict).split(" at ")[0].replace(" ", "-")


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def minus(text: str) -> str:
    """Numbers as they are printed: with a minus sign, powers of ten, a space before %; not ranges, nor formulas.

    >>> minus("-0.1 ± 0.2, eqs. (2)-(5); 9e-16, 0e+00, 5%")
    '−0.1 ± 0.2, eqs. (2)-(5); 9·10⁻¹⁶, 0, 5 %'
    """
    text = re.sub(r"(?<=\d)%", " %", text)
    text = re.sub(r"\b0e\+00\b", "0", text)
    text = re.sub(r"(?<=\d)e-0*(\d+)", lambda found: "·10⁻" + found[1].translate(_RAISED), text)
    return re.sub(r"(?<![\w.){-])-(?=\d)", "−", text)


def _once(text: str) -> str:
    """How many seeds there are is said of the first number alone, where all have as many.

    >>> _once("0.5 ± 0.1 (3 seeds) and 0.6 ± 0.1 (3 seeds)"), _once("0.5 (2 seeds) and 0.6 (3 seeds)")
    ('0.5 ± 0.1 (3 seeds) and 0.6 ± 0.1', '0.5 (2 seeds) and 0.6 (3 seeds)')
    """
    seeds = set(re.findall(r" \(\d+ seeds?\)", text))
    if len(seeds) != 1:
        return text
    before, said, after = text.partition(*seeds)
    return before + said + after.replace(said, "")


def _table(name: str, claims: Iterable[Mapping[str, Any]]) -> str:
    """One kind of claims: what is tested, with the paper's sentence below it."""
    head = "".join(f'<th scope="col">{each}</th>' for each in ("Tested", "Paper", "Here", "Verdict"))
    rows = "".join(
        f'<tr><th scope="row">{html.escape(each["statement"])}<br><small><q>{html.escape(each["quotation"])}</q> '
        f"{html.escape(each['where'])}</small></th>"
        f"<td>{html.escape(each['paper'])}</td><td>{html.escape(each['here'])}</td>"
        f'<td class="dynloss-{style(each["verdict"])}">{shown(each)}</td></tr>'
        for each in claims
    )
    return (
        f'<table class="dynloss-claims"><caption>{titled(name)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
