"""Figure S3: what stopping the oscillations brings."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Sentence, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import SIGN, agreed, positive, told
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
    return (
        f"Training breaks down {'; '.join(said)}. "
        "(A breakdown: half of the training accuracy is lost between two evaluations.)"
    )


def _mean(values: xr.DataArray, first: float, last: float) -> xr.DataArray:
    """Over the epochs from a share of the last of these on until it: many phases of the oscillations, not only one."""
    epoch = values.epoch
    return values.isel(epoch=((epoch > first * last) & (epoch <= last)).values).mean("epoch", skipna=False)


def _differences(
    both: xr.Dataset, amplitude: float, stop_epoch: int
) -> dict[str, tuple[Sentence, dict[str, xr.DataArray]]]:
    """What the claims say is above zero, over seed: each statement with its sentence and one comparison or several.

    Differences in validation accuracy, between the same seeds. Arguments as for ``judge``.
    """
    values = both.validation_accuracy
    static, oscillating = values.sel(amplitude=1), values.sel(amplitude=amplitude)
    stopped, until = _mean(values, 0.9, stop_epoch), _mean(values, 0, stop_epoch)
    end, gained = values.isel(epoch=-1), values.isel(epoch=-1) - stopped
    peak = static.isel(epoch=int(static.mean("seed", skipna=False).fillna(-1).argmax("epoch")))
    return {
        "Stopping the oscillations raises the validation accuracy": (
            paper.SAYS["stopping"], {"": gained.sel(amplitude=amplitude)}),
        "… by more than the static loss gains in the same time": (
            paper.SAYS["stopping"], {"": gained.sel(amplitude=amplitude) - gained.sel(amplitude=1)}),
        "With oscillations learning is slower: the static loss leads until the stop": (
            paper.SAYS["slower"], {"": until.sel(amplitude=1) - until.sel(amplitude=amplitude)}),
        "The static loss over-fits: its validation accuracy was higher before the end": (
            paper.SAYS["overfits"],
            {"in the second quarter of the time until the stop": _mean(static, 0.5, stop_epoch / 2)
                             - end.sel(amplitude=1),
                             "where the mean over seeds is highest": peak - end.sel(amplitude=1)}),
        "At the end the accuracy is higher with oscillations than with the static loss": (
            paper.SAYS["slower"], {"": oscillating.isel(epoch=-1) - end.sel(amplitude=1)}),
        "The fluctuations of the accuracy do not become appreciably smaller before the stop": (
            paper.SAYS["not reduced"],
            {f"(their late size over their early one, less {APPRECIABLY:g})": fluctuation(oscillating, stop_epoch)
                                - APPRECIABLY}),
    }  # fmt: skip


def above_the_line(both: xr.Dataset, amplitude: float) -> tuple[str, Verdict]:
    """The ends with oscillations beside the dotted line, in words, and what follows from them."""
    values = both.validation_accuracy
    line, ends = dotted_line(both), values.sel(amplitude=amplitude).isel(epoch=-1).dropna("seed")
    own = values.sel(amplitude=1, seed=ends.seed.values).max("epoch")
    above, number = int((ends > line).sum()), ends.size
    said = (
        f"{above} of {number} oscillating networks are above the best static accuracy of any seed "
        f"and epoch ({line:.3f}), {int((ends > own).sum())} of {number} above "
        "the best of the static network with their own seed"
    )
    if number < 2:
        return said, Verdict.ONE_RUN if number else Verdict.NOT_COMPUTED
    return said, {0: Verdict.NOT_REPRODUCED, number: Verdict.REPRODUCED}.get(above, Verdict.MIXED)


def judge(
    both: xr.Dataset, amplitude: float, stop_epoch: int, settings: Mapping[str, Any], papers: xr.Dataset | None = None
) -> Findings:
    """The claims of Figure S3.

    Args:
        both: ``validation_accuracy`` over amplitude (1 and A), seed and epoch.
        amplitude: A.
        stop_epoch: where the oscillations stop.
        settings: of the experiment.
        papers: the same at the paper's scale, where available: then it decides.
    """
    signs, here = decides(settings), _differences(both, amplitude, stop_epoch)
    reduced = papers is None and any(settings.get(name) != value for name, value in paper.FIGURE_1.items())
    theirs = float(paper.FIGURE_1_POINT["amplitude"])
    decisive = here if papers is None else _differences(papers, theirs, paper.FIGURE_1_STOP)

    def beside(words: str, small: str) -> str:
        return words if papers is None else f"{words}, at the paper's scale; at reduced scale {small}"

    claims = [
        Claim(statement, sentence, "> 0", beside(_words(found), _words(here[statement][1])),
              agreed(*(positive(each, testable=signs or papers is not None) for each in found.values())),
              SIGN + ("" if papers is not None else f"; {WHY}"), reduced=reduced)
        for statement, (sentence, found) in decisive.items()
    ]  # fmt: skip
    small, verdict = above_the_line(both, amplitude)
    if papers is not None:
        words, verdict = above_the_line(papers, theirs)
    elif not signs and verdict != Verdict.NOT_COMPUTED:
        verdict = Verdict.NOT_TESTABLE
    dotted = Claim(
        "Each end is above the dotted line, the best of all static networks at any epoch", paper.SAYS["dotted"], "all",
        small if papers is None else beside(words, small), verdict,
        "mixed if some are; the line is the largest of hundreds of values and rises with their number",
        reduced=reduced,
    )  # fmt: skip
    return Findings(
        "figS3_stopping_oscillations",
        "Does it help to stop the oscillations before the end?",
        told(
            claims[0].verdict,
            "Yes: stopping improves the validation accuracy",
            "No: stopping lowers the validation accuracy",
            "Stopping the oscillations before the end makes no difference that these seeds can show",
        ).rstrip(".")
        + told(claims[4].verdict, "; oscillating runs end higher.", "; oscillating runs do not end higher.", "."),
        f"From the last tenth of the oscillations to the end the validation accuracy rises by "
        f"{claims[0].here}. The gain over the static loss at the end is {claims[4].here}. The paper's dotted line: at "
        f"the end, {dotted.here}."
        + ("" if papers is None else f" {breakdowns(papers)}"),
        scale(both, settings, papers),
        (*claims[:5], dotted, *claims[5:]),
    )


def _words(found: Mapping[str, xr.DataArray]) -> str:
    return ", ".join(f"{interval(values, signed=True)} {name}".strip() for name, values in found.items())
