"""Figure 4: cascades of instabilities while a small network learns with a dynamical loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynloss import dynamics
from dynloss.dynamics import Instability
from dynloss_book import paper
from dynloss_book.analysis import cascades as reading
from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval, summary
from dynloss_book.engine.verdicts import AS_A_RULE, RULE, by_run, exists

ABOUT_TEN = (7, 13)
ROUGHLY = 0.05  # how far an accuracy that is "roughly constant" may move
SMALL = 0.1  # of the changes in a cascade: a change that is small beside them


def judge(runs: Sequence[tuple[xr.Dataset, Sequence[Instability]]], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure 4, from one run or several.

    Args:
        runs: ``hessian_eigenvalues``, ``ntk_eigenvalues``, ``loss``, ``static_loss`` and ``accuracy`` at every step,
            and the cascades.
        settings: of the experiment.
    """
    testable = all(settings[name] == value for name, value in paper.FIGURE_4.items())
    claims = by_run([_of_run(run, cascades, settings, testable) for run, cascades in runs])
    number = _range([len(cascades) for _, cascades in runs], "d")
    accuracy = _range([float(run.accuracy[-1]) for run, _ in runs], ".3f")
    thresholds = [dynamics.threshold(list(cascades)).value for _, cascades in runs if cascades]
    edge = _range([settings["learning_rate"] * each for each in thresholds], ".2f")
    return Findings(
        "fig04_learning_dynamics",
        "What happens while the loss oscillates?",
        f"The network goes through {number} cascades of instabilities near the edge of stability, and then trains "
        f"stably to an accuracy of {_least([float(run.accuracy[-1]) for run, _ in runs])}."
        if thresholds
        else "No cascade in this run.",
        f"The network goes through {number} cascades of instabilities. They are detected by jumps of 0.1, at "
        rf"$\eta\lambda_{{\max}} = {edge}$ on average; on a quadratic, gradient descent is unstable above 2. Training "
        f"ends with an accuracy of {accuracy}."
        if thresholds
        else f"No cascade in this run, which ends with a training accuracy of {accuracy}.",
        f"{runs[0][0].attrs['scale']}; {paper.FIGURE_4_SCALE}",
        tuple(claim._replace(reduced=not testable) for claim in claims),
    )


def _least(values: Sequence[float]) -> str:
    """The smallest value, as the plain answer gives it."""
    return f"{min(values):.2f}{' or more' * (len(values) > 1)}"


def _range(values: Sequence[float], spec: str) -> str:
    """From the least to the largest."""
    return " to ".join(dict.fromkeys(f"{each:{spec}}" for each in (min(values), max(values)))) if values else "–"


def _of_run(
    run: xr.Dataset, cascades: Sequence[Instability], settings: Mapping[str, Any], testable: bool
) -> tuple[Claim, ...]:
    """What one run says by itself."""
    period, steps = settings["period"], settings["steps"]
    last = cascades[-1].end if cascades else 0
    quiet = (steps - last) / period
    widens, narrows = halves(run.hessian_eigenvalues.values[:, 0], period, last)
    rises, falls = kernel(run, cascades, period)
    threshold = dynamics.threshold(list(cascades))
    spread = reading.spread_of_marks(cascades)
    return (
        Claim("There are about ten cascades of instabilities, and then none", paper.SAYS["ten"], "≈ 10",
              f"{len(cascades)}, the last {quiet:.1f} periods before the end",
              exists(ABOUT_TEN[0] <= len(cascades) <= ABOUT_TEN[1] and quiet > 2, testable=testable),
              f"{ABOUT_TEN[0]} to {ABOUT_TEN[1]}, and more than two periods without: seeds differ"),
        Claim("A cascade starts and ends where the largest Hessian eigenvalue crosses a threshold",
              paper.SAYS["threshold"],
              "one threshold", f"{threshold.value:.2f}, spread of the onsets and ends {spread:.0%}".replace("nan%",
                                                                                                            "–"),
              exists(bool(cascades) and spread < reading.SPREAD),
              f"a spread below {reading.SPREAD:.0%}: less than half the way to 0 or to 2λ"),
        Claim("The valley widens in the first half of a period (λ_max falls)", paper.SAYS["widens"], "always",
              **_share(widens)),
        Claim("… and narrows in the second half (λ_max rises)", paper.SAYS["second half"], "always", **_share(narrows)),
        Claim("The NTK's largest eigenvalue rises until a cascade starts", paper.SAYS["kernel rises"],
              "each of the first ten", **_share(rises)),
        Claim("… and falls during the cascade", paper.SAYS["kernel rises"], "each of the first ten", **_share(falls)),
        *_descent(run, cascades, period, last),
        *_bounces(run, cascades, period, threshold, testable),
    )  # fmt: skip


