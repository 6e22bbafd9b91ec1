"""What the archive says now, and whether the verdicts on record still follow from it."""

import json
import re
import runpy
from dataclasses import replace

import numpy as np
import pytest
import small_site
from small_site import notebook

from dynloss_book.engine import hooks
from dynloss_book.engine.findings import Claim, Findings, Kind, Sentence, Verdict
from dynloss_book.engine.runner import answers, gallery, recorded, scorecard
from dynloss_book.engine.runner.answers import Judged
from dynloss_book.engine.runner.gallery import Entry
from dynloss_book.engine.runner.profiles import UsageError, load

YES, NO = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED


def findings(*verdicts, scale="1 seed"):
    said = Sentence("Section II", "It is 1.")
    claims = tuple(Claim(f"claim {n}", said, "1", f"{n}", verdict) for n, verdict in enumerate(verdicts))
    return Findings("fig", "Does it?", "It does.", "Twice.", scale, claims).record()


def judged(*verdicts, profile="quick", **more):
    return Judged("fig", profile, findings(*verdicts), **more)


RECORD = recorded.of([judged(YES, NO)])


def states(record, now):
    found = recorded.rows(record, [now])
    return [row["state"] for row in found], recorded.code(found), " ".join(recorded.summary(found))


def test_verdicts_that_follow():
    assert states(RECORD, judged(YES, NO)) == (
        ["follows"] * 2, 0,
        "2 claims: Claims of the paper: 1 reproduced, 1 not reproduced "
        "every verdict on record follows from the archive",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (judged(YES, YES), ["follows", "no longer follows"]),
        (judged(YES, NO, YES), ["follows", "follows", "not on record"]),
        (judged(YES), ["follows", "no longer claimed"]),
        (judged(YES, YES, profile="paper"), ["follows", "no longer follows"]),  # the archive has grown
    ],
)
def test_verdicts_that_no_longer_follow_are_1(now, expected):
    found, code, _ = states(RECORD, now)
    assert (found, code) == (expected, 1)


@pytest.mark.parametrize(
    ("now", "kind", "said"),
    [
        (Judged("fig", troubles={"quick": ("missing", "no result")}), "missing", "the archive lacks"),
        (Judged("fig", troubles={"quick": ("stale", "losses changed")}), "stale", "other code computed"),
        (Judged("fig", troubles={"quick": ("failed", "KeyError: x")}), "failed", "their notebook fails"),
        (judged(YES, NO, damaged="fig/ab.nc"), "damaged", "cannot be read"),
    ],
)
def test_what_cannot_be_judged_is_2_and_says_why(now, kind, said):
    found, code, words = states(RECORD, now)
    assert (found, code) == ([kind] * 2, 2)
    assert said in words
    assert f"! {kind}: " in recorded.shown(recorded.rows(RECORD, [now]))
    assert recorded.of([now]) == {}  # nothing of it goes on record


def test_a_figure_that_claims_nothing_any_more_goes_off_the_record(tmp_path):
    recorded.write(tmp_path, RECORD | recorded.of([judged()]))
    assert recorded.read(tmp_path) == {} and RECORD["fig"]["claims"]


def test_a_smaller_profile_is_no_substitute_for_a_stale_one():
    record = {"fig": RECORD["fig"] | {"profile": "paper"}}
    now = judged(NO, NO, troubles={"paper": ("stale", "losses changed since")})
    assert states(record, now)[:2] == (["stale"] * 2, 2)


def test_a_contradiction_outweighs_what_cannot_be_judged():
    other = replace(Judged("other"), troubles={"quick": ("missing", "no result")})
    record = RECORD | {"other": RECORD["fig"]}
    found = recorded.rows(record, [judged(NO, NO), other])
    assert recorded.code(found) == 1
    assert "<< no longer follows; on record: reproduced" in recorded.shown(found)


@pytest.mark.parametrize("content", ["{", "[]", '{"fig": {"claims": [{"verdict": "maybe"}]}}', '{"fig": 1}'])
def test_a_damaged_record_is_misuse(tmp_path, content):
    (tmp_path / recorded.RECORD).write_text(content)
    with pytest.raises(UsageError, match="is damaged"):
        recorded.read(tmp_path)


