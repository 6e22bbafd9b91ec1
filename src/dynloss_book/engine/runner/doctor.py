"""What is installed, what computes, whether it computes rightly, and how to get what is missing."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

from dynloss_book.engine.provenance import device, versions

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NEEDS = {  # what for -> (modules, the command that gets them)
    "the notebooks": (
        ("papermill", "jupytext", "nbformat", "ipykernel", "yaml", "jsonschema", "sklearn"),
        "pip install 'dynloss[notebooks]'",
    ),
    "the book": (("jupyter_book",), "pip install 'dynloss[book]'"),
    "the tests": (("pytest", "beartype", "matfree", "playwright"), "pip install 'dynloss[tests]'"),
    "the archive": (("h5netcdf", "h5py"), "pip install h5netcdf h5py"),
    "the independent check of the NTK": (
        ("neural_tangents",),
        "pip install frozendict && pip install --no-deps neural-tangents==0.6.5",
    ),
}


ROWS = 40_000


def canary() -> int:
    """How many of 40,000 rows JAX gets wrong, on the CPU where it has one; 0 with every version that dynloss allows.

    jax-ml/jax#39103: in 0.10.2, `jit` of a vmapped product of a 3×3 matrix with a vector, and then a reduction, is
    silently wrong. It begins beyond 32,768 rows in float32 and beyond 16,384 in float64: fewer rows show nothing.
    """
    vectors = np.random.default_rng(0).standard_normal((ROWS, 3), dtype=np.float32)
    matrix = np.eye(3, dtype=np.float32)
    try:
        where = jax.devices("cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        where = jax.devices()[0]
    with jax.default_device(where):
        found = np.asarray(jax.jit(jax.vmap(lambda vector: jnp.sum((matrix @ vector) ** 2)))(vectors))
    return int((~np.isclose(found, (vectors**2).sum(axis=1), rtol=1e-4)).sum())


def obstacle() -> str:
    """Why JAX finds no device at all, as where JAX_PLATFORMS names one that is not here; empty if it does."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where no backend of those asked for begins
        return " ".join(str(error).split()) or "JAX finds no device of that kind"
    return ""


def has_gpu() -> bool:
    """Whether JAX computes on a GPU unless told otherwise."""
    return not obstacle() and jax.default_backend() == "gpu"


def missing() -> Iterator[str]:
    """What is not installed, what it is for, and the command that gets it."""
    for purpose, (modules, command) in NEEDS.items():
        if absent := [name for name in modules if not find_spec(name)]:
            yield f"{purpose}: no {', '.join(absent)}; get it by: {command}"
    if not any(map(shutil.which, CHROMIUM)):
        yield "the tests of the book's pages: no Chromium; get it by: apt-get install chromium"


def report() -> tuple[list[str], bool]:
    """All of it, as lines; and whether what is needed to compute is well."""
    installed = [
        f"python    {platform.python_version()}  {sys.executable}",
        *(f"{name:9} {number}" for name, number in versions().items()),
    ]
    if reason := obstacle():
        asked = os.environ.get("JAX_PLATFORMS", "")
        unset = f"JAX_PLATFORMS={asked} asks for it; unset it, or install what it needs" if asked else ""
        return [*installed, f"device    NONE: {reason}", *filter(None, [unset])], False
    wrong = canary()
    lines = [
        *installed,
        f"device    {device()}  ({jax.default_backend()})",
        "canary    well: JAX computes rightly"
        if not wrong
        else f"canary    DEAD: this JAX gets {wrong} of {ROWS} rows wrong (jax-ml/jax#39103); "
        "get another by: pip install 'jax>=0.7.2,!=0.10.2,!=0.11.1'",
        *(f"missing   {line}" for line in missing()),
    ]
    if not has_gpu() and shutil.which("nvidia-smi"):
        lines.append("missing   JAX does not see the GPU; get it by: pip install 'jax[cuda12]'")
    return lines, not wrong
