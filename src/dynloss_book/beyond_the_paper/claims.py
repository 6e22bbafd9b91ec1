"""Beyond the paper: questions that it leaves open, and questions of our own, with answers."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval, simultaneous, summary
from dynloss_book.engine.verdicts import SIGN, enumerated, exists, positive, told
from dynloss_book.paper import SAYS
from dynloss_book.tasks.spiral import CLASSES

GUESS = 1 / CLASSES  # the accuracy of a network that knows nothing


def judge(
    by_waveform: Mapping[str, xr.DataArray], chosen: Mapping[str, Mapping[str, xr.DataArray]], scale: str
) -> Findings:
    """Whether the period matters, and whether the oscillations help other losses and optimisers.

    Args:
        by_waveform: {waveform: validation accuracy (period, seed)}, with "static", "triangle", "random, held" and
            "random, each step".
        chosen: {way: {"static": validation accuracy (seed,), "dynamical": …}}, each at the rate that is best for it.
        scale: in words.
    """
    gain, held, each = (
        _told((by_waveform[name] - by_waveform[other]).mean("period"))
        for name, other in (("triangle", "static"), ("random, held", "triangle"), ("random, each step", "triangle"))
    )
    best = float(by_waveform["triangle"].mean("seed").fillna(-1).idxmax("period"))
    there = _told((by_waveform["random, held"] - by_waveform["triangle"]).sel(period=best))
    claims = (_other_waveform(by_waveform), *(_elsewhere(way, values) for way, values in chosen.items()))
    gaining = [way for way, claim in zip(chosen, claims[1:], strict=True) if claim.verdict == Verdict.REPRODUCED]
    tuned = f"With tuned rates a significant gain is left with {enumerated(gaining) or 'none of them'}."
    return Findings(
        "beyond_the_paper",
        "Does the period matter, and does it work elsewhere?",
        told(
            claims[0].verdict,
            f"The triangular wave is not essential: in the mean over the periods other weights gain more. {tuned}",
            f"No other weights gain more than the triangular wave. {tuned}",
            f"The forms of the weights do not differ significantly. {tuned}",
        ),
        f"At the same learning rate, the gain of the oscillations in validation accuracy is {gain}, in the mean over "
        "the periods. The same weights drawn at random, without a period, gain over the triangular wave "
        f"{held} where each is held for $T$ steps, and {each} where they are drawn anew at each step. At the period "
        f"that is best for the triangular wave, T = {best:g}, held weights gain {there} over it. With each loss "
        f"at the best of a few learning rates, a significant gain remains in {len(gaining)} of {len(chosen)} "
        f"combinations of loss and optimiser ({'; '.join(chosen)}).",
        scale,
        claims,
    )


def _other_waveform(by_waveform: Mapping[str, xr.DataArray]) -> Claim:
    names = [name for name in by_waveform if name not in ("static", "triangle")]
    gains = xr.concat([(by_waveform[name] - by_waveform["triangle"]).mean("period") for name in names], "waveform")
    found = simultaneous(gains)
    better = [name for name, more in zip(names, (found.mean > found.margin).values, strict=True) if more]
    return Claim("Is another form of the weights better than the paper's triangular wave?", SAYS["other losses"],
                 "left open",
                 f"yes: {', '.join(better)}" if better else f"none of {len(names)} significantly",
                 exists(bool(better), testable=bool((found.number > 1).all())),
                 "significant at 5 % for all of them together (Bonferroni)", Kind.QUESTION)  # fmt: skip


def _elsewhere(way: str, values: Mapping[str, xr.DataArray]) -> Claim:
    gain = values["dynamical"] - values["static"]
    return Claim(f"Does the dynamical loss improve the accuracy with {way}, each loss at its best learning rate?",
                 SAYS["other losses"], "left open",
                 interval(gain, signed=True), positive(gain), SIGN, Kind.QUESTION)  # fmt: skip


def counted(sweep: xr.Dataset) -> xr.DataArray:
    """Validation accuracies, with the accuracy of chance where a network diverged; NaN where nothing is computed yet.

    Left out, as in Figure 3, a choice of settings would look the better the more of its networks are lost.
    """
    return sweep.validation_accuracy.fillna(GUESS).where(sweep.done)


def diverged(sweep: xr.Dataset) -> str:
    """How many of the computed networks diverged, in words."""
    return f"{int(sweep.diverged.sum())} of {int(sweep.done.sum())}"


def waveforms_table(
    by_waveform: Mapping[str, xr.DataArray],
    labels: Mapping[str, str],
    strengths: Mapping[str, float],
    lost: Mapping[str, str],
):
    """Rows of a table: of each waveform the accuracy, its gain over the static loss, and its distance to the triangle.

    Args:
        by_waveform: as for ``judge``, by ``counted``.
        labels, strengths, lost: of each waveform, the last by ``diverged``.
    """
    mean = {name: values.mean("period") for name, values in by_waveform.items()}
    return [
        {
            "weights": labels[name],
            "strength": round(strengths[name], 2),
            "validation accuracy": interval(values, bounds=SHARE),
            "gain over static": interval(values - mean["static"], signed=True) if name != "static" else "",
            "gain over the triangle": interval(values - mean["triangle"], signed=True) if name != "triangle" else "",
            "diverged": lost[name],
        }
        for name, values in mean.items()
    ]


def choose(sweep: xr.Dataset, searched: int) -> tuple[dict[str, xr.DataArray], dict[str, float]]:
    """Static and dynamical validation accuracies, each at the rate that is best for it, and these rates.

    The rates are chosen by the first ``searched`` seeds, and the accuracies are those of the others, so that no luck
    of the search is counted.

    Args:
        sweep: ``validation_accuracy`` (learning_rate, amplitude, seed), with A = 1, and ``done``.
        searched: how many seeds.
    """
    accuracy = counted(sweep)
    search, test = accuracy.isel(seed=slice(None, searched)), accuracy.isel(seed=slice(searched, None))
    values, rates = {}, {}
    for name, amplitude in (("static", accuracy.amplitude.min()), ("dynamical", accuracy.amplitude.max())):
        mean = summary(search.sel(amplitude=amplitude)).mean.fillna(-1)  # a rate without a network is never the best
        rates[name] = float(mean.learning_rate[int(mean.argmax("learning_rate"))])
        values[name] = test.sel(amplitude=amplitude, learning_rate=rates[name], drop=True)
    return values, rates


def ways_table(
    chosen: Mapping[str, Mapping[str, xr.DataArray]],
    rates: Mapping[str, Mapping[str, float]],
    lost: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Rows of a table: of each way both accuracies, at which rate, and the gain between the same seeds.

    Args:
        chosen, rates: of each way, by ``choose``.
        lost: of each way, over all rates that were tried, by ``diverged``.
    """
    return [
        {
            "way": way,
            "static": interval(values["static"], bounds=SHARE),
            "its rate": rates[way]["static"],
            "dynamical": interval(values["dynamical"], bounds=SHARE),
            "its best rate": rates[way]["dynamical"],
            "gain": interval(values["dynamical"] - values["static"], signed=True),
            "diverged, at all rates": lost[way],
        }
        for way, values in chosen.items()
    ]


def _told(difference: xr.DataArray) -> str:
    """A difference with its interval, and whether it is significant."""
    found = summary(difference)
    return interval(difference, signed=True) + ("" if abs(found.mean) > found.margin else " (not significant)")
