"""Verdicts on made-up data that must pass, that must fail, and that cannot decide."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine.findings import MIME, Claim, Findings, Sentence, Verdict, minus, tally
from dynloss_book.engine.verdicts import agreed, at_least, by_run, exists, none_positive, number, positive


def seeds(*values):
    return xr.DataArray(np.array(values, dtype=float), dims="seed")


NOTHING = seeds(np.nan, np.nan)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (seeds(0.1, 0.11, 0.12), Verdict.REPRODUCED),
        (seeds(-0.1, -0.11, -0.12), Verdict.NOT_REPRODUCED),
        (seeds(-0.1, 0.1, 0.12), Verdict.UNDECIDED),
        (seeds(0.5), Verdict.ONE_RUN),
        (NOTHING, Verdict.NOT_COMPUTED),
    ],
)
def test_a_sign(values, expected):
    assert positive(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (seeds(0.72, 0.73, 0.74), Verdict.REPRODUCED),
        (seeds(0.60, 0.61, 0.62), Verdict.NOT_REPRODUCED),
        (seeds(0.5, 0.9), Verdict.UNDECIDED),  # an interval that holds nearly anything holds it too
        (seeds(0.725), Verdict.ONE_RUN),
        (NOTHING, Verdict.NOT_COMPUTED),
    ],
)
def test_a_number(values, expected):
    assert number(values, 0.73, 0.01) == expected
    assert number(values, 0.73, 0.01, testable=False) in (Verdict.NOT_TESTABLE, Verdict.NOT_COMPUTED)


def test_a_bound():
    assert at_least(seeds(0.96, 0.961), 0.95) == Verdict.REPRODUCED
    assert at_least(seeds(0.96, 0.97), 0.95) == Verdict.UNDECIDED  # the interval of two seeds reaches below
    assert at_least(seeds(0.90, 0.98), 0.95) == Verdict.UNDECIDED
    assert at_least(seeds(0.90, 0.901, 0.902), 0.95) == Verdict.NOT_REPRODUCED
    assert at_least(seeds(0.96), 0.95, testable=False) == Verdict.NOT_TESTABLE


def test_an_absence_is_corrected_for_the_number_of_points():
    """One point of forty whose single interval, but not the corrected one, lies above zero is no gain."""
    random = np.random.RandomState(0)
    noise = random.normal(size=(40, 10))
    noise -= noise.mean(axis=1, keepdims=True)
    noise /= noise.std(axis=1, ddof=1, keepdims=True) / np.sqrt(10)  # standard error 1 at each point
    values = xr.DataArray(noise, dims=("amplitude", "seed"))
    lucky = values + xr.DataArray(np.where(np.arange(40) == 3, 2.5, 0), dims="amplitude")
    real = values + xr.DataArray(np.where(np.arange(40) == 3, 8.0, 0), dims="amplitude")
    assert positive(lucky.isel(amplitude=3)) == Verdict.REPRODUCED
    assert positive(lucky.isel(amplitude=3), testable=False) == Verdict.NOT_TESTABLE
    assert none_positive(lucky, bound=10.0) == Verdict.REPRODUCED
    assert none_positive(lucky, bound=2.0) == Verdict.UNDECIDED  # so few seeds could hide such a gain
    assert none_positive(real, bound=10.0) == Verdict.NOT_REPRODUCED
    assert none_positive(values.isel(seed=[0]), bound=10.0) == Verdict.NOT_COMPUTED
    partial = lucky.copy()
    for seeds in (1, 0):  # a point that excludes nothing
        partial[5, seeds:] = np.nan
        assert none_positive(partial, bound=10.0) == Verdict.UNDECIDED
    assert none_positive(real, bound=10.0, testable=False) == Verdict.NOT_TESTABLE


def test_something_to_see():
    assert [exists(True), exists(False), exists(True, testable=False)] == [
        Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.NOT_TESTABLE,
    ]  # fmt: skip


def test_findings_show_every_claim_and_keep_a_record():
    said = Sentence("Section I", "1 < 2")
    claims = tuple(Claim(f"claim <{verdict}>", said, "1", "2", verdict) for verdict in Verdict)
    findings = Findings("fig", "Does it?", "It does.", "It does: $x = 1$.", "1 seed", claims)
    shown = findings._repr_mimebundle_()
    for verdict in Verdict:
        assert f"claim &lt;{verdict}&gt;" in shown["text/html"] and f"claim <{verdict}>" in shown["text/plain"]
    answer = findings.answer._repr_mimebundle_()
    assert answer["text/markdown"].startswith("**It does.** It does: $x = 1$.")
    record = answer[MIME]
    assert [claim["verdict"] for claim in record["claims"]] == [str(verdict) for verdict in Verdict]
    assert [claim["quotation"] for claim in record["claims"]] == ["1 < 2"] * len(Verdict)
    assert shown["text/html"].count("<q>1 &lt; 2</q>") == len(Verdict)
    assert tally(findings.record()["claims"]) in answer["text/markdown"]


def test_numbers_are_printed_with_a_minus_sign():
    claim = Claim("x", Sentence("Section I", "y"), "-0.9", "-0.1 (-0.2 … -0.05), eqs. (2)-(5), 3-4", Verdict.REPRODUCED)
    assert (claim.record()["paper"], claim.record()["here"]) == ("−0.9", "−0.1 (−0.2 … −0.05), eqs. (2)-(5), 3-4")
    assert minus(r"$\eta^{-0.9}$ by -0.1") == r"$\eta^{-0.9}$ by −0.1"


def test_single_runs_together():
    def run(verdict):
        return (Claim("x", Sentence("Section I", "y"), "1", str(verdict), verdict),)

    yes, no, none = run(Verdict.REPRODUCED), run(Verdict.NOT_REPRODUCED), run(Verdict.NOT_TESTABLE)
    (one,) = by_run([no])
    assert one.verdict == Verdict.ONE_RUN and one.here == "not reproduced (1 run, unlike the paper)"
    assert by_run([none])[0] == none[0]
    together = [[yes, yes], [no, no], [yes, no], [yes] * 4 + [no], [yes, yes, none], [yes, run(Verdict.UNDECIDED)]]
    assert [by_run(each)[0].verdict for each in together] == [
        Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.MIXED, Verdict.REPRODUCED, Verdict.REPRODUCED,
        Verdict.UNDECIDED,
    ]  # fmt: skip
    assert by_run([yes, no])[0].here == "reproduced; not reproduced"
    assert agreed(Verdict.NOT_REPRODUCED, Verdict.NOT_REPRODUCED) == Verdict.NOT_REPRODUCED


def test_a_claim_quotes_a_sentence():
    claim = Claim("It does", "just text", "> 0", "1", Verdict.REPRODUCED)
    with pytest.raises(ValueError, match=r"'It does' needs a sentence, as of paper\.SAYS; got 'just text'"):
        Findings("fig", "Does it?", "It does.", "", "1 seed", (claim,))
