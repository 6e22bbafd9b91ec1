"""Reading cascades off the runs of Figures 4, S1 and S2: where they are, and what crosses the threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dynloss import dynamics
from dynloss.checks import check_count
from dynloss.dynamics import Instability

BOUNCE = 0.002  # nats: the distance between two values of the loss from which on it bounces
SQUARED = 0.0001  # the same of the squared error


def zoom(cascades: Sequence[Instability], number: int, steps: int, margin: int) -> tuple[int, int]:
    """First and last step around one cascade, the first being number 1; of the whole run if there is none.

    A number beyond the last means the last.

    Args:
        cascades: of the run, in their order.
        number: at least 1.
        steps: of the run.
        margin: steps that are shown before the start and after the end.
    """
    if not cascades:
        return 0, steps - 1
    chosen = cascades[min(max(number, 1), len(cascades)) - 1]
    return max(0, chosen.start - margin), min(steps - 1, chosen.end + margin)


def check_zoom(zoom_cascade: int, steps: int, period: int) -> None:
    """Raise ``ValueError`` for the number of a cascade that a run cannot have: each period has one, or few.

    The first three pass whatever the run, so that a shorter one needs no other number.

    Args:
        zoom_cascade: the number, from 1 on.
        steps: of the run.
        period: T, in steps.
    """
    check_count("period", period, at_least=1)
    check_count("zoom_cascade", zoom_cascade, at_least=1, at_most=max(3, -(-steps // period)))


def by_curvature(run: Any, period: int, jump: float = 0.1) -> list[Instability]:
    """Where λ_max jumps from one step to the next, as the paper's Figure 4 detects it.

    Args:
        run: with ``hessian_eigenvalues`` at every step.
        period: T; a tenth of it without a jump ends a cascade.
    """
    return dynamics.instabilities(run.step, run.hessian_eigenvalues[:, 0], jump=jump, quiet=max(1, period // 10))


def bouncing(loss: Any, period: int, distance: float) -> list[Instability]:
    """Where a loss bounces, at every step from 0 on; λ₁ there is not known.

    Where the loss alternates between two values a distance d apart, its second difference alternates between ±2d, while
    the drift between the walls hardly changes it. A cascade is where this stands for four steps in a row.

    Args:
        loss: at every step.
        period: T; a tenth of it without a bounce ends a cascade.
        distance: the least d, as the loss is measured.
    """
    return dynamics.instabilities(
        np.arange(2, len(loss)), np.diff(loss, 2), jump=4 * distance, quiet=max(1, period // 10), lasting=4
    )


def by_loss(run: Any, period: int) -> list[Instability]:
    """Where the loss bounces, read from the loss alone; with λ₁ as measured last before and first after.

    Args:
        run: with ``loss`` at every step and ``hessian_eigenvalues`` at any cadence.
        period: T, as above.
    """
    curvature = run.hessian_eigenvalues[:, 0]
    measured = curvature[curvature.dims[0]].values

    def beside(cascade: Instability) -> Instability:
        before = max(0, np.searchsorted(measured, cascade.start) - 1)
        after = min(np.searchsorted(measured, cascade.end, side="right"), len(measured) - 1)
        return cascade._replace(curvature_at_start=float(curvature[before]), curvature_at_end=float(curvature[after]))

    return [beside(cascade) for cascade in bouncing(run.loss.values, period, BOUNCE)]


def marks(run: Any, cascades: Sequence[Instability], period: int) -> xr.DataArray:
    """λ₁ at the starts and ends of the cascades, over ``mark``; one that the run leaves unfinished has no end.

    Args:
        run: with its length as the attribute ``steps``.
        cascades: of the run, with λ₁ at their starts and ends.
        period: T, in steps; a cascade that lasts into the last T/10 is unfinished.
    """
    found = dynamics.curvature_at_marks(list(cascades))
    unfinished = bool(cascades) and cascades[-1].end > run.attrs["steps"] - 1 - period // 10
    return xr.DataArray(found[: len(found) - unfinished], dims="mark")


def threshold(run: Any, cascades: Sequence[Instability], period: int) -> float:
    """λ_th, the mean of λ₁ at onsets and ends. NaN without cascades.

    Args:
        run, cascades, period: as of ``marks``.
    """
    return float(marks(run, cascades, period).mean())


# What is in a row of `crossings`, as it stands over a table.
CROSSINGS = {
    "starts": "instability starts",
    "first": "λ₁ crosses",
    "second": "λ₂ crosses",
    "breaks": "alternation breaks",
    "third": "λ₃ crosses",
    "ends": "instability ends",
}


def crossings(run: Any, cascades: Sequence[Instability], level: float, period: int) -> pd.DataFrame:
    """One row a cascade: the steps at which λ₁, λ₂ and λ₃ first exceed ``level``, and the alternation of the loss ends.

    The search begins a quarter of a period before the cascade. The alternation is read from the loss alone; it ends at
    the second bifurcation. The columns are those of ``CROSSINGS``.

    Args:
        run: ``loss`` (step) and ``hessian_eigenvalues`` (step, rank), of three ranks at least, at every step.
        cascades: of the run, by `by_curvature`.
        level: the threshold λ_th.
        period: T, in steps.
    """
    step, eigenvalues = run.step.values, run.hessian_eigenvalues.values

    def follow(cascade: Instability) -> dict[str, Any]:
        window = (max(0, cascade.start - period // 4), cascade.end)
        first, second, third = dynamics.first_crossings(step, eigenvalues, level, window)
        return {
            "starts": cascade.start,
            "first": first,
            "second": second,
            "breaks": dynamics.alternation_breaks(step, run.loss, (cascade.start, cascade.end)),
            "third": third,
            "ends": cascade.end,
        }

    index = pd.RangeIndex(1, len(cascades) + 1, name="cascade")
    return pd.DataFrame([follow(each) for each in cascades], index=index, columns=list(CROSSINGS)).astype("Int64")


def beside_the_edge(run: Any, cascades: Sequence[Instability], learning_rate: float) -> pd.DataFrame:
    """One row a cascade: when λ₁ last rises above 2/η before it, and when the loss bounces.

    Args:
        run: with ``hessian_eigenvalues`` at any cadence.
        cascades: of the run, by `by_loss`.
        learning_rate: η.
    """

    above = run.hessian_eigenvalues.values[:, 0] > 2 / learning_rate
    rises = run[run.hessian_eigenvalues.dims[0]].values[1:][above[1:] & ~above[:-1]]
    last = [max((int(step) for step in rises if step <= each.start), default=None) for each in cascades]
    columns = {
        "λ₁ exceeds 2/η": pd.array(last, "Int64"),
        "bouncing starts": pd.array([each.start for each in cascades], "Int64"),
        "bouncing ends": pd.array([each.end for each in cascades], "Int64"),
        "ηλ₁ before the start": [learning_rate * each.curvature_at_start for each in cascades],
        "ηλ₁ after the end": [learning_rate * each.curvature_at_end for each in cascades],
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(cascades) + 1, name="cascade")).round(2)


SPREAD = 0.25  # of the marks, relative, up to which they are of one threshold


def inside(steps: np.ndarray, cascades: Sequence[Instability]) -> np.ndarray:
    """Which of these steps lie in a cascade."""
    return np.any([np.zeros(len(steps), bool), *((steps >= each.start) & (steps <= each.end) for each in cascades)], 0)


def spread_of_marks(cascades: Sequence[Instability]) -> float:
    """The relative standard deviation of λ_max at the starts and ends of all cascades; NaN without any."""
    found = dynamics.curvature_at_marks(list(cascades))
    return float(np.std(found) / np.mean(found)) if len(found) else float("nan")
