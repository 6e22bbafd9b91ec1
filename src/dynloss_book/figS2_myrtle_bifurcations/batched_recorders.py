"""What full-batch training can record where the samples do not fit into memory together: ``recorders``, by batches."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from dynloss import losses
from dynloss.checks import check_count
from dynloss.datasets.base import Dataset
from dynloss.spectral import batched
from dynloss.training.full_batch import Recorder, check_task
from dynloss.training.recorders import STATE, spectrum


def training_state(
    apply: Callable[..., Any],
    data: Dataset,
    batch_size: int,
    every: int = 1,
    loss: Callable[..., Any] = losses.cross_entropy,
) -> Recorder:
    """``loss`` F of eq. (1) and ``static_loss`` (Γ = 1), in nats, and training ``accuracy``, from one forward pass.

    Args:
        apply, data, every, loss: as of ``recorders.training_state``.
        batch_size: samples at a time.

    Raises:
        ValueError: as ``recorders.training_state``, or a batch size below 1.
    """
    sums = _sums(apply, data, batch_size, loss)
    return Recorder(lambda at: sums(at.params, at.weights), STATE, every)


def hessian(k: int = 1, num_matvecs: int = 16, every: int = 1) -> Recorder:
    """The k largest eigenvalues of the Hessian of F(·; Γ(t)), descending, with their residuals.

    The gradient of the run, over batches, is differentiated forwards: see ``spectral.batched.hessian_operator``.

    Args:
        k, num_matvecs, every: as of ``recorders.hessian``.

    Raises:
        ValueError: k or a cadence below 1.
    """
    check_count("k", k, at_least=1)
    found = lambda at: batched.hessian_eigenvalues(at.gradient, at.params, k, num_matvecs=num_matvecs)  # noqa: E731
    return spectrum("hessian", "Hessian eigenvalue λ", "rank", found, every)


def _sums(apply: Any, data: Dataset, batch_size: int, loss: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """(params, weights) -> both losses and the accuracy of ``data``."""
    check_task(apply, data)
    batches = batched.in_batches(batch_size, data.inputs, data.labels)
    samples = len(data)

    def sums(params: Any, weights: Any) -> Any:
        def part(batch: Any) -> dict[str, Any]:
            (inputs, labels), there = batch
            logits = apply(params, inputs)
            wide, numbers = losses.exact(logits.dtype), losses.class_numbers(labels)
            each = jnp.where(there, loss(logits, labels), 0).astype(wide)
            right = there & (jnp.argmax(logits, -1).astype(numbers.dtype) == numbers)
            return {
                "loss": jnp.sum(losses.weights_of(labels, weights).astype(wide) * each) / samples,
                "static_loss": jnp.sum(each) / samples,
                "accuracy": jnp.sum(right.astype(wide)) / samples,
            }

        return batched.sum_over(batches, part)

    return sums
