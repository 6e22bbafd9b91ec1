"""What the book says of all its notebooks at once: the gallery, the introduction's table, the status; nothing typed."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynloss import files
from dynloss_book.engine import untrusted
from dynloss_book.engine.findings import FAILING, SIGNS, Verdict, counts, of_paper, parts, style, titled
from dynloss_book.engine.provenance import words
from dynloss_book.engine.runner import page, tables
from dynloss_book.engine.runner.profiles import Figure
from dynloss_book.engine.untrusted import as_markdown

_NO_LINK = str.maketrans("[]", "()")
WIDTH = 640  # pixels of a thumbnail


@dataclass(frozen=True)
class Entry:
    """One notebook of the book.

    Attributes:
        stem: its name.
        title: of its page.
        profile: that it ran in.
        found: the record of its findings; None where it has none.
        provenances: the records of its results.
        alt: the text of its picture; empty without one.
    """

    stem: str
    title: str
    profile: str
    found: dict[str, Any] | None
    provenances: list[dict[str, Any]]
    alt: str


def entry(figure: Figure, executed: Path, profile: str, images: Path) -> Entry:
    """Read an executed copy; its picture goes into `images`, as a thumbnail named after the notebook.

    Args:
        figure: the notebook.
        executed: the file of its copy.
        profile: that the book is of, maybe "best".
        images: the folder of the thumbnails.
    """
    notebook = untrusted.notebook(executed)
    if shown := page.picture(notebook):
        _thumbnail(shown[0], images / f"{figure.stem}.png")
    return Entry(
        figure.stem,
        page.heading(notebook),
        tables.profile_of(figure, profile, executed),
        page.findings(notebook),
        tables.provenances(notebook),
        shown[1] if shown else "",
    )


def cards(entries: list[Entry], images: str, pages: str) -> str:
    """The gallery, in Markdown: of each figure the picture, the answer, the scale and the verdicts.

    Args:
        entries: those with findings are shown.
        images: the folder of the thumbnails, seen from the page.
        pages: the folder of the notebooks, seen from the page.
    """
    lines = [":::::{grid} 1 1 2 2", ":gutter: 3", ""]
    for each in entries:
        if each.found is None:
            continue
        lines += [f"::::{{grid-item-card}} {each.title}", f":link: {pages}/{each.stem}", ":link-type: doc"]
        if each.alt:
            lines += [f":img-top: {images}/{each.stem}.png", f":img-alt: {each.alt}"]
        lines += ["", each.found["plain"], "", ":::{card-footer}"]
        lines += [_badges(each.found["claims"]), f"Scale: {as_markdown(each.found['scale'])}", ":::", "::::", ""]
    return "\n".join([*lines, ":::::"])


def answers(entries: list[Entry], pages: str) -> str:
    """A list, in Markdown: the answer of each notebook."""
    return "\n".join(f"- {_link(each, pages)}: {each.found['plain']}" for each in entries if each.found)


def headlines(entries: list[Entry], images: str, pages: str) -> str:
    """A table, in Markdown: of each notebook its picture, its answer, and the first claim of the paper that it tests.

    Args:
        images, pages: the folders of the thumbnails and of the notebooks, seen from the page.
    """
    rows: list[tuple[str, ...]] = [("", "In one sentence, and *the claim tested*", "Paper", "Ours", "Scale", "Verdict")]
    for each in entries:
        for claim in sorted(of_paper(_claims(each)), key=lambda one: one["reduced"])[:1]:
            sight = f"![{each.alt.translate(_NO_LINK)}]({images}/{each.stem}.png) " if each.alt else ""
            said = f"{each.found['plain']} *{claim['statement']}.*" if each.found else ""
            scale = "reduced" if claim["reduced"] else "the paper's"
            ours = claim["here"].split(";")[0]
            others = [other for other in of_paper(_claims(each)) if other is not claim]
            tally = " ".join(f"{SIGNS[verdict]}\u00a0{number}" for verdict, _, number in counts(others))
            verdict = _coloured(claim["verdict"]) + f"; others: {tally}" * bool(others)
            rows.append((sight + _link(each, pages), said, claim["paper"], ours, scale, verdict))
    return tables.markdown(rows)


def failing(entries: list[Entry], pages: str) -> str:
    """The paper's claims that are not reproduced, or only in part, by name, in Markdown."""
    said = {
        verdict: [
            f"{_statement(claim)}{' (at reduced scale)' * claim['reduced']} ({_link(each, pages)})"
            for each in entries
            for claim in of_paper(_claims(each), verdict)
        ]
        for verdict in FAILING
    }
    return "\n\n".join(f"**{titled(verdict)}:** {'; '.join(names) or 'none'}." for verdict, names in said.items())


