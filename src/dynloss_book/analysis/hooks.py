"""In what sense two runs at the edge of stability agree: until their first cascade, and by what they have in common.

Training there is chaotic. Two runs that differ in the last digit, on two devices say, are alike until the first
cascade and go apart in it or a later one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynloss import dynamics, files
from dynloss_book.analysis import cascades as reading
from dynloss_book.engine.agreement import MAGNITUDE, Quantity

CASCADES = 0.2  # of their number, and at least one
THRESHOLD = 0.1  # of λ_th, about the spread of its marks
ONSETS = "<!-- onsets -->"


def publish(book: Path, text: str) -> None:
    """Write the table of the criteria of an onset into the glossary."""
    if ONSETS in text:
        from dynloss_book.analysis import criteria

        glossary = book / "glossary.md"
        files.write(glossary, glossary.read_text("utf-8").replace(ONSETS, criteria.table()))


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
    """What two chaotic runs of the same experiment have in common."""
    ours, theirs = (_cascades(each, parameters) for each in (mine, published))
    if ours is not None and theirs is not None:
        allowed = max(1, round(CASCADES * len(theirs)))
        yield Quantity("number of cascades", f"{len(ours)}", f"{len(theirs)}", f"± {allowed}",
                       abs(len(ours) - len(theirs)) <= allowed)  # fmt: skip
        if ours and theirs:
            pairs = (mine, ours), (published, theirs)
            a, b = (reading.threshold(run, found, parameters["period"]) for run, found in pairs)
            yield Quantity("threshold λ_th", f"{a:.3f}", f"{b:.3f}", f"± {THRESHOLD:.0%}, the spread of its marks",
                           abs(a - b) <= THRESHOLD * b)  # fmt: skip


def _cascades(run: xr.Dataset, parameters: Mapping[str, Any]) -> list[dynamics.Instability] | None:
    """Read as the figure does: by the curvature where it is known at every step, else by the loss; None without T."""
    if "period" not in parameters or "hessian_eigenvalues" not in run:
        return None
    read = reading.by_curvature if run.hessian_eigenvalues.dims[0] == "step" else reading.by_loss
    return read(run, parameters["period"])
