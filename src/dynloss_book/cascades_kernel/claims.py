"""The kernel with a threshold: Section III.D on the plain NTK, and what we find for the weighted one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import enumerated, positive

SAME = 0.15  # relative scatter of a number that counts as the same at every onset
MATRIX = (
    " So the paper's effective learning rate, whose dependence on the landscape it leaves open, is a matrix, made of "
    "the class weights and the softmax."
)
ALIKE = 1.4826  # standard deviations of normal values in one median absolute deviation
NAMES = {
    "hessian": "Hessian, ηλ_max(H)",
    "weighted_kernel": "Gauss-Newton kernel, (η/P) λ_max(BᵀΘB)",
    "ntk": "plain NTK, (η/P) λ_max(Θ)",
}


def _plain(verdict: Verdict, ratio: float) -> str:
    """The answer, by whether the plain kernel scatters, and how far the weighted kernel is off the Hessian."""
    if not np.isfinite(ratio):
        return "No cascade in these runs."
    shared = "shares the Hessian's threshold" if ratio <= SAME else "differs from the Hessian"
    said = {Verdict.REPRODUCED: "; the plain NTK has none", Verdict.NOT_REPRODUCED: "; so does the plain NTK"}
    return f"The Gauss-Newton kernel, weighted by classes and softmax, {shared}{said.get(verdict, '')}."


def judge(result: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The claims of Section III.D, and the answer to what it leaves open.

    Args:
        result: of `analysis.onsets.by_kernel`.
        settings: of the experiment.
    """
    scatter = {name: spread(result[f"onset_{name}"].isel(mark=0)) for name in NAMES}
    ratio = deviation(result)
    reduced = any(settings[name] != value for name, value in paper.FIGURE_4.items())
    known = bool(scatter["hessian"].notnull().any())
    claims = (
        Claim("The NTK's largest eigenvalue is not the same every time that a bifurcation starts",
              paper.SAYS["kernel differs"],
              "not the same", f"it varies by {percent(scatter['ntk'])}",
              positive(scatter["ntk"] - SAME) if known else Verdict.NOT_TESTABLE,
              f"the 95 % interval of the relative spread, 1.48 median absolute deviations, is above {SAME:.0%}",
              reduced=reduced),
        Claim("… unlike the largest eigenvalue of the Hessian, which is the same", paper.SAYS["kernel differs"],
              "the same",
              f"it varies by {percent(scatter['hessian'])}",
              positive(SAME - scatter["hessian"]) if known else Verdict.NOT_TESTABLE,
              f"the 95 % interval of the relative spread is below {SAME:.0%}", reduced=reduced),
    )  # fmt: skip
    means = [interval(_at_onsets(result, name) / 2) for name in ("weighted_kernel", "hessian", "ntk")]
    halves = {name: interval(typical(result, name) / 2) for name in NAMES}
    return Findings(
        "cascades_kernel",
        "Which kernel has a threshold?",
        _plain(claims[0].verdict, ratio),
        f"For the median cascade of a network ηλ_max/2 at the detected onset is {halves['weighted_kernel']} for the "
        f"Gauss-Newton kernel, {halves['hessian']} for the Hessian and {halves['ntk']} for the plain NTK; in the mean, "
        f"to which any onset that is detected late contributes, {enumerated(means)}. "
        f"The Gauss-Newton kernel and the Hessian differ by at most {ratio:.1%}; the residual term contributes at most "
        f"{float(abs(result.onset_residual_share.isel(mark=0)).max()):.2%} of λ_max there. In a cascade λ_max of the "
        "plain NTK falls "
        f"by {percent(drop(result, settings['period']))} within half a period.{MATRIX if ratio <= SAME else ''}"
        if np.isfinite(ratio)
        else "No cascade in these runs.",
        f"{settings['width']} hidden units, {settings['seeds']} seeds of {settings['steps']:,} steps, "
        f"T = {settings['period']}, A = {settings['amplitude']:g}; {paper.FIGURE_4_SEED}",
        claims,
    )


