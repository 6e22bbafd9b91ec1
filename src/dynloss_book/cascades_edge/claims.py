"""The edge of every optimiser: a test of our own, since the paper used gradient descent alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book.engine.findings import Findings
from dynloss_book.engine.sweeps.statistics import interval, summary
from dynloss_book.engine.verdicts import enumerated

NEAR = 0.15  # how far the interval may reach from the edge to count as at it: the marks alone move it by as much


def judge(result: xr.Dataset, settings: Mapping[str, Any]) -> Findings:
    """Do cascades start at the edge of the optimiser that makes them?

    Args:
        result: of `analysis.onsets.by_optimiser`.
        settings: of the experiment.
    """
    means = {str(name): onset_over_edge(result.sel(optimiser=name)) for name in result.optimiser.values}
    said = [f"{name} {interval(values)}" for name, values in means.items()]
    found = {name: at_the_edge(values) for name, values in means.items()}
    agree = [name for name, word in found.items() if word == "yes"]
    others = "".join(f"; for {name}: {word}" for name, word in found.items() if word != "yes")
    edges = ", ".join(f"{name} {float(result.edge.sel(optimiser=name)):,.4g}" for name in means)
    return Findings(
        "cascades_edge",
        "Does every optimiser have its own edge?",
        f"Cascades start at the optimiser's own edge of stability for {enumerated(agree) or 'no optimiser'}{others}.",
        f"At the detected onset of a cascade the sharpness, in units of the optimiser's edge, is {'; '.join(said)}. "
        f"The whole interval is within {NEAR:.0%} of that edge for {len(agree)} of {len(means)} optimisers. At these "
        f"learning rates the edges, values of the sharpness, are: {edges}. Onsets left out, since the run jumps "
        f"already before the search for them begins: {result.attrs.get('left_out', 0)}.",
        f"{settings['width']} hidden units, {settings['seeds']} seeds of {settings['steps']:,} steps, "
        f"T = {settings['period']}, A = {settings['amplitude']:g}",
    )


def begun(result: xr.Dataset, period: int) -> xr.Dataset:
    """Without the onsets of runs that bounce already where the search begins, at T/2.

    Such a run jumps in the T/10 before, and its onset is found in the T/10 after; ``left_out`` says how many these are.

    Args:
        result: of `analysis.onsets.by_optimiser`.
        period: T, in steps.
    """
    first, quiet = period // 2, period // 10
    jumps = abs(result.level.diff("side")).sel(step=slice(first - quiet, first - 1)) >= result.mark
    running = jumps.any(["step", "side"]) & (result.onset_step <= first + quiet)
    kept = result.assign({name: result[name].where(~running) for name in ("onset", "onset_step")})
    return kept.assign_attrs(left_out=int((result.onset.notnull() & running).isel(mark=0).sum()))


def onset_over_edge(one: xr.Dataset, mark: int = 0) -> xr.DataArray:
    """λ over its edge at the detected onsets: the mean over the cascades of each seed."""
    return one.onset.isel(mark=mark).mean("cascade")


def at_the_edge(values: xr.DataArray) -> str:
    """Whether a mean over seeds, in units of the edge, is near it, in a word.

    >>> at_the_edge(xr.DataArray([0.99, 1.01], dims="seed")), at_the_edge(xr.DataArray([0.5, 0.51], dims="seed"))
    ('yes', 'no')
    >>> at_the_edge(xr.DataArray([0.9, 1.1], dims="seed"))  # its interval reaches too far
    'inconclusive'
    """
    found = summary(values)
    if found.number == 0:
        return "no cascade"
    off, margin = abs(float(found.mean) - 1), float(found.margin.fillna(np.inf))
    return "no" if off - margin > NEAR else "yes" if off + margin <= NEAR else "inconclusive"


def table(result: xr.Dataset) -> list[dict[str, Any]]:
    """Rows of a table: each optimiser with its edge, and λ at the onsets in units of it, for each mark."""
    return [
        {
            "optimiser": str(one.optimiser.item()),
            "η": float(one.learning_rate),
            "edge": f"{float(one.edge):.4g}",
            **{
                f"λ / edge, jumps of {float(jump):.0%}": interval(onset_over_edge(one, k))
                for k, jump in enumerate(result.mark.values)
            },
            "λη / 2": interval(onset_over_edge(one) * float(one.edge) * float(one.learning_rate) / 2),
            "cascades": int(one.onset.isel(mark=0).notnull().sum()),
            f"within {NEAR:.0%} of its edge": at_the_edge(onset_over_edge(one)),
        }
        for one in (result.sel(optimiser=name) for name in result.optimiser.values)
    ]
