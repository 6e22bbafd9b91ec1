"""Figure S1: do the second and third eigenvalue start the second and third bifurcation of a cascade?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings
from dynloss_book.engine.verdicts import by_run, exists

MOST = 0.5  # the share of cascades from which on something happens as a rule
RULE = "in more than half of the cascades"
CLOSE = 0.1  # of a cascade's length: as near as two events must be to count as one


def judge(runs: Sequence[tuple[xr.Dataset, pd.DataFrame]], settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S1.

    Args:
        runs: each for its scale, and its crossings, of `analysis.cascades.crossings`: one row a cascade.
        settings: of the experiment.
    """
    tested = by_run([_of_run(crossings) for _, crossings in runs])
    reduced = not all(settings.get(name) == value for name, value in paper.FIGURE_4.items())
    claims = tuple(claim._replace(reduced=reduced) for claim in tested)
    crossings = pd.concat([each for _, each in runs])
    number, (second, third) = len(crossings), _crossed(crossings)
    late = lateness(crossings)
    median = float(np.median(late)) if len(late) else float("nan")
    return Findings(
        "figS1_hessian_eigenvalues",
        "Do further eigenvalues start further bifurcations?",
        f"The second eigenvalue crosses the threshold in {second} of {number} cascades"
        + (f", {'earlier' if median >= 0 else 'later'} than the loss leaves its two branches." if len(late) else "."),
        f"Of {number} cascades the second eigenvalue crosses the threshold in {second} and the third in "
        f"{third}."
        + (
            f" The loss leaves its two branches a median of {abs(median):.0%} of the cascade's length "
            f"{'after' if median >= 0 else 'before'} the second one crosses."
            if len(late)
            else ""
        ),
        f"{runs[0][0].attrs['scale']}; {paper.FIGURE_4_SCALE}",
        claims,
    )


def _crossed(crossings: pd.DataFrame) -> list[int]:
    """In how many cascades the second and the third eigenvalue cross the threshold."""
    return [int(crossings[rank].notna().sum()) for rank in ("second", "third")]


def lateness(crossings: pd.DataFrame) -> pd.Series:
    """How long after the second eigenvalue has crossed the loss leaves its branches, over the length of the cascade."""
    complete = crossings.dropna(subset=["second", "breaks"]).astype(float)
    return (complete.breaks - complete.second) / (complete.ends - complete.starts).clip(lower=1)


def _of_run(crossings: pd.DataFrame) -> tuple[Claim, ...]:
    """What one run says by itself."""
    number, (second, third) = len(crossings), _crossed(crossings)
    late = lateness(crossings)
    median = float(np.median(late)) if len(late) else float("nan")
    return (
        Claim("A second eigenvalue crosses the threshold in the cascades", paper.SAYS["further"], "in the cascades",
              f"{second} of {number}", exists(second > MOST * number, testable=number > 0), RULE),
        Claim("… and when it does, the second bifurcation begins: the loss leaves its two branches",
              paper.SAYS["further"],
              f"at once (within {CLOSE:.0%} of the cascade)",
              f"{median:+.0%} of the cascade, median of {len(late)}".replace("nan%", "–"),
              exists(abs(median) <= CLOSE, testable=len(late) > 0),
              "a tenth of a cascade is the smallest distance that the eye resolves"),
        Claim("A third eigenvalue follows", paper.SAYS["further"], "in the cascades",
              f"{third} of {number}", exists(third > MOST * number, testable=number > 0), RULE),
    )  # fmt: skip