def _at_onsets(result: xr.Dataset, name: str, mark: int = 0) -> xr.DataArray:
    """ηλ at the onsets: the mean over the cascades of each seed."""
    return result[f"onset_{name}"].isel(mark=mark).mean("cascade")


def typical(result: xr.Dataset, name: str) -> xr.DataArray:
    """ηλ at the detected onset of the median cascade of each seed: of one that explodes between two measurements, the
    onset is detected far up."""
    return result[f"onset_{name}"].isel(mark=0).median("cascade")


def drop(result: xr.Dataset, period: int) -> xr.DataArray:
    """How far λ_max of the plain NTK falls after an onset: from there to its lowest value in the next half period, as a
    share; the mean over the cascades of each seed."""
    steps, lowest = result.step.values, result.ntk.min("side").values
    onsets, high = result.onset_step.isel(mark=0).values, result.onset_ntk.isel(mark=0)
    low = [[lowest[seed][(steps >= at) & (steps <= at + period // 2)].min(initial=np.inf) for at in row]
           for seed, row in enumerate(onsets)]  # fmt: skip
    return (1 - high.copy(data=low) / high).mean("cascade")


def spread(values: xr.DataArray) -> xr.DataArray:
    """How much the cascades of a seed differ, relative to their median: 1.48 median absolute deviations.

    That is the standard deviation of normal values, and a cascade that explodes between two measurements,
    whose onset is
    detected far up, cannot dominate it. NaN for fewer than two cascades.

    >>> round(spread(xr.DataArray([[1.9, 2.0, 2.1, 9.0]], dims=("seed", "cascade"))).item(), 3)
    0.072
    """
    several = values.where(values.notnull().sum("cascade") > 1)
    middle = several.median("cascade")
    return ALIKE * abs(several - middle).median("cascade") / middle


def percent(values: xr.DataArray) -> str:
    """Shares over seeds, in words.

    >>> percent(xr.DataArray([0.11, 0.12, 0.13], dims="seed")), percent(xr.DataArray([np.nan], dims="seed"))
    ('12.0 ± 2.5 % (3 seeds)', '–')
    """
    mean, *behind = interval(100 * values).rsplit(" (", 1)
    return f"{mean} % ({behind[0]}" if behind else mean


def deviation(result: xr.Dataset) -> float:
    """How far the weighted kernel's ηλ is from the Hessian's at any onset, relative to it."""
    return float(abs(result.onset_weighted_kernel / result.onset_hessian - 1).max())


def table(result: xr.Dataset) -> list[dict[str, Any]]:
    """Rows of a table: ηλ/2 at the onsets for each mark, and how much it scatters."""
    return [
        {
            "quantity": words,
            **{
                f"half of it, detection jump {float(jump):.0%}": interval(_at_onsets(result, name, k) / 2)
                for k, jump in enumerate(result.mark.values)
            },
            "half of it, median cascade": interval(typical(result, name) / 2),
            "relative spread": percent(spread(result[f"onset_{name}"].isel(mark=0))),
        }
        for name, words in NAMES.items()
    ]


def shares(result: xr.Dataset, period: int) -> dict[str, str]:
    """The residual term's share in λ_max: at the onsets, and along the runs, without the first half of a period."""
    along, onsets = result.residual_share.sel(step=slice(period // 2, None)), result.onset_residual_share.isel(mark=0)
    kept, marked = (np.abs(each.values[np.isfinite(each.values)]) for each in (along, onsets))

    def share(values: np.ndarray, at: float) -> str:
        return f"{float(np.quantile(values, at)):.3%}" if len(values) else "–"

    return {
        "at the onsets, median": share(marked, 0.5),
        "at the onsets, largest": share(marked, 1.0),
        "along the runs, median": share(kept, 0.5),
        "along the runs, 99 % are below": share(kept, 0.99),
        "along the runs, largest": share(kept, 1.0),
    }
