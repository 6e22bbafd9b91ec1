"""What a data set is."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from dynloss.checks import check_arrays, check_count


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs with their classes, checked when made.

    Attributes:
        inputs: (P, …), one sample a row, finite. Lists, and arrays of pandas or PyTorch, become arrays of NumPy.
        labels: (P,), integers 0 … C-1; likewise.
        num_classes: the number of classes, C. A class may have no samples (``counts`` tells).

    Raises:
        ValueError: where the shapes disagree, there is no sample, a label is out of range, or an input is not finite or
            no number.

    >>> Dataset(np.zeros((3, 2)), np.array([0, 1, 1]), num_classes=2).counts.tolist()
    [1, 2]
    """

    inputs: Any
    labels: Any
    num_classes: int

    def __post_init__(self) -> None:
        for name in ("inputs", "labels"):
            object.__setattr__(self, name, _array(name, getattr(self, name)))
        inputs, labels = np.asarray(self.inputs), np.asarray(self.labels)
        check_count("num_classes", self.num_classes, at_least=1)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be integers in one dimension, got {labels.dtype} {labels.shape}")
        if inputs.ndim < 1 or len(inputs) != len(labels):
            raise ValueError(f"inputs {inputs.shape} and labels {labels.shape} must have the same number of samples")
        if len(labels) == 0:
            raise ValueError("a data set needs at least one sample, got none")
        if labels.min() < 0 or labels.max() >= self.num_classes:
            wrong = labels[(labels < 0) | (labels >= self.num_classes)][0]
            raise ValueError(f"labels must lie in 0 … {self.num_classes - 1}, got {wrong}")
        check_arrays(inputs=inputs)
        if not np.isfinite(inputs).all():
            raise ValueError("inputs must be finite, got NaN or infinity")

    @property
    def counts(self) -> np.ndarray:
        """Samples of each class, (C,)."""
        return np.bincount(np.asarray(self.labels), minlength=self.num_classes)

    def astype(self, dtype: Any) -> "Dataset":
        """The same data with inputs of another floating-point type."""
        return Dataset(np.asarray(self.inputs).astype(dtype), self.labels, self.num_classes)

    def __len__(self) -> int:
        return len(self.labels)


def _array(name: str, value: Any) -> Any:
    try:
        return value if isinstance(value, jax.Array) else np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be rows of one length, got {type(value).__name__}: {error}") from None


def check_data(data: Any) -> None:
    """Raise ``ValueError`` unless this is a ``Dataset``."""
    if not isinstance(data, Dataset):
        raise ValueError(
            f"data must be a dynloss.datasets.base.Dataset, got {type(data).__name__}: "
            "Dataset(inputs, labels, num_classes) makes one of arrays"
        )
