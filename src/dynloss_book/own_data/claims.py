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


def judge(finals: Mapping[str, Mapping[str, xr.Dataset]], samples: int) -> Findings:
    """What the dynamical loss gains in test accuracy over the best static one.

    Args:
        finals: {network: {"static": dataset, "dynamical": dataset, …}}, with ``test`` over digit and seed.
        samples: training images.
    """
    words, helped = [], []
    for label, each in finals.items():
        gain = each["dynamical"].test.mean("digit") - each["static"].test.mean("digit")
        helped += [label] * (positive(gain) is Verdict.REPRODUCED)
        words.append(f"{label}: {_SAID[positive(gain)]} ({interval(gain, signed=True)})")
    return Findings(
        "own_data",
        "Does it help on your data?",
        f"On handwritten digits it improves the accuracy of {' and '.join(helped)}."
        if helped
        else "On handwritten digits no improvement is significant once the static loss has its best learning rate.",
        f"Improvement of the test accuracy of new networks: {'; '.join(words)}.",
        f"{samples} training images of 8 × 8 pixels",
    )


def gains(results: Mapping[str, Mapping[str, xr.Dataset]]) -> list[dict[str, Any]]:
    """Rows of a table: accuracies, and the gain over the static loss at its best rate and at the same rate."""
    rows = []
    for label, each in results.items():
        for name in ("training", "test"):
            static, dynamical, same = (result[name].mean("digit") for result in each.values())
            rows.append(
                {
                    "network": label,
                    "images": name,
                    "static loss": interval(static),
                    "dynamical loss": interval(dynamical),
                    "gain": interval(dynamical - static, signed=True),
                    "gain at the same rate": interval(dynamical - same, signed=True),
                }
            )
    return rows
