"""Checks of arguments at the boundary of the library; traced values pass, since inside jit nothing raises."""

import math
import operator
from collections.abc import Mapping
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


def check_parameters(params: Any) -> None:
    """Raise ``ValueError`` if a tree holds other collections of flax than ``params``, or arrays that have no gradient.

    Every array of it would be trained and differentiated: the running averages of batch normalisation too.
    """
    names = list(params) if isinstance(params, Mapping) and "params" in params else []
    if others := [str(name) for name in names if name != "params"]:
        raise ValueError(
            f"besides params there is {', '.join(others)}, which would be trained too. Hold it fixed, with "
            'params = {"params": variables["params"]} and '
            "apply = lambda params, x: model.apply({**variables, **params}, x). "
            "Or train by dynloss.training.minibatch, which updates it as flax does"
        )
    kinds = sorted({str(getattr(leaf, "dtype", type(leaf).__name__)) for leaf in jax.tree.leaves(params)})
    if wrong := [kind for kind in kinds if not kind.startswith(("float", "bfloat"))]:
        raise ValueError(f"parameters must be arrays of floating-point numbers, got {', '.join(wrong)}")


def truth(name: str, value: Any) -> bool:
    """A switch as it is meant: papermill hands "false" over as text, and a text that is not empty is true.

    >>> truth("fresh", "false"), truth("fresh", True)
    (False, True)
    """
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = words.get(str(value).lower())
    if found is None:
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return found


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
