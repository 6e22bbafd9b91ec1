"""Figure 4: cascades of instabilities while a small network learns with a dynamical loss."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.analysis.cascades import BOUNCE, SPREAD
from dynloss_book.analysis.learning import ROUGHLY
from dynloss_book.engine.findings import Claim, Findings, Kind
from dynloss_book.engine.sweeps.statistics import SHARE, interval
from dynloss_book.engine.verdicts import AS_A_RULE, IN_RUNS, RULE, SIGN, as_a_rule, at_least, positive

ABOUT_TEN = (7, 13)
SMALL = 0.1  # of the changes in a cascade: a change that is small beside them


def judge(runs: xr.Dataset, static: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure 4, from one run or several.

    Args:
        runs: `analysis.learning.MEASURED` over seed.
        static: `analysis.learning.END` of static training over learning_rate, the run's and a smaller one, and seed.
        settings: of the experiment.
    """
    testable = all(settings[name] == value for name, value in paper.FIGURE_4.items())
    accuracy = interval(runs.end_accuracy, bounds=SHARE)
    claims = (*_cascades(runs, testable), *_halves(runs), *_bounces(runs, testable), *_beside_static(runs, static))
    return Findings(
        "fig04_learning_dynamics",
        "What happens while the loss oscillates?",
        f"The network goes through {float(runs.cascades.mean()):.0f} cascades of instabilities near the edge of "
        f"stability; without any after that, it reaches a training accuracy of {float(runs.end_accuracy.mean()):.2f}."
        if runs.cascades.any()
        else "No cascade in this run.",
        f"The network goes through {interval(runs.cascades)} cascades of instabilities. They are detected by jumps of "
        rf"$\lambda_{{\max}}$ by 0.1, at $\eta\lambda_{{\max}}$ = "
        f"{interval(settings['learning_rate'] * runs.threshold)} on average; on a quadratic, gradient descent is "
        f"unstable above 2. Training ends with an accuracy of {accuracy}."
        if runs.cascades.any()
        else f"No cascade in this run, which ends with a training accuracy of {accuracy}.",
        f"{runs.sizes['seed']} seed{'s' * (runs.sizes['seed'] > 1)}, {settings['steps']:,} steps; "
        f"{paper.FIGURE_4_SEED}",
        tuple(claim._replace(reduced=not testable) for claim in claims),
    )


def _cascades(runs: xr.Dataset, testable: bool) -> tuple[Claim, ...]:
    """How many there are, and what marks them."""
    ten = (runs.cascades >= ABOUT_TEN[0]) & (runs.cascades <= ABOUT_TEN[1]) & (runs.quiet > 2)
    return (
        Claim("There are about ten cascades of instabilities, and then none", paper.SAYS["ten"], "≈ 10",
              f"{interval(runs.cascades)}, the last {interval(runs.quiet)} periods before the end; so {_of(ten)}",
              as_a_rule(ten, testable=testable),
              f"{ABOUT_TEN[0]} to {ABOUT_TEN[1]}, and more than two periods without, {IN_RUNS}: seeds differ"),
        Claim("A cascade starts and ends where the largest Hessian eigenvalue crosses a threshold",
              paper.SAYS["threshold"],
              "one threshold", f"{interval(runs.threshold)}, spread of the onsets and ends {interval(runs.spread)}",
              positive(SPREAD - runs.spread),
              f"a spread below {SPREAD:.0%}: less than half the way to 0 or to 2λ; {SIGN}"),
    )  # fmt: skip