def _descent(run: xr.Dataset, cascades: Sequence[Instability], period: int, last: int) -> tuple[Claim, ...]:
    """What the loss and the accuracy do in the halves of a period."""
    sinks, rises = halves(run.loss.values, period, last)
    moved = [float(np.ptp(part)) for part in _tenths(run.accuracy.values, period, last)[:, 2:5]]
    change, inside = np.abs(np.diff(run.loss.values)), reading.inside(run.step.values[1:], cascades)
    first_half = (run.step.values[1:] % period < period / 2) & ~inside & (run.step.values[1:] <= last)
    small = float(np.median(change[first_half]) / np.median(change[inside])) if inside.any() else float("nan")
    static = run.static_loss.values
    crossed = [bool(static[start : start + period].max() > static[start]) for start in _starts(period, last)]
    return (
        Claim("The valley sinks in the first half of a period (the loss falls)", paper.SAYS["first half"], "always",
              **_share(sinks)),
        Claim("… and rises in the second half, although the network descends", paper.SAYS["second half"], "always",
              **_share(rises)),
        Claim("In the first half the loss changes little from step to step", paper.SAYS["first half"], "small",
              f"{small:.1%} of the change in a cascade (medians)".replace("nan%", "–"),
              exists(small <= SMALL, testable=bool(np.isfinite(small))), f"at most {SMALL:.0%} of that in a cascade"),
        Claim("… and the training accuracy is roughly constant", paper.SAYS["first half"], "roughly constant",
              f"it moves by {max(moved, default=float('nan')):.3f} at most", **_rule([m <= ROUGHLY for m in moved]),
              tolerance=f"within {ROUGHLY:g} in the medians over tenths of a period, once a cascade has ended"),
        Claim("While the network descends on the time-dependent loss, it climbs on the static one",
              paper.SAYS["barriers"],
              "it can cross barriers", f"the static loss rises in {sum(crossed)} of {len(crossed)} periods, "
              f"from {static[0]:.2f} to {static.max():.1f} at most, and ends at {static[-1]:.3f}",
              exists(any(crossed) and bool(static[-1] < static[0]), testable=bool(crossed)),
              "it has risen in at least one period, and ends below its start"),
    )  # fmt: skip


