r"""The class weights Γ_i(t) of the dynamical loss, eqs. (2)-(5).

A schedule is a function ``step -> (C,) weights``. Its weights are never negative and sum to C, the number of classes,
and they are all exactly 1 where nothing oscillates. Every parameter may be traced, so one compiled program serves a
whole sweep over periods and amplitudes. Your own may be any such function: weights of rare classes, for example, times
an oscillation, ``lambda t: balance * oscillating(100, 10, 3)(t)``.
"""

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from dynloss.checks import check_choice, check_count, check_number, is_traced
from dynloss.losses import exact

Schedule = Callable[..., Float[Array, " C"]]
Interpretation = Literal["text", "code"]

_INTERPRETATIONS = ("text", "code")


def oscillating(
    period: float | Array,
    amplitude: float | Array,
    num_classes: int,
    *,
    stop: float | Array | None = None,
    interpretation: Interpretation = "text",
) -> Schedule:
    r"""Emphasise one class after the other, each for one period, by a triangular wave.

    With the time within the period :math:`t_T = t \bmod T` and :math:`m = 2(A-1)/T`, eqs. (2)-(5) are

    .. math::

        g(t_T) &= \begin{cases} 1 + m t_T & t_T \le T/2 \\ 2A - 1 - m t_T & t_T > T/2 \end{cases} \\
        \hat\Gamma_i &= \begin{cases} g(t_T) & \lfloor t/T \rfloor \bmod C = i \\ 1 & \text{otherwise} \end{cases}
        \qquad
        \Gamma_i = \frac{C\,\hat\Gamma_i}{\sum_j \hat\Gamma_j}

    Args:
        period: T, the steps for which one class is emphasised; at least 1. A full cycle takes C·T steps. With T = 1
            each step is at the beginning of a period, where all weights are 1: the static loss.
        amplitude: A, the largest weight of a class before normalisation; at least 1. A = 1 is the static loss.
        num_classes: C; at least 1.
        stop: the first step without oscillations (Γ = 1 from there on); ``None`` never stops.
        interpretation: ``"text"`` is the paper's: T steps a class. ``"code"`` is the authors' notebook's: T + 1 steps a
            class (t_T = 0 … T), with the same slope.

    Returns:
        ``schedule(step, dtype=None) -> (C,) weights``, in the default floating-point type unless given; of an array of
        steps (…, C). Where T is whole, the clock is exact for all steps below 2³¹, whatever the type.

    Raises:
        ValueError: for a period or amplitude below 1 or not finite, and for a ``stop`` that is negative or, between 0
            and 1, a share of the run. A period below 2 is warned of: that is the static loss.

    >>> gamma = oscillating(period=4, amplitude=3, num_classes=2)
    >>> [gamma(t).tolist() for t in (0, 1, 2, 4)]
    [[1.0, 1.0], [1.3333333730697632, 0.6666666865348816], [1.5, 0.5], [1.0, 1.0]]
    """
    check_number("period", period, at_least=1)
    check_number("amplitude", amplitude, at_least=1)
    check_count("num_classes", num_classes, at_least=1)
    check_choice("interpretation", interpretation, _INTERPRETATIONS)
    check_steps(period, stop)

    def schedule(step: Any, dtype: Any = None) -> Float[Array, " C"]:
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        wide = exact(dtype)  # half precision is for what is returned
        T, A = (jnp.asarray(x).astype(wide) for x in (period, amplitude))
        phase, turn = clock(step, period if interpretation == "text" else period + 1, wide)
        emphasised = jnp.mod(turn, num_classes)

        slope = 2 * (A - 1) / T
        wave = jnp.where(phase <= T / 2, 1 + slope * phase, 2 * A - 1 - slope * phase)
        if stop is not None:
            wave = jnp.where(has_come(step, stop), jnp.ones_like(wave), wave)
        raw = jnp.where(jnp.arange(num_classes, dtype=jnp.int32) == emphasised, wave, jnp.ones_like(wave))
        # The scale by itself, so that it is exactly 1 without oscillations, however XLA rewrites divisions.
        return (raw * (num_classes / jnp.sum(raw))).astype(dtype)

    return over_steps(schedule)


def check_steps(period: float | Array, stop: float | Array | None = None) -> None:
    """Raise ``ValueError`` or warn where a period or a moment is given in epochs or in shares of the run."""
    if not is_traced(period) and period < 2:
        warnings.warn(
            f"period={period} is in minimisation steps, not in epochs: within one step there is no oscillation, so "
            "that this is the static loss",
            stacklevel=3,
        )
    if stop is None:
        return
    check_number("stop", stop, at_least=0)
    if not is_traced(stop) and 0 < stop < 1:
        raise ValueError(f"stop is a minimisation step, not a share of the run: stop={stop} would be before step 1")


