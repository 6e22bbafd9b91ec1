"""What the text claims beyond the figures: the weights Γ, minima, landscape, learning rate and kernel."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval
from dynloss_book.engine.verdicts import (
    AS_A_RULE,
    EXACT,
    IN_RUNS,
    RULE,
    SIGN,
    agreed,
    as_a_rule,
    at_least,
    exists,
    number,
    positive,
    within,
)

ROUNDING = 1e-6
ZERO = 1e-6  # nats: a loss that has vanished
SMALL, OUTLIER = 0.01, 0.1  # of λ_max: eigenvalues "very small in modulus", and outliers
MOST = 0.95
DOWNHILL = "With A → ∞ a solution is found from any initial weights without uphill moves"
CONVEX = "With A → ∞ the landscape of one class is convex, since no uphill moves are made"
FAITHFUL = 0.05  # between a mode's residual, in proportion to its first, and the exponential


def judge(found: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The statements of the text.

    Args:
        found: what `dynloss_book.statements.experiment` measured, as one dataset.
        settings: of the experiment.
    """
    testable = all(settings[name] == value for name, value in paper.TEXT.items())
    measured = (
        *_one_class(found),
        *_spectrum(found, testable),
        *_learning_rate(found, testable),
        *_turns(found, testable),
        _small_steps(found, testable),
        Claim("How do the landscape's minima and saddles change with A?", paper.SAYS["complexity"], "left open",
              "not in this book", Verdict.NOT_COMPUTED, "a count of them at several A would answer it", Kind.QUESTION),
    )  # fmt: skip
    claims = (
        *(claim._replace(reduced=not testable) for claim in measured),
        *(claim._replace(kind=Kind.DEFINITION) for claim in (*_weights(found), *_minima(found), *_kernel(found))),
    )
    of_paper = [claim.verdict for claim in claims if claim.kind == Kind.CLAIM]
    held, mixed, failed = map(of_paper.count, (Verdict.REPRODUCED, Verdict.MIXED, Verdict.NOT_REPRODUCED))
    low, high = found.weights.values.min(), found.weights.values.max()
    gain = interval(found.static_accuracy[1] - found.static_accuracy[0], signed=True)
    return Findings(
        "statements",
        "Do the claims hold that the paper makes without a figure?",
        f"Of the claims that the text makes without a figure, {held} are reproduced"
        f"{f', {mixed} in part' * bool(mixed)} and {failed} not"
        f"{' (the rest: too few runs)' * (held + mixed + failed < len(of_paper))}.",
        f"The weights stay between {low:.2g} and {high:.2f} and sum to the number of classes. {_alone(claims)}With "
        f"smaller steps, $\\eta = {float(found.rate[1]):g}$, and the same time $\\eta t$, the narrow network's "
        f"training accuracy with the static loss improves by {gain}, to {interval(found.static_accuracy[1])}.",
        f"{settings['width']} and {settings['wide']} units, {settings['steps']:,} steps, "
        f"{found.sizes['seed']} seeds; the paper: 100 and 1000, 35,000 steps",
        claims,
    )


def _alone(claims: tuple[Claim, ...]) -> str:
    """What one class alone does, as far as its claims have a verdict."""
    found = {claim.statement: claim.verdict for claim in claims}
    downhill, convex = found[DOWNHILL], found[CONVEX]
    ways = {
        Verdict.REPRODUCED: "descent never goes uphill and the loss nearly vanishes",
        Verdict.NOT_REPRODUCED: "the loss does not vanish without steps uphill",
    }
    lands = {Verdict.REPRODUCED: "a convex landscape", Verdict.NOT_REPRODUCED: "a landscape that is not convex"}
    if downhill not in ways or convex not in lands:
        return ""
    return f"With one class alone {ways[downhill]}, on {lands[convex]}. "


