"""What a sweep asks of its function: the names it takes, and results that can be kept and fit those already there."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dynloss_book.engine import archive
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.store import SweepError


def check_function(function: Callable, names: list[str], constants: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless the function takes the axes, the seed and the constants, by name.

    Args:
        function: of the sweep.
        names: of the axes, ``seed`` among them.
        constants: its other arguments, by name.
    """
    if both := sorted(set(names) & set(constants)):
        raise ValueError(f"{', '.join(both)}: an axis and a constant at once")
    try:
        inspect.signature(function).bind(**dict.fromkeys(names), **constants)
    except TypeError as error:
        raise ValueError(f"{function.__name__} does not take {', '.join([*names, *constants])} ({error})") from None


def check_outputs(function: Callable, outputs: Any, names: list[str]) -> None:
    """Raise ``ValueError`` unless a point's result is a mapping of free names to numbers or arrays of numbers.

    Args:
        function, names: as of ``check_function``.
        outputs: what it gave for a point, or shapes and types of it.
    """
    if not isinstance(outputs, Mapping) or not outputs:
        raise ValueError(f"{function.__name__} must return {{name: value}}, got {type(outputs).__name__}")
    if taken := sorted(set(outputs) & {*names, *grids.TAKEN}):
        raise ValueError(f"{function.__name__} returns {', '.join(taken)}, which the sweep uses itself")
    for name, value in outputs.items():
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        if getattr(dtype, "kind", "O") not in "biuf":
            raise ValueError(f"{function.__name__} returns {name} of type {dtype}; a sweep keeps real numbers")


def check_layout(expected: grids.Layout, variables: grids.Variables, names: list[str]) -> None:
    """Raise ``ValueError`` unless results of this layout can be named as asked, and written to a file.

    Args:
        expected: of a point's results.
        variables: as of ``sweeps.run``.
        names: as of ``check_function``.
    """
    if unknown := sorted(set(variables) - set(expected)):
        raise ValueError(f"variables describes {', '.join(unknown)}, but the function returns {', '.join(expected)}")
    for name, (dims, _) in variables.items():
        if len({*names, *grids.TAKEN, *dims}) < len(names) + len(grids.TAKEN) + len(dims):
            raise ValueError(f"the dimensions of {name} must differ from each other and from the axes, got {dims}")
    points = {name: np.arange(2.0) for name in names}
    try:
        rows = grids.rows(points, {n: np.zeros((2, *s), t) for n, (s, t) in expected.items()}, variables)
        archive.encode(rows)
    except (TypeError, ValueError) as error:
        raise ValueError(f"results cannot be kept like this: {error}") from error


def check_same(found: grids.Layout, expected: grids.Layout, where: str) -> None:
    """Raise ``SweepError`` unless the results have the names and shapes that are expected.

    Args:
        found, expected: of a point's results; their types may differ.
        where: what holds the expected ones, for the message.
    """
    ours, theirs = ({name: shape for name, (shape, _) in each.items()} for each in (found, expected))
    if ours != theirs:
        raise SweepError(f"{where} holds results of the shapes {theirs}, not {ours}")


def place(points: grids.Points) -> str:
    """A point in words.

    >>> place({"period": np.array([10]), "seed": np.array([3])})
    'period=10, seed=3'
    """
    return ", ".join(f"{name}={values[0].item()}" for name, values in points.items())
