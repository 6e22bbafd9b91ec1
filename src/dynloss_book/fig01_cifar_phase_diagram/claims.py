"""Figure 1: does the oscillating loss generalise better on CIFAR-10, and where?"""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Sentence, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval, simultaneous
from dynloss_book.engine.verdicts import SIGN, agreed, number, positive, told, within
from dynloss_book.tasks.cifar10 import WHY, decides, scale
from dynloss_book.tasks.plane import over_area

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
    theirs = paper.FIGURE_1 | paper.FIGURE_1_POINT
    own = all({**settings, **point}.get(name) == value for name, value in theirs.items())
    final = plane.isel(epoch=-1)
    gain = final.validation_accuracy - final.validation_accuracy.sel(amplitude=1)
    at_point = gain.sel(point)
    inside = gain.where(region.holds(gain.period, gain.amplitude), drop=True)
    known = inside.where(inside.notnull().sum("seed") > 1)
    points = int(known.notnull().any("seed").sum())
    spread = simultaneous(known)
    gaining, losing = (int((sign * spread.mean > spread.margin).sum()) for sign in (1, -1))
    counted = (
        f"{gaining} of its {inside.isel(seed=0).size} points gain{'s' * (gaining == 1)} and {losing} "
        f"lose{'s' * (losing == 1)} significantly"
    )
    means = means_over(known, point["period"])
    signs = decides(settings)
    networks = "the paper's" if all(settings.get(name) == value for name, value in paper.FIGURE_1.items()) else "small"
    if papers is None:
        ends, of, scaled = final.sel(period=point["period"]), point, ""
    else:
        ends, of, scaled = papers.isel(epoch=-1), paper.FIGURE_1_POINT, ", at the paper's scale"
    static, best = ends.sel(amplitude=1), ends.validation_accuracy.sel(amplitude=of["amplitude"])

    def at(point: Mapping[str, float]) -> str:
        return f"T = {point['period']:g}, A = {point['amplitude']:g}"

    def of_number(statement: str, sentence: Sentence, values: xr.DataArray, expected: float, **options: Any) -> Claim:
        here = interval(values, **options) + scaled
        if papers is not None and (lost := int(values.isnull().sum())):
            here += f"; {lost} of {values.size} seeds diverged"
        return Claim(statement, sentence, f"≈ {expected:g}", here,
                     number(values, expected, NEAR, testable=own or papers is not None),
                     within(NEAR, f"the paper gives two digits, means over {paper.FIGURE_1_SEEDS} seeds"),
                     reduced=papers is None and not own)  # fmt: skip

    gained = of_number(f"The oscillating loss gains about 6 % at {at(of)}", paper.SAYS["gain point"],
                       best - static.validation_accuracy, paper.FIGURE_1_GAIN, signed=True)  # fmt: skip
    claims = (
        Claim(f"Oscillations improve the validation accuracy at {at(point)}", paper.SAYS["gain point"], "> 0",
              interval(at_point, signed=True), positive(at_point, testable=signs), f"{SIGN}; {WHY}", reduced=not own),
        Claim("Oscillations improve it over the whole of the paper's region", paper.SAYS["gain region"], "> 0",
              "; ".join(f"{name} {interval(values, signed=True)}" for name, values in means.items()) + f"; {counted}",
              _over_the_region(list(means.values())[:2], gaining > 0 < losing, signs)
              if points >= ENOUGH * inside.isel(seed=0).size else Verdict.NOT_COMPUTED,
              f"{SIGN} on every grid; mixed if the grid decides, or if some points gain and others lose significantly "
              f"(95 % for all of them together); {WHY}", reduced=not own),
        gained,
        of_number("The static loss fits the training images",
                  paper.SAYS["static myrtle"], static.accuracy, paper.FIGURE_1_FIT,
                  bounds=SHARE),
        of_number("The validation accuracy of the static loss is modest", paper.SAYS["static myrtle"],
                  static.validation_accuracy,
                  paper.FIGURE_1_STATIC, bounds=SHARE),
        of_number(f"The validation accuracy at {at(of)}",
                  paper.SAYS["gain region"], best, paper.FIGURE_1_BEST, bounds=SHARE),
    )  # fmt: skip
    return Findings(
        "fig01_cifar_phase_diagram",
        "Does a network generalise better when its loss oscillates?",
        told(
            claims[0].verdict,
            (f"Sometimes: {networks} networks gain at the paper's best point and lose at others of its region"
             if losing else f"Yes, {networks} networks gain at the paper's best point") + _breakdown(papers),
            "No: at the paper's best point it generalises worse.",
            "Inconclusive: at the paper's best point the gain is too small, or the seeds too few, to be significant.",
        ),
        f"At $T = {point['period']:g}$, $A = {point['amplitude']:g}$ the gain in validation accuracy is "
        f"{interval(at_point, signed=True)}{_also(papers, gained.verdict)}."
        + (f" In the paper's region {counted}." if signs and points else ""),
        scale(plane, settings, papers),
        claims,
    )