def _weights(found: xr.Dataset) -> tuple[Claim, ...]:
    gammas = found.weights.values
    amplitude, classes = found.amplitude.values, gammas.shape[-1]
    period = int(found.attrs["weight_period"])
    step = np.arange(gammas.shape[1])
    tilted, within_period = gammas[amplitude > 1], step % period > 0
    chosen = step // period % classes
    own = np.take_along_axis(tilted, np.broadcast_to(chosen[:, None], (*tilted.shape[:2], 1)), axis=-1)[..., 0]
    others = np.where(np.arange(classes) == chosen[:, None], -np.inf, tilted).max(axis=-1)
    emphasised = bool(((own > 1) & (others < 1))[:, within_period].all())
    opposed = bool((np.diff(own) * np.diff(others) <= ROUNDING)[:, within_period[1:]].all())
    sums = float(np.abs(gammas.sum(axis=-1) - classes).max())
    cycle = float(np.abs(gammas[:, classes * period :] - gammas[:, : -classes * period]).max())
    flat = float(np.abs(gammas[amplitude == 1] - 1).max())
    turn = float(np.abs(gammas[:, step % period == 0] - 1).max())
    return (
        Claim("The weights Γ lie between 0 and the number of classes, and sum to it",
              paper.SAYS["bounded"], f"0 to {classes}",
              f"{gammas.min():.3f} to {gammas.max():.3f}; the sum is off by {sums:.0e} at most",
              exists(bool(gammas.min() >= 0) and max(gammas.max() - classes, sums) <= classes * ROUNDING), EXACT),
        Claim("Γ is above 1 for one class, and below 1 for the others, which shrink when it grows",
              paper.SAYS["one above"],
              "during each period", "at every step" if emphasised and opposed else "not at every step",
              exists(emphasised and opposed), "at every step"),
        Claim("All weights are 1 where one period ends and the next begins, and at A = 1",
              paper.SAYS["transition"], "all 1",
              f"off by {max(turn, flat):.0e} at most", exists(max(turn, flat) <= ROUNDING), EXACT),
        Claim("A cycle takes as many periods as there are classes",
              paper.SAYS["cycle"], "C·T", f"off by {cycle:.0e} at most",
              exists(cycle <= ROUNDING), EXACT),
    )  # fmt: skip


def _minima(found: xr.Dataset) -> tuple[Claim, ...]:
    static, least, greatest = (found.margin_loss.sel(way=way).values for way in ("static", "least", "greatest"))
    above = bool((least[static > 0] > 0).all())
    return (
        Claim("The loss vanishes at the same global minima, whatever Γ is", paper.SAYS["minima"], "the same",
              f"where the static loss is {static[-1]:.0e}, none is above {greatest[-1]:.0e}; where it is "
              f"{static[0]:.2f}, none is below {least[0]:.2f}",
              exists(bool(greatest[-1] <= ZERO) and above),
              f"both at most {ZERO:.0e} nats, and neither without the other"),
    )  # fmt: skip


def _one_class(found: xr.Dataset) -> tuple[Claim, ...]:
    loss = found.one_class_loss.values
    uphill = int((np.diff(loss, axis=1) > 0).sum())
    ends = float(loss[:, -1].max())
    return (
        Claim(DOWNHILL, paper.SAYS["downhill"],
              "without uphill moves", f"{uphill} of {loss[:, 1:].size:,} steps go uphill; the loss ends at {ends:.3f} "
              f"at most ({len(loss)} seeds)", exists(uphill == 0 and ends < 0.1 * float(loss[:, 0].min())),
              "no step, down to a tenth of the loss at the start"),
        Claim("… and the simplest is to output the chosen class regardless of the input",
              paper.SAYS["simplest"], "regardless",
              f"{interval(found.chosen, bounds=SHARE)} of all points are given that class",
              at_least(found.chosen, MOST),
              f"{MOST:.0%} or more"),
        Claim(CONVEX, paper.SAYS["convex"], "no negative curvature",
              f"the smallest Hessian eigenvalue at the start, over the largest: "
              f"{interval(found.least_curvature, signed=True)}",
              number(found.least_curvature, 0, ROUNDING),
              within(ROUNDING, "convex is exact; rounding may disturb a zero")),
    )  # fmt: skip


