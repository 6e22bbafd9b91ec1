"""Is the gain of Figure 1 more than a breakdown of static training at its learning rate? Our own question."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import ANSWERS, Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval
from dynloss_book.engine.verdicts import SIGN, enumerated, positive, told

BROKEN = 0.01  # validation accuracy that the static loss ends below its own best: as near as the paper gives numbers
LEARNED = 0.15  # validation accuracy, of ten classes: half as much again as by chance


def ends(both: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Validation accuracy after training of the static and of the oscillating loss, over peak rate and seed."""
    last = both.validation_accuracy.isel(epoch=-1)
    return last.isel(amplitude=0, drop=True), last.isel(amplitude=1, drop=True)


def candidates(both: xr.Dataset) -> xr.DataArray:
    """The peak rates at which most seeds have both networks: a mean over fewer may be high by luck."""
    pairs = both.done.all("amplitude").sum("seed")
    return both.peak_rate[pairs == pairs.max()]


def best_rates(both: xr.Dataset) -> list[float]:
    """The candidates at which the static and the oscillating loss end best, in the mean over seeds.

    A network that has diverged has learned nothing.
    """
    some = both.isel(amplitude=[0, 1]).sel(peak_rate=candidates(both))
    means = some.validation_accuracy.isel(epoch=-1).fillna(0).where(some.done).mean("seed").fillna(-1)
    return means.idxmax("peak_rate").values.tolist()


def enclosed(both: xr.Dataset) -> bool:
    """Whether each loss ends best at a candidate between two others: at an end, a rate beyond may be better."""
    rates = candidates(both).values
    return all(rates.min() < rate < rates.max() for rate in best_rates(both))


def at_their_best(both: xr.Dataset) -> xr.DataArray:
    """The gain of the oscillating loss, each loss at its best peak rate; over seed."""
    one, other = (each.sel(peak_rate=rate, drop=True) for each, rate in zip(ends(both), best_rates(both), strict=True))
    return other - one


def lost(both: xr.Dataset, loss: int) -> xr.DataArray:
    """How far the static (0) or oscillating (1) loss ends below its own best accuracy, over peak rate and seed."""
    curves = both.validation_accuracy.isel(amplitude=loss, drop=True)
    return curves.max("epoch") - curves.isel(epoch=-1)


def judge(both: xr.Dataset, scale: str, settings: Mapping[str, Any]) -> Findings:
    """What is left of the gain at other peak rates.

    Args:
        both: ``validation_accuracy`` over peak_rate, amplitude (1 and A), seed and epoch; NaN where a network has
            diverged or is not computed yet.
        scale: of the experiment, in words.
        settings: of the experiment.
    """
    best, (_, oscillating) = at_their_best(both), ends(both)
    verdict, known = positive(best), enclosed(both)
    if verdict != Verdict.NOT_COMPUTED and float(oscillating.max()) < LEARNED:
        verdict = Verdict.NOT_TESTABLE  # the networks are too small to learn
    elif verdict in ANSWERS and not known:
        verdict = Verdict.UNDECIDED
    one, other = best_rates(both)
    rates = f"{one:g}" if one == other else f"{one:g} (static) and {other:g} (oscillating)"
    summary = ""
    if verdict not in (Verdict.NOT_COMPUTED, Verdict.NOT_TESTABLE):
        summary = (
            f"Peak rates with most networks: {enumerated([f'{each:g}' for each in candidates(both).values])}. "
            f"Of these, each loss ends best at {rates}, where the gain in the final validation "
            f"accuracy is {interval(best, signed=True)}; the paper gives {paper.FIGURE_1_GAIN:g} at "
            f"{paper.FIGURE_1['peak_rate']:g}. There static "
            f"training ends more than {BROKEN:g} below its own best in {fallen(lost(both, 0).sel(peak_rate=one))} "
            "networks."
        )
    reduced = any(settings.get(name, value) != value for name, value in paper.FIGURE_1.items())
    claim = Claim("Is there a gain with each loss at its best peak learning rate?",
                  paper.SAYS["gain point"], f"≈ {paper.FIGURE_1_GAIN:+g} at one rate",
                  f"{interval(best, signed=True)} at {rates}", verdict,
                  f"{SIGN}; inconclusive where the best rate of a loss is not between two others with as many networks",
                  Kind.QUESTION, reduced)  # fmt: skip
    points = f"{100 * float(best.mean()):.1f} percentage points"
    return Findings(
        "cifar_learning_rate",
        "Is the gain of Figure 1 more than a breakdown of static training at its learning rate?",
        told(
            claim.verdict,
            f"{'A small part' if best.mean() < paper.FIGURE_1_GAIN / 2 else 'Most'} of the gain remains with each loss "
            f"at its best learning rate: {points}; the paper reports {100 * paper.FIGURE_1_GAIN:g} at one rate.",
            "No: with each loss at its best learning rate, oscillations lower the accuracy.",
            "Inconclusive: with each loss at its best learning rate, the gain is not significant."
            if known else
            "Inconclusive: too few learning rates are computed to know the best one. At the best so far the gain is "
            f"{points}; the paper reports {100 * paper.FIGURE_1_GAIN:g}.",
        ),
        summary,
        scale,
        (claim,),
    )  # fmt: skip


def fallen(below: xr.DataArray) -> str:
    """In how many networks a loss ends below its best, of its distance, over seed."""
    return f"{int((below > BROKEN).sum())} of {int(below.notnull().sum())}"


def table(both: xr.Dataset) -> list[dict[str, str]]:
    """Rows of a table: the ends of both losses at each peak rate, and with each loss at its best candidate."""
    static, oscillating = ends(both)
    rows = [
        {
            "peak rate": f"{rate:g}",
            "static": interval(static.sel(peak_rate=rate), bounds=SHARE),
            f"static ends more than {BROKEN:g} below its best": fallen(lost(both, 0).sel(peak_rate=rate)),
            "oscillating": interval(oscillating.sel(peak_rate=rate), bounds=SHARE),
            f"oscillating ends more than {BROKEN:g} below its best": fallen(lost(both, 1).sel(peak_rate=rate)),
            "gain": interval((oscillating - static).sel(peak_rate=rate), signed=True),
        }
        for rate in both.peak_rate.values
    ]
    return [*rows, {**dict.fromkeys(rows[0], "–"), "peak rate": "each at its best so far",
                    "gain": interval(at_their_best(both), signed=True)}]  # fmt: skip
