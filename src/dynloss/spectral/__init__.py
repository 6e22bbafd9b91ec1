"""Spectra of the Hessian and of the neural tangent kernel, without forming the matrices."""

import importlib


def __getattr__(name: str):
    """A module of this package, loaded on first use."""
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from error