def test_a_record_is_read_as_it_was_written(tmp_path):
    assert recorded.read(tmp_path) == {}
    recorded.write(tmp_path, RECORD)
    assert recorded.read(tmp_path) == RECORD


# A checkout whose notebook judges an archived result.

JUDGING = """
import numpy as np, xarray as xr
from dynloss_book.engine import archive
from dynloss_book.engine.findings import Claim, Findings, Sentence
from dynloss_book.engine.verdicts import exists

def compute(steps, amplitude):
    return xr.Dataset({"x": ("step", amplitude * np.arange(steps))})

dataset = archive.fetch_or_compute("fig01_good", compute, {"steps": steps, "amplitude": amplitude}, fresh=fresh)
"""
FOUND = """
said = Sentence("Section I", "It grows.")
claim = Claim("x grows", said, "yes", f"{float(dataset.x[-1]):g}", exists(bool(dataset.x[-1] > 100)))
findings = Findings("fig01_good", "Does x grow?", "It does.", "Twice.", f"{steps} steps", (claim,))
findings.answer
"""
ANSWER = FOUND, "answer"
NEVER = "archive.provenance(dataset)", "raise RuntimeError('no cell after the answer is run')"
ASIDE = "raise RuntimeError('what is shown beside the answer is not computed')", "aside"
STALE = JUDGING.replace("amplitude * np", "2 * amplitude * np")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    root = small_site.enter(monkeypatch, tmp_path / "checkout", fig01_good=notebook(JUDGING, ASIDE, ANSWER, *NEVER))
    fill(root)
    return root


def fill(root):
    """The archive as the notebook's quick profile leaves it."""
    script = root / "fill.py"  # a file, so that the source of its function can be read
    script.write_text(f"{small_site.PARAMETERS}\n{JUDGING}")
    with small_site.publishing(root):
        runpy.run_path(str(script), run_name="__main__")


def test_an_answer_comes_from_the_archive_alone(checkout):
    (figure,) = load(checkout).values()
    found = answers.judged(figure, [checkout / "results"])
    assert found.profile == "quick"
    assert found.found["claims"][0]["here"] == "630"
    assert not found.damaged and not found.troubles


def test_claims_on_the_command_line(checkout, dynloss):
    code, out, _ = dynloss("claims")
    assert code == 1 and "1 are not on record yet" in out
    assert dynloss("claims", "--update")[0] == 0
    code, out, _ = dynloss("claims")
    assert code == 0 and "every verdict on record follows" in out
    assert dynloss("claims", "fig9")[0] == 2

    record = checkout / "results" / recorded.RECORD
    record.write_text(record.read_text().replace('"reproduced"', '"inconclusive"'))
    code, out, _ = dynloss("claims")
    assert code == 1 and "on record: inconclusive" in out


