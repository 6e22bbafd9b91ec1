"""What full-batch training can record where the samples do not fit into memory together: ``recorders``, by batches."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from dynloss import losses
from dynloss.datasets.base import Dataset
from dynloss.spectral import batched
from dynloss.training.full_batch import Recorder, Snapshot, check_task
from dynloss.training.recorders import eigenvalue_records, eigenvalue_variables, recorder


def training_state(
    apply: Callable, data: Dataset, batch_size: int, every: int = 1, loss: Callable = losses.cross_entropy
) -> Recorder:
    """``loss`` F of eq. (1) and ``static_loss`` (Γ = 1), in nats, and training ``accuracy``, from one forward pass."""
    sums = _sums(apply, data, batch_size, loss)
    return recorder(
        lambda at: sums(at.params, at.weights),
        {
            "loss": ((), {"long_name": "dynamical loss F", "units": "nats"}),
            "static_loss": ((), {"long_name": "static loss (Γ = 1)", "units": "nats"}),
            "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
        },
        every,
    )


def validation_accuracy(apply: Callable, data: Dataset, batch_size: int, every: int = 1) -> Recorder:
    """``validation_accuracy``: the fraction of ``data`` classified correctly."""
    sums = _sums(apply, data, batch_size, losses.cross_entropy)
    variables = {"validation_accuracy": ((), {"long_name": "validation accuracy", "units": "1"})}
    return recorder(lambda at: {"validation_accuracy": sums(at.params, at.weights)["accuracy"]}, variables, every)


def hessian(k: int = 1, order: int = 16, every: int = 1) -> Recorder:
    """The k largest eigenvalues of the Hessian of F(·; Γ(t)), descending, with their residuals.

    The gradient of the run, over batches, is differentiated forwards: see ``spectral.batched.hessian_operator``.
    """
    variables = eigenvalue_variables("hessian", "Hessian eigenvalue λ", "rank", k)

    def measure(at: Snapshot) -> dict[str, Any]:
        return eigenvalue_records("hessian", batched.hessian_eigenvalues(at.gradient, at.params, k, order=order))

    return recorder(measure, variables, every)


def ntk(apply: Callable, inputs: Any, batch_size: int, order: int = 16, every: int = 1) -> Recorder:
    """The largest eigenvalue of the full NTK of eq. (11) on ``inputs``, with its residual."""
    variables = eigenvalue_variables("ntk", "NTK eigenvalue", "ntk_rank", 1)

    def measure(at: Snapshot) -> dict[str, Any]:
        ritz = batched.ntk_eigenvalues(apply, at.params, inputs, batch_size=batch_size, order=order)
        return eigenvalue_records("ntk", ritz)

    return recorder(measure, variables, every)


def _sums(apply, data, batch_size, loss) -> Callable:
    """(params, weights) -> both losses and the accuracy of ``data``."""
    check_task(apply, data)
    batches = batched.in_batches(batch_size, data.inputs, data.labels)
    samples = len(data)

    def sums(params, weights):
        def part(batch):
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
