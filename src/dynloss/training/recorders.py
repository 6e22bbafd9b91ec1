"""What full-batch training can record: weights, losses, accuracies and spectra, each at its own cadence."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from dynloss import losses
from dynloss.checks import check_count
from dynloss.datasets.base import Dataset
from dynloss.spectral.hessian import hessian_eigenvalues
from dynloss.spectral.ntk import kernel_eigenvalues, ntk_eigenvalues
from dynloss.training.full_batch import Recorder, Snapshot, check_task

WEIGHTS: dict[str, Any] = {"class_weights": (("class",), {"long_name": "class weight Γ", "units": "1"})}
STATE: dict[str, Any] = {
    "loss": ((), {"long_name": "dynamical loss F", "units": "nats"}),
    "static_loss": ((), {"long_name": "static loss (Γ = 1)", "units": "nats"}),
    "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
}
VALIDATION: dict[str, Any] = {"validation_accuracy": ((), {"long_name": "validation accuracy", "units": "1"})}


def class_weights(every: int = 1) -> Recorder:
    """Γ(t): ``class_weights`` (class), dimensionless."""
    return Recorder(lambda at: {"class_weights": at.weights}, WEIGHTS, every)


def training_state(
    apply: Callable[..., Any], data: Dataset, every: int = 1, loss: Callable[..., Any] = losses.cross_entropy
) -> Recorder:
    """``loss`` F of eq. (1) and ``static_loss`` (Γ = 1), in nats, and training ``accuracy``, from one forward pass.

    Args:
        apply: (params, inputs) -> outputs, (P, C).
        data: the training set.
        every: the cadence, in steps.
        loss: (outputs, labels) -> one loss per sample, (P,).

    Raises:
        ValueError: a model instead of its function, data that are no ``Dataset``, or a cadence below 1.
    """
    check_task(apply, data)
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)

    def measure(at: Snapshot) -> dict[str, Any]:
        logits = apply(at.params, inputs)
        each = loss(logits, labels)
        each = each.astype(losses.exact(each.dtype))
        return {
            "loss": losses.class_weighted_mean(each, labels, at.weights.astype(each.dtype)),
            "static_loss": jnp.mean(each),
            "accuracy": losses.accuracy(logits, labels),
        }

    return Recorder(measure, STATE, every)


def validation_accuracy(apply: Callable[..., Any], data: Dataset, every: int = 1) -> Recorder:
    """``validation_accuracy``: the fraction of ``data`` classified correctly.

    Args:
        apply, every: as of ``training_state``.
        data: the validation set.

    Raises:
        ValueError: as ``training_state``.
    """
    check_task(apply, data)
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    measure = lambda at: {"validation_accuracy": losses.accuracy(apply(at.params, inputs), labels)}  # noqa: E731
    return Recorder(measure, VALIDATION, every)


def hessian(k: int = 1, num_matvecs: int = 16, every: int = 1) -> Recorder:
    """The k largest eigenvalues of the Hessian of F(·; Γ(t)), descending, with their residuals, both (k,).

    Args:
        k: how many.
        num_matvecs: products with the Hessian; see ``spectral.lanczos``.
        every: the cadence, in steps.

    Raises:
        ValueError: k or a cadence below 1.
    """
    check_count("k", k, at_least=1)
    found = lambda at: hessian_eigenvalues(at.gradient, at.params, k, num_matvecs=num_matvecs)  # noqa: E731
    return spectrum("hessian", "Hessian eigenvalue λ", "rank", found, every)


def ntk(apply: Callable[..., Any], inputs: Any, num_matvecs: int = 16, every: int = 1) -> Recorder:
    """The largest eigenvalue of the full NTK of eq. (11) on ``inputs``, with its residual, both (1,).

    Args:
        apply: (params, inputs) -> outputs, (P, C).
        inputs: (P, …).
        num_matvecs: products with the kernel; see ``spectral.lanczos``.
        every: the cadence, in steps.

    Raises:
        ValueError: a cadence below 1.
    """
    inputs = jnp.asarray(inputs)
    found = lambda at: ntk_eigenvalues(apply, at.params, inputs, num_matvecs=num_matvecs)  # noqa: E731
    return spectrum("ntk", "NTK eigenvalue", "ntk_rank", found, every)


def output_averaged_ntk(kernel: Callable[..., Any], inputs: Any, num_matvecs: int = 10, every: int = 1) -> Recorder:
    """The largest eigenvalue of the NTK averaged over outputs (the authors': first 50 samples), with its residual.

    Args:
        kernel: (params, inputs) -> (P, P): ``functools.partial(ntk.output_averaged_ntk_matrix, model.apply)``, or
            ``mlp.output_averaged_ntk``, which is faster.
        inputs, num_matvecs, every: as of ``ntk``.

    Raises:
        ValueError: a cadence below 1.
    """
    inputs = jnp.asarray(inputs)
    found = lambda at: kernel_eigenvalues(kernel(at.params, inputs), num_matvecs=num_matvecs)  # noqa: E731
    return spectrum("averaged_ntk", "eigenvalue of the NTK averaged over outputs", "averaged_ntk_rank", found, every)


def spectrum(name: str, long_name: str, dim: str, found: Callable[[Snapshot], Any], every: int) -> Recorder:
    """``<name>_eigenvalues`` and ``<name>_residuals`` over ``dim``: what ``spectral.lanczos`` found at a step.

    Args:
        name: of the variables, before the underscore.
        long_name: of the eigenvalues.
        dim: over which they lie.
        found: Snapshot -> ``lanczos.Ritz``, traceable.
        every: the cadence, in steps.

    Raises:
        ValueError: a cadence below 1.
    """

    def measure(at: Snapshot) -> dict[str, Any]:
        ritz = found(at)
        return {f"{name}_eigenvalues": ritz.eigenvalues, f"{name}_residuals": ritz.residuals}

    variables: dict[str, Any] = {
        f"{name}_eigenvalues": ((dim,), {"long_name": long_name, "units": "1"}),
        f"{name}_residuals": ((dim,), {"long_name": f"residual of the {long_name}", "units": "1"}),
    }
    return Recorder(measure, variables, every)
