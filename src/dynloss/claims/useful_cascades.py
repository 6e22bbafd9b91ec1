"""What cascades are good for: the paper's reading of them, held against the same training without bounces."""

from typing import Any

import numpy as np
import xarray as xr

from dynloss.claims.findings import Claim, Findings
from dynloss.claims.verdicts import SIGN, positive
from dynloss.sweeps.statistics import interval

NAMES = {
    "validation_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
    "loss": "static training loss (nats)",
    "alignment": "kernel-target alignment",
    "sharpness": "λ_max of the static loss",
}


def judge(branches: xr.Dataset, runs: xr.Dataset) -> Findings:
    """What bounces add, in a period and in whole runs.

    Args:
        branches: (seed, turn, way), with ``bounces``.
        runs: (seed, run).
    """
    ends = runs.validation_accuracy
    bounces = ends.sel(run="oscillating") - ends.sel(run="oscillating, calm")
    moving = ends.sel(run="oscillating, calm") - ends.sel(run="static, calm")
    sharper = runs.sharpness.sel(run="oscillating, calm") - runs.sharpness.sel(run="oscillating")
    gain, flatter, fit = (
        difference(branches, name).mean("turn") for name in ("validation_accuracy", "sharpness", "alignment")
    )
    where = "Section III.B and IV"
    claims = (
        Claim("The improvement comes in part from a learning rate too large for the narrowing valley", where, "in part",
              f"validation accuracy {interval(bounces, signed=True)} against the same run by steps too small to bounce",
              positive(bounces), SIGN),
        Claim("Cascades let the network find wider valleys", where, "wider",
              f"λ_max of the static loss is {interval(sharper)} lower than without", positive(sharper), SIGN),
    )  # fmt: skip
    return Findings(
        "useful_cascades",
        "What does a cascade do for the network?",
        "Trained twice from the same weights on the same moving loss, by η and by steps too small to bounce, networks "
        f"end with a validation accuracy of {interval(ends.sel(run='oscillating'))} with bounces and "
        f"{interval(ends.sel(run='oscillating, calm'))} without; the moving loss alone changes the calm static "
        f"training by {interval(moving, signed=True)}. In a single period the bounces change the accuracy by "
        f"{interval(gain, signed=True)}, but $\\lambda_{{\\max}}$ of the static loss by "
        f"{interval(flatter, signed=True)} and the kernel-target alignment by {interval(fit, signed=True)}.",
        runs.attrs["scale"],
        claims,
    )


def difference(branches: xr.Dataset, name: str) -> xr.DataArray:
    """Bouncing less calm after each period, (seed, turn)."""
    return branches[name].sel(way="bouncing", drop=True) - branches[name].sel(way="calm", drop=True)


def table(branches: xr.Dataset) -> list[dict[str, Any]]:
    """Rows of a table: each score before, and after a period with and without bounces; means over the periods."""
    rows = []
    for name, label in NAMES.items():
        before, bouncing, calm = (branches[name].sel(way=way).mean("turn") for way in ("before", "bouncing", "calm"))
        rows.append(
            {
                "score": label,
                "in a period with bounces": interval(bouncing - before, signed=True),
                "without": interval(calm - before, signed=True),
                "what the bounces add": interval(bouncing - calm, signed=True),
            }
        )
    return rows


def correlations(branches: xr.Dataset, learning_rate: float) -> list[dict[str, Any]]:
    """Rows of a table: rank correlations, over the periods of a network, of what a cascade adds with what it is like.

    What it adds is the validation accuracy less that of the calm branch. The mean over networks has an interval; one
    network's few periods alone say little.
    """
    gain = difference(branches, "validation_accuracy")
    above = learning_rate * branches.curvature.isel(rank=0) > 2
    squared = (branches.cosine**2).where(above)
    likenesses = {
        "steps that bounce": branches.bounces.sel(way="bouncing"),
        "largest squared cosine of a class's gradient with u, while λ₁ > 2/η": squared.max("class").mean("moment"),
        "largest share of a class in the curvature, while λ₁ > 2/η": branches.share.where(above)
        .max("class")
        .mean("moment"),
        "kernel-target alignment before": branches.alignment.sel(way="before"),
    }
    return [
        {
            "what a cascade is like": label,
            "rank correlation with what it adds": interval(_ranked(gain, values), signed=True),
        }
        for label, values in likenesses.items()
    ]


def _ranked(first: xr.DataArray, second: xr.DataArray) -> xr.DataArray:
    """Spearman's rank correlation over the turns, for each seed; NaN where one of the two does not vary."""
    from scipy import stats

    def correlation(a, b):
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
            return np.nan
        return float(stats.spearmanr(a[both], b[both]).statistic)

    pairs = zip(first.transpose("seed", "turn").values, second.transpose("seed", "turn").values, strict=True)
    return xr.DataArray([correlation(a, b) for a, b in pairs], dims="seed")
