"""Figure 3: where oscillations help a narrow and a wide network on the spiral."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, best_point, halves, interval, summary
from dynloss_book.engine.verdicts import SIGN, agreed, at_least, number, positive, within
from dynloss_book.paper import FIGURE_3_REGIONS as REGIONS
from dynloss_book.tasks.plane import over_area

POOR = 0.8  # an accuracy below is "very poor"
SLIGHT = 0.02  # a gain or loss in accuracy that is called slight
LONG = 100.0  # a period from which on the paper's grid, on its linear axis, surely has points
AMID = 0.25  # of a period, between the stop of the oscillations and the nearest turn of the classes
OPTIMUM, OPTIMUM_FACTOR = 30.0, 1.5  # of A, the paper's and how far ours may be off


def judge(networks: Mapping[str, xr.Dataset], widths: Mapping[str, int], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure 3.

    Args:
        networks: "narrow" and "wide": ``accuracy`` and ``validation_accuracy`` over period, amplitude and seed.
        widths: their hidden units; the paper's are 100 and 1000.
        settings: ``steps`` and ``learning_rate``; the numbers are tested where they are the paper's.
    """
    testable = all({**settings, **widths}.get(name) == value for name, value in paper.FIGURE_3.items())
    narrow, wide = networks["narrow"], networks["wide"]
    static = {name: network.sel(amplitude=1).mean("period") for name, network in networks.items()}
    inside = {
        name: network.where(REGIONS[name].holds(network.period, network.amplitude)).mean(["period", "amplitude"])
        for name, network in networks.items()
    }
    areas = {
        name: over_area(network.where(REGIONS[name].holds(network.period, network.amplitude), drop=True))
        for name, network in networks.items()
    }
    gains = {name: inside[name].validation_accuracy - static[name].validation_accuracy for name in networks}
    same = narrow.period <= REGIONS["narrow"].longest
    largest = narrow.accuracy.sel(amplitude=narrow.amplitude.max()).where(same).mean("period")
    beyond = REGIONS["narrow"].holds(REGIONS["narrow"].longest, narrow.amplitude) & ~same
    longer = narrow.accuracy.where(beyond).mean(["period", "amplitude"])
    region = REGIONS["narrow"].holds(narrow.period, narrow.amplitude)
    reached = best_point(narrow.validation_accuracy.where(region))

    def gain(statement, sentence, values, kind=Kind.CLAIM):
        return Claim(statement, sentence, "> 0", interval(values, signed=True), positive(values), SIGN, kind,
                     not testable)  # fmt: skip

    def generalises(name, sentence):
        over = areas[name].validation_accuracy - static[name].validation_accuracy
        turn = at_a_turn(networks[name], REGIONS[name], settings["steps"]) - static[name].validation_accuracy
        here = f"in the mean over our grid (its periods evenly spaced in log T) {interval(gains[name], signed=True)}"
        here += f"; over the area {interval(over, signed=True)}" if over.notnull().any() else ""
        if turn.notnull().any():
            here += f"; without truncated last cycles {interval(turn, signed=True)}"
        verdicts = [positive(each) for each in (gains[name], over) if each.notnull().any()] or [Verdict.NOT_COMPUTED]
        return Claim(f"The {name} network generalises better in its region", sentence, "> 0", here, agreed(*verdicts),
                     f"{SIGN}, on either grid", reduced=not testable)  # fmt: skip

    means = {
        "in the mean over our grid": inside["narrow"].accuracy,
        "over the area": areas["narrow"].accuracy,
        f"where T ≥ {LONG:g}": narrow.accuracy.where(region & (narrow.period >= LONG)).mean(["period", "amplitude"]),
    }
    known = {name: each for name, each in means.items() if each.notnull().any()} or means
    trained, validated = static["narrow"].accuracy, static["narrow"].validation_accuracy
    claims = (
        generalises("narrow", paper.SAYS["narrow region"]),
        generalises("wide", paper.SAYS["wide region"]),
        gain("The narrow network fits the training points better in its region", paper.SAYS["higher training"],
             inside["narrow"].accuracy - trained),
        Claim("The narrow network fails with the static loss", paper.SAYS["narrow static"],
              f"≈ {paper.FIGURE_3_STATIC:g}",
              f"training accuracy {interval(trained, bounds=SHARE)}, validation {interval(validated, bounds=SHARE)}",
              positive(POOR - np.maximum(trained, validated), testable=testable),
              f"both below {POOR:g}, “very poor”; the number itself is read off a colour scale", reduced=not testable),
        Claim("In its region the narrow network's training accuracy is nearly perfect", paper.SAYS["narrow region"],
              f"nearly perfect (at least {paper.NEARLY_PERFECT:g})",
              "; ".join(f"{name} {interval(values, bounds=SHARE)}" for name, values in known.items())
              + f"; at its best point {interval(best_point(narrow.accuracy.where(region)), bounds=SHARE)}",
              agreed(*(at_least(each, paper.NEARLY_PERFECT, testable=testable) for each in known.values())),
              f"“nearly perfect” is taken as {paper.NEARLY_PERFECT:g} or more; mixed if the grid decides, since the "
              "paper's grid is unknown", reduced=not testable),
        Claim("… and its validation accuracy reaches 0.9, at the region's best point", paper.SAYS["narrow region"],
              f"≈ {paper.FIGURE_3_REACHED:g}", interval(reached, bounds=SHARE),
              at_least(reached, paper.FIGURE_3_REACHED, testable=testable),
              f"{paper.FIGURE_3_REACHED:g} or more, on the seeds that did not choose the point", reduced=not testable),
        Claim("The wide network fits the training points with the static loss", paper.SAYS["wide region"], "≈ 1",
              interval(static["wide"].accuracy, bounds=SHARE),
              number(static["wide"].accuracy, 1, 0.01, testable=testable), within(0.01, "three of 300 points"),
              reduced=not testable),
        gain("Larger amplitudes are worse than the region's, at its periods (narrow, training)", paper.SAYS["optimum"],
             inside["narrow"].accuracy - largest),
        *_optimum(narrow, testable),
        gain("Are longer periods worse than the region's, at its amplitudes (narrow, training)?",
             paper.SAYS["narrow region"], inside["narrow"].accuracy - longer, Kind.QUESTION),
    )  # fmt: skip
    said = {
        Verdict.REPRODUCED: "gains",
        Verdict.NOT_REPRODUCED: "loses",
        Verdict.NOT_COMPUTED: "is not computed yet",
        Verdict.ONE_RUN: "has one seed",
    }
    parts = [
        f"the {name} network ({widths[name]} units) {said.get(claim.verdict, 'does not gain significantly')}"
        + (f", by {interval(gains[name], signed=True)}" if claim.verdict != Verdict.NOT_COMPUTED else "")
        for name, claim in zip(("narrow", "wide"), claims[:2], strict=True)
    ]
    effects = {
        Verdict.REPRODUCED: "help",
        Verdict.NOT_REPRODUCED: "hurt",
        Verdict.MIXED: "both help and hurt",
        Verdict.NOT_COMPUTED: "are not tried yet on",
    }
    moved = [effects.get(claim.verdict, "do not significantly change") for claim in claims[:2]]
    little = "slightly " * bool(abs(gains["wide"].mean()) < SLIGHT)
    return Findings(
        "fig03_spiral_phase_diagram",
        "Where do oscillations help on the spiral?",
        f"In the paper's region oscillations {moved[0]} the narrow network "
        f"({'which fails without them: ' * bool(validated.mean() < POOR)}accuracy {float(validated.mean()):.2f} at "
        f"A = 1, {float(reached.mean()):.2f} at the best point) and {little}{moved[1]} the wide one.",
        f"In the mean validation accuracy over the paper's region {parts[0]}, and {parts[1]}; according to the paper "
        "both gain. At periods longer than the region's, at its amplitudes, the narrow network's training accuracy "
        f"differs from that in the region by {interval(longer - inside['narrow'].accuracy, signed=True)}.",
        "; ".join(
            f"{widths[name]} units: {network.sizes['period']} × {network.sizes['amplitude']} points, "
            f"{network.attrs['scale']}"
            for name, network in (("narrow", narrow), ("wide", wide))
        )
        + f"; {settings['steps']:,} steps; {paper.FIGURE_3_SCALE}",
        claims,
    )


