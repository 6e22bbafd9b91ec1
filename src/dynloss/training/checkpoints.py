"""The state of a long run in one file, which is whole at any moment: a kill leaves the older one.

Plain arrays in NumPy's format, without pickle. (Orbax would add a dependency and a folder of files for what is one
array a parameter on one machine.)
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynloss import files


def identity(*trees: Any) -> str:
    """A hash of all arrays and numbers in these trees, by which a checkpoint knows its run."""
    found = hashlib.sha256()
    for leaf in map(np.asarray, jax.tree.leaves(trees)):
        found.update(f"{leaf.dtype} {leaf.shape} ".encode() + np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def save(path: Path, run: str, done: int, state: Any, records: Mapping[str, Any]) -> None:
    """Write the run so far, in place of an older state; a disk without room is warned of, and the run goes on.

    Args:
        run: its identity.
        done: how many epochs, steps or pairs are complete.
        state: a tree of arrays.
        records: {name: the values so far}.
    """
    arrays = {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    arrays |= {f"records/{name}": np.asarray(values) for name, values in records.items()}
    types = json.dumps({name: str(array.dtype) for name, array in arrays.items()})
    try:
        with files.whole(path) as file:
            np.savez(file, run=np.asarray(run), done=np.asarray(done), types=np.asarray(types), **arrays)  # type: ignore[arg-type]
    except OSError as error:
        warnings.warn(f"no checkpoint could be written to {path} ({error.strerror or error})", stacklevel=3)
        return
    for each in files.after_checkpoint:
        each()


def load(path: Path, run: str, state: Any, names: Any) -> tuple[int, Any, dict[str, np.ndarray]] | None:
    """What ``save`` wrote of the run: (done, state, records).

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
            found, done, types = str(stored["run"]), int(stored["done"]), json.loads(str(stored["types"]))

            def read(name: str) -> np.ndarray:
                # NumPy's files keep the bits of bfloat16, but not its name.
                array = stored[name]
                return array.view(jnp.dtype(types[name])) if array.dtype.kind == "V" else array

            if found != run:
                warnings.warn(f"checkpoint {path.name} is of another run: starting again", stacklevel=3)
                return None
            records = {name: read(f"records/{name}") for name in names}
            restored = [_like(leaf, read(f"state/{i}")) for i, leaf in enumerate(leaves)]
    except Exception as error:  # a damaged zip raises almost anything
        warnings.warn(f"checkpoint {path.name} cannot be read ({error}): starting again", stacklevel=3)
        return None
    return done, jax.tree.unflatten(tree, restored), records


def remove(path: Path) -> None:
    """Remove the checkpoint of a complete run, and what kills in the middle of writing have left beside it."""
    path.unlink(missing_ok=True)
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)


def _like(leaf, array: np.ndarray):
    if array.shape != leaf.shape or array.dtype != leaf.dtype:
        raise ValueError(f"it holds {array.dtype} {array.shape} for {leaf.dtype} {leaf.shape}")
    return jnp.asarray(array)
