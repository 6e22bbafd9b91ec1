"""Checks of arguments at the boundary of the library; traced values pass, since inside jit nothing raises."""

import math
import operator
from typing import Any

import jax


def is_traced(value: Any) -> bool:
    """Whether ``value`` is known only when the compiled program runs."""
    return isinstance(value, jax.core.Tracer)


def check_number(name: str, value: Any, *, at_least: float = -math.inf, above: float = -math.inf) -> None:
    """Raise ``ValueError`` unless ``value`` is traced, or a finite number in the allowed range."""
    if is_traced(value):
        return
    try:
        number = float("text" if isinstance(value, str | bytes) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    if math.isfinite(number) and number >= at_least and number > above:
        return
    bounds = [f"at least {at_least:g}"] if at_least > -math.inf else []
    bounds += [f"greater than {above:g}"] if above > -math.inf else []
    raise ValueError(f"{name} must be {' and '.join(['finite', *bounds])}, got {value!r}")


def check_count(name: str, value: Any, *, at_least: int) -> None:
    """Raise ``ValueError`` unless ``value`` is a whole number, not smaller than ``at_least``."""
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or whole < at_least:
        raise ValueError(f"{name} must be a whole number, at least {at_least}, got {value!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
