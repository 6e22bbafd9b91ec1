"""The state of a long run in one file, which is whole at any moment: a kill leaves the older one.

Plain arrays in NumPy's format, without pickle. (Orbax would add a dependency and a folder of files for what is one
array a parameter on one machine.) Where the path is ``None``, nothing is written, and nothing found.
"""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
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


def save(path: Path | str | None, run: str, done: int, state: Any, records: Mapping[str, Any]) -> None:
    """Write the run so far, in place of an older state; a disk without room is warned of, and the run goes on.

    Args:
        path: the file.
        run: its identity.
        done: how many epochs, steps or pairs are complete.
        state: a tree of arrays.
        records: {name: the values so far}.
    """
    if path is None:
        return
    arrays: dict[str, Any] = {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    arrays |= {f"records/{name}": np.asarray(values) for name, values in records.items()}
    types = json.dumps({name: str(array.dtype) for name, array in arrays.items()})
    facts: dict[str, Any] = {"run": np.asarray(run), "done": np.asarray(done), "types": np.asarray(types)}
    try:
        with files.atomic_write(Path(path)) as file:
            np.savez(file, **facts, **arrays)
    except OSError as error:
        warnings.warn(f"no checkpoint could be written to {path} ({error.strerror or error})", stacklevel=3)
        return
    for each in files.after_checkpoint:
        each()


def load(
    path: Path | str | None, run: str, state: Any, names: Iterable[str]
) -> tuple[int, Any, dict[str, np.ndarray]] | None:
    """What ``save`` wrote of the run: (done, state, records).

    None where there is no file; and, with a warning, where it is damaged or of another run.

    Args:
        path: the file.
        run: its identity.
        state: a tree of arrays like the one wanted.
        names: of the records.
    """
    if path is None or not Path(path).exists():
        return None
    leaves, tree = jax.tree.flatten(state)
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["run"]) != run:
                warnings.warn(f"checkpoint {Path(path).name} is of another run: starting again", stacklevel=3)
                return None
            # NumPy's files keep the bits of bfloat16, but not its name.
            types = json.loads(str(stored["types"]))
            arrays = {name: stored[name].view(jnp.dtype(kind)) for name, kind in types.items()}
            done = int(stored["done"])
        restored = [_like(leaf, arrays[f"state/{i}"]) for i, leaf in enumerate(leaves)]
        return done, jax.tree.unflatten(tree, restored), {name: arrays[f"records/{name}"] for name in names}
    except Exception as error:  # a damaged zip raises almost anything
        warnings.warn(f"checkpoint {Path(path).name} cannot be read ({error}): starting again", stacklevel=3)
        return None


def remove(path: Path | str | None) -> None:
    """Remove the checkpoint of a complete run, and what kills in the middle of writing have left beside it."""
    if path is not None:
        for each in (Path(path), *Path(path).parent.glob(f".{Path(path).name}.*.part")):
            each.unlink(missing_ok=True)


def _like(leaf: Any, array: np.ndarray) -> jax.Array:
    if array.shape != leaf.shape or array.dtype != leaf.dtype:
        raise ValueError(f"it holds {array.dtype} {array.shape} for {leaf.dtype} {leaf.shape}")
    return jnp.asarray(array)
