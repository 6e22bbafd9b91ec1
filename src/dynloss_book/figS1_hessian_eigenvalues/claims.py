"""Figure S1: do the second and third eigenvalue start the second and third bifurcation of a cascade?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings
from dynloss_book.engine.verdicts import exists

MOST = 0.5  # the share of cascades from which on something happens as a rule
RULE = "in more than half of them"
CLOSE = 0.1  # of a cascade's length: as near as two events must be to count as one


def judge(run: xr.Dataset, crossings: pd.DataFrame, settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S1.

    Args:
        run: for its scale.
        crossings: of `analysis.cascades.crossings`: one row a cascade.
        settings: of the experiment.
    """
    number, where = len(crossings), paper.FIGURE_S1_WHERE
    second, third = (int(crossings[rank].notna().sum()) for rank in ("second", "third"))
    complete = crossings.dropna(subset=["second", "breaks"]).astype(float)
    shares = (complete.breaks - complete.second) / (complete.ends - complete.starts).clip(lower=1)
    median = float(np.median(shares)) if len(shares) else float("nan")
    claims = (
        Claim("A second eigenvalue crosses the threshold in the cascades", where, "in the cascades",
              f"{second} of {number}", exists(second > MOST * number, testable=number > 0), RULE),
        Claim("… and where it does, the second bifurcation begins: the loss leaves its two branches", where,
              f"at once (within {CLOSE:.0%} of the cascade)",
              f"{median:+.0%} of the cascade, median of {len(complete)}".replace("nan%", "–"),
              exists(abs(median) <= CLOSE, testable=len(complete) > 0),
              "a tenth of a cascade is as near as two events can be told apart by eye"),
        Claim("A third eigenvalue follows", where, "in the cascades",
              f"{third} of {number}", exists(third > MOST * number, testable=number > 0), RULE),
    )  # fmt: skip
    return Findings(
        "figS1_hessian_eigenvalues",
        "Do further eigenvalues start further bifurcations?",
        f"Of {number} cascades the second eigenvalue crosses the threshold in {second} and the third in "
        f"{third}."
        + (
            f" The loss leaves its two branches a median of {abs(median):.0%} of the cascade's length "
            f"{'after' if median >= 0 else 'before'} the second one crosses."
            if len(complete)
            else ""
        ),
        f"{run.attrs['scale']}; {paper.FIGURE_4_SCALE}",
        claims,
    )
