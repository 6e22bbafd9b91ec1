"""The central flow: a test of our own of how large the bounces are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book.analysis.paths import quarter_share
from dynloss_book.analysis.period_doubling import DOUBLED
from dynloss_book.engine.findings import Findings
from dynloss_book.engine.sweeps.statistics import interval

FEW = 3  # moments in a network, below which its median says little
AT_EDGE = 1.9  # ηλ from which on a direction is counted as being at the edge


def judge(windows: Mapping[int, xr.Dataset], learning_rate: float, scale: str) -> Findings:
    """How well the formula, and the flow without looking at the bounces, predict their size.

    Args:
        windows: {period: runs at its end, over ``seed``, with the variables of ``central_flow.experiment``}, the
            early one first.
        learning_rate: η.
        scale: in words.
    """
    early, *_, late = windows.values()
    one, broken, _, flow = table(early, learning_rate)
    later, _, two, late_flow = table(late, learning_rate)
    bounces, alone, late_alone = (row[RATIO].split(" ±")[0].split(" (")[0] for row in (one, flow, late_flow))
    return Findings(
        "central_flow",
        "How far do the bounces go?",
        f"As far as predicted where their mean path is given (variance {bounces} of the formula's); the flow alone is "
        f"off by factors of {alone} and, later, {late_alone}.",
        f"With one unstable mode the variance of the first bounces is {one[RATIO]} times that of the formula, "
        f"evaluated at their mean without a fit, and {later[RATIO]} times in a later period. {_broken(broken)}The "
        f"central flow starts before the cascade and never sees a bounce: the measured variance is {flow[RATIO]} times "
        f"its prediction ({late_flow[RATIO]} times in the later period), and its mean loss is off by at most "
        f"{_loss(early, learning_rate)}, all while the flow has at most one mode at the edge. {_second(two)} The "
        f"explicit time dependence of the loss accounts for {_motion(early, learning_rate)} of the rise of the "
        "sharpness at the edge, and descent for the rest.",
        scale,
    )


RATIO, MOMENTS = "measured over predicted", "moments counted"
ONE, BROKEN, TWO, FLOW = (
    "one mode at the edge",
    "… after the period of the bounce has doubled",
    "two or more",
    "the flow alone",
)


def table(runs: xr.Dataset, learning_rate: float) -> list[dict[str, Any]]:
    """Rows of a table: measured over predicted variance, the median in each network, mean over networks.

    Moments are chosen by what is predicted, never by what is measured: those at which gradient descent has not begun
    to bounce count as well.
    """
    at_edge = _at_edge(runs, learning_rate)
    second = learning_rate * runs.curvature.isel(rank=1) > AT_EDGE
    flow, of_flow = (at_moments(runs, values) for values in (runs.flow_variance, runs.flow_curvature.isel(rank_flow=1)))
    whole = runs.measured_at < breaks(runs, learning_rate)
    level, rest = learning_rate / 2 * runs.curvature.isel(rank=0), 1 - runs.measured / runs.all_directions
    rows = (
        (ONE, runs.predicted, at_edge & ~second & whole),
        (BROKEN, runs.predicted, at_edge & ~second & ~whole),
        (TWO, runs.predicted, at_edge & second),
        (FLOW, flow, (learning_rate * of_flow <= AT_EDGE) & (flow > 0)),
    )
    ratios = ((runs.measured / predicted.where(predicted > 0)).where(chosen) for _, predicted, chosen in rows)
    return [
        {
            "moments": name,
            RATIO: interval(ratio.median("moment")),
            "ηλ₁/2 at the mean of the bounces": interval(level.where(chosen).median("moment")),
            "displacement along other modes": interval(rest.where(chosen).median("moment")),
            "networks": int(ratio.notnull().any("moment").sum()),
            MOMENTS: int(ratio.notnull().sum()),
        }
        for (name, _, chosen), ratio in zip(rows, ratios, strict=True)
    ]


def _at_edge(runs: xr.Dataset, learning_rate: float) -> xr.DataArray:
    """The moments at which a direction is at the edge, and the formula has bounces."""
    return (learning_rate * runs.curvature.isel(rank=0) > AT_EDGE) & (runs.predicted > 0)


def at_moments(runs: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """What is known of the flow at each step, where gradient descent is measured: (seed, step) -> (seed, moment)."""
    return values.isel(step=(runs.measured_at - runs.measured_at.isel(moment=0) + 1).astype(int))


def breaks(runs: xr.Dataset, learning_rate: float) -> xr.DataArray:
    """The step at which each network's bounce breaks, infinite if it does not, (seed,).

    As in `cascades_two_step`: where the loss has power at a quarter of the step frequency, after the edge has been
    reached and the loss has been free of it.
    """
    at_edge = (learning_rate * runs.curvature.isel(rank=0) > AT_EDGE).transpose("seed", "moment").values
    steps, loss = (runs[name].transpose("seed", ...).values for name in ("measured_at", "loss"))
    found = np.full(len(loss), np.inf)
    for seed in np.flatnonzero(at_edge.any(axis=1)):
        first = steps[seed, 0] - 1
        share = quarter_share(loss[seed])
        share[: int(steps[seed, np.argmax(at_edge[seed])] - first)] = np.nan
        clean = np.flatnonzero(share < DOUBLED / 2)
        over = np.flatnonzero(share > DOUBLED)
        over = over[over > clean[0]] if len(clean) else over[:0]
        if len(over):
            found[seed] = first + over[0]
    return xr.DataArray(found, dims="seed")


def _loss(runs: xr.Dataset, learning_rate: float) -> str:
    """The largest distance of the mean losses in any network, while at most one direction is at the flow's edge."""
    mean = (runs.loss.shift(step=1) + 2 * runs.loss + runs.loss.shift(step=-1)) / 4
    alone = learning_rate * runs.flow_curvature.isel(rank_flow=1) <= AT_EDGE
    off, alone = (each.transpose("seed", "step").values[:, 1:-1] for each in (abs(runs.flow_loss / mean - 1), alone))
    return f"{100 * float(np.max(off[alone])):.0f} %" if alone.any() else "–"


def _motion(runs: xr.Dataset, learning_rate: float) -> str:
    """The share of ∂ₜS/η in ⟨−∇L, ∇S⟩ + ∂ₜS/η at the edge: the median in each network, mean over networks."""
    share = (runs.motion / (runs.drift + runs.motion)).where(_at_edge(runs, learning_rate)).median("moment")
    return f"{100 * float(share.mean()):.3g} %"


def _broken(row: dict[str, Any]) -> str:
    """What becomes of the formula once the period of the bounce has doubled."""
    if row[MOMENTS] < FEW * max(1, row["networks"]):
        return ""
    return f"Once the period of the bounce has doubled, the factor is {row[RATIO]}. "


def _second(row: dict[str, Any]) -> str:
    """What the later window says of moments with a second unstable mode, if there are enough of them."""
    if row["networks"] == 0:
        return "In the later window no second mode became unstable."
    if row[MOMENTS] < FEW * row["networks"]:
        return (
            f"A second mode was unstable at {row[MOMENTS]} moments of {row['networks']} networks only, too few to test "
            "the formula there."
        )
    return f"With a second unstable mode, in a later period, the factor is {row[RATIO]}."
