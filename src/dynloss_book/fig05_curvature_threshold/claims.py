"""Figure 5: the curvature threshold against the learning rate, and the static loss beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss import dynamics
from dynloss.dynamics import PowerLaw
from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval
from dynloss_book.engine.verdicts import RULE, SIGN, as_a_rule, at_least, number, positive, within
from dynloss_book.fig05_curvature_threshold.experiment import CRITERIA, MOST

SAME = 0.1  # relative: how near the thresholds of two widths must be to count as the same
NEAR = 0.05  # the paper gives its exponent to one digit: -0.92 is -0.9
CLOSE = 0.1  # "remarkably close" to the exponent of eq. (7): the distance of the paper's own
LEARNT, POOR = 0.95, 0.8  # accuracies of a network that has learnt, and of one that has not
SECOND_HALF = f"{MOST:.0%} of the second half of the run, the transient left out, in {RULE:.0%} of the runs"

Laws = Mapping[str, Mapping[str, PowerLaw]]


def judge(
    networks: Mapping[str, xr.Dataset],
    laws: Laws,
    static: Mapping[str, xr.Dataset],
    settings: Mapping[str, Any],
) -> Findings:
    """The claims of Figure 5.

    Args:
        networks: {label: ``threshold``, ``scaled_threshold`` and more over learning_rate and seed}, narrow and wide.
        laws: {"threshold", "scaled_threshold", …: {label: the power law}}.
        static: {label: `experiment.SECOND_HALF` of runs with the static loss over learning_rate, 1 alone, and seed}.
        settings: ``period`` and ``steps`` at η = 1, and ``static_steps``.
    """
    narrow, wide = networks
    testable = all(settings[name] == value for name, value in paper.FIGURE_5.items())
    ratio, farthest = _ratio(networks[wide].threshold, networks[narrow].threshold)
    claims = (
        *(_exponent(label, network, laws, testable) for label, network in networks.items()),
        Claim("The threshold does not depend on the width", paper.SAYS["exponent 09"], "the same",
              f"wide over narrow {interval(ratio)} in the mean over η; largest deviation {farthest}",
              number(ratio, 1, SAME),
              within(SAME, "the spread of onsets and ends")),
        *_without_oscillations(static, laws, testable),
        _prediction(networks, testable),
    )  # fmt: skip
    fitted, scaled = (_listed(laws[name]) for name in ("threshold", "scaled_threshold"))
    return Findings(
        "fig05_curvature_threshold",
        "How does the threshold depend on the learning rate?",
        _plain(laws),
        (
            "The threshold, the sharpness $\\lambda_{\\max}$ at which cascades start, falls as a power of the learning "
            f"rate η. Its exponent is {fitted} where a start is a rise by 0.1 in one step, as in the paper, and "
            f"{scaled} where it is a rise by 0.1/η (95 % intervals). The second mark is the natural one, since a run "
            "at η is a run at rate 1 on ηF: a fixed rise of 0.1 is a larger part of a lower threshold, and is reached "
            "later. A single power law need not fit either mark; the table has the tests. The edge of stability of "
            "gradient descent is 2/η, an exponent of −1."
            if fitted
            else "Too few runs for a power law yet."
        ),
        "; ".join(f"{label}: {network.attrs['scale']}" for label, network in networks.items())
        + f"; T = {settings['period']}/η, {settings['steps']:,}/η steps; the paper: 5000/η and 70,000/η",
        tuple(claim._replace(reduced=not testable) for claim in claims),
    )


def _listed(laws: Mapping[str, PowerLaw]) -> str:
    return " and ".join(
        f"{law.exponent:.2f} ({law.low:.2f} … {law.high:.2f}, {label})" for label, law in laws.items()
    ).replace("-", "−")


def _plain(laws: Laws) -> str:
    fixed, scaled = ([law.exponent for law in laws[name].values()] for name in ("threshold", "scaled_threshold"))
    if not fixed or not scaled:
        return "Too few runs for a power law yet."
    falls = "falls about" if max(abs(each + 1) for each in scaled) <= CLOSE else "does not fall"
    theirs = max(abs(each - paper.EXPONENT) for each in fixed) <= NEAR
    return f"The sharpness at which cascades start {falls} as 1/η, like the edge of stability 2/η" + (
        f"; the paper's exponent {paper.EXPONENT:g} results if the same rise of λ counts as a start at every rate."
        if theirs
        else "."
    )


def _without_oscillations(static: Mapping[str, xr.Dataset], laws: Laws, testable: bool) -> tuple[Claim, ...]:
    """Panels (b) and (c)."""
    (narrow, few), (wide, many) = ((label, runs.isel(learning_rate=0)) for label, runs in static.items())
    at_one = dict.fromkeys(static, np.nan) | {label: law.prefactor for label, law in laws["threshold"].items()}
    return (
        Claim("Without oscillations the narrow network's curvature is always above the threshold",
              paper.SAYS["always above"], "always",
              **_always(f"{1 - MOST:.0%}", few.lower, few.lower - at_one[narrow], testable)),
        Claim("… and it does not learn", paper.SAYS["always above"], "poor",
              f"training accuracy {interval(few.accuracy, bounds=SHARE)}; below {POOR:g} in "
              f"{int((few.accuracy < POOR).sum())} of {int(few.accuracy.notnull().sum())} runs",
              positive(POOR - few.accuracy, testable=testable), f"below {POOR:g}; the paper gives no number; {SIGN}"),
        Claim("The wide network's curvature falls below the threshold after a transient", paper.SAYS["soon below"],
              "always",
              **_always(f"{MOST:.0%}", many.upper, at_one[wide] - many.upper, testable)),
        Claim("… and it learns", paper.SAYS["wider learns"], "≈ 1",
              f"training accuracy {interval(many.accuracy, bounds=SHARE)}",
              at_least(many.accuracy, LEARNT, testable=testable), f"{LEARNT:g} or more, with the whole 95 % interval"),
    )  # fmt: skip


def _always(share: str, quantile: xr.DataArray, beyond: xr.DataArray, testable: bool) -> dict[str, Any]:
    """Whether a quantile of the second half of each run lies beyond the threshold at η = 1 by the jump 0.1."""
    known = beyond.dropna("seed") > 0
    return {
        "here": f"in {int(known.sum())} of {known.size} runs: the {share} quantile of the second half is "
        f"{interval(quantile)}, beyond the threshold by {interval(beyond)}",
        "verdict": as_a_rule(known, testable=testable),
        "tolerance": SECOND_HALF,
    }


def by_seed(thresholds: xr.DataArray) -> xr.DataArray:
    """The exponent of each seed's own power law in the learning rate, (seed,); NaN for fewer than three rates."""

    def exponent(row):
        known = np.isfinite(row)
        rates = thresholds.learning_rate.values[known]
        return dynamics.power_law(rates, row[known]).exponent if len(rates) > 2 else np.nan

    return xr.apply_ufunc(exponent, thresholds, input_core_dims=[["learning_rate"]], vectorize=True)