def _spectrum(found: xr.Dataset, testable: bool) -> tuple[Claim, ...]:
    values, count = found.spectrum, found.sizes["eigenvalue"]
    size = abs(values).max("eigenvalue")
    small = (abs(values) < SMALL * size).mean("eigenvalue")
    negative, outliers = (each.sum("eigenvalue") for each in (values < 0, values > OUTLIER * size))
    least = (values / size).min("eigenvalue")
    convex = (found.along > 0).mean([dim for dim in found.along.dims if dim != "seed"])
    return (
        Claim("After training with the static loss most Hessian eigenvalues are very small",
              paper.SAYS["spectrum"], "most",
              f"{interval(small, bounds=SHARE)} of {count} are below {SMALL:.0%} of the largest",
              as_a_rule(small > 0.5, testable=testable), f"more than half, which is what “most” says, {IN_RUNS}"),
        Claim("… some of them are negative, so it is not a minimum", paper.SAYS["spectrum"], "even negative",
              f"{interval(negative)}, the least {interval(least, signed=True)} of the largest",
              as_a_rule(least < -ROUNDING, testable=testable), f"below 0 by more than rounding, {IN_RUNS}"),
        Claim("… and only a few are outliers", paper.SAYS["spectrum"], "a few",
              f"{interval(outliers)} are above {OUTLIER:.0%} of the largest",
              as_a_rule((outliers > 0) & (outliers <= 0.05 * count), testable=testable),
              f"at most 5 % of all, {IN_RUNS}"),
        Claim("The wide network's static loss is convex along the gradient",
              paper.SAYS["wide convex"], "convex",
              f"the curvature along the gradient is positive at {interval(convex, bounds=SHARE)} of the steps",
              as_a_rule(convex >= MOST, testable=testable), f"at {MOST:.0%} of the steps, {IN_RUNS}"),
    )  # fmt: skip


def _learning_rate(found: xr.Dataset, testable: bool) -> tuple[Claim, ...]:
    fast, slow = found.static_accuracy
    gain = slow - fast
    rates = [f"{float(rate):g}" for rate in found.rate]
    further, learns = positive(gain, testable=testable), at_least(slow, MOST, testable=testable)
    return (
        Claim("The narrow network fails because its valleys are too narrow for its learning rate: it learns at a "
              "smaller one", paper.SAYS["too narrow"],
              "too narrow for η",
              f"training accuracy {float(slow.mean()):.2f} at η = {rates[1]} and {float(fast.mean()):.2f} at η = "
              f"{rates[0]}, in the same time ηt: {interval(gain, signed=True)}",
              agreed(further, learns) if further is Verdict.REPRODUCED else further,
              f"{SIGN}; and {MOST:.0%} or more at the smaller rate; mixed if it gets further without learning, since "
              "a still smaller rate or another reason may then be needed"),
        Claim(f"Does it learn at η = {rates[1]}?", paper.SAYS["unreasonable"], "“unreasonably small” may be needed",
              f"training accuracy {interval(slow, bounds=SHARE)}", learns, f"{MOST:.0%} or more", Kind.QUESTION),
    )  # fmt: skip


