"""Figure S3: what stopping the oscillations brings."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import SIGN, positive
from dynloss_book.tasks.cifar10 import WHY, decides, scale

APPRECIABLY = 0.5  # of their earlier size


def fluctuation(values: xr.DataArray, stop_epoch: int) -> xr.DataArray:
    """The change of the accuracy from one evaluation to the next: in the last quarter before the stop, over the third.

    Args:
        values: over epoch and seed.
        stop_epoch: where the oscillations stop.
    """
    change = abs(values.diff("epoch"))
    early = change.where((change.epoch > stop_epoch / 2) & (change.epoch <= 3 * stop_epoch / 4)).mean("epoch")
    late = change.where((change.epoch > 3 * stop_epoch / 4) & (change.epoch <= stop_epoch)).mean("epoch")
    return late / early


def dotted_line(both: xr.Dataset) -> float:
    """The best validation accuracy that any network had with the static loss, at any epoch."""
    return float(both.validation_accuracy.sel(amplitude=1).max())


def breakdowns(both: xr.Dataset) -> str:
    """In how many networks training breaks down: half of the training accuracy is lost between two evaluations.

    Args:
        both: ``accuracy`` over amplitude (1 among them), seed and epoch, of networks that are all computed; NaN, where
            one has diverged, counts too.

    Returns:
        A sentence in Markdown.
    """
    before, after = both.accuracy.isel(epoch=slice(None, -1)), both.accuracy.isel(epoch=slice(1, None))
    lost = ~(after.assign_coords(epoch=before.epoch) > before / 2)
    said = []
    for amplitude, broken in zip(both.amplitude.values, lost.any("epoch").transpose("amplitude", ...), strict=True):
        first = lost.sel(amplitude=amplitude).idxmax("epoch").where(broken).dropna("seed").values
        diverged = int(both.accuracy.sel(amplitude=amplitude).isel(epoch=-1).isnull().sum())
        name = "the static loss" if amplitude == 1 else f"$A = {amplitude:g}$"
        said.append(
            f"with {name} in {int(broken.sum())} of {broken.sizes['seed']} networks"
            + (f", after epoch {', '.join(f'{epoch:g}' for epoch in sorted(first))}" if first.size else "")
            + (f" ({diverged} diverged)" if diverged else "")
        )
    return f"Training breaks down {'; '.join(said)}. *Half of the training accuracy lost between two evaluations.*"


def _between(epoch: xr.DataArray, first: float, last: float) -> xr.DataArray:
    """From a share of the last of these epochs on until it: many phases of the oscillations, and not only one."""
    return (epoch > first * last) & (epoch <= last)


def judge(both: xr.Dataset, amplitude: float, stop_epoch: int, settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S3, as differences in validation accuracy between the same seeds.

    Args:
        both: ``validation_accuracy`` over amplitude (1 and A), seed and epoch.
        amplitude: A.
        stop_epoch: where the oscillations stop.
        settings: of the experiment.
    """
    values = both.validation_accuracy
    end, stopped = values.isel(epoch=-1), values.where(_between(values.epoch, 0.9, stop_epoch)).mean("epoch")
    early = values.sel(amplitude=1).where(_between(values.epoch, 0.5, stop_epoch / 2)).mean("epoch")
    until = values.where(both.epoch <= stop_epoch).mean("epoch")
    signs = decides(settings)
    differences = {
        "Stopping the oscillations raises the validation accuracy": (end - stopped).sel(amplitude=amplitude),
        "… by more than the static loss gains in that time": (end - stopped).diff("amplitude").squeeze(),
        "With oscillations learning is slower: the static loss leads until the stop": until.sel(amplitude=1)
        - until.sel(amplitude=amplitude),
        "The static loss over-fits: in the second quarter of the time until the stop it is above its end": early
        - end.sel(amplitude=1),
        "With oscillations the end is higher than with the static loss": end.diff("amplitude").squeeze(),
        "… and above the dotted line, its best at any epoch and seed": end.sel(amplitude=amplitude) - dotted_line(both),
    }
    claims = tuple(
        Claim(statement, "Supplement III, Figure S3", "> 0", interval(each, signed=True),
              positive(each, testable=signs), f"{SIGN}; {WHY}")
        for statement, each in differences.items()
    )
    shrunk = fluctuation(values.sel(amplitude=amplitude), stop_epoch)
    claims += (
        Claim("The oscillations do not become appreciably smaller before they are stopped", "Supplement III, Figure S3",
              "not appreciably", f"{interval(shrunk)} of what they were at first",
              positive(shrunk - APPRECIABLY, testable=signs),
              f"the whole 95 % interval above {APPRECIABLY:g} of the change from one evaluation to the next"),
    )  # fmt: skip
    said = {
        Verdict.REPRODUCED: "Yes:",
        Verdict.NOT_REPRODUCED: "No:",
        Verdict.UNDECIDED: "Undecided:",
        Verdict.NOT_TESTABLE: "This scale decides nothing:",
    }.get(claims[0].verdict, "Not computed yet:")
    return Findings(
        "figS3_stopping_oscillations",
        "Does it help to stop the oscillations before the end?",
        f"{said} from the last tenth of the oscillations to the end the validation accuracy changes by "
        f"{claims[0].here}, and it ends {claims[4].here} above the static loss.",
        scale(both, settings),
        claims,
    )
