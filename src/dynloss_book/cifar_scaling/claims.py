"""Does the gain of Figure 1 grow towards the paper's scale?"""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from dynloss_book.cifar_scaling.experiment import Rung
from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import number, told
from dynloss_book.paper import FIGURE_1_GAIN, FIGURE_1_SCALE, SAYS

FAR = 2.0  # times that the paper's scale may be above the highest rung
NEAR = 0.01  # the paper gives its gain to one hundredth


def judge(
    ladders: Mapping[str, Sequence[Rung]], gains: Mapping[str, Sequence[xr.DataArray]], end: xr.Dataset, images: str
) -> Findings:
    """What the scaling series say.

    Args:
        ladders: {quantity: rungs}.
        gains: {quantity: the gain in validation accuracy of each, over seed}.
        end: what ``cifar_scaling.experiment.extrapolated`` found for the paper's scale.
        images: the data, "cifar10" or "generated".
    """
    slopes = ", ".join(f"{interval(end.slope.sel(quantity=name), signed=True)} for the {name}" for name in ladders)
    # From far below, nothing can be said of the paper's scale.
    rungs = [each for ladder in ladders.values() for each in ladder]  # a ladder alone may have none yet
    far = {name: value / max(getattr(each, name) for each in rungs) for name, value in FIGURE_1_SCALE.items()}
    near, size = max(far.values()) <= FAR, rungs[0].settings["image_size"]
    testable = images == "cifar10" and end.sizes["seed"] > 1 and near
    claim = Claim("Does the gain, extrapolated to the paper's scale, reach its 6 %?",
                  SAYS["gain point"], f"≈ {FIGURE_1_GAIN:+g}",
                  f"{interval(end.gain, signed=True)}, at {size} × {size} pixels",
                  number(end.gain, FIGURE_1_GAIN, NEAR, testable=testable),
                  f"within {NEAR:g} of the interval, from at most {FAR:g} times below in each quantity",
                  Kind.QUESTION, reduced=True)  # fmt: skip
    ranges = "; ".join(
        f"{name} {', '.join(f'{getattr(each, name):,}' for each in rungs)}" for name, rungs in ladders.items()
    )
    away = ", ".join(f"{factor:.2g} times in {name}" for name, factor in far.items())
    paper = ", ".join(f"{value:,} {name}" for name, value in FIGURE_1_SCALE.items())
    return Findings(
        "cifar_scaling",
        "Does the gain grow with steps, images and channels?",
        told(
            claim.verdict,
            "Extrapolated to the paper's scale, the gain agrees with the paper's.",
            "Extrapolated to the paper's scale, the gain does not agree with the paper's.",
            "Inconclusive: these networks are too few and too small to extrapolate the gain to the paper's scale.",
        ),
        ("Not computed yet." if claim.verdict == Verdict.NOT_COMPUTED
         else f"Slope of the gain, for a tenfold increase: {slopes}.")
        + f" The paper's scale is {away} above our largest, with 32 × 32 pixels instead of {size} × {size}"
        f"{'' if near else ': too far for an extrapolation'}.",
        f"{ranges}; the paper: {paper}",
        (claim,),
    )


def table(ladders: Mapping[str, Sequence[Rung]], runs: Mapping[str, Sequence[xr.Dataset]]) -> list[dict[str, Any]]:
    """Rows of a table: both losses and the gain at every size.

    Args:
        ladders: {quantity: rungs}.
        runs: {quantity: ``validation_accuracy`` at the end over amplitude (1 and A) and seed, of each rung}.
    """
    return [
        {
            "series": name,
            **{quantity: getattr(each, quantity) for quantity in FIGURE_1_SCALE},
            "static": interval(run.validation_accuracy.isel(amplitude=0)),
            "oscillating": interval(run.validation_accuracy.isel(amplitude=1)),
            "gain": interval(run.validation_accuracy.diff("amplitude").isel(amplitude=0), signed=True),
        }
        for name, rungs in ladders.items()
        for each, run in zip(rungs, runs[name], strict=True)
    ]