def test_broken_missing_and_stale_results_on_the_command_line(checkout, dynloss):
    dynloss("claims", "--update")
    (result,) = (checkout / "results" / "fig01_good").glob("*.nc")
    whole = result.read_bytes()
    result.write_bytes(whole[: len(whole) // 2])
    code, out, _ = dynloss("claims")
    assert code == 2 and f"damaged: {result} cannot be read (" in out
    result.unlink()
    code, out, _ = dynloss("claims")
    assert code == 2 and "missing: the archive has no result of it" in out
    result.write_bytes(whole)
    notebook_path = checkout / "notebooks" / "fig01_good.ipynb"
    notebook_path.write_text(json.dumps(notebook(STALE, ANSWER, *NEVER)))
    code, out, _ = dynloss("claims")
    assert code == 2 and "stale: the archived fig01_good is stale: compute changed since" in out
    notebook_path.write_text(json.dumps(notebook(JUDGING)))
    code, out, _ = dynloss("claims")
    assert code == 2 and "failed: ValueError: fig01_good has no cell tagged `answer`" in out


def test_what_cannot_be_judged_stays_on_record(checkout, dynloss, monkeypatch, tmp_path):
    dynloss("claims", "--update")
    record = checkout / "results" / recorded.RECORD
    before = record.read_text()
    for result in (checkout / "results" / "fig01_good").glob("*.nc"):
        result.unlink()
    code, out, _ = dynloss("claims", "--update")
    assert code == 2 and "missing" in out and record.read_text() == before
    monkeypatch.setenv("DYNLOSS_RESULTS", str(tmp_path / "mistyped"))
    code, out, _ = dynloss("claims")
    assert code == 2 and out == "no verdict is on record here, and no result from which one would follow\n"


# The page


def entry(found, **more):
    provenance = {"device": "2 CPU cores", "stale": ""}
    about = {"stem": "fig01", "title": "Figure 1: <it>", "profile": "quick", "found": found, "alt": ""}
    return Entry(**(about | {"provenances": [provenance]} | more))


def test_the_scorecard_shows_every_claim_under_its_section():
    found = findings(YES, NO, Verdict.UNDECIDED)
    found["claims"][1] |= {"where": "Supplement III, Figure S3", "here": "<b>"}
    found["claims"][2] |= {"where": "a blog"}
    page = scorecard.page([entry(found), entry(None)], "../notebooks")
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Section II: Myrtle5 and CIFAR-10", "## Supplement III: Stopping the oscillations", "## Elsewhere",
    ]  # fmt: skip
    assert page.count("<tr class=") == 3 and "&lt;b&gt;" in page and page.count("<q>It is 1.</q>") == 3
    assert "all 3" in page and page.count("<label") == 1 + 3
    assert '<a href="../notebooks/fig01.html">Figure 1</a>, profile quick, 2 CPU cores<details>' in page
    assert not any(not line.strip() for line in page.split("<table")[1].split("</table>")[0].splitlines())


def test_questions_definitions_and_reduced_scale_are_counted_apart():
    found = findings(YES, NO, NO, YES)
    found["claims"][1] |= {"reduced": True}
    found["claims"][2] |= {"kind": str(Kind.QUESTION)}
    found["claims"][3] |= {"kind": str(Kind.DEFINITION)}
    page = scorecard.page([entry(found)], "..")
    totals = [re.sub("<.*?>", "", line) for line in gallery.totals([entry(found)]).splitlines()]
    assert totals == [
        "Claims of the paper: ✓ 1 reproduced", "Claims of the paper, at reduced scale: ✗ 1 not reproduced",
        "Our own questions: ✗ 1 no", "Definitions: ✓ 1 reproduced",
    ]  # fmt: skip
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings[1:] == ["## Our own questions", "## Definitions"]
    assert page.count("(at reduced scale)") == 1 and ">✗ no</span>" in page
    standing = gallery.standing([entry(found)], "..")
    assert "Holds: 1\n" in standing and "Stays open: 0\n" in standing
    failing = gallery.failing([entry(found)], "..")
    assert failing == "**Not reproduced:** claim 1 (at reduced scale) ([Figure 1](../fig01)).\n\n**Mixed:** none."
    cards = gallery.cards([entry(found)], "", "")
    assert '<p>Definitions: <span class="dynloss-reproduced">✓ 1 reproduced</span></p>' in cards


def test_the_scorecard_names_stale_results():
    stale = entry(findings(YES), provenances=[{"device": "GPU", "stale": "dynloss.losses"}])
    assert "<strong>stale</strong>" in scorecard.page([stale], "..")


def test_every_claim_of_the_record_has_a_section():
    """The committed record: its sections are the paper's, and each claim says when it counts as agreeing."""
    root = small_site.Path(__file__).resolve().parents[3]
    claims = [claim for figure in recorded.read(root / "results").values() for claim in figure["claims"]]
    assert len(claims) > 60
    names = hooks.told("sections")
    assert [claim["where"] for claim in claims if scorecard.section(claim["where"], names) == scorecard.ELSEWHERE] == []
    assert [claim["statement"] for claim in claims if not (claim.get("tolerance") and claim["quotation"])] == []
    assert {claim["kind"] for claim in claims} == set(Kind)
    assert len(np.unique([claim["statement"] for claim in claims])) > 0.9 * len(claims)
