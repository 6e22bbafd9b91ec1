"""Whole paths through parameter space: what the chapter on the cascades looks at again, step by step.

A network of a few hundred parameters is small enough to keep *every* W_t of a run. Then the run is cheap, and whatever
is expensive (Hessians, multipliers, kernels) is computed afterwards, where it matters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from dynloss.checks import check_count
from dynloss.schedules import Schedule
from dynloss_book.tasks import spiral

_BATCH = 16  # steps looked at are filled up to a multiple of this, so that few lengths are compiled


class Landscape(NamedTuple):
    """The time-dependent loss of eq. (1) on flat parameters w, (n,).

    Attributes:
        start: seed -> the initial weights.
        outputs: w -> f on the training set, (P, C).
        loss: (w, Γ) -> F.
        gradient: (w, Γ) -> ∇F, (n,).
        labels: of the training set, (P,).
    """

    start: Callable
    outputs: Callable
    loss: Callable
    gradient: Callable
    labels: Any


class Path(NamedTuple):
    """Every step of a run.

    Attributes:
        params: w_t before step t, (steps, n).
        loss: F(w_t; Γ(t)), (steps,).
        preconditioner: the diagonal of P that step t uses, (steps, n); (steps,) ones where the optimiser has none.
    """

    params: Any
    loss: Any
    preconditioner: Any


def landscape(width: int, precision: str) -> Landscape:
    """The landscape of the spiral's 300 points and a network of ``width`` hidden units."""
    task = spiral.task(width, precision, 0)
    _, unravel = ravel_pytree(task.start)
    return Landscape(
        start=lambda seed: ravel_pytree(spiral.task(width, precision, seed).start)[0],
        outputs=lambda w: task.outputs(unravel(w)),
        loss=lambda w, weights: task.loss(unravel(w), weights),
        gradient=lambda w, weights: ravel_pytree(task.gradient(unravel(w), weights))[0],
        labels=task.labels,
    )


def follower(
    ground: Landscape,
    schedule: Schedule,
    optimizer: Any,
    steps: int,
    preconditioner: Callable[[Any], Any] = lambda state: 1.0,
) -> Callable[[Any], Path]:
    """w at step 0 -> the path of ``steps`` steps, compiled once; a run that diverges is kept as it is.

    Args:
        optimizer: as of optax, such as ``optax.sgd(1.0)``.
        preconditioner: the optimiser's state after a step -> the diagonal of P that the step has used.
    """
    check_count("steps", steps, at_least=1)

    @jax.jit
    def run(w):
        def advance(carry, step):
            w, state = carry
            weights = schedule(step, w.dtype)
            change, state = optimizer.update(ground.gradient(w, weights), state, w)
            scale = jnp.asarray(preconditioner(state), w.dtype)
            return (w + change, state), (w, ground.loss(w, weights), scale)

        return jax.lax.scan(advance, (w, optimizer.init(w)), jnp.arange(steps))[1]

    return lambda start: Path(*map(np.asarray, run(start)))


def observer(measure: Callable, schedule: Schedule) -> Callable[[Path, Any], Any]:
    """(path, steps) -> ``measure(w_t, w_{t+1}, Γ(t), Γ(t+1), P_t)`` at these steps, one after the other, compiled.

    The last step of a path has no successor: steps go to ``steps - 2``.
    """

    @jax.jit
    def mapped(rows):
        def one(row):
            here, following, scale, step = row
            return measure(here, following, schedule(step, here.dtype), schedule(step + 1, here.dtype), scale)

        return jax.lax.map(one, rows)

    def look(path: Path, steps: Any) -> Any:
        at = np.asarray(steps, dtype=int)
        if len(at) == 0:
            raise ValueError("no steps to look at")
        filled = np.pad(at, (0, -len(at) % _BATCH), mode="edge")
        rows = (path.params[filled], path.params[filled + 1], path.preconditioner[filled], filled)
        return jax.tree.map(lambda values: np.asarray(values)[: len(at)], mapped(rows))

    return look


def return_ratio(params: Any) -> np.ndarray:
    """‖w_{t+2} − w_t‖ / ‖w_{t+1} − w_t‖ at every step: 2 on a straight way, 0 where the period is two."""
    with np.errstate(invalid="ignore", over="ignore"):  # of a run that diverges
        one = np.linalg.norm(np.diff(params, axis=0), axis=1)[:-1]
        two = np.linalg.norm(params[2:] - params[:-2], axis=1)
        return two / np.maximum(one, np.finfo(float).tiny)


def quarter_share(loss: Any, window: int = 32) -> np.ndarray:
    """The spectral power of the loss at a quarter of the step frequency over that at a half, around every step.

    Of the changes F(t) − F(t−1) in a Hann window of ``window`` steps; the band at a quarter is three frequencies wide,
    the one at a half, at the end of the spectrum, two. An orbit of period two gives 0. NaN where the window leaves the
    run.

    >>> two, four = np.tile([1.0, 2.0], 40), np.tile([1.0, 2.0, 1.5, 2.0], 20)
    >>> float(quarter_share(two)[40].round(5)), bool(quarter_share(four)[40] > 0.05)
    (0.0, True)
    """
    check_count("window", window, at_least=8)
    with np.errstate(invalid="ignore"):
        change = np.diff(np.asarray(loss, dtype=float))
    share = np.full(len(change) + 1, np.nan)
    if len(change) < window:
        return share
    with np.errstate(invalid="ignore", over="ignore"):  # of a run that diverges
        pieces = np.lib.stride_tricks.sliding_window_view(change, window) * np.hanning(window)
        spectrum = np.abs(np.fft.rfft(pieces, axis=1)) ** 2
        quarter = spectrum[:, window // 4 - 1 : window // 4 + 2].sum(axis=1)
        half = np.maximum(spectrum[:, -2:].sum(axis=1), np.finfo(float).tiny)
        share[window // 2 : window // 2 + len(pieces)] = quarter / half
    return share
