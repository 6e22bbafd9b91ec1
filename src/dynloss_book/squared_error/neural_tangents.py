"""neural-tangents on a current JAX: the independent oracle of our kernel, and the infinite-width kernel.

neural-tangents 0.6.5 (2024) is no longer maintained and fails to import on JAX >= 0.5. What it misses are names that
moved; this adapter puts them back before the import. Nothing that a figure needs depends on it.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

_MOVED = ("Jaxpr", "JaxprEqn", "ClosedJaxpr", "Literal", "Var", "Primitive", "jaxpr_as_fun")


def load() -> ModuleType:
    """Import neural-tangents, giving JAX back the names that it needs.

    Raises:
        ImportError: where neural-tangents is not installed, with what installs it.
    """
    if "neural_tangents" in sys.modules:
        return sys.modules["neural_tangents"]
    if importlib.util.find_spec("neural_tangents") is None:
        raise ImportError("neural-tangents is missing: pip install --no-deps neural-tangents==0.6.5 frozendict")
    _restore_names()
    # Its experimental part is the one that needs TensorFlow.
    sys.modules.setdefault("neural_tangents.experimental", ModuleType("neural_tangents.experimental"))
    return importlib.import_module("neural_tangents")


def _restore_names() -> None:
    import jax
    import jax.extend.core
    import jax.extend.core.primitives
    from jax.interpreters import ad

    for name in _MOVED:
        if not _has(jax.core, name):
            setattr(jax.core, name, getattr(jax.extend.core, name))
    if importlib.util.find_spec("jax.util") is None:
        sys.modules["jax.util"] = ModuleType("jax.util")
        vars(jax)["util"] = sys.modules["jax.util"]
    util = importlib.import_module("jax.util")
    for name, function in {"safe_map": _safe_map, "safe_zip": _safe_zip}.items():
        if not _has(util, name):
            setattr(util, name, function)
    if not _has(ad, "zeros_like_p"):
        # Gone from JAX together with everything that produced it, so that no program holds this primitive.
        vars(ad)["zeros_like_p"] = jax.extend.core.Primitive("zeros_like")


def _has(module, name: str) -> bool:
    """Whether a name is really there: JAX's deprecated names raise, or warn, when read."""
    return name in vars(module)


def _safe_zip(*sequences):
    return list(zip(*map(list, sequences), strict=True))


def _safe_map(function, *sequences):
    return [function(*items) for items in _safe_zip(*sequences)]
