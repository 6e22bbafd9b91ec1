"""Figure 3 under other interpretations of the paper: do its claims hold under any of them?"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import interval, simultaneous, summary
from dynloss_book.engine.verdicts import none_positive
from dynloss_book.paper import FIGURE_3, FIGURE_3_REGIONS, FIGURE_3_SCALE, FIGURE_3_STATIC, NEARLY_PERFECT, SAYS, VAGUE

SMALL = 0.01  # a gain that would matter: the smallest that two digits show
SETTLED = "1,000 static steps more"  # after an end that leaves networks bouncing
GLOROT = "Glorot initialisation"  # that of the authors' later notebook
BOOK, OURS = "the book's", "midway"  # the way to train and the validation set of Figure 3's page


def static(networks: xr.Dataset) -> xr.Dataset:
    """The networks at A = 1, where the period means nothing."""
    return networks.sel(amplitude=1).mean("period")


def inside(networks: xr.Dataset, width: str) -> xr.Dataset:
    """The mean over the region that the paper names; of seeds with all its points."""
    return _points(networks, width).mean(["period", "amplitude"], skipna=False)


def perfect(networks: xr.Dataset) -> str:
    """At how many points of its region the narrow network is nearly perfect, in the mean over seeds."""
    means = _points(networks, "narrow").accuracy.mean("seed")
    return f"{int((means >= NEARLY_PERFECT).sum())} of {means.size}"


def _points(networks: xr.Dataset, width: str) -> xr.Dataset:
    return networks.where(FIGURE_3_REGIONS[width].holds(networks.period, networks.amplitude), drop=True)


def gains(ways: Mapping[str, xr.Dataset], width: str) -> xr.DataArray:
    """Each validation set after training in the book's way, and each other way on the book's validation set.

    Args:
        ways: {way to train: ``validation_accuracy`` over period, amplitude (1 among them), seed and validation}.
        width: "narrow" or "wide".

    Returns:
        The gain in validation accuracy inside the region, the same seeds compared, over ``gain`` (``way`` to train and
        ``validation`` set) and seed.
    """
    differences = {
        way: inside(networks, width).validation_accuracy - static(networks).validation_accuracy
        for way, networks in ways.items()
    }
    found = {
        (way, str(name)): each.sel(validation=name, drop=True)
        for way, each in differences.items()
        for name in (each.validation.values if way == BOOK else [OURS])
    }
    names = pd.MultiIndex.from_tuples(found, names=["way", "validation"])
    coords = xr.Coordinates.from_pandas_multiindex(names, "gain")
    return xr.concat(found.values(), "gain").assign_coords(coords)


def judge(networks: Mapping[str, Mapping[str, xr.Dataset]], settings: Mapping[str, Any]) -> Findings:
    """Whether the claims of Figure 3 hold under any interpretation.

    Args:
        networks: {"narrow", "wide": {way to train: accuracies, as for ``gains``}}.
        settings: ``steps``, and ``narrow`` and ``wide``, the hidden units.
    """
    wide = gains(networks["wide"], "wide")
    together = simultaneous(wide)  # the more interpretations, the likelier one gains by luck
    alone = {way: static(each).accuracy for way, each in networks["narrow"].items()}
    region = {way: inside(each, "narrow").accuracy for way, each in networks["narrow"].items()}
    nearest = min(alone, key=lambda way: abs(float(summary(alone[way]).mean) - FIGURE_3_STATIC))
    highest = max(region, key=lambda way: float(summary(region[way]).mean))
    testable = all(settings[name] == FIGURE_3[name] for name in ("narrow", "wide", "steps"))
    clearest = wide[int((together.mean - together.margin.fillna(0)).fillna(-np.inf).argmax("gain"))]
    absent = none_positive(wide, SMALL, testable=testable)
    if absent == Verdict.NOT_COMPUTED and bool(wide.notnull().any()):
        absent = Verdict.UNDECIDED  # of one seed
    claims = (
        Claim(f"Does the wide network gain in its region under any interpretation (clearest: {_called(clearest)})?",
              SAYS["wide region"],
              "> 0", interval(clearest, signed=True), _OPPOSITE.get(absent, absent),
              f"at least one interval is above zero, at 95 % for all of them together; no, if each is below {SMALL:g}"),
        Claim(f"Does the narrow network reach {FIGURE_3_STATIC:g} with the static loss under any (nearest: {nearest})?",
              SAYS["narrow static"],
              f"≈ {FIGURE_3_STATIC:g}", interval(alone[nearest]),
              _any(alone.values(), FIGURE_3_STATIC - VAGUE, FIGURE_3_STATIC + VAGUE, testable),
              f"the mean of at least one is within {VAGUE:g}; inconclusive if only an interval reaches it"),
        Claim(f"Is the narrow network's whole region nearly perfect under any (best: {highest})?",
              SAYS["narrow region"],
              f"at least {NEARLY_PERFECT:g}", interval(region[highest]),
              _any(region.values(), NEARLY_PERFECT, 1, testable),
              "the mean of at least one is; inconclusive if only an interval reaches it"),
    )  # fmt: skip
    positive = wide[(together.mean > together.margin).values]
    shown = {BOOK: f"{BOOK} way", SETTLED: SETTLED}
    nearly = [f"{perfect(each)} points with {shown[way]}" for way, each in networks["narrow"].items() if way in shown]
    narrow = gains(networks["narrow"], "narrow")
    start = (
        f"With the initialisation of the authors' later notebook the narrow network's training accuracy without "
        f"oscillations is {interval(alone[GLOROT])} in place of {interval(alone[BOOK])}, and its gain in validation "
        f"accuracy is {interval(narrow.sel(way=GLOROT, validation=OURS), signed=True)} in place of "
        f"{interval(narrow.sel(way=BOOK, validation=OURS), signed=True)}. "
        if GLOROT in alone
        else ""
    )
    said = f"it gains significantly with {', '.join(map(_called, positive))}"
    return Findings(
        "spiral_interpretations",
        "Does the wide network gain under any interpretation of the paper?",
        f"The wide network gains significantly under {len(positive) or 'none'} of {len(wide)} interpretations.",
        f"Of {len(wide)} interpretations, {said if len(positive) else 'none gives a significant gain'}; "
        f"with Figure 3's own the gain is {interval(wide.sel(way=BOOK, validation=OURS), signed=True)}. {start}In the "
        f"paper's region, on the grid of this page, the narrow network's training accuracy is {NEARLY_PERFECT:g} or "
        f"more at {', at '.join(nearly)}.",
        f"{settings['narrow']} and {settings['wide']} units, "
        f"{networks['narrow'][BOOK].sizes['seed']} and {networks['wide'][BOOK].sizes['seed']} seeds, "
        f"{settings['steps']:,} steps; {FIGURE_3_SCALE}",
        tuple(claim._replace(kind=Kind.QUESTION, reduced=not testable) for claim in claims),
    )


def table(networks: Mapping[str, Mapping[str, xr.Dataset]]) -> list[dict[str, str]]:
    """Rows of a table: the gain in each interpretation, and the accuracies behind it."""
    return [
        {
            "network": width,
            "training": way,
            "validation set": validation,
            "static, training": interval(static(ways[way]).accuracy),
            "static, validation": interval(static(ways[way]).validation_accuracy.sel(validation=validation)),
            "inside, training": interval(inside(ways[way], width).accuracy),
            "gain": interval(gain, signed=True),
            "± for all together": f"{float(margin):.3f}".replace("nan", "–"),
        }
        for width, ways in networks.items()
        for each in [gains(ways, width)]
        for (way, validation), gain, margin in zip(each.gain.values, each, simultaneous(each).margin, strict=True)
    ]


_OPPOSITE = {Verdict.REPRODUCED: Verdict.NOT_REPRODUCED, Verdict.NOT_REPRODUCED: Verdict.REPRODUCED}


def _any(found: Iterable[xr.DataArray], low: float, high: float, testable: bool) -> Verdict:
    """Whether the mean of at least one lies between these, or its interval leaves that open."""
    if not testable:
        return Verdict.NOT_TESTABLE
    means = [summary(each) for each in found]
    if any(low <= float(each.mean) <= high for each in means):
        return Verdict.REPRODUCED
    outside = [float(each.mean + each.margin) < low or float(each.mean - each.margin) > high for each in means]
    return Verdict.NOT_REPRODUCED if all(outside) else Verdict.UNDECIDED


def _called(gain: xr.DataArray) -> str:
    way, validation = gain.gain.item()
    return f"{way}, {validation}" if way == BOOK else way