def clock(step: Any, period: float | Array, dtype: Any) -> tuple[Float[Array, ""], Int[Array, ""]]:
    r"""The time within a period, :math:`t \bmod T`, and how many have passed, :math:`\lfloor t/T \rfloor`.

    Whole steps of a whole period are counted in integers: exact below 2³¹, whatever the type of the result.

    Args:
        step: t; an integer, or a moment between two.
        period: T, at least 1; may be traced.
        dtype: of the time, at least float32.
    """
    t, length = jnp.asarray(step), jnp.asarray(period).astype(dtype)
    moment = t.astype(dtype)
    phase = jnp.mod(moment, length)
    # What is left is a whole number of periods up to rounding; dividing t itself could round up to the next one.
    turn = jnp.round((moment - phase) / length).astype(jnp.int32)
    if not jnp.issubdtype(t.dtype, jnp.integer):
        return phase, turn
    steps = t if t.dtype.itemsize >= 4 else t.astype(jnp.int32)
    whole = jnp.maximum(jnp.round(jnp.asarray(period)), 1).astype(steps.dtype)
    counted, turns = jax.lax.rem(steps, whole).astype(dtype), jax.lax.div(steps, whole).astype(jnp.int32)
    is_whole = whole.astype(dtype) == length
    return jnp.where(is_whole, counted, phase), jnp.where(is_whole, turns, turn)


def has_come(step: Any, moment: float | Array) -> Bool[Array, ""]:
    """Whether a step is at or after a moment; whole steps are compared as integers, exact below 2³¹."""
    t = jnp.asarray(step)
    if not jnp.issubdtype(t.dtype, jnp.integer):
        return t >= jnp.asarray(moment).astype(t.dtype)
    steps = t if t.dtype.itemsize >= 4 else t.astype(jnp.int32)
    first = jnp.ceil(moment) if is_traced(moment) else min(math.ceil(moment), jnp.iinfo(steps.dtype).max)
    return steps >= jnp.asarray(first).astype(steps.dtype)


def over_steps(one: Schedule) -> Schedule:
    """A schedule of one step, made one of any array of steps: (…) -> (…, C)."""

    def schedule(step: Any, dtype: Any = None) -> Any:
        return jnp.vectorize(lambda each: one(each, dtype), signature="()->(c)")(step)

    return schedule


def weights_at(schedule: Schedule, step: Any, dtype: Any) -> Float[Array, "..."]:
    """The weights of a schedule at a step, of this type; one that takes no type gives its own, which is converted.

    Args:
        schedule: step -> Γ, (C,).
        step: t; may be traced.
        dtype: of the weights.

    >>> base = jnp.array([1.0, 2.0])
    >>> weights_at(lambda t: base * static(2)(t), 0, "float32").tolist()
    [1.0, 2.0]
    """
    takes_type = "dtype" in inspect.signature(schedule).parameters
    return jnp.asarray(schedule(step, dtype=dtype) if takes_type else schedule(step)).astype(dtype)


def static(num_classes: int) -> Schedule:
    """The static loss: Γ_i = 1 at every step.

    >>> static(3)(10).tolist()
    [1.0, 1.0, 1.0]
    """
    check_count("num_classes", num_classes, at_least=1)

    def schedule(step: Any, dtype: Any = None) -> Float[Array, " C"]:
        return jnp.ones(num_classes, dtype or jnp.result_type(float))

    return over_steps(schedule)


def last_period(steps: int | Array, period: float | Array, *, interpretation: Interpretation = "text") -> float | Array:
    """The step at which the paper stops the oscillations: "for the last period".

    ``"text"``: ``steps - T``. ``"code"``: the first step of the period that begins after ``steps - T``, with T + 1
    steps a period. By the text it is 0 where the run is no longer than a period: it never oscillates then.

    Args:
        steps: of the run.
        period: T, in steps; may be traced.
        interpretation: of the paper, see ``oscillating``.

    Raises:
        ValueError: for negative steps, a period below 1, and another interpretation.

    >>> last_period(70_000, 5000), last_period(70_000, 5000, interpretation="code")
    (65000, 65013)
    """
    check_number("steps", steps, at_least=0)
    check_number("period", period, at_least=1)
    check_choice("interpretation", interpretation, _INTERPRETATIONS)
    remaining = steps - period
    if interpretation == "code":
        length = period + 1
        remaining = (remaining // length + 1) * length
    return jnp.maximum(remaining, 0) if is_traced(remaining) else max(remaining, 0)


def weights_over(schedule: Schedule, steps: Any) -> Float[Array, "steps C"]:
    """Γ at many steps: one row per step.

    >>> weights_over(static(2), jnp.arange(3)).shape
    (3, 2)
    """
    return jax.vmap(schedule)(jnp.asarray(steps))
