r"""Class weights beyond the paper: other shapes of Γ(t), another order of the classes, and the same weights at random.

As those of ``dynloss.schedules``, each is a function ``step -> (C,) weights`` that are never negative and sum to C, and
every number may be traced. None of them stops by itself: see ``stopped``.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynloss.checks import check_choice, check_count, check_number
from dynloss.losses import exact
from dynloss.schedules import Schedule, clock, has_come, over_steps, weights_at

# From the time within a period, as a share of it, to how far g has risen from 1 to A.
WAVES: dict[str, Callable[[Any], Any]] = {
    "triangle": lambda share: 1 - jnp.abs(2 * share - 1),
    "sine": lambda share: jnp.sin(jnp.pi * share) ** 2,
    "square": jnp.ones_like,
}


def pulses(
    wave: str, period: float | Array, amplitude: float | Array, num_classes: int, *, key: Array | None = None
) -> Schedule:
    r"""Emphasise one class after the other by a wave of another shape; eqs. (3)-(5) with

    .. math::

        g(t_T) = 1 + (A - 1)\, w(t_T / T), \qquad
        w(s) = 1 - |2s - 1|, \quad \sin^2 \pi s, \quad 1.

    Args:
        wave: w: "triangle", the paper's; "sine"; or "square", which emphasises a class by A from its first step on.
        period: T, the steps for which one class is emphasised; at least 1.
        amplitude: A; at least 1.
        num_classes: C.
        key: without one the classes take turns in order; with one, each cycle of C periods has an order of its own.

    Raises:
        ValueError: for another wave, and for a period or amplitude below 1.

    >>> pulses("square", 4, 4, 3)(0).tolist()
    [2.0, 0.5, 0.5]
    """
    check_choice("wave", wave, tuple(WAVES))
    check_number("period", period, at_least=1)
    check_number("amplitude", amplitude, at_least=1)
    check_count("num_classes", num_classes, at_least=1)

    def schedule(step: Any, dtype: Any = None) -> Float[Array, " C"]:
        emphasised, share = _turn(step, dtype, period, num_classes, key)
        raised: Array = (jnp.asarray(amplitude).astype(share.dtype) - 1) * WAVES[wave](share)
        raw = 1 + raised * emphasised
        return (raw * (num_classes / jnp.sum(raw))).astype(dtype or share.dtype)

    return over_steps(schedule)


def one_at_a_time(period: float | Array, num_classes: int) -> Schedule:
    r"""The limit A → ∞ of eqs. (3)-(5): only one class counts, :math:`\Gamma_i = C`, but at the turns, where Γ = 1.

    >>> gamma = one_at_a_time(4, 3)
    >>> gamma(4).tolist(), gamma(5).tolist()
    ([1.0, 1.0, 1.0], [0.0, 3.0, 0.0])
    """
    check_number("period", period, at_least=1)
    check_count("num_classes", num_classes, at_least=1)

    def schedule(step: Any, dtype: Any = None) -> Float[Array, " C"]:
        emphasised, share = _turn(step, dtype, period, num_classes, None)
        return jnp.where(share == 0, jnp.ones_like(emphasised), num_classes * emphasised).astype(dtype or share.dtype)

    return over_steps(schedule)


def without_period(schedule: Schedule, cycle: float | Array, hold: float | Array, key: Array) -> Schedule:
    """The weights of a periodic schedule at random moments of its cycle: as strong, as often, but without a period.

    Every ``hold`` steps a new moment of the cycle is drawn, each as likely as any other, and its weights are held.
    So over a long time each Γ occurs as often as in the schedule itself; what is lost is the order.

    Args:
        schedule: step -> Γ, with a period of ``cycle`` steps.
        cycle: C·T for the schedules of this module.
        hold: in steps; 1 draws at every step.
        key: of the draws.

    Raises:
        ValueError: for a ``cycle`` or ``hold`` below 1.
    """
    check_number("cycle", cycle, at_least=1)
    check_number("hold", hold, at_least=1)

    def shuffled(step: Any, dtype: Any = None) -> Float[Array, " C"]:
        _, turn = clock(step, hold, jnp.result_type(float))
        draw = jax.random.fold_in(key, turn.astype(jnp.uint32))
        moment = jnp.floor(jax.random.uniform(draw, dtype=jnp.float32) * cycle)
        return weights_at(schedule, moment, dtype or jnp.result_type(float))

    return over_steps(shuffled)


def stopped(schedule: Schedule, stop: float | Array) -> Schedule:
    """The same weights, but Γ = 1 from step ``stop`` on.

    >>> stopped(one_at_a_time(4, 2), 2)(2).tolist()
    [1.0, 1.0]
    """
    check_number("stop", stop, at_least=0)

    def until(step: Any, dtype: Any = None) -> Float[Array, " C"]:
        weights = weights_at(schedule, step, dtype or jnp.result_type(float))
        return jnp.where(has_come(step, stop), jnp.ones_like(weights), weights)

    return over_steps(until)


def strength(schedule: Schedule, steps: int) -> Float[Array, ""]:
    r"""How strongly the weights vary: the root mean square of :math:`\Gamma_i - 1` over classes and ``steps`` steps.

    >>> round(float(strength(pulses("square", 4, 4, 3), 12)), 3)
    0.707
    """
    check_count("steps", steps, at_least=1)
    weights = jax.vmap(schedule)(jnp.arange(steps))
    return jnp.sqrt(jnp.mean((weights - 1) ** 2))


def _turn(
    step: Any, dtype: Any, period: float | Array, num_classes: int, key: Array | None
) -> tuple[Float[Array, " C"], Float[Array, ""]]:
    """Which class is emphasised, as (C,) of zeros and a one, and the share of its period that has passed."""
    wide = exact(dtype or jnp.result_type(float))
    phase, turn = clock(step, period, wide)
    number = jnp.mod(turn, num_classes)
    if key is not None:
        number = jax.random.permutation(jax.random.fold_in(key, turn // num_classes), num_classes)[number]
    emphasised = (jnp.arange(num_classes, dtype=jnp.int32) == number).astype(wide)
    return emphasised, phase / jnp.asarray(period).astype(wide)
