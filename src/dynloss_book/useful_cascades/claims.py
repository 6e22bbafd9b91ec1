"""What cascades do for the network: the paper's explanation, tested against the same training in smaller steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Verdict
from dynloss_book.engine.sweeps.statistics import interval
from dynloss_book.engine.verdicts import SIGN, positive, told

NAMES = {
    "validation_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
    "loss": "static training loss (nats)",
    "alignment": "kernel-target alignment",
    "sharpness": "sharpness, λ_max of the static loss",
}


def judge(branches: xr.Dataset, runs: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """What bounces add, in a period and in whole runs.

    Args:
        branches: (seed, turn, way), with ``bounces``.
        runs: (seed, run).
        settings: ``width``, ``period`` and ``amplitude``.
    """
    ends = runs.validation_accuracy
    bounces, without = (ends.sel(run=run) - ends.sel(run=f"{run}, calm") for run in ("oscillating", "static"))
    gain, fit = (difference(branches, name) for name in ("validation_accuracy", "alignment"))
    wider, narrower = (_change(branches, "sharpness", way) for way in ("bouncing", "calm"))
    kept = positive(narrower) is Verdict.REPRODUCED and positive(wider) is Verdict.UNDECIDED
    widens = _also(-wider, narrower - wider)  # and more than the flow does without bounces
    in_part = _also(bounces, bounces - without)  # where they help without oscillations as well, these gain nothing
    narrowest = runs.sharpness.sel(run="static") - runs.sharpness.sel(run="oscillating")
    reduced = any(settings[name] != paper.FIGURE_4[name] for name in ("width", "period", "amplitude"))
    claims = (
        Claim("The improvement comes in part from a learning rate too large for the narrowing valley",
              paper.SAYS["in part"],
              "in part",
              f"validation accuracy of large steps less that of small ones, which follow the valley as it narrows: "
              f"{interval(bounces, signed=True)} with oscillations, {interval(without, signed=True)} without", in_part,
              SIGN + "; so has the difference"),
        Claim("Cascades let the network find wider valleys", paper.SAYS["find wider"], "wider",
              f"in a period λ_max of the static loss changes by {interval(wider, signed=True)} in large steps, which "
              f"bounce, and by {interval(narrower, signed=True)} in small ones", widens,
              SIGN + "; so has the difference"),
        Claim("Networks end in wider minima than with the static loss", paper.SAYS["wider minima"], "> 0",
              f"λ_max of the static loss at the end is {interval(runs.sharpness.sel(run='oscillating'))}, and "
              f"{interval(runs.sharpness.sel(run='static'))} after static training: "
              f"{interval(narrowest, signed=True)}", positive(narrowest), SIGN),
    )  # fmt: skip
    return Findings(
        "useful_cascades",
        "What does a cascade do for the network?",
        told(
            in_part,
            "It helps: training in large steps, which bounce, ends with a higher validation accuracy than in small "
            "steps.",
            "It does not help: training in large steps, which bounce, ends no better than in small steps.",
            "Inconclusive: these networks do not show whether bouncing helps.",
        ).rstrip(".")
        + told(
            claims[2].verdict,
            ", and in a wider valley than static training.",
            ", but in a narrower valley than static training.",
            "; whether it ends in a wider valley than static training remains open.",
        ),
        "Trained from the same weights on the same time-dependent loss, networks end with a validation accuracy of "
        f"{interval(ends.sel(run='oscillating'))} in large steps and {interval(ends.sel(run='oscillating, calm'))} in "
        f"small ones, whose edge of stability is higher: a difference of {interval(bounces, signed=True)}. With the "
        f"static loss the same difference is {interval(without, signed=True)}; in a single period of the oscillations, "
        f"{interval(gain.mean('turn'), signed=True)} in the mean, {interval(gain.isel(turn=0), signed=True)} in the "
        f"first and {interval(gain.isel(turn=-1), signed=True)} in the last that is followed; and in kernel-target "
        f"alignment {interval(fit.mean('turn'), signed=True)} in the mean. Runs end at "
        f"$\\lambda_{{\\max}}$ = {interval(runs.sharpness.sel(run='oscillating'))} of the static loss, static training "
        f"at {interval(runs.sharpness.sel(run='static'))}. $\\lambda_{{\\max}}$ of the static "
        f"loss changes by {interval(wider, signed=True)} in a period in large steps and by "
        f"{interval(narrower, signed=True)} in small "
        f"steps{': within a period, a cascade keeps the valley from narrowing' if kept else ''}.",
        runs.attrs["scale"],
        tuple(claim._replace(reduced=reduced) for claim in claims),
    )


def _also(values: xr.DataArray, further: xr.DataArray) -> Verdict:
    """Whether the first are positive; where they are, whether the others are as well."""
    found = positive(values)
    return positive(further) if found is Verdict.REPRODUCED else found


def _change(branches: xr.Dataset, name: str, way: str) -> xr.DataArray:
    """The change of a score in a period, both ends settled alike; the mean over the periods, (seed,)."""
    return (branches[name].sel(way=way, drop=True) - branches[name].sel(way="before", drop=True)).mean("turn")


def edges(runs: xr.Dataset, learning_rate: float, parts: int) -> list[dict[str, Any]]:
    """Rows of a table: λ_max of the static loss where whole runs end, and over their own edge of stability.

    Args:
        runs: ``sharpness`` (seed, run).
        learning_rate: η.
        parts: into which each step is cut in runs named "…, calm".
    """
    names = map(str, runs.run.values)
    steps = {name: learning_rate / parts if name.endswith(", calm") else learning_rate for name in names}
    return [
        {
            "run": name.replace("calm", "in small steps"),
            "its edge, 2 over the step": f"{2 / step:g}",
            "λ_max at the end": interval(runs.sharpness.sel(run=name)),
            "over the edge": interval(runs.sharpness.sel(run=name) * step / 2),
        }
        for name, step in steps.items()
    ]


def difference(branches: xr.Dataset, name: str) -> xr.DataArray:
    """Bouncing less calm after each period, (seed, turn)."""
    return branches[name].sel(way="bouncing", drop=True) - branches[name].sel(way="calm", drop=True)


def table(branches: xr.Dataset) -> list[dict[str, Any]]:
    """Rows of a table: how each score changes in a period, by large and by small steps; means over the periods."""
    large, small = ({name: _change(branches, name, way) for name in NAMES} for way in ("bouncing", "calm"))
    return [
        {
            "score": label,
            "in a period in large steps": interval(large[name], signed=True),
            "in small steps": interval(small[name], signed=True),
            "what the large steps add": interval(large[name] - small[name], signed=True),
        }
        for name, label in NAMES.items()
    ]


def correlations(branches: xr.Dataset, learning_rate: float) -> list[dict[str, Any]]:
    """Rows of a table: rank correlations, over the periods of a network, of what a cascade adds with what it is like.

    What it adds is the validation accuracy less that of the calm branch. The mean over networks has an interval; one
    network's few periods alone say little.
    """
    gain = difference(branches, "validation_accuracy")
    above = learning_rate * branches.curvature.isel(rank=0) > 2
    cosine, share = (each.where(above).max("class").mean("moment") for each in (branches.cosine**2, branches.share))
    likenesses = {
        "steps that bounce": branches.bounces.sel(way="bouncing"),
        "largest squared cosine of a class's gradient with u, while λ₁ > 2/η": cosine,
        "largest share of a class in the curvature, while λ₁ > 2/η": share,
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
    known = xr.apply_ufunc(np.isfinite, first + second)
    chosen = (each.where(known).transpose("seed", "turn").values for each in (first, second))
    a, b = (pd.DataFrame(values).rank(axis=1) for values in chosen)
    return xr.DataArray(a.corrwith(b, axis=1), dims="seed").where(known.sum("turn") > 2)
