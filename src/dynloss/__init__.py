"""dynloss: dynamical loss functions (Ruiz-García, Zhang, Schoenholz and Liu, ICML 2021) in JAX.

Submodules load on first use, so that ``import dynloss`` costs next to nothing beside ``import jax``.
"""

import importlib

__version__ = "0.1.0"
__all__ = ["datasets", "dynamics", "losses", "models", "schedules", "shapes", "spectral", "training"]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
