"""Is the gain of Figure 1 more than missing regularisation? Our own question, with tuned baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from dynloss_book.engine.findings import Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import positive, told

STATIC, EARLY, TUNED, BOTH = "static", "static, stopped early", "static, tuned", "static, tuned, stopped early"
OSCILLATING, OSCILLATING_TUNED = "oscillating", "oscillating, tuned"
LEARNED = 0.15  # test accuracy, of ten classes: half as much again as by chance


def arms(curves: Mapping[str, xr.DataArray], epochs: Mapping[str, int]) -> dict[str, xr.DataArray]:
    """Test accuracy over seed of every arm.

    Args:
        curves: {STATIC, TUNED, OSCILLATING, OSCILLATING_TUNED: test accuracy over seed and epoch}; those there are.
        epochs: {STATIC, TUNED: number of the evaluation at which the tuning images would stop}.
    """
    stops = {
        STATIC: (STATIC, -1),
        EARLY: (STATIC, epochs.get(STATIC)),
        TUNED: (TUNED, -1),
        BOTH: (TUNED, epochs.get(TUNED)),
        OSCILLATING: (OSCILLATING, -1),
        OSCILLATING_TUNED: (OSCILLATING_TUNED, -1),
    }
    return {name: curves[run].isel(epoch=at) for name, (run, at) in stops.items() if run in curves}


def gains(found: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """The oscillating loss less each baseline, over the seeds that both have; tuned where the baseline is."""
    pairs = {STATIC: OSCILLATING, EARLY: OSCILLATING, TUNED: OSCILLATING_TUNED, BOTH: OSCILLATING_TUNED}
    return {name: found[ours] - found[name] for name, ours in pairs.items() if name in found and ours in found}


def judge(
    found: Mapping[str, xr.DataArray], tuned: Mapping[str, Mapping[str, float]], grid: Mapping[str, Sequence[float]],
    scale: str,
) -> Findings:  # fmt: skip
    """What is left of the gain against each baseline.

    Args:
        found: of ``arms``.
        tuned: {STATIC, OSCILLATING: peak rate and weight decay that were chosen}.
        grid: {peak_rate, weight_decay: the values to choose from}.
        scale: of the experiment, in words.
    """
    ours = [values for name, values in found.items() if name in (OSCILLATING, OSCILLATING_TUNED)]
    chosen = ", ".join(f"{name}: {_settings(settings)}" for name, settings in tuned.items())
    at_the_end = [
        f"{name}'s {quantity.replace('_', ' ')}"
        for name, settings in tuned.items()
        for quantity, values in grid.items()
        if len(values) > 1 and settings[quantity] == max(values)
    ]
    gained = gains(found)
    said = {name: interval(each, signed=True) for name, each in gained.items()}
    so_far = "; ".join(f"{name}: {gain}" for name, gain in said.items())
    summary = f"The gain over each baseline so far, {so_far}." if said else ""
    if TUNED in gained:
        summary = (
            "With learning rate and weight decay tuned for each of the two losses, the oscillating one gains "
            f"{said[TUNED]} in test accuracy over the static one"
            f"{f'; untuned it gains {said[STATIC]}' if STATIC in said else ''}."
        )
    verdict = positive(gained[TUNED]) if TUNED in gained else Verdict.NOT_COMPUTED
    if any(float(values.mean()) < LEARNED for values in ours):
        verdict = Verdict.NOT_TESTABLE  # the oscillating networks are too small to learn
    if at_the_end and gained:
        summary += (
            f" The search chose the largest value that it tried for {' and for '.join(at_the_end)}; a larger one "
            "might be better still."
        )
    return Findings(
        "cifar_tuned_baseline",
        "Is the gain more than missing regularisation?",
        told(
            verdict,
            "Yes: it remains significant with a tuned learning rate and weight decay.",
            "No: against the tuned baseline, oscillations lower the accuracy.",
            "No significant gain remains once learning rate and weight decay are tuned for both losses; "
            "period and amplitude are the paper's.",
        ),
        summary,
        f"{scale}; tuned: {chosen}",
    )


def table(found: Mapping[str, xr.DataArray]) -> list[dict[str, Any]]:
    """Rows of a table: every arm's test accuracy, and what the oscillating loss gains over it."""
    gained = gains(found)
    return [
        {"loss": name, "test accuracy": interval(values),
         "gain of the oscillating loss": interval(gained[name], signed=True) if name in gained else "–"}
        for name, values in found.items()
    ]  # fmt: skip


def _settings(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items())
