"""Networks as flax.linen modules: ``init(key, inputs) -> params`` and ``apply(params, inputs) -> logits``."""

from dynloss.models.mlp import MLP as MLP
