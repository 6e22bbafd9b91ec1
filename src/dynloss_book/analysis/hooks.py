"""Where a cascade starts, as a table for the glossary, and in what sense two runs at the edge of stability agree.

They do until their first cascade, and by what they have in common. Training there is chaotic: two runs that differ in
the last digit, on two devices say, are alike until the first cascade and go apart in it or a later one.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynloss import dynamics, files
from dynloss_book.analysis import cascades
from dynloss_book.engine.agreement import MAGNITUDE, Quantity

CASCADES = 0.2  # of their number, and at least one
THRESHOLD = 0.1  # of λ_th, about the spread of its marks
ONSETS = "<!-- onsets -->"


def publish(book: Path, text: str) -> None:
    """Write the table of the criteria of an onset into the glossary."""
    if ONSETS in text:
        glossary = book / "glossary.md"
        files.write(glossary, glossary.read_text("utf-8").replace(ONSETS, criteria()))


def criteria() -> str:
    """Each criterion with its threshold, as the code has it, and the pages that use it; in Markdown."""
    from dynloss_book.analysis import onsets, period_doubling  # with all that trains

    jump = inspect.signature(dynamics.instabilities).parameters["jump"].default
    rows = [
        ("Jump of λ_max", f"{jump:g} or more from one step to the next, as in the paper", "Figures 4, 5 and S1"),
        ("Jump in proportion", f"{jump:g}/η or more across one step, with the class weights held", "Figure 5"),
        ("Jump relative to the edge",
         f"{onsets.MARKS[0]:.0%} of the edge of stability or more across one step, {onsets.LASTING} times in a row",
         "Why the cascades happen, 1 and 3"),
        ("Alternating loss", f"two values {cascades.BOUNCE:g} nats or more apart, four steps in a row", "Figure S2"),
        ("Alternating squared error", f"two values {cascades.SQUARED:g} or more apart, four steps in a row",
         "The squared error"),
        ("Returning weights", f"a distance over two steps below {period_doubling.BOUNCING:g} of that over one step",
         "Why the cascades happen, 2"),
    ]  # fmt: skip
    lines = ["| criterion | threshold | page |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines).replace("%", " %")


def ways(figure: str) -> dict[str, str]:
    """Residuals (of Lanczos, or of λ_max beside a kernel) are compared by their order of magnitude."""
    return dict.fromkeys(("hessian_residuals", "ntk_residuals", "residual_share"), MAGNITUDE)


def predictable_until(run: xr.Dataset, parameters: Mapping[str, Any]) -> int | None:
    """The step from which on a trajectory is chaotic: λ₁ has passed 2/η, or jumps by 0.1; None if it never does."""
    if "hessian_eigenvalues" not in run or "learning_rate" not in parameters:
        return None
    curvature = run.hessian_eigenvalues[:, 0]
    steps = curvature[curvature.dims[0]].values
    jumps = np.r_[False, np.abs(np.diff(curvature.values)) >= 0.1] & (curvature.dims[0] == "step")
    unstable = (curvature.values > 2 / parameters["learning_rate"]) | jumps
    return int(steps[np.argmax(unstable)]) if unstable.any() else None


def statistics(mine: xr.Dataset, published: xr.Dataset, parameters: Mapping[str, Any]) -> Iterator[Quantity]:
    """What two chaotic runs of the same experiment have in common.

    Args:
        mine, published: with ``hessian_eigenvalues``; nothing is said of others.
        parameters: of the published one, with ``period``; nothing is said without.
    """
    ours, theirs = (_cascades(each, parameters) for each in (mine, published))
    if ours is not None and theirs is not None:
        allowed = max(1, round(CASCADES * len(theirs)))
        yield Quantity("number of cascades", f"{len(ours)}", f"{len(theirs)}", f"± {allowed}",
                       abs(len(ours) - len(theirs)) <= allowed)  # fmt: skip
        if ours and theirs:
            pairs = (mine, ours), (published, theirs)
            a, b = (cascades.threshold(run, found, parameters["period"]) for run, found in pairs)
            yield Quantity("threshold λ_th", f"{a:.3f}", f"{b:.3f}", f"± {THRESHOLD:.0%}, the spread of its marks",
                           abs(a - b) <= THRESHOLD * b)  # fmt: skip


def _cascades(run: xr.Dataset, parameters: Mapping[str, Any]) -> list[dynamics.Instability] | None:
    """Read as the figure does: by the curvature where it is known at every step, else by the loss; None without T."""
    if "period" not in parameters or "hessian_eigenvalues" not in run:
        return None
    read = cascades.by_curvature if run.hessian_eigenvalues.dims[0] == "step" else cascades.by_loss
    return read(run, parameters["period"])
