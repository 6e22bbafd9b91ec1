"""From numbers to verdicts. Values are over seeds, which are the unit of every interval (95 %, Student's t)."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from dynloss_book.engine.findings import Claim, Verdict
from dynloss_book.engine.sweeps.statistics import simultaneous, summary

# Tolerances in words, for the claims that are judged by these functions.
SIGN = "the whole 95 % interval of the mean over seeds has that sign"
RULE = 0.8  # the share of cases from which on something happens as a rule
AS_A_RULE = f"in {100 * RULE:g} % of the cases: “each” and “always” leave room for exceptions"
IN_RUNS = f"in {RULE:.0%} of the runs"
EXACT = "exact but for rounding"

_Test = Callable[[xr.DataArray, xr.DataArray], xr.DataArray]  # of a mean over seeds and half its interval
WIDE = 3  # tolerances: half an interval that is wider contains nearly any number


def within(tolerance: float, why: str) -> str:
    """The tolerance of `number` in words.

    >>> within(0.01, "the paper gives two digits")
    '± 0.01 beyond the 95 % interval: the paper gives two digits'
    """
    return f"± {tolerance:g} beyond the 95 % interval: {why}"


def positive(values: xr.DataArray, *, testable: bool = True) -> Verdict:
    """The verdict on a sign: reproduced if the whole interval of the mean is above 0, inconclusive if it contains 0.

    >>> positive(xr.DataArray([0.1, 0.2, 0.15], dims="seed")).value, positive(xr.DataArray([0.1], dims="seed")).value
    ('reproduced', 'one run')
    """
    return _decided(
        values,
        testable,
        yes=lambda mean, margin: mean > margin,
        no=lambda mean, margin: -mean > margin,
    )


def number(values: xr.DataArray, expected: float, tolerance: float, *, testable: bool = True) -> Verdict:
    """The verdict on a number: reproduced if it lies within the tolerance of the interval of the mean.

    Undecided where that interval is so wide (``WIDE``) that being in it says little.

    Args:
        values: over ``seed``.
        expected: what the paper says.
        tolerance: how far a number as vague as the paper's "≈" may be off.
        testable: whether the data are of the paper's scale.
    """
    return _decided(
        values,
        testable,
        yes=lambda mean, margin: (abs(mean - expected) <= margin + tolerance) & (margin <= WIDE * tolerance),
        no=lambda mean, margin: abs(mean - expected) > margin + tolerance,
    )


def at_least(values: xr.DataArray, bound: float, *, testable: bool = True) -> Verdict:
    """The verdict on a bound: reproduced if the whole interval reaches it, inconclusive if only a part of it does.

    Args:
        values, testable: as of ``number``.
        bound: in the unit of the values.
    """
    return _decided(
        values,
        testable,
        yes=lambda mean, margin: mean - margin >= bound,
        no=lambda mean, margin: mean + margin < bound,
    )


def none_positive(values: xr.DataArray, bound: float, *, testable: bool = True) -> Verdict:
    """The verdict on an absence: reproduced if no mean is significantly above 0, and more than ``bound`` is excluded.

    The more points are looked at, the more easily one of them seems to gain by luck; so each is held to 5 % divided by
    their number (Bonferroni). Where few seeds, or none, could hide a gain larger than the bound, nothing is decided.

    Args:
        values: over ``seed`` and the dimensions of the points.
        bound: a gain that would matter.
    """
    if not testable:
        return Verdict.NOT_TESTABLE
    found = simultaneous(values)
    if not (found.number > 1).any():
        return Verdict.NOT_COMPUTED
    if bool((found.mean > found.margin).any()):
        return Verdict.NOT_REPRODUCED
    most = (found.mean + found.margin).fillna(np.inf)  # one seed excludes nothing, nor does none
    return Verdict.REPRODUCED if bool(most.max() <= bound) else Verdict.UNDECIDED


def told(verdict: Verdict, yes: str, no: str, unsure: str = "Inconclusive: the results leave it open.") -> str:
    """A plain answer by verdict.

    Args:
        verdict: of the claim that the answer is about.
        yes, no: the answer where it is reproduced, and where it is not.
        unsure: the answer where it is inconclusive or mixed.

    >>> told(Verdict.REPRODUCED, "It does.", "It does not.")
    'It does.'
    """
    said = {
        Verdict.REPRODUCED: yes,
        Verdict.NOT_REPRODUCED: no,
        Verdict.ONE_RUN: "One run of each decides nothing yet.",
        Verdict.NOT_TESTABLE: "This scale is too small to tell.",
        Verdict.NOT_COMPUTED: "Not computed yet.",
    }
    return said.get(verdict, unsure)


def enumerated(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    >>> enumerated(["a", "b", "c"]), enumerated(["a"]), enumerated([])
    ('a, b and c', 'a', '')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def exists(there: bool, *, testable: bool = True) -> Verdict:
    """The verdict on something that is present or absent."""
    if not testable:
        return Verdict.NOT_TESTABLE
    return Verdict.REPRODUCED if there else Verdict.NOT_REPRODUCED


def agreed(*found: Verdict) -> Verdict:
    """The verdict on a statement that is tested in several equally good ways: mixed unless they agree.

    >>> agreed(Verdict.REPRODUCED, Verdict.UNDECIDED).value
    'mixed'
    """
    return found[0] if len(set(found)) == 1 else Verdict.MIXED


def of_runs(found: Sequence[Verdict]) -> Verdict:
    """The verdict on a statement in several runs: that of most of them (``RULE``); one run decides nothing.

    >>> of_runs([Verdict.REPRODUCED] * 4 + [Verdict.NOT_REPRODUCED]).value
    'reproduced'
    """
    known = [each for each in found if each not in (Verdict.NOT_COMPUTED, Verdict.NOT_TESTABLE)]
    if len(known) < 2:
        return Verdict.ONE_RUN if known else found[0]
    for verdict in (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED):
        if known.count(verdict) >= RULE * len(known):
            return verdict
    return Verdict.UNDECIDED if Verdict.UNDECIDED in known else Verdict.MIXED


def as_a_rule(cases: xr.DataArray, *, testable: bool = True) -> Verdict:
    """Of something that is there in a run or is not, over ``seed``: as most runs have it.

    >>> as_a_rule(xr.DataArray([True, False], dims="seed")).value, as_a_rule(xr.DataArray([True], dims="seed")).value
    ('mixed', 'one run')
    """
    return of_runs([exists(bool(each), testable=testable) for each in cases] or [Verdict.NOT_COMPUTED])


def by_run(runs: Sequence[Sequence[Claim]]) -> tuple[Claim, ...]:
    """The claims of single runs, the same of each, as one of all of them.

    Args:
        runs: the claims of each run, with verdicts of that run alone.
    """
    joined = []
    for same in zip(*runs, strict=True):
        verdict = of_runs([each.verdict for each in same])
        here = "; ".join(each.here for each in same)
        if verdict == Verdict.ONE_RUN:
            here += f" (1 run, {_ALONE.get(same[0].verdict, 'inconclusive by itself')})"
        joined.append(same[0]._replace(here=here, verdict=verdict))
    return tuple(joined)


_ALONE = {Verdict.REPRODUCED: "as in the paper", Verdict.NOT_REPRODUCED: "unlike the paper"}


def _decided(values: xr.DataArray, testable: bool, yes: _Test, no: _Test) -> Verdict:
    """The verdict of two tests, between which it is inconclusive; of fewer than two seeds there is none."""
    found = summary(values)
    if found.number == 0:
        return Verdict.NOT_COMPUTED
    if not testable or found.number == 1:
        return Verdict.ONE_RUN if testable else Verdict.NOT_TESTABLE
    if yes(found.mean, found.margin):
        return Verdict.REPRODUCED
    return Verdict.NOT_REPRODUCED if no(found.mean, found.margin) else Verdict.UNDECIDED
