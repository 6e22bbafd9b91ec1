"""The runner: notebooks through papermill, the gate, and the book.

Its modules are imported when they are first used, so that `dynloss --help` waits for none of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynloss_book.engine.runner import (
        answers,
        best,
        book,
        campaign,
        compare,
        doctor,
        execute,
        keep,
        new,
        publish,
        recorded,
        tables,
        together,
    )

__all__ = [
    "answers",
    "best",
    "book",
    "campaign",
    "compare",
    "doctor",
    "execute",
    "keep",
    "new",
    "publish",
    "recorded",
    "tables",
    "together",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"{__name__} has no {name}")
    return importlib.import_module(f"{__name__}.{name}")
