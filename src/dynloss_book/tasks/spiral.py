"""The task of Figures 3, 4, 5 and S1: a network with one hidden layer on the spiral, by full-batch gradient descent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from dynloss import datasets, losses
from dynloss.checks import check_choice
from dynloss.datasets.base import Dataset
from dynloss.models import mlp
from dynloss.schedules import Schedule
from dynloss.training import compiled, full_batch

CLASSES = 3
# The variables of a sweep over `SpiralTask.outcome`.
OUTCOME = {
    "loss": ((), {"long_name": "static training loss", "units": "nats"}),
    "accuracy": ((), {"long_name": "training accuracy", "units": "1"}),
    "validation_accuracy": ((), {"long_name": "validation accuracy", "units": "1"}),
}


@dataclass(frozen=True)
class SpiralTask:
    """Data, network and initial weights.

    Attributes:
        training, validation: 300 points each, of the task's precision.
        model: the network.
        start: its initial weights W_0.
    """

    training: Dataset
    validation: Dataset
    model: Any
    start: Any

    @property
    def inputs(self) -> Any:
        """The inputs of the training set, (P, 2)."""
        return jnp.asarray(self.training.inputs)

    @property
    def labels(self) -> Any:
        """The labels of the training set, (P,)."""
        return jnp.asarray(self.training.labels)

    def outputs(self, params) -> Any:
        """f on the training set, (P, C)."""
        return self.model.apply(params, self.inputs)

    def loss(self, params, gammas) -> Any:
        """Eq. (1) with these class weights."""
        return losses.class_weighted_mean(losses.cross_entropy(self.outputs(params), self.labels), self.labels, gammas)

    def gradient(self, params, gammas) -> Any:
        """The gradient of eq. (1), written out."""
        return mlp.cross_entropy_gradient(params, self.inputs, self.labels, gammas)

    def descend(self, weights: Schedule, learning_rate, steps: int):
        """The parameters after ``steps`` steps on the loss of eq. (1); traceable in everything but their number.

        Args:
            weights: step -> Γ, (C,).
            learning_rate: η.
            steps: from 0 on.
        """
        return compiled.descend(self.start, self.training, weights, learning_rate, 0, steps)

    def outcome(self, params) -> dict[str, Any]:
        """``loss`` (static, nats), ``accuracy`` and ``validation_accuracy``; a run that diverged has NaN for both."""
        loss, accuracy = self._evaluate(params, self.training)
        return {"loss": loss, "accuracy": accuracy, "validation_accuracy": self._evaluate(params, self.validation)[1]}

    def record(
        self,
        weights: Schedule,
        learning_rate: float,
        steps: int,
        recorders: Sequence[full_batch.Recorder],
        checkpoint: Path | None = None,
    ) -> Any:
        """The trajectory of ``steps`` steps, as an ``xarray.Dataset`` of what the recorders see, with a progress bar.

        Kept in single precision: far finer than what a figure shows, and half as large in the archive.

        Args:
            weights, learning_rate, steps: as of ``descend``.
            recorders: of ``training.recorders``.
            checkpoint: a file for the unfinished run.
        """
        run = full_batch.train(
            self.start,
            self.training,
            weights,
            gradient=self.gradient,
            learning_rate=learning_rate,
            steps=steps,
            recorders=recorders,
            progress="gradient descent",
            checkpoint=checkpoint,
        )
        about = {"dtype": str(self.inputs.dtype), "scale": f"1 seed, {steps:,} steps"}
        return run.trajectory.astype("float32").assign_attrs(about)

    def _evaluate(self, params, data: Dataset):
        logits, labels = self.model.apply(params, jnp.asarray(data.inputs)), jnp.asarray(data.labels)
        loss = jnp.mean(losses.cross_entropy(logits, labels))
        return loss, jnp.where(jnp.isfinite(loss), losses.accuracy(logits, labels), jnp.nan)


def task(width: int, precision: str, seed) -> SpiralTask:
    """A network of ``width`` hidden units with the initial weights of ``seed``, and the spiral's points.

    Args:
        width: the paper's narrow network has 100, the wide one 1000.
        precision: "float32", or "float64", which needs ``use_precision``.
        seed: from 0 on; may be traced.
    """
    training, validation = datasets.spiral().astype(precision), datasets.spiral_validation().astype(precision)
    model = mlp.MLP(width=width, num_classes=CLASSES, param_dtype=precision)
    return SpiralTask(training, validation, model, model.init(jax.random.key(seed), jnp.asarray(training.inputs)))


def use_precision(precision: str) -> None:
    """Let JAX compute in "float32", or "float64" too; whatever else is refused."""
    check_choice("precision", precision, ("float32", "float64"))
    jax.config.update("jax_enable_x64", precision == "float64")