def means_over(gain: xr.DataArray, longer: float) -> dict[str, xr.DataArray]:
    """Means over points of the plane, over seed, of seeds with all of these points: what they say depends on the grid.

    Args:
        gain: over ``period``, ``amplitude`` and ``seed``; points without any seed are left out of the grid's mean.
        longer: a period from which on a third mean is taken.
    """
    plane = ["period", "amplitude"]
    points = gain.stack(place=plane)
    complete = (points.notnull() | points.isnull().all("seed")).all("place")
    return {
        "in the mean over our grid (its periods evenly spaced in log T)": points.mean("place").where(complete),
        "in the mean over the area": over_area(gain),
        f"where T ≥ {longer:g}": gain.sel(period=gain.period[gain.period >= longer]).mean(plane, skipna=False),
    }


def _over_the_region(means: Sequence[xr.DataArray], both: bool, testable: bool) -> Verdict:
    """The verdict on the mean on each grid, and on whether some points gain and others lose."""
    verdicts = [positive(each, testable=testable) for each in means]
    known = [each for each in verdicts if each != Verdict.NOT_COMPUTED] or verdicts
    return Verdict.MIXED if both and testable else agreed(*known)


def _also(papers: xr.Dataset | None, verdict: Verdict) -> str:
    """The gain at the paper's scale, where available, with the verdict on the paper's own."""
    if papers is None:
        return ""
    curves = papers.validation_accuracy
    ends = curves.isel(epoch=-1)
    static, oscillating = ends.sel(amplitude=1), ends.sel(amplitude=paper.FIGURE_1_POINT["amplitude"])
    counts = {name: int(each.isnull().sum()) for name, each in (("static", static), ("oscillating", oscillating))}
    diverged = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
    seeds, fallen = ends.sizes["seed"], _fallen(papers, 1)
    said = (
        f"; at the paper's own scale ({seeds} of {paper.FIGURE_1_SEEDS} seeds"
        f"{f', of which {diverged} diverged' * bool(diverged)}) it is {interval(oscillating - static, signed=True)}, "
        f"where the paper reports {paper.FIGURE_1_GAIN:+g} ({verdict})"
    )
    if fallen:
        said += (
            f". There static training ends more than {NEAR:g} below its best epoch's "
            f"{interval(curves.sel(amplitude=1).max('epoch'))}, or diverges, in {fallen} of {seeds} networks, while "
            f"oscillating training ends at {interval(oscillating)}: the gain may be due to that breakdown"
        )
    return said


def _fallen(papers: xr.Dataset, amplitude: float) -> int:
    """In how many networks training ends below its own best, or diverges."""
    curve = papers.validation_accuracy.sel(amplitude=amplitude)
    return int((~(curve.isel(epoch=-1) > curve.max("epoch") - NEAR)).sum())


def _breakdown(papers: xr.Dataset | None) -> str:
    """How the plain answer ends: in how many networks training breaks down at the paper's scale."""
    if papers is None or not _fallen(papers, 1):
        return "."
    return (
        f"; at the paper's scale {_fallen(papers, 1)} of {papers.sizes['seed']} static networks break down, and "
        f"{_fallen(papers, paper.FIGURE_1_POINT['amplitude'])} oscillating ones."
    )
