"""The central flow: no claim of the paper, but a test of what the bounces are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss.claims.findings import Findings
from dynloss.sweeps.statistics import interval

AT_EDGE = 1.9  # ηλ from which on a direction is counted as being at the edge


def judge(windows: Mapping[int, xr.Dataset], learning_rate: float) -> Findings:
    """How well the formula, and the flow without looking at the bounces, predict their size.

    Args:
        windows: {period: runs at its end, over ``seed``, with the variables of ``experiments.central_flow``}, the
            early one first.
        learning_rate: η.
    """
    early, *_, late = windows.values()
    one, _, flow = table(early, learning_rate)
    _, two, _ = table(late, learning_rate)
    return Findings(
        "central_flow",
        "How far do the bounces go?",
        f"With one direction at the edge the variance of the bounces is {one[RATIO]} times that of the formula at "
        "their mean, without a fit. The central flow, followed from before the cascade and never shown a bounce: "
        f"{flow[RATIO]} times its variance is measured, and its mean loss is off by {_loss(early)} at most. "
        f"{_second(two)} The direct motion of the loss makes up {_motion(early, learning_rate)} of what sharpens the "
        "valley at the edge; the rest is descent.",
        early.attrs["scale"],
    )


RATIO = "measured over predicted"
ONE, TWO, FLOW = "one direction at the edge", "two or more", "the flow alone"


def table(runs: xr.Dataset, learning_rate: float) -> list[dict[str, Any]]:
    """Rows of a table: measured over predicted variance, the median in each network, mean over networks."""
    at_edge = (learning_rate * runs.curvature.isel(rank=0) > AT_EDGE) & (runs.predicted > 0)
    second = learning_rate * runs.curvature.isel(rank=1) > AT_EDGE
    whole = at_edge & (runs.measured > 0.1 * runs.measured.max("moment"))
    flow = flow_at_moments(runs)
    rows = []
    for name, predicted, chosen in (
        (ONE, runs.predicted, whole & ~second),
        (TWO, runs.predicted, whole & second),
        (FLOW, flow, whole & ~second & (flow > 0)),
    ):
        ratio = (runs.measured / predicted.where(predicted > 0)).where(chosen)
        rest = (1 - runs.measured / runs.all_directions).where(chosen)
        rows.append(
            {
                "moments": name,
                RATIO: interval(ratio.median("moment")),
                "displacement in other directions": interval(rest.median("moment")),
                "networks": int(ratio.notnull().any("moment").sum()),
            }
        )
    return rows


def flow_at_moments(runs: xr.Dataset) -> xr.DataArray:
    """σ² of the flow at the steps at which gradient descent is measured, (seed, moment)."""
    first = runs.measured_at.isel(moment=0) - 1
    return runs.flow_variance.isel(step=(runs.measured_at - first).astype(int))


def _loss(runs: xr.Dataset) -> str:
    """The largest distance of the mean losses, in percent, while at most one direction is at the edge in the flow."""
    loss = runs.loss.transpose("seed", "step").values
    mean = (loss[:, :-2] + 2 * loss[:, 1:-1] + loss[:, 2:]) / 4
    off = np.abs(runs.flow_loss.transpose("seed", "step").values[:, 1:-1] / mean - 1)
    return f"{100 * float(np.mean(off.max(axis=1))):.0f} %"


def _motion(runs: xr.Dataset, learning_rate: float) -> str:
    at_edge = (learning_rate * runs.curvature.isel(rank=0) > AT_EDGE) & (runs.predicted > 0)
    share = (runs.motion / (runs.drift + runs.motion)).where(at_edge).median("moment")
    return f"{100 * float(share.mean()):.1f} %"


def _second(row: dict[str, Any]) -> str:
    if row["networks"] == 0:
        return "In the later window no second direction reached the edge."
    return (
        f"Where a second direction is at the edge, in a later period, it is {row[RATIO]} times: the formula knows only "
        "one."
    )
