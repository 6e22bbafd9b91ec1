"""Checks of arguments at the boundary of the library; traced values pass, since inside jit nothing raises."""

import math
import operator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_traced(value: Any) -> bool:
    """Whether ``value`` is known only when the compiled program runs."""
    return isinstance(value, jax.core.Tracer)


def check_number(name: str, value: Any, *, at_least: float = -math.inf, above: float = -math.inf) -> None:
    """Raise ``ValueError`` unless ``value`` is traced, or a finite number in the allowed range.

    Args:
        name: the argument's, for the message.
        value: whatever was handed over.
        at_least, above: lower bounds, with the bound itself and without; by default none.
    """
    if is_traced(value):
        return
    try:
        number = float("text" if isinstance(value, str | bytes) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    if math.isfinite(number) and number >= at_least and number > above:
        return
    bounds = [f"at least {at_least:g}"] * (at_least > -math.inf) + [f"greater than {above:g}"] * (above > -math.inf)
    raise ValueError(f"{name} must be {' and '.join(['finite', *bounds])}, got {value!r}")


def check_count(name: str, value: Any, *, at_least: int, at_most: float = math.inf) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer in the allowed range.

    Args:
        name, value: as of ``check_number``.
        at_least, at_most: the bounds, both included.
    """
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or not at_least <= whole <= at_most:
        bound = "" if at_most == math.inf else f" and at most {at_most}"
        raise ValueError(f"{name} must be an integer, at least {at_least}{bound}, got {value!r}")


def check_arrays(**named: Any) -> None:
    """Raise ``ValueError`` unless each is an array of numbers, or a tree of such; a list of numbers is none.

    >>> check_arrays(labels=[0, 1])
    Traceback (most recent call last):
    ValueError: labels must be an array of numbers, got int in a list: jnp.asarray(labels) makes one
    """
    for name, tree in named.items():
        for leaf in jax.tree.leaves(tree):
            if not isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct):
                kind = f"{type(leaf).__name__} in a {type(tree).__name__}" if leaf is not tree else type(leaf).__name__
                raise ValueError(f"{name} must be an array of numbers, got {kind}: jnp.asarray({name}) makes one")
            if not jnp.issubdtype(leaf.dtype, jnp.number) and leaf.dtype != bool:
                raise ValueError(f"{name} must be an array of numbers, got one of {leaf.dtype}: convert them first")


def check_samples(**named: Any) -> None:
    """Raise ``ValueError`` unless each is an array of numbers, or a tree of such, of at least one sample."""
    check_arrays(**named)
    for name, tree in named.items():
        if empty := [leaf.shape for leaf in jax.tree.leaves(tree) if leaf.shape[:1] == (0,)]:
            raise ValueError(f"{name} must hold at least one sample, got {empty[0]}")


def check_precision(dtype: Any) -> None:
    """Raise ``ValueError`` for a type of less than 32 bits, in which no eigenvalue can be computed."""
    if jnp.finfo(dtype).bits < 32:
        raise ValueError(f"spectra need numbers of float32 or float64, got {jnp.dtype(dtype)}: astype converts them")


def check_function(name: str, value: Any, wanted: str) -> None:
    """Raise ``ValueError`` unless ``value`` is a function; a model is none, and an array neither.

    Args:
        name, value: as of ``check_number``.
        wanted: what it takes and gives, as in "step -> weights".

    >>> check_function("schedule", np.ones(3), "step -> weights")
    Traceback (most recent call last):
    ValueError: schedule must be a function step -> weights, got an array (3,)
    """
    if hasattr(value, "apply") and hasattr(value, "init"):
        raise ValueError(f"{name} must be a function {wanted}, got the model {type(value).__name__}: give its apply")
    if not callable(value):
        kind = f"an array {value.shape}" if hasattr(value, "shape") else repr(value)
        raise ValueError(f"{name} must be a function {wanted}, got {kind}")


def check_shaped_as(name: str, found: Any, params: Any) -> None:
    """Raise ``ValueError`` unless what a function of the parameters gave is shaped as they are, as a gradient is.

    Args:
        name: the function's, for the message.
        found: what it gave, or the shapes of it.
        params: W, a tree of arrays.
    """
    if jax.tree.structure(found) != jax.tree.structure(params):  # type: ignore[operator]
        kind = f"a {type(found).__name__} of another structure"
        if isinstance(found, jax.Array) and found.ndim == 0:
            kind = "a number, as a loss does: jax.grad gives its gradient"
        raise ValueError(f"{name} must give a tree of arrays shaped as the parameters; it gives {kind}")
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
        if jnp.shape(one) != jnp.shape(other):
            raise ValueError(f"{name} must give arrays shaped as the parameters, {other.shape}; it gives {one.shape}")


def check_parameters(params: Any) -> None:
    """Raise ``ValueError`` if a tree holds other collections of flax than ``params``, or arrays that have no gradient.

    Every array of it would be trained and differentiated: the running averages of batch normalisation too.
    """
    if hasattr(params, "apply") and hasattr(params, "init"):
        raise ValueError(f"parameters must be arrays, got the model {type(params).__name__}: its init returns them")
    if not jax.tree.leaves(params):
        raise ValueError(f"parameters must be a tree of arrays, got {params!r}")
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


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``.

    Args:
        name, value: as of ``check_number``.
        choices: all that is allowed, in the order of the message.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
