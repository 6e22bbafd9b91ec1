"""Full-batch training on a dynamical loss by any optimiser of optax: ``training.full_batch`` beyond plain descent.

Steps, recorders and what is returned are those of ``full_batch``, and with ``optax.sgd(η)`` the numbers too, up to
rounding. It is for runs of minutes: it keeps no checkpoints.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dynloss.checks import check_count, check_parameters, check_shaped_as
from dynloss.datasets.base import Dataset
from dynloss.schedules import Schedule, weights_at
from dynloss.training import full_batch
from dynloss.training.full_batch import Recorder, Run


def descend(
    gradient: Callable,
    schedule: Schedule,
    optimizer: optax.GradientTransformation,
    params,
    state,
    first,
    steps: int,
    recorders: Sequence[Recorder] = (),
):
    """``steps`` steps from step ``first``: one ``lax.scan``, traceable and vmappable in everything but their number.

    Args:
        gradient: (params, weights) -> gradient, shaped as params.
        schedule: step -> Γ, (C,).
        optimizer: with its learning rate and sign, such as ``optax.adam(0.01)``.
        params: W at step ``first``, of one floating-point type.
        state: the optimiser's at step ``first``; at the beginning ``optimizer.init(params)``.
        first: the number of the first step.
        recorders: evaluated where the step is a multiple of their cadence, zero elsewhere.

    Returns:
        (parameters, state) after the last step and, for each recorder, {name: (steps, …) array}.
    """
    check_parameters(params)
    dtype = jax.tree.leaves(params)[0].dtype

    def advance(carry, step):
        params, state = carry
        weights = weights_at(schedule, step, dtype)
        snapshot = full_batch.Snapshot(step, params, weights, lambda w: gradient(w, weights))
        records = [full_batch._record(recorder, snapshot) for recorder in recorders]
        slope = gradient(params, weights)
        check_shaped_as("gradient", slope, params)
        change, state = optimizer.update(slope, state, params)
        return (optax.apply_updates(params, change), state), records

    return jax.lax.scan(advance, (params, state), first + jnp.arange(steps))


def train(
    params: Any,
    data: Dataset,
    schedule: Schedule,
    *,
    gradient: Callable,
    optimizer: optax.GradientTransformation,
    steps: int,
    recorders: Sequence[Recorder] = (),
) -> Run:
    """Train, record, and return the trajectory as a data set; a diverged run is recorded as diverged, not raised.

    Args:
        params: W at step 0.
        data: the training set, for its checks; ``gradient`` holds the arrays.
        schedule: step -> Γ, (C,).
        gradient: (params, weights) -> gradient; see ``full_batch.loss_gradient``.
        optimizer: with its learning rate and sign, such as ``optax.adam(0.01)``.
        steps: how many.
        recorders: see ``dynloss.training.recorders``.

    Returns:
        The final parameters and the trajectory, as of ``full_batch.train``.

    Raises:
        ValueError: for parameters besides flax's ``params``, an optimiser that goes uphill or needs the loss too (such
            as L-BFGS), no steps, weights that do not fit the classes, or two recorders of the same variable.
    """
    check_count("steps", steps, at_least=1)
    full_batch.check_setting(params, data, schedule, gradient, recorders)
    check_goes_down(optimizer, params)

    @jax.jit
    def run(params):
        return descend(gradient, schedule, optimizer, params, optimizer.init(params), 0, steps, recorders)

    (params, _), records = run(params)
    kept = full_batch._kept(records, recorders, 0, steps)
    return Run(params, full_batch._as_dataset([kept], recorders, steps, params))


def check_goes_down(optimizer: optax.GradientTransformation, params: Any) -> None:
    """Raise ``ValueError`` if the optimiser's first step goes uphill, or if it needs more than a gradient.

    A transformation without a learning rate and its sign, such as ``optax.trace``, is no optimiser yet. One that does
    not move at first, as in a warm-up, passes.
    """
    try:
        rise = _first_rise(optimizer, params)
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"the optimiser cannot take a step from a gradient and parameters alone ({error}); those that also need "
            "the loss, such as optax.lbfgs and optax.polyak_sgd, do not fit a loss that changes at every step"
        ) from error
    if rise > 0:
        raise ValueError(
            "the optimiser goes uphill: its update for a gradient of ones is positive. optax's optimisers, such as "
            "optax.sgd(0.1), hold a learning rate and its sign; bare transformations such as optax.trace(0.9) do not"
        )


@functools.partial(jax.jit, static_argnums=0)
def _first_rise(optimizer, params):
    """How far the first step for a gradient of ones goes along it."""
    ones = jax.tree.map(jnp.ones_like, params)
    change, _ = optimizer.update(ones, optimizer.init(params), params)
    return sum(jnp.sum(leaf.astype(jnp.float32)) for leaf in jax.tree.leaves(change))