def _exponent(label: str, network: xr.Dataset, laws: Laws, testable: bool) -> Claim:
    statement = f"The threshold falls as η^−0.9 ({label})"
    if label not in laws["threshold"]:
        return Claim(statement, paper.SAYS["exponent 09"], "−0.9", "too few runs", Verdict.NOT_COMPUTED)
    found, law = by_seed(network.threshold), laws["threshold"][label]
    here = f"{interval(found)}, a fit for each; of all together {law.exponent:.2f} ({law.low:.2f} … {law.high:.2f})"
    if label in laws["scaled_threshold"]:
        here += f"; with a detection jump in proportion {interval(by_seed(network.scaled_threshold))}"
    here += f"; {curved(network.threshold)}{_not_learnt(network)}"
    return Claim(statement, paper.SAYS["exponent 09"], "−0.9", here,
                 number(found, paper.EXPONENT, NEAR, testable=testable),
                 within(NEAR, "the paper gives one digit"))  # fmt: skip


def misfit(thresholds: xr.DataArray) -> float:
    """How likely the means at the rates would be as far from one power law as they are: an F test for lack of fit.

    NaN where there are fewer than three rates, or no two seeds at one.
    """
    from scipy import stats  # slow to import

    there = thresholds.dropna("learning_rate", how="all")
    rates, known = np.log(there.learning_rate.values), np.log(there.transpose("learning_rate", "seed").values)
    number, means = np.isfinite(known).sum(axis=1), np.nanmean(known, axis=1)
    free, pure = len(rates) - 2, int(number.sum()) - len(rates)
    if free < 1 or pure < 1:
        return float("nan")
    line = np.polyval(np.polyfit(rates, means, 1, w=np.sqrt(number)), rates)
    lack = (number * (means - line) ** 2).sum() / free
    return float(stats.f.sf(lack / (np.nansum((known - means[:, None]) ** 2) / pure), free, pure))