def at_a_turn(network: xr.Dataset, region: paper.Region, steps: int) -> xr.DataArray:
    """The mean validation accuracy over the region without the periods whose last cycle is truncated.

    All weights are 1 for the last T steps. Where steps − T is no whole number of periods, the class of that moment
    counts more until the stop and then no more: the landscape does not return to the static one, it jumps there.

    Args:
        network: ``validation_accuracy`` (period, amplitude, seed).
        region: of T and A.
        steps: of a run.
    """
    phase = ((steps - network.period) / network.period) % 1
    aligned = np.minimum(phase, 1 - phase) < AMID
    inside = region.holds(network.period, network.amplitude) & aligned
    return network.validation_accuracy.where(inside).mean(["period", "amplitude"])


def _optimum(network: xr.Dataset, testable: bool) -> tuple[Claim, ...]:
    """The amplitudes about the paper's optimum against the best of the others, in the mean over T, and the largest.

    Of each, every other seed chooses the amplitude, and the rest are compared.
    """
    curve = network.validation_accuracy.sel(amplitude=network.amplitude[network.amplitude > 1]).mean("period")
    factor = np.maximum(curve.amplitude / OPTIMUM, OPTIMUM / curve.amplitude)
    near, others = (curve.sel(amplitude=curve.amplitude[where]) for where in
                    (factor <= OPTIMUM_FACTOR, factor > OPTIMUM_FACTOR))  # fmt: skip
    best, end = best_point(curve), curve.isel(amplitude=-1)
    at = float(best.amplitude)
    ahead = best_point(near) - best_point(others) if near.size and others.size else best * np.nan
    falls = best - halves(end)[1]
    verdicts = [positive(each, testable=testable) for each in (ahead, falls)]
    if testable and at == float(end.amplitude):
        verdicts[1] = Verdict.NOT_REPRODUCED  # none of ours is larger than the best
    return (
        Claim(f"There is an optimum amplitude, at about {OPTIMUM:g} (narrow, validation)", paper.SAYS["optimum"],
              f"≈ {OPTIMUM:g}",
              f"best A = {at:g} in the mean over T; at about {OPTIMUM:g} the accuracy differs by "
              f"{interval(ahead, signed=True)} from "
              "the best of the others", verdicts[0], f"{SIGN}, for amplitudes within a factor of {OPTIMUM_FACTOR:g}",
              reduced=not testable),
        Claim("… and larger ones are worse", paper.SAYS["optimum"], "> 0",
              f"A = {at:g} against A = {float(end.amplitude):g}: {interval(falls, signed=True)}", verdicts[1], SIGN,
              reduced=not testable),
    )  # fmt: skip


def inside_out(network: xr.Dataset, region: paper.Region) -> dict[str, dict[str, str]]:
    """For each accuracy: at A = 1, inside the region, the gain, the points of the region at 0.95 or more, the best.

    The best point is judged on the seeds that did not choose it.
    """
    holds = region.holds(network.period, network.amplitude)
    static = network.sel(amplitude=1).mean("period")
    oscillating = network.where(holds).mean(["period", "amplitude"])
    return {
        label: {
            "A = 1": interval(static[name], bounds=SHARE),
            "inside the region": interval(oscillating[name], bounds=SHARE),
            "gain": interval(oscillating[name] - static[name], signed=True),
            "points inside at 0.95 or more": f"{int((summary(network[name]).mean.where(holds) >= 0.95).sum())} of "
            f"{int(holds.sum())}",
            "best point": interval(best_point(network[name])),
        }
        for name, label in {"accuracy": "training", "validation_accuracy": "validation"}.items()
    }
