"""What a sweep asks of its function: the names it takes, and results that can be kept and fit those already there."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss_book.engine import archive
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.grid import FLAGS, SEED, Layout, Points, Variables
from dynloss_book.engine.sweeps.store import SweepError


def check_function(function: Callable, names: list[str], constants: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless the function takes the axes, the seed and the constants, by name."""
    both = sorted(set(names) & set(constants))
    if both:
        raise ValueError(f"{', '.join(both)}: an axis and a constant at once")
    try:
        inspect.signature(function).bind(**dict.fromkeys(names), **constants)
    except TypeError as error:
        raise ValueError(f"{called(function)} does not take {', '.join([*names, *constants])} ({error})") from None


def takes_checkpoint(function: Callable, constants: Mapping[str, Any]) -> bool:
    """Whether the function asks for a file in which to keep its unfinished run."""
    return "checkpoint" in inspect.signature(function).parameters and "checkpoint" not in constants


def check_outputs(function: Callable, outputs: Any, names: list[str]) -> None:
    """Raise ``ValueError`` unless a point's result is a mapping of free names to numbers or arrays of numbers."""
    if not isinstance(outputs, Mapping) or not outputs:
        raise ValueError(f"{called(function)} must return {{name: value}}, got {type(outputs).__name__}")
    if taken := sorted(set(outputs) & {*names, *FLAGS, "point"}):
        raise ValueError(f"{called(function)} returns {', '.join(taken)}, which the sweep uses itself")
    for name, value in outputs.items():
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        if getattr(dtype, "kind", "O") not in "biuf":
            raise ValueError(f"{called(function)} returns {name} of type {dtype}; a sweep keeps real numbers")


def layout_of(function: Callable, constants: Mapping[str, Any], names: list[str]) -> Layout:
    """The shapes and types of a point's results, found by tracing the function."""
    example = {name: jax.ShapeDtypeStruct((), argument_type(name)) for name in names}
    with tracing(function):
        found = jax.eval_shape(lambda point: function(**point, **constants), example)
    return traced(function, found, names)


@contextmanager
def tracing(function: Callable) -> Iterator[None]:
    """Tells what to do about a function that JAX cannot trace."""
    try:
        yield
    except (TypeError, jax.errors.JAXTypeError) as error:
        error.add_note(f"{called(function)} cannot be traced by JAX; vectorize=False calls it point by point")
        raise


def traced(function: Callable, outputs: Any, names: list[str], batched: bool = False) -> Layout:
    """The shapes and types of a point's results, from those of what the function returned when it was traced.

    Args:
        batched: whether it was traced for many points at once.
    """
    check_outputs(function, outputs, names)
    return {name: (each.shape[batched:], np.dtype(each.dtype)) for name, each in outputs.items()}


def check_layout(expected: Layout, variables: Variables, names: list[str]) -> None:
    """Raise ``ValueError`` unless results of this layout can be named as asked, and written to a file."""
    if unknown := sorted(set(variables) - set(expected)):
        raise ValueError(f"variables describes {', '.join(unknown)}, but the function returns {', '.join(expected)}")
    for name, (dims, _) in variables.items():
        if len({*names, *FLAGS, "point", *dims}) < len(names) + len(FLAGS) + 1 + len(dims):
            raise ValueError(f"the dimensions of {name} must differ from each other and from the axes, got {dims}")
    points = {name: np.arange(2.0) for name in names}
    try:
        rows = grids.rows(points, {n: np.zeros((2, *s), t) for n, (s, t) in expected.items()}, variables)
        archive.encode(rows)
    except (TypeError, ValueError) as error:
        raise ValueError(f"results cannot be kept like this: {error}") from error


def fits(found: Layout, expected: Layout | None) -> bool:
    """Whether results have the names and shapes that are expected."""
    shapes = {name: shape for name, (shape, _) in found.items()}
    return expected is not None and shapes == {name: shape for name, (shape, _) in expected.items()}


def check_same(found: Layout, expected: Layout, where: str, types: bool = False) -> None:
    """Raise ``SweepError`` unless the results have the names and shapes, and if asked the types, that are expected."""
    if found.keys() != expected.keys():
        raise SweepError(f"{where} holds {', '.join(expected)}, not {', '.join(found)}")
    for name, (shape, dtype) in found.items():
        if shape != expected[name][0]:
            raise SweepError(f"{where} holds {name} of shape {expected[name][0]}, not {shape}")
        if types and dtype != expected[name][1]:
            raise SweepError(f"{where} holds {name} as {expected[name][1]}, not {dtype}: set JAX's precision as it was")


def place(points: Points) -> str:
    """A point in words.

    >>> place({"period": np.array([10]), "seed": np.array([3])})
    'period=10, seed=3'
    """
    return ", ".join(f"{name}={values[0].item()}" for name, values in points.items())


def called(function: Callable) -> str:
    """The name of a function, or what stands for it."""
    return getattr(function, "__name__", repr(function))


def argument_type(name: str):
    """Seeds are whole numbers; every other axis is of the default floating-point type, so that 1 and 1.0 agree."""
    return jnp.dtype(jnp.int32) if name == SEED else jnp.result_type(float)