def _halves(runs: xr.Dataset) -> tuple[Claim, ...]:
    """What curvature, kernel, loss and accuracy do in the halves of a period."""
    return (
        Claim("The valley widens in the first half of a period (λ_max falls)", paper.SAYS["widens"], "always",
              **_share(runs.widens)),
        Claim("… and narrows in the second half (λ_max rises)", paper.SAYS["second half"], "always",
              **_share(runs.narrows)),
        Claim("The NTK's largest eigenvalue rises until a cascade starts", paper.SAYS["kernel rises"],
              "each of the first ten", **_share(runs.kernel_rises)),
        Claim("… and falls during the cascade", paper.SAYS["kernel rises"], "each of the first ten",
              **_share(runs.kernel_falls)),
        Claim("The valley sinks in the first half of a period (the loss falls)", paper.SAYS["first half"], "always",
              **_share(runs.sinks)),
        Claim("… and rises in the second half, although the network descends", paper.SAYS["second half"], "always",
              **_share(runs.rises)),
        Claim("In the first half the loss changes little from step to step", paper.SAYS["first half"], "small",
              f"{interval(runs.small)} of the change in a cascade (medians)",
              positive(SMALL - runs.small),
              f"at most {SMALL:.0%} of that in a cascade; {SIGN}"),
        Claim("… and the training accuracy is roughly constant", paper.SAYS["first half"], "roughly constant",
              **_share(runs.steady, f"; it moves by {interval(runs.moves, bounds=SHARE)} at most",
                       f"within {ROUGHLY:g} in the medians over tenths of a period, once a cascade has ended; ")),
        Claim("While the network descends on the time-dependent loss, it climbs on the static one",
              paper.SAYS["barriers"],
              "it can cross barriers", f"the static loss rises on the way in {interval(runs.climbs, bounds=SHARE)} of "
              f"the periods, from {interval(runs.start_loss)} to {interval(runs.largest_loss)} at most, and ends at "
              f"{interval(runs.end_loss)}", as_a_rule((runs.climbs > 0) & (runs.end_loss < runs.start_loss)),
              f"it has risen in at least one period, and ends below its start, {IN_RUNS}"),
    )  # fmt: skip


def _bounces(runs: xr.Dataset, testable: bool) -> tuple[Claim, ...]:
    """Where the cascades are, how the loss bounces in them, and what they leave behind."""
    below = (runs.largest_after <= 1).where(runs.largest_after.notnull(), drop=True)
    return (
        Claim("A cascade starts in the second half of a period", paper.SAYS["crosses"], "each",
              **_share(runs.starts_late)),
        Claim("… and ends early in the next period, when the valley of the new class has widened",
              paper.SAYS["falls below"], "each", **_share(runs.ends_early)),
        Claim("In a cascade the loss alternates between two branches from step to step", paper.SAYS["branches"],
              "in each",
              f"its change flips sign at {interval(runs.flips, bounds=SHARE)} of the steps that bounce",
              positive(runs.flips - 0.5),
              f"more often than one half, in the mean over the cascades of a run; {SIGN}; steps bounce that change the "
              f"loss by {BOUNCE:g} nats or more"),
        Claim("After the last cascade λ_max stays below the threshold", paper.SAYS["ten"], "never exceeds it",
              f"the largest is {interval(runs.largest_after)} of the threshold; below it {_of(below)}",
              as_a_rule(below, testable=testable),
              f"at no step, {IN_RUNS}; the threshold is the mean over a run's marks"),
        Claim("The eigenvalues of the Hessian decrease, from the first periods to the last", paper.SAYS["decreasing"],
              "decrease", f"λ_max in the middle of a period: last three over first three {interval(runs.wider)}",
              positive(1 - runs.wider, testable=testable), f"below 1; {SIGN}"),
    )  # fmt: skip


def _beside_static(runs: xr.Dataset, static: xr.Dataset) -> tuple[Claim, ...]:
    """The end against static training of as many steps, with the same rate and with a smaller one."""
    ends = {f"{float(rate):g}": static.sel(learning_rate=rate) for rate in static.learning_rate.values}
    gains = {rate: runs.end_accuracy - end.end_accuracy for rate, end in ends.items()}
    written = " and ".join(f"{interval(each, signed=True)} at η = {rate}" for rate, each in gains.items())
    return (
        Claim("Is the training accuracy higher than after as many steps with the static loss, at either rate?",
              paper.SAYS["higher training"], "higher", f"{interval(runs.end_accuracy, bounds=SHARE)}: {written}",
              positive(xr.concat(gains.values(), "rate").min("rate")), f"against the better of the two; {SIGN}",
              Kind.QUESTION),
        *(Claim(f"Does it end in a wider valley than after as many steps with the static loss at η = {rate}?",
                paper.SAYS["wider minima"], "wider",
                f"λ_max {interval(runs.end_curvature)} against {interval(end.end_curvature)}: "
                f"{interval(runs.end_curvature - end.end_curvature, signed=True)}",
                positive(end.end_curvature - runs.end_curvature), SIGN, Kind.QUESTION) for rate, end in ends.items()),
    )  # fmt: skip


def _of(cases: xr.DataArray) -> str:
    return f"in {int(cases.sum())} of {cases.size} run{'s' * (cases.size != 1)}"


def _share(values: xr.DataArray, more: str = "", before: str = "") -> dict[str, Any]:
    """Of a share of the cases of each run."""
    return {
        "here": f"in {interval(values, bounds=SHARE)} of the cases{more}",
        "verdict": at_least(values, RULE),
        "tolerance": f"{before}{AS_A_RULE}; the whole 95 % interval",
    }