def _turns(found: xr.Dataset, testable: bool) -> tuple[Claim, ...]:
    """Per class: how well the chosen one is classified when it counts most, and what becomes of a valley."""
    classes = found.sizes["class"]
    middles = found.class_accuracy[:, ::2]
    chosen = xr.DataArray(np.arange(middles.sizes["half_period"]) % classes, dims="half_period")
    accuracy = middles.isel({"class": chosen}).mean("half_period")
    other = xr.DataArray(np.arange(classes), dims="class") != chosen
    left = middles.where(other).isel(half_period=slice(0, classes)).mean(["half_period", "class"])
    worst = found.class_accuracy.isel(half_period=-1).min("class")
    ends = at_least(worst, MOST, testable=testable)
    # Γ is 1 at moment 2i and largest for class i at 2i + 1; a valley's own class does not count.
    kept = [(valley, turn) for valley in range(classes) for turn in range(classes) if turn != valley]
    before, amid = ([found.isel(valley=v, moment=2 * turn + late) for v, turn in kept] for late in (0, 1))
    rise, narrowing = (
        xr.concat([late[name] / early[name] for early, late in zip(before, amid, strict=True)], "pair")
        for name in ("valley_loss", "valley_curvature")
    )
    both = ((rise > 1) & (narrowing > 1)).mean("pair")
    return (
        Claim("In the middle of a period many or all samples of the chosen class are classified correctly",
              paper.SAYS["chosen class"], "many or all", f"{interval(accuracy, bounds=SHARE)} of them",
              at_least(accuracy, MOST, testable=testable),
              f"{MOST:.0%} or more, on average over the periods"),
        Claim("Valleys of the other classes rise and shrink, and then sink and grow",
              paper.SAYS["other valleys"], "they do",
              f"with the network held in one valley while another class is emphasised, loss and λ_max rise in "
              f"{interval(both, bounds=SHARE)} of the cases, by factors of {interval(rise.mean('pair'))} and "
              f"{interval(narrowing.mean('pair'))}; then both return", at_least(both, RULE, testable=testable),
              AS_A_RULE),
        Claim("No class is forgotten, on the way or in the end",
              paper.SAYS["forgetting"], "avoided",
              f"after the last period the worst class is at {interval(worst, bounds=SHARE)}; in the middle of the "
              f"first {classes} periods the classes that are not emphasised are at {interval(left, bounds=SHARE)}",
              agreed(ends, at_least(left, MOST, testable=testable)) if ends is Verdict.REPRODUCED else ends,
              f"every class at {MOST:.0%} or more in the end; mixed, if those that are not emphasised are below it"),
    )  # fmt: skip


def _small_steps(found: xr.Dataset, testable: bool) -> Claim:
    off = abs(found.mode_residual - found.mode_expected).max(["mode", "small_step"])
    left = abs(found.mode_residual.isel(small_step=-1))
    share = found.mode_eigenvalue.isel(mode=-1) / found.mode_eigenvalue.isel(mode=0)
    return Claim(
        "In the limit of small learning rates the data are learnt exponentially, along the largest eigenvalues first",
        paper.SAYS["exponential"], "exponentially",
        f"{found.sizes['mode']} modes with λ from 1 to {float(share.mean()):.2g} of the largest follow exp(−ηλt/N) "
        f"within {float(off.max()):.3f} in each of {found.sizes['seed']} networks; in the end the first residual is at "
        f"most {float(left.isel(mode=0).max()):.0e} of what it was, the last {interval(left.isel(mode=-1))}",
        as_a_rule(off <= FAITHFUL, testable=testable), f"within {FAITHFUL:g} of it at each step, {IN_RUNS}",
    )  # fmt: skip


def _kernel(found: xr.Dataset) -> tuple[Claim, ...]:
    once = found.residual.isel(kernel_step=1)  # that of step 0 is 1
    monotone, flipping, growing = once.transpose("regime", "seed").values
    well = (monotone > 0) & (monotone < 1) & (flipping < 0) & (flipping > -1) & (growing < -1)
    factors = ", ".join(f"{each:+.2f}" for each in once.mean("seed").values)
    error = float(abs(once - found.predicted.isel(kernel_step=1)).max())
    return (
        Claim("A residual decreases, flips sign while it decreases, or grows while it flips, as ηλ/N says",
              paper.SAYS["flips"], "three regimes",
              f"at ηλ/N = {', '.join(f'{float(each):g}' for each in found.regime)} one step multiplies it by "
              f"{factors}; eq. (14) is off by {error:.0e} at most",
              exists(bool(well.all())), "the sign and the size of the factor, in the first step of each network"),
    )  # fmt: skip
