"""Section III.D: the squared error, eqs. (8)-(14)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynloss import dynamics
from dynloss.dynamics import PowerLaw
from dynloss_book import paper
from dynloss_book.analysis.cascades import SQUARED, bouncing
from dynloss_book.analysis.period_doubling import crossing
from dynloss_book.engine.findings import Claim, Findings, Kind
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import SIGN, exists, number, positive

WITHIN = 0.05  # of a boundary


def judge(
    regimes: xr.Dataset, probes: xr.Dataset, rates: Sequence[float], ratios: Sequence[float], run: xr.Dataset,
    starts: Sequence[Sequence[int]], every: int, width_law: PowerLaw,
) -> Findings:  # fmt: skip
    """What eq. (14) predicts, and what happens.

    Args:
        regimes: ``mode``, ``eigenvalue`` (ratio, seed, step); the last ratio is above 2.
        probes: ``error`` (moment, seed, unit, rate), ``factor`` and ``disturbance`` (moment, seed, ratio).
        rates, ratios: of the probes.
        run: with oscillating weights, ``plain`` and ``weighted`` (seed, measurement).
        starts: of its cascades, for each seed.
        every: steps between two of its measurements.
        width_law: of the kernel's deviation from its limit.
    """
    order = exponents(probes.error, rates)
    growing = regimes.isel(ratio=-1)
    largest = abs(growing["mode"]).max("step")
    flips = (growing["mode"].isel(step=slice(0, 4)) * [1, -1, 1, -1] > 0).all("step")
    fall = growing.eigenvalue.isel(step=0) - growing.eigenvalue.isel(step=-1)
    close = f"within {WITHIN:.0%} of the interval"
    grows = bool((flips & (largest > 1)).all())
    end = abs(growing["mode"].isel(step=-1)).fillna(np.inf)  # what is not finite has diverged
    diverges = bool((end >= largest).all())
    first, second = (crossings(probes.factor, ratios, level).mean("moment") for level in (0.0, -1.0))
    claims = (
        Claim("Eq. (14) gives the next outputs, to first order in η", paper.SAYS["discrete"], "an error of order 2",
              f"its exponent is {interval(order.sel(unit='relu'))}", number(order.sel(unit="relu"), 2, 0.1),
              "within 0.1 of the interval, since single kinks make the exponent jump", Kind.DEFINITION),
        Claim("The top mode flips its sign from ηλ/N = 1 on", paper.SAYS["flips"], "1", interval(first),
              number(first, 1, WITHIN), close),
        Claim("It grows from ηλ/N = 2 on", paper.SAYS["diverges"], "2", interval(second),
              number(second, 2, 2 * WITHIN), close),
        Claim("Above 2 its magnitude grows while its sign flips at each step", paper.SAYS["diverges"],
              "grows and flips",
              f"up to {float(largest.mean()):.1f} times, in {int((flips & (largest > 1)).sum())} of {flips.size} "
              "networks", exists(grows), "in every network"),
        Claim("Does it go on to diverge, as it would with a constant kernel?", paper.SAYS["kernel falls"],
              "the kernel may prevent it",
              f"after {growing.sizes['step'] - 1} steps it is {interval(end)} of its initial size"
              + ("" if diverges else ": the kernel has changed"), exists(diverges), "it is largest at the end",
              Kind.QUESTION),
        Claim("Once a bifurcation has begun, the largest eigenvalue of the NTK falls",
              paper.SAYS["kernel falls"], "falls",
              f"ηλ/N falls by {interval(fall)}", positive(fall), SIGN),
    )  # fmt: skip
    return Findings(
        "squared_error",
        "Does the kernel predict the next outputs, and when they bounce?",
        "Yes: residuals flip their sign and grow as "
        f"predicted{' and diverge' if diverges else ', until the kernel changes'}."
        if grows
        else "Only in part: the residuals do not grow as predicted.",
        "For the squared error, the current kernel predicts the next outputs with an error that falls as "
        f"$\\eta^{{{float(order.sel(unit='relu').mean()):.2f}}}$, and the residuals along its top mode grow from "
        f"$\\eta\\lambda_{{\\max}}/N$ = {interval(second)} on; a small disturbance of the mode "
        f"grows from {interval(crossings(probes.disturbance, ratios, -1.0).mean('moment'))} on. "
        f"{_oscillating(_at_starts(run, starts, every))} "
        f"With the width $m$ the averaged kernel nears its infinite-width limit as $m^{{{width_law.exponent:.2f}}}$.",
        f"{regimes.attrs['scale']}; 300 points",
        claims,
    )


def exponents(error: xr.DataArray, rates: Sequence[float]) -> xr.DataArray:
    """The exponents of the error in η, (unit, seed), fitted to its mean over the moments: single kinks make it jump."""
    return xr.apply_ufunc(lambda errors: dynamics.power_law(rates, errors).exponent, error.mean("moment"),
                          input_core_dims=[["rate"]], vectorize=True)  # fmt: skip


def crossings(factor: xr.DataArray, ratios: Sequence[float], level: float) -> xr.DataArray:
    """Where a falling factor first crosses a level, by straight lines between the ratios; NaN where it never does, or
    lies below from the first ratio on.

    Args:
        factor: over ``ratio`` and any other dimensions.
        ratios: ηλ/N, ascending.
        level: 0 where the mode begins to flip its sign, -1 where it begins to grow.
    """
    found = xr.apply_ufunc(lambda values: crossing(np.asarray(ratios), values, level), factor,
                           input_core_dims=[["ratio"]], vectorize=True)  # fmt: skip
    return found.where(factor.isel(ratio=0, drop=True) > level)


def cascade_starts(loss: xr.DataArray, period: int) -> list[list[int]]:
    """The steps at which the bouncing begins, for each seed: see ``analysis.cascades.bouncing``.

    The first half of the first period is left out, as in Figure 5: there the initial weights settle, and what flips
    its sign shrinks.
    """
    return [
        [cascade.start for cascade in bouncing(values, period, SQUARED) if cascade.start >= period // 2]
        for values in loss.transpose("seed", "step").values
    ]


def _at_starts(run: xr.Dataset, starts: Sequence[Sequence[int]], every: int) -> dict[str, xr.DataArray]:
    """ηλ/N of both kernels where cascades start: the mean of each network, and the spread in it, (seed,)."""
    found = {}
    for name in ("plain", "weighted"):
        values = run[name].transpose("seed", "measurement").values
        rows = [
            row[[min(start // every, len(row) - 1) for start in at]] for row, at in zip(values, starts, strict=True)
        ]
        for label, measure, least in ((name, np.mean, 1), (f"{name} spread", np.std, 2)):
            found[label] = xr.DataArray([measure(row) if len(row) >= least else np.nan for row in rows], dims="seed")
    return found


def table(run: xr.Dataset, starts: Sequence[Sequence[int]], every: int) -> list[dict[str, Any]]:
    """Rows of a table: ηλ/N at the starts of cascades, for both kernels.

    Args:
        run, starts, every: as of ``judge``.
    """
    found = _at_starts(run, starts, every)
    return [
        {
            "kernel": label,
            "ηλ_max/N where a cascade starts": interval(found[name]),
            "spread within a network": interval(found[f"{name} spread"]),
            "cascades": sum(map(len, starts)),
        }
        for name, label in (("plain", "plain NTK"), ("weighted", "NTK weighted by the classes"))
    ]


def _oscillating(found: Mapping[str, xr.DataArray]) -> str:
    if not np.isfinite(found["weighted"]).any():
        return "With oscillating weights no cascade started here."
    return (
        "With oscillating weights, cascades start where the kernel *weighted by the classes* has "
        f"$\\eta\\lambda_{{\\max}}/N$ = {interval(found['weighted'])}; for the plain NTK that value is "
        f"{interval(found['plain'])}."
    )
