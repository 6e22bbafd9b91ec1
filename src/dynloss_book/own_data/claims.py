"""The example on other data: our own question."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book.engine.findings import Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import positive

_SAID = {
    Verdict.REPRODUCED: "yes",
    Verdict.NOT_REPRODUCED: "no, it lowers the accuracy",
    Verdict.UNDECIDED: "not significantly",
    Verdict.ONE_RUN: "one run of each decides nothing",
    Verdict.NOT_COMPUTED: "not computed yet",
}


def judge(finals: Mapping[str, Mapping[str, xr.Dataset]], scale: str) -> Findings:
    """What the dynamical loss gains in test accuracy over the best static one.

    Args:
        finals: {network: {"static": dataset, "dynamical": dataset, …}}, with ``test`` over digit and seed.
        scale: of the experiment, in words.
    """
    means = {label: {name: each.test.mean("digit") for name, each in ways.items()} for label, ways in finals.items()}
    gains = {label: ways["dynamical"] - ways["static"] for label, ways in means.items()}
    helped = [label for label, gain in gains.items() if positive(gain) is Verdict.REPRODUCED]
    words = [f"{label}: {_SAID[positive(gain)]} ({interval(gain, signed=True)})" for label, gain in gains.items()]
    return Findings(
        "own_data",
        "Does it help on your data?",
        f"On handwritten digits it improves the accuracy of {' and '.join(helped)}."
        if helped
        else "On handwritten digits no improvement is significant once the static loss has its best learning rate.",
        f"Improvement of the test accuracy of new networks: {'; '.join(words)}.",
        scale,
    )


def gains(results: Mapping[str, Mapping[str, xr.Dataset]]) -> list[dict[str, Any]]:
    """Rows of a table: accuracies, and the gain over the static loss at its best rate and at the same rate."""
    means = {
        (label, images): [result[images].mean("digit") for result in each.values()]
        for label, each in results.items()
        for images in ("training", "test")
    }
    return [
        {
            "network": label,
            "images": images,
            "static loss": interval(static),
            "dynamical loss": interval(dynamical),
            "gain": interval(dynamical - static, signed=True),
            "gain at the same rate": interval(dynamical - same, signed=True),
        }
        for (label, images), (static, dynamical, same) in means.items()
    ]