def _bounces(
    run: xr.Dataset, cascades: Sequence[Instability], period: int, marked: dynamics.Threshold, testable: bool
) -> tuple[Claim, ...]:
    """Where the cascades are, how the loss bounces in them, and what they leave behind."""
    threshold, error = marked.value, marked.standard_error
    curvature = run.hessian_eigenvalues.values[:, 0]
    second = [each.start % period >= period / 2 for each in cascades]
    ended = [
        bool(each.end % period < period / 2 and curvature[min(each.end + period // 10, len(curvature) - 1)] < threshold)
        for each in cascades
    ]
    after = curvature[cascades[-1].end + period // 10 :] if cascades else curvature
    most = float(after.max()) if len(after) else float("nan")
    shares = xr.DataArray([_flips(run.loss.values[each.start : each.end + 1]) for each in cascades], dims="cascade")
    flips = summary(shares, over="cascade")
    middles = curvature[period // 2 :: period][: len(curvature) // period - 1]  # without the last, static period
    wider = float(middles[-3:].mean() / middles[:3].mean()) if len(middles) >= 6 else float("nan")
    return (
        Claim("A cascade starts in the second half of a period", paper.SAYS["crosses"], "each", **_share(second)),
        Claim("… and ends early in the next period, when the valley of the new class has widened",
              paper.SAYS["falls below"], "each",
              **_share(ended)),
        Claim("In a cascade the loss alternates between two branches from step to step", paper.SAYS["branches"],
              "in each",
              f"its change flips sign at {interval(shares, over='cascade', bounds=SHARE)} of the steps that bounce",
              exists(bool(flips.mean - flips.margin > 0.5), testable=bool(flips.number > 1)),
              f"the 95 % interval of the mean over cascades is above one half; steps bounce that change the loss "
              f"by {reading.BOUNCE:g} nats or more"),
        Claim("After the last cascade λ_max stays below the threshold", paper.SAYS["ten"], "never exceeds it",
              f"largest {most:.2f}, threshold {threshold:.2f} ± {2 * error:.2f}",
              Verdict.UNDECIDED if testable and abs(most - threshold) < 2 * error
              else exists(bool(cascades) and len(after) > 0 and most <= threshold, testable=testable),
              "at no step; inconclusive within two standard errors of the threshold, the mean over onsets and ends"),
        Claim("The eigenvalues of the Hessian decrease, from the first periods to the last", paper.SAYS["decreasing"],
              "decrease", f"λ_max in the middle of a period: the last three are {wider:.2f} of the first three",
              exists(wider < 1, testable=testable and bool(np.isfinite(wider))), "below 1; one cycle against another"),
    )  # fmt: skip


def halves(values: np.ndarray, period: int, until: int) -> tuple[list[bool], list[bool]]:
    """Whether a quantity falls in the first half of each whole period up to a step, and rises in the second.

    Medians over tenths of the period are compared: the first, the fifth, and the last.
    """
    tenths = _tenths(values, period, until)
    return (tenths[:, 4] < tenths[:, 0]).tolist(), (tenths[:, 9] > tenths[:, 4]).tolist()


def kernel(run: xr.Dataset, cascades: Sequence[Instability], period: int) -> tuple[list[bool], list[bool]]:
    """Whether the NTK's λ_max rises in the quarter of a period before each cascade, and falls from start to end.

    Means over a hundredth of a period are compared, so that a single bounce decides nothing.
    """
    values, near = run.ntk_eigenvalues.values[:, 0], max(1, period // 100)
    before = [values[max(0, each.start - period // 4) :][:near].mean() for each in cascades]
    start = [values[max(0, each.start - near) : each.start + 1].mean() for each in cascades]
    end = [values[each.end : each.end + near].mean() for each in cascades]
    return list(map(bool, np.greater(start, before))), list(map(bool, np.less(end, start)))


def _starts(period: int, until: int) -> range:
    return range(0, until - period + 1, period)


def _tenths(values: np.ndarray, period: int, until: int) -> np.ndarray:
    """(periods, 10): medians over tenths of each whole period up to a step."""
    starts = _starts(period, until)
    parts = [np.array_split(values[start : start + period], 10) for start in starts]
    return np.array([[np.median(part) for part in each] for each in parts]).reshape(len(starts), 10)


def _flips(loss: np.ndarray) -> float:
    """The share of steps with an appreciable change of the loss at which that change flips its sign."""
    change = np.diff(loss)
    bounces = np.abs(change[1:]) >= reading.BOUNCE
    return float((change[1:] * change[:-1] < 0)[bounces].mean()) if bounces.any() else 0.0


def _rule(cases: Sequence[bool]) -> dict[str, Any]:
    return {"verdict": exists(bool(cases) and float(np.mean(cases)) >= RULE, testable=bool(cases))}


def _share(cases: Sequence[bool]) -> dict[str, Any]:
    return {"here": f"{sum(cases)} of {len(cases)}", **_rule(cases), "tolerance": AS_A_RULE}
