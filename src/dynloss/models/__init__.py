"""Networks as flax.linen modules: ``init(key, inputs) -> params`` and ``apply(params, inputs) -> logits``."""

from typing import Any

from dynloss import submodules

_module = submodules(__name__)


def __getattr__(name: str) -> Any:
    """A module of this package, or ``MLP``, on first use: what is ``written_out`` needs no flax."""
    try:
        return _module("mlp").MLP if name == "MLP" else _module(name)
    except ModuleNotFoundError as error:
        raise ImportError(f"dynloss.models needs {error.name}: pip install 'dynloss[models]'") from error
