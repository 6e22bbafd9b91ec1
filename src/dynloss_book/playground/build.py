"""Builds the playground's engine: `python -m dynloss_book.playground.build` makes `engine.wasm` of `engine/`.

The compiler is that of the package `ziglang`, whose version pyproject.toml pins, so that a rebuild gives the same
bytes. They are committed: the book needs no compiler.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dynloss.datasets.spiral import spiral

HERE = Path(__file__).parent
TARGET = HERE / "engine.wasm"
FLAGS = [
    "-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory",
    "-O3", "-ffp-contract=off", "-fno-vectorize", "-fno-slp-vectorize", "-std=c17", "-Wall", "-Wextra", "-Werror",
    "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all",
]  # fmt: skip


def build() -> bytes:
    """The engine, compiled.

    Raises:
        subprocess.CalledProcessError: the compiler is missing or refuses the source; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Sources and caches away from here: no path of this machine in the module, and nothing left behind.
        shutil.copytree(HERE / "engine", Path(folder) / "engine")
        caches = {name: f"{folder}/cache" for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "engine.c", "-o", "engine.wasm"]
        subprocess.run(command, cwd=Path(folder) / "engine", env={**os.environ, **caches}, check=True)
        return (Path(folder) / "engine" / "engine.wasm").read_bytes()


def points() -> str:
    """The spiral's points as a header for C, digit for digit."""
    inputs = np.asarray(spiral().inputs)
    rows = "".join(f"  {{{float(x)!r}, {float(y)!r}}},\n" for x, y in inputs)
    return (
        "/* The training set of Fig. 2, dynloss.datasets.spiral(), made by dynloss_book.playground.build. */\n"
        f"#pragma once\nenum {{ POINTS = {len(inputs)} }};\n"
        f"static const double spiral[POINTS][2] = {{\n{rows}}};\n"
    )


if __name__ == "__main__":
    (HERE / "engine" / "spiral.h").write_text(points(), encoding="utf-8")
    TARGET.write_bytes(build())
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
