"""Networks as flax.linen modules: ``init(key, inputs) -> params`` and ``apply(params, inputs) -> logits``."""


def __getattr__(name: str):
    """``MLP``, on first use: the gradients in ``written_out`` need no flax."""
    if name != "MLP":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from dynloss.models.mlp import MLP
    except ModuleNotFoundError as error:
        raise ImportError(f"dynloss.models needs {error.name}: pip install 'dynloss[models]'") from error
    return MLP
