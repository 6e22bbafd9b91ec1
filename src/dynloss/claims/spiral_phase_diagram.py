"""Figure 3: where oscillations help a narrow and a wide network on the spiral."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss.claims.findings import Claim, Findings, Verdict
from dynloss.claims.verdicts import SIGN, at_least, exists, number, positive, within
from dynloss.figures.phase_diagram import Region
from dynloss.sweeps.statistics import best_point, interval, summary

REGIONS = {
    "narrow": Region(longest=300, weakest=5, strongest=20),
    "wide": Region(longest=700, weakest=5, strongest=25),
}
PAPER = {"steps": 35_000, "learning_rate": 1.0}
VAGUE = 0.05  # a number read off a colour scale, "≈ 0.65" or "≈ 0.9"
NEARLY_PERFECT, REACHED = 0.95, 0.9
OPTIMUM, OPTIMUM_FACTOR = 30.0, 1.5  # of A, the paper's and how far ours may be off
WHERE = "Section III.A, Figure 3"


def judge(networks: Mapping[str, xr.Dataset], widths: Mapping[str, int], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure 3.

    Args:
        networks: "narrow" and "wide": ``accuracy`` and ``validation_accuracy`` over period, amplitude and seed.
        widths: their hidden units; the paper's are 100 and 1000.
        settings: ``steps`` and ``learning_rate``; the numbers are tested where they are the paper's.
    """
    paper = {**PAPER, "narrow": 100, "wide": 1000}
    testable = all({**settings, **widths}.get(name) == value for name, value in paper.items())
    narrow, wide = networks["narrow"], networks["wide"]
    static = {name: network.sel(amplitude=1).mean("period") for name, network in networks.items()}
    inside = {
        name: network.where(REGIONS[name].holds(network.period, network.amplitude)).mean(["period", "amplitude"])
        for name, network in networks.items()
    }
    gains = {name: inside[name].validation_accuracy - static[name].validation_accuracy for name in networks}
    corner = narrow.sel(amplitude=narrow.amplitude.max(), period=narrow.period.min())
    too_large = inside["narrow"].accuracy - corner.accuracy

    region = REGIONS["narrow"].holds(narrow.period, narrow.amplitude)
    reached = best_point(narrow.validation_accuracy.where(region))

    vague = within(VAGUE, "read off a colour scale, “≈”")

    def value(statement, expected, values, verdict, tolerance=vague):
        return Claim(statement, WHERE, expected, interval(values), verdict, tolerance)

    def gain(statement, values):
        return Claim(statement, WHERE, "> 0", interval(values, signed=True), positive(values), SIGN)

    nearly = f"nearly perfect (at least {NEARLY_PERFECT:g})"
    claims = (
        gain("The narrow network generalises better in its region", gains["narrow"]),
        gain("The wide network generalises better in its region", gains["wide"]),
        value("The narrow network cannot fit the training points with the static loss", "≈ 0.65",
              static["narrow"].accuracy, number(static["narrow"].accuracy, 0.65, VAGUE, testable=testable)),
        Claim("In its region its training accuracy is nearly perfect", WHERE, nearly,
              f"in the mean over it {interval(inside['narrow'].accuracy)}; at its best point "
              f"{interval(best_point(narrow.accuracy.where(region)))}",
              at_least(inside["narrow"].accuracy, NEARLY_PERFECT, testable=testable),
              f"“nearly perfect” is taken as {NEARLY_PERFECT:g} or more, in the mean"),
        value("… and its validation accuracy reaches 0.9, at the region's best point", "≈ 0.9", reached,
              at_least(reached, REACHED, testable=testable),
              f"{REACHED:g} or more, on the seeds that did not choose the point"),
        value("The wide network fits the training points with the static loss", "≈ 1",
              static["wide"].accuracy, number(static["wide"].accuracy, 1, 0.01, testable=testable),
              within(0.01, "three of 300 points")),
        gain("Too large amplitudes with short periods are worse than the region (narrow, training)", too_large),
        value("The static narrow network is no better on the validation points", "≈ 0.65",
              static["narrow"].validation_accuracy,
              number(static["narrow"].validation_accuracy, 0.65, VAGUE, testable=testable)),
        _optimum(narrow, testable),
    )  # fmt: skip
    said = {
        Verdict.REPRODUCED: "gains",
        Verdict.NOT_REPRODUCED: "loses",
        Verdict.UNDECIDED: "gains nothing that could be told from zero",
        Verdict.NOT_COMPUTED: "is not computed yet",
    }
    parts = [
        f"the {name} network ({widths[name]} units) {said[claim.verdict]}"
        + (f": {claim.here}" if claim.verdict != Verdict.NOT_COMPUTED else "")
        for name, claim in zip(("narrow", "wide"), claims[:2], strict=True)
    ]
    return Findings(
        "fig03_spiral_phase_diagram",
        "Where do oscillations help on the spiral?",
        f"In the validation accuracy over the paper's region {parts[0]}, and {parts[1]}.",
        "; ".join(
            f"{widths[name]} units: {network.sizes['period']} × {network.sizes['amplitude']} points, "
            f"{network.attrs['scale']}"
            for name, network in (("narrow", narrow), ("wide", wide))
        )
        + f"; {settings['steps']:,} steps; the paper: 50 seeds, 35,000 steps",
        claims,
    )


def _optimum(network: xr.Dataset, testable: bool) -> Claim:
    """The amplitude that is best at some period, by the mean validation accuracy."""
    mean = summary(network.validation_accuracy).mean.max("period")
    best = float(network.amplitude[int(mean.fillna(-1).argmax("amplitude"))]) if bool(mean.notnull().any()) else 0.0
    near = OPTIMUM / OPTIMUM_FACTOR <= best <= OPTIMUM * OPTIMUM_FACTOR
    return Claim("There is an optimum amplitude, and larger ones are worse (narrow, validation)",
                 "Section IV, of Figure 3", f"≈ {OPTIMUM:g}", f"A = {best:g}", exists(near, testable=testable),
                 f"within a factor of {OPTIMUM_FACTOR:g}, about the spacing of the grid")  # fmt: skip


def inside_out(network: xr.Dataset, region: Region) -> dict[str, dict[str, str]]:
    """For each accuracy: at A = 1, inside the region, the gain, the points of the region at 0.95 or more, the best.

    The best point is judged on the seeds that did not choose it.
    """
    holds = region.holds(network.period, network.amplitude)
    found = {}
    for name, label in {"accuracy": "training", "validation_accuracy": "validation"}.items():
        static = network[name].sel(amplitude=1).mean("period")
        oscillating = network[name].where(holds).mean(["period", "amplitude"])
        mean = summary(network[name]).mean
        found[label] = {
            "A = 1": interval(static),
            "inside the region": interval(oscillating),
            "gain": interval(oscillating - static, signed=True),
            "points inside at 0.95 or more": f"{int((mean.where(holds) >= 0.95).sum())} of {int(holds.sum())}",
            "best point": interval(best_point(network[name])),
        }
    return found
