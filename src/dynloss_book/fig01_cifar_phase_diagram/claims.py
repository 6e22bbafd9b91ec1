"""Figure 1: does the oscillating loss generalise better on CIFAR-10, and where?"""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval, simultaneous
from dynloss_book.engine.verdicts import SIGN, number, positive, within
from dynloss_book.tasks.cifar10 import WHY, decides, scale

ENOUGH = 0.5  # of the region's points, for a mean over it
NEAR = 0.01  # the paper gives its accuracies to one hundredth


def judge(
    plane: xr.Dataset,
    point: Mapping[str, float],
    region: paper.Region,
    settings: Mapping[str, Any],
    papers: xr.Dataset | None = None,
) -> Findings:
    """The claims of Figure 1.

    Args:
        plane: ``accuracy`` and ``validation_accuracy`` over period, amplitude, seed and epoch, A = 1 among them.
        point: ``period`` and ``amplitude`` of the best point.
        region: where the paper finds the gain.
        settings: of the experiment.
        papers: where these are not the paper's, what there is of its scale and at its best point, over amplitude (1 and
            A), seed and epoch: the paper's numbers are tested there, the signs of its effects on the plane.
    """
    wanted = paper.FIGURE_1 | paper.FIGURE_1_POINT
    own = all({**settings, **point}.get(name) == value for name, value in wanted.items())
    final = plane.isel(epoch=-1)
    gain = final.validation_accuracy - final.validation_accuracy.sel(amplitude=1)
    at_point = gain.sel(point)
    inside = gain.where(region.holds(gain.period, gain.amplitude), drop=True).stack(place=["period", "amplitude"])
    known = inside.where(inside.notnull().sum("seed") > 1)
    points = int(known.notnull().any("seed").sum())
    there = known.notnull() | ~known.notnull().any("seed")
    framed = known.mean("place").where(there.all("place"))  # of seeds with all of these points
    spread = simultaneous(known)
    gaining, losing = (int((sign * spread.mean > spread.margin).sum()) for sign in (1, -1))
    counted = f"of {points} of its {inside.sizes['place']} points {gaining} gain and {losing} lose for sure"
    signs = decides(settings)
    if papers is None:
        ends, of, scaled = final.sel(period=point["period"]), point, ""
    else:
        ends, of, scaled = papers.isel(epoch=-1), paper.FIGURE_1_POINT, ", at the paper's scale"
    static, best = ends.sel(amplitude=1), ends.validation_accuracy.sel(amplitude=of["amplitude"])
    where, near = paper.FIGURE_1_WHERE, within(NEAR, "the paper gives two digits")

    def at(point: Mapping[str, float]) -> str:
        return f"T = {point['period']:g}, A = {point['amplitude']:g}"

    def of_number(statement: str, values: xr.DataArray, expected: float, signed: bool = False) -> Claim:
        verdict = number(values, expected, NEAR, testable=own or papers is not None)
        here = interval(values, signed=signed) + scaled
        if papers is not None and (lost := int(values.isnull().sum())):
            here += f"; a network of {lost} of {values.size} seeds diverged"
        return Claim(statement, where, f"≈ {expected:g}", here, verdict, near)

    claims = (
        Claim(f"Oscillations improve the validation accuracy at {at(point)}", where, "> 0",
              interval(at_point, signed=True), positive(at_point, testable=signs), f"{SIGN}; {WHY}"),
        Claim("They improve it on average over the region", where, "> 0",
              f"{interval(framed, signed=True)}; {counted}",
              positive(framed, testable=signs) if points >= ENOUGH * inside.sizes["place"] else Verdict.NOT_COMPUTED,
              f"{SIGN}, over the points that have one, once these are {ENOUGH:.0%} of its points; {WHY}"),
        of_number("The static loss fits the training images", static.accuracy, paper.FIGURE_1_FIT),
        of_number("Its validation accuracy is modest", static.validation_accuracy, paper.FIGURE_1_STATIC),
        of_number(f"The validation accuracy at {at(of)}", best, paper.FIGURE_1_BEST),
        of_number(f"It gains about 6 % at {at(of)}", best - static.validation_accuracy, paper.FIGURE_1_GAIN,
                  signed=True),
    )  # fmt: skip
    verdict = claims[0].verdict
    said = {
        Verdict.REPRODUCED: "Yes:" if not losing else "At some periods and amplitudes:",
        Verdict.NOT_REPRODUCED: "No:",
        Verdict.UNDECIDED: "Undecided:",
        Verdict.NOT_TESTABLE: "This scale decides nothing:",
    }.get(verdict, "Not computed yet:")
    return Findings(
        "fig01_cifar_phase_diagram",
        "Does a network generalise better when its loss oscillates?",
        f"{said} at $T = {point['period']:g}$, $A = {point['amplitude']:g}$ the validation accuracy changes by "
        f"{interval(at_point, signed=True)}{_also(papers)}."
        + (f" In the paper's region, {counted}." if signs and points else ""),
        scale(plane, settings),
        claims,
    )


def _also(papers: xr.Dataset | None) -> str:
    """What the paper's scale says, as far as there is any of it."""
    if papers is None:
        return ""
    ends = papers.validation_accuracy.isel(epoch=-1)
    gains = ends.diff("amplitude")[0].dropna("seed")
    few = " and ".join(f"{gain:+.3f}" for gain in gains.values)  # an interval of two says nothing
    said = interval(gains, signed=True) if gains.size > 2 else f"{few} ({gains.size} seed{'s' * (gains.size > 1)})"
    lost = {"static": ends.sel(amplitude=1), "oscillating": ends.sel(amplitude=paper.FIGURE_1_POINT["amplitude"])}
    counts = {name: int(values.isnull().sum()) for name, values in lost.items()}
    diverged = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
    if diverged:
        said += f", and {diverged} of {ends.sizes['seed']} diverged"
    little = ", of which little is computed yet," if ends.sizes["seed"] < paper.FIGURE_1_SEEDS else ""
    return f"; at the paper's own scale{little} by {said}"
