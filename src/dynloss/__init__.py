"""dynloss: dynamical loss functions (Ruiz-García, Zhang, Schoenholz and Liu, ICML 2021) in JAX.

Submodules load on first use, so that ``import dynloss`` costs next to nothing beside ``import jax``.
"""

import importlib
from collections.abc import Callable
from typing import Any

__version__ = "0.1.0"
__all__ = ["datasets", "dynamics", "losses", "models", "schedules", "spectral", "training", "waveforms"]


def submodules(package: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package, that loads its modules on first use."""

    def load(name: str) -> Any:
        try:
            return importlib.import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":  # something that this module needs
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from error

    return load


__getattr__ = submodules(__name__)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
