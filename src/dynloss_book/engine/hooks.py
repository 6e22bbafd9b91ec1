"""What the book's rooms add to the engine, which knows none of them: functions of agreed names in modules ``hooks``.

- ``publish(book, text)`` writes what the pages, whose text this is, ask for, into the folder where they are staged.
- ``ways(figure)`` says of variables how they are to be compared, and of dimensions that they are of independent runs.
- ``predictable_until(run, parameters)`` is the step from which on two runs of a trajectory go apart, None if never.
- ``axes()`` gives a sweep's axes their names and units, ``sections()`` the paper's sections their titles.
- ``statistics(mine, published, parameters)`` gives what they have in common nevertheless.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANGES_NO_NUMBER = True


def called(name: str) -> list[Callable[..., Any]]:
    """The functions of this name, of all packages beside the engine that have a module ``hooks``."""
    book = Path(__file__).parents[1]
    rooms = sorted(path.parent.name for path in book.glob("*/hooks.py"))
    modules = [importlib.import_module(f"{book.name}.{room}.hooks") for room in rooms]
    return [getattr(module, name) for module in modules if hasattr(module, name)]


def told(name: str, *arguments: Any) -> dict[str, Any]:
    """What the functions of this name say of these arguments, in one table."""
    return {key: value for each in called(name) for key, value in each(*arguments).items()}