def curved(thresholds: xr.DataArray) -> str:
    """Whether one power law fits, in words: the exponent in the lower and the upper half of the rates, and the test."""
    middle = len(thresholds.learning_rate) // 2
    lower, upper = (interval(by_seed(thresholds.isel(learning_rate=part)))
                    for part in (slice(0, middle + 1), slice(middle, None)))  # fmt: skip
    return f"in the lower half of the rates {lower}, in the upper {upper}; {_fit(thresholds)}"


def _fit(thresholds: xr.DataArray) -> str:
    return f"one power law fits with p = {misfit(thresholds):.1g}"


def _not_learnt(network: xr.Dataset) -> str:
    """The rates at which networks do not learn, in words."""
    mean = network.accuracy.mean("seed")
    rates = [f"{float(rate):g}" for rate in mean.learning_rate[(mean < LEARNT).values]]
    return f"; at η = {', '.join(rates)} the networks do not learn (below {LEARNT:g})" if rates else ""


def _prediction(networks: Mapping[str, xr.Dataset], testable: bool) -> Claim:
    """Eq. (7), with a detection jump in proportion, which leaves the exponent of a quadratic alone."""
    found = {label: by_seed(network.scaled_threshold) for label, network in networks.items()}
    here = ", ".join(
        f"{interval(values)} ({label}; {_fit(networks[label].scaled_threshold)})" for label, values in found.items()
    )
    verdicts = {number(values, -1, CLOSE, testable=testable) for values in found.values()}
    worst = next((each for each in (Verdict.NOT_COMPUTED, Verdict.NOT_TESTABLE, Verdict.NOT_REPRODUCED,
                                    Verdict.UNDECIDED) if each in verdicts), Verdict.REPRODUCED)  # fmt: skip
    return Claim("The threshold falls nearly as 1/η, as eq. (7) predicts, if the detection jump scales with it",
                 paper.SAYS["exponent 09"], "−1", here, worst,
                 within(CLOSE, "what the paper calls remarkably close; with a detection jump in proportion, 0.1/η"),
                 )  # fmt: skip


def _ratio(upper: xr.DataArray, lower: xr.DataArray) -> tuple[xr.DataArray, str]:
    """The geometric mean of a ratio over the learning rates, of each seed that both have; and where it is farthest."""
    of_means = upper.mean("seed") / lower.mean("seed")
    paired = xr.apply_ufunc(np.exp, xr.apply_ufunc(np.log, upper / lower).mean("learning_rate"))
    if not of_means.notnull().any():
        return paired, "–"
    at = of_means[int(np.nanargmax(np.abs(np.log(of_means))))]
    return paired, f"{float(at):.2f} at η = {float(at.learning_rate):g}"


def exponents(laws: Laws) -> list[dict[str, Any]]:
    """Rows of a table: the exponent, its interval, and the threshold at η = 1, by each criterion, for each network."""
    return [
        {
            "detection jump": CRITERIA[name],
            "network": label,
            "exponent": f"{law.exponent:.2f}",
            "95 % interval": f"{law.low:.2f} … {law.high:.2f}",
            "holds −0.9": "yes" if law.low <= paper.EXPONENT <= law.high else "no",
            "holds −1": "yes" if law.low <= -1 <= law.high else "no",
            "λ_th at η = 1": f"{law.prefactor:.2f}",
            "runs": law.points,
        }
        for name, found in laws.items()
        for label, law in found.items()
    ]


def by_rate(network: xr.Dataset) -> dict[str, Any]:
    """Columns of a table over the learning rates, means over seeds."""
    rate = network.learning_rate
    return {
        "ηλ_th, jump 0.1": (network.threshold * rate).mean("seed").to_series().map("{:.2f}".format),
        "ηλ_th, jump 0.1/η": (network.scaled_threshold * rate).mean("seed").to_series().map("{:.2f}".format),
        "seeds": network.scaled_threshold.notnull().sum("seed").to_series(),
        "onsets and ends a run": network.marks.mean("seed").to_series().map("{:.0f}".format),
        "training accuracy": network.accuracy.mean("seed").to_series().map("{:.3f}".format),
    }
