"""The registered test: what is asked, and when it counts as answered. The rule is older than the results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import interval, simultaneous
from dynloss_book.engine.verdicts import SIGN, enumerated, positive
from dynloss_book.registered_test.experiment import TASKS

MATTERS = 0.01  # the smallest gain in accuracy for which one would take the trouble
WHY = f"yes from a gain of {MATTERS:g} on, above 0 at 95 % shared among all conditions; no where that much is excluded"


def judge(gains: xr.DataArray, scale: str) -> Findings:
    """Whether the oscillating loss gains on each task, at any width, and whether small networks gain more.

    Args:
        gains: oscillating less static test accuracy, over task, width and seed; NaN where nothing is computed.
        scale: in words.
    """
    asked = tuple(
        Claim(f"Does the oscillating loss gain with {task}, both losses tuned alike?", paper.SAYS["untangle"],
              "left open", _told(gains, task, gains.width.values), gained(gains, task=task), WHY, Kind.QUESTION)
        for task in gains.task.values
    )  # fmt: skip
    smaller = (gains.isel(width=0) - gains.isel(width=-1)).mean("task", skipna=False)
    clean, largest = TASKS[0], gains.width.values[-1:]
    hypotheses = (
        Claim("Does the smallest network gain more than the largest?", paper.SAYS["higher training"], "as a rule",
              interval(smaller, signed=True), positive(smaller), SIGN, Kind.QUESTION),
        Claim(f"Is a gain of {MATTERS:g} left with {clean} and the largest network?", paper.SAYS["untangle"],
              "left open", _told(gains, clean, largest),
              gained(gains, task=clean, width=largest), WHY, Kind.QUESTION),
    )  # fmt: skip
    verdicts = {str(task): claim.verdict for task, claim in zip(gains.task.values, asked, strict=True)}
    yes = [task for task, found in verdicts.items() if found == Verdict.REPRODUCED]
    found = simultaneous(gains)
    if yes:
        plain = f"Yes: tuned alike, the oscillating loss gains with {enumerated(yes)}."
    elif set(verdicts.values()) & {Verdict.ONE_RUN, Verdict.NOT_COMPUTED}:
        plain = "Not decided yet: the plan below was registered first, and only a part of it is computed."
    else:
        plain = (
            f"With both losses tuned alike, none of {found.mean.size} conditions shows a significant gain of a "
            f"hundredth on these digits; {int((found.mean + found.margin < 0).sum())} lose, and such a gain is "
            f"excluded in {int((found.mean + found.margin < MATTERS).sum())}."
        )
    held = {Verdict.REPRODUCED: "held", Verdict.NOT_REPRODUCED: "failed"}
    none = {Verdict.REPRODUCED: "failed", Verdict.NOT_REPRODUCED: "held"}
    first, second, third = *(each.verdict for each in hypotheses), gained(gains, task=list(TASKS[1:]))
    words = "; ".join(f"{task}: {claim.here}" for task, claim in zip(gains.task.values, asked, strict=True))
    return Findings(
        "registered_test", "Does it help where both losses are tuned alike?", plain,
        f"Gain in test accuracy, by the number of hidden units, with intervals that hold for all together at 95 %. "
        f"{words[0].upper()}{words[1:]}. Hypotheses: (1) the smallest network gains more than the largest: "
        f"{held.get(first, first)}; (2) no gain of {MATTERS:g} is left with {clean} and the largest: "
        f"{none.get(second, second)}; (3) nor with {enumerated(TASKS[1:])}: {none.get(third, third)}.",
        scale, (*asked, *hypotheses),
    )  # fmt: skip


def gained(gains: xr.DataArray, **where: Any) -> Verdict:
    """The verdict on some conditions: reproduced if one gains what matters, not if none can gain that much.

    Args:
        gains: of all conditions, for which the intervals hold at once.
        where: of which task, and of which width if not of all.
    """
    found = simultaneous(gains)
    mean, margin, number = (each.sel(**where) for each in (found.mean, found.margin, found.number))
    if (number < 2).any():
        return Verdict.ONE_RUN if (number == 1).all() else Verdict.NOT_COMPUTED
    if ((mean - margin > 0) & (mean >= MATTERS)).any():
        return Verdict.REPRODUCED
    return Verdict.NOT_REPRODUCED if (mean + margin < MATTERS).all() else Verdict.UNDECIDED


def _told(gains: xr.DataArray, task: str, widths: np.ndarray) -> str:
    """The gains on a task at some widths, with intervals that hold for all conditions at once."""
    mean, _, _, margin = (each.sel(task=task, width=widths).values for each in simultaneous(gains))
    said = [f"{width} units " + (f"{at:+.3f} ± {off:.3f}" if np.isfinite(off) else "–")
            for width, at, off in zip(widths, mean, margin, strict=True)]  # fmt: skip
    return f"{', '.join(said)} ({gains.sizes['seed']} seeds)".replace("-", "−")


def table(trials: Sequence[Mapping[str, float]], picks: Mapping[int, Sequence[Sequence[int]]]) -> pd.DataFrame:
    """The settings that were chosen for each task, width and loss; a static loss has no period and no amplitude.

    Args:
        trials: of ``experiment.settings``.
        picks: {width: the trial of each task and loss}.
    """
    rows: list[dict[str, Any]] = [
        {"task": task, "hidden units": width, "loss": loss, **trials[trial]}
        for width, by_task in picks.items()
        for task, by_loss in zip(TASKS, by_task, strict=True)
        for loss, trial in zip(("static", "oscillating"), by_loss, strict=True)
    ]
    shown = pd.DataFrame(rows).set_index(["task", "hidden units", "loss"]).map("{:g}".format)
    shown.loc[shown.index.get_level_values("loss") == "static", ["period", "amplitude"]] = "–"
    return shown
