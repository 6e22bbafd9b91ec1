"""The state of a long run in one file, which is whole at any moment: a kill leaves the older one.

Plain arrays in NumPy's format, without pickle. (Orbax would add a dependency and a folder of files for what is one
array a parameter on one machine.)
"""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss.files import whole


def identity(*trees: Any) -> str:
    """A hash of all arrays and numbers in these trees, by which a checkpoint knows its run."""
    found = hashlib.sha256()
    for leaf in map(np.asarray, jax.tree.leaves(trees)):
        found.update(f"{leaf.dtype} {leaf.shape} ".encode() + np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def save(path: Path, run: str, epoch: int, state: Any, records: dict[str, list[float]]) -> None:
    """Write the run so far, in place of an older state.

    Args:
        run: its identity.
        epoch: how many are complete.
        state: a tree of arrays.
        records: {name: the values so far}.
    """
    arrays = {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    arrays |= {f"records/{name}": np.asarray(values, np.float64) for name, values in records.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        np.savez(file, run=np.asarray(run), epoch=np.asarray(epoch), **arrays)  # type: ignore[arg-type]


def load(path: Path, run: str, state: Any, names: Any) -> tuple[int, Any, dict[str, list[float]]] | None:
    """What ``save`` wrote of the run: (epoch, state, records).

    None where there is no file; and, with a warning, where it is damaged or of another run.

    Args:
        run: its identity.
        state: a tree of arrays like the one wanted.
        names: of the records.
    """
    if not path.exists():
        return None
    leaves, tree = jax.tree.flatten(state)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found, epoch = str(stored["run"]), int(stored["epoch"])
            if found != run:
                warnings.warn(f"checkpoint {path.name} is of another run: starting again", stacklevel=3)
                return None
            records = {name: stored[f"records/{name}"].tolist() for name in names}
            restored = [_like(leaf, stored[f"state/{i}"]) for i, leaf in enumerate(leaves)]
    except Exception as error:  # a damaged zip raises almost anything
        warnings.warn(f"checkpoint {path.name} cannot be read ({error}): starting again", stacklevel=3)
        return None
    return epoch, jax.tree.unflatten(tree, restored), records


def remove(path: Path) -> None:
    """Remove the checkpoint of a complete run, and what kills in the middle of writing have left beside it."""
    path.unlink(missing_ok=True)
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)


def _like(leaf, stored: np.ndarray):
    """NumPy's files keep the bits of bfloat16, but not its name."""
    array = stored.view(leaf.dtype) if stored.dtype.kind == "V" else stored
    if array.shape != leaf.shape or array.dtype != leaf.dtype:
        raise ValueError(f"it holds {array.dtype} {array.shape} for {leaf.dtype} {leaf.shape}")
    return jnp.asarray(array)