def standing(entries: list[Entry], pages: str) -> str:
    """Two cards, in Markdown: of the paper's claims those that hold, and those that stay open, by notebook."""
    shares = {
        "Holds": {Verdict.REPRODUCED},
        "Stays open": set(Verdict) - {Verdict.REPRODUCED, *FAILING},
    }
    lines = ["::::{grid} 1 1 2 2", ":gutter: 2", ""]
    for name, verdicts in shares.items():
        found = [(each, claims) for each in entries if (claims := of_paper(_claims(each), *verdicts))]
        reduced = [claim["reduced"] for _, claims in found for claim in claims]
        own = [
            f"- {_link(each, pages)}: {_statement(first)}{f' (+ {len(others)})' * bool(others)}"
            for each, (first, *others) in found
        ]
        besides = f", and {sum(reduced)} at reduced scale" * any(reduced)
        lines += [f":::{{grid-item-card}} {name}: {reduced.count(False)}{besides}", "", *own, ":::", ""]
    return "\n".join([*lines, "::::"])


def totals(entries: list[Entry]) -> str:
    """How many claims of all notebooks have which verdict, by kind and scale."""
    return _badges([claim for each in entries for claim in _claims(each)])


def _claims(entry: Entry) -> list[dict[str, Any]]:
    return entry.found["claims"] if entry.found else []


def _statement(claim: Mapping[str, Any]) -> str:
    return claim["statement"].removeprefix("… and ")


def _link(entry: Entry, pages: str) -> str:
    return f"[{entry.title.split(':')[0]}]({pages}/{entry.stem})"


def _coloured(verdict: str, words: str = "") -> str:
    return f'<span class="dynloss-{style(verdict)}">{SIGNS[Verdict(verdict)]} {words or verdict}</span>'


def status(entries: list[Entry], pages: str) -> str:
    """A table in Markdown: what made the results that each notebook shows, a row for those that are alike in it.

    Args:
        pages: the folder of the notebooks, seen from the page.
    """
    rows: list[tuple[str, ...]] = [("Page", "Results", "Device", "JAX", "Commits, the newest first")]
    for each in entries:
        made: dict[tuple[str, str, str], list[str]] = {}
        records = sorted(each.provenances, key=lambda record: record["date"], reverse=True)
        for record in records:
            by = record["scale"] or "–", record["device"], record["versions"].get("jax", "?")
            made.setdefault(by, []).append(", ".join(reversed(record["commit"].split(", "))))
        stale = ", ".join(dict.fromkeys(record["stale"] for record in records if record["stale"]))
        name = _link(each, pages) + f", **stale**: {as_markdown(stale)} changed since" * bool(stale)
        for by, commits in (made or {("–", "–", "–"): ["–"]}).items():
            rows.append((name, *map(as_markdown, (*by, words(commits)))))
            name = ""
    return tables.markdown(rows)


def _badges(claims: list[dict[str, Any]]) -> str:
    """How many claims have which verdict, by kind and scale; each a coloured word."""
    words = {
        name: [_coloured(verdict, f"{number} {said}") for verdict, said, number in counts(these)]
        for name, these in parts(claims).items()
    }
    return "".join(f"<p>{titled(name)}: {' · '.join(said)}</p>\n" for name, said in words.items())


def _thumbnail(png: bytes, path: Path) -> None:
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, image.width * 9 // 16)))  # its upper part
    image.thumbnail((WIDTH, WIDTH))
    with files.atomic_write(path) as file:
        image.save(file, "PNG", optimize=True)
