"""Classes of unequal size: our own question."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from dynloss_book.engine.findings import Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import positive


def judge(results: Mapping[str, Mapping[str, xr.DataArray]], rare: Sequence[int]) -> Findings:
    """What balance and oscillations bring to the test accuracy on the rare digits.

    Args:
        results: {network: {"static", "dynamical", "static and balanced", "dynamical and balanced": test accuracy over
            digit and seed}}.
        rare: the digits with few samples.
    """
    means = {
        label: {way: test.sel(digit=list(rare)).mean("digit") for way, test in ways.items()}
        for label, ways in results.items()
    }

    def gaining(way: str, other: str) -> list[str]:
        return [label for label, of in means.items() if positive(of[way] - of[other]) is Verdict.REPRODUCED]

    helped = gaining("dynamical and balanced", "static and balanced")
    more = gaining("static and balanced", "dynamical")
    alike = [label for label in means if label not in more]
    worse = gaining("static", "dynamical")
    words = [
        f"{label}: balance {interval(of['static and balanced'] - of['static'], signed=True)}, oscillations alone "
        f"{interval(of['dynamical'] - of['static'], signed=True)}, oscillations after balance "
        f"{interval(of['dynamical and balanced'] - of['static and balanced'], signed=True)}"
        for label, of in means.items()
    ]
    return Findings(
        "unequal_classes",
        "Do oscillations replace balanced weights?",
        "No: balanced weights do more than oscillations alone; once the weights are balanced, oscillations "
        + (f"add to them for {' and '.join(helped)}." if helped else "bring no significant improvement.")
        if not alike
        else f"For some networks: oscillations alone do as much as balanced weights, {' and '.join(alike)}.",
        f"Improvement of the test accuracy on the rare digits, with {'; with '.join(words)}."
        + f" Alone, oscillations lower this accuracy significantly with {' and with '.join(worse)}." * bool(worse),
        "900 training images of 8 × 8 pixels, three digits thinned to a tenth",
    )


def table(results: Mapping[str, Mapping[str, xr.DataArray]], rare: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a table: test accuracy on rare and other digits, and the gain over the static loss with balance."""
    base = {label: ways["static and balanced"].mean("digit") for label, ways in results.items()}
    return [
        {
            "network": label,
            "loss": way,
            "rare digits": interval(test.sel(digit=list(rare)).mean("digit")),
            "other digits": interval(test.drop_sel(digit=list(rare)).mean("digit")),
            "all digits": interval(test.mean("digit")),
            "gain over static and balanced": interval(test.mean("digit") - base[label], signed=True),
        }
        for label, ways in results.items()
        for way, test in ways.items()
    ]
