"""Figure S1: do the second and third eigenvalue start the second and third bifurcation of a cascade?"""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, interval, summary
from dynloss_book.engine.verdicts import SIGN, positive

MOST = 0.5  # the share of cascades from which on something happens as a rule
RULE = f"in more than half of the cascades; {SIGN}"
CLOSE = 0.1  # of a cascade's length: as near as two events must be to count as one


def judge(runs: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S1.

    Args:
        runs: `analysis.learning.MEASURED` over seed.
        settings: of the experiment.
    """
    reduced = not all(settings.get(name) == value for name, value in paper.FIGURE_4.items())
    claims = (
        Claim("A second eigenvalue crosses the threshold in the cascades", paper.SAYS["further"], "in the cascades",
              **_crossed(runs.second)),
        Claim("The loss leaves its two branches when the second eigenvalue crosses the threshold",
              paper.SAYS["further"],
              f"at once (within {CLOSE:.0%} of the cascade)",
              f"{interval(runs.lateness, signed=True)} of the cascade's length later, median over a run's cascades, of "
              f"which {interval(runs.breaks)} have both", at_once(runs.lateness),
              f"within {CLOSE:g} with the whole 95 % interval of the mean over seeds, beyond it likewise: a tenth of a "
              "cascade is the smallest distance that the eye resolves"),
        Claim("A third eigenvalue follows", paper.SAYS["further"], "in the cascades", **_crossed(runs.third)),
    )  # fmt: skip
    number, median, there = int(runs.cascades.sum()), float(runs.lateness.mean()), bool(runs.breaks.any())
    second, third = (round(float((runs[rank] * runs.cascades).sum())) for rank in ("second", "third"))
    return Findings(
        "figS1_hessian_eigenvalues",
        "Do further eigenvalues start further bifurcations?",
        f"The second eigenvalue crosses the threshold in {second} of {number} cascades"
        + (f", but {'earlier' if median >= 0 else 'later'} than the loss leaves its two branches." if there else "."),
        f"Of {number} cascades the second eigenvalue crosses the threshold in {second} and the third in "
        f"{third}."
        + (
            f" The loss leaves its two branches a median of {abs(median):.0%} of the cascade's length "
            f"{'after' if median >= 0 else 'before'} the second one crosses."
            if there
            else ""
        ),
        f"{runs.sizes['seed']} seed{'s' * (runs.sizes['seed'] > 1)}, {settings['steps']:,} steps; "
        f"{paper.FIGURE_4_SEED}",
        tuple(claim._replace(reduced=reduced) for claim in claims),
    )


def at_once(lateness: xr.DataArray) -> Verdict:
    """Whether two events are one: nearer than ``CLOSE`` with the whole interval of their distance."""
    return positive(CLOSE - (lateness if summary(lateness).mean > 0 else -lateness))


def _crossed(share: xr.DataArray) -> dict[str, Any]:
    return {"here": f"in {interval(share, bounds=SHARE)} of them", "verdict": positive(share - MOST), "tolerance": RULE}
