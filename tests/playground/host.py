"""The playground's engine under Python: wasmtime in place of a browser."""

import functools
from pathlib import Path

import numpy as np
import wasmtime

WASM = Path(__file__).resolve().parents[2] / "src" / "dynloss_book" / "playground" / "engine.wasm"
UNIT, CLASSES = 6, 3  # numbers a hidden unit has; classes
# The checksum of a run's losses, accuracies and last weights, and of three eigenvalues: 2000 steps with width 100, seed
# 0, T = 1000, A = 70, η = 1, in which two cascades happen. Every machine and every browser has to give it.
TRAJECTORY = "4dc2c53e884a219208d20c1d7c8162a0507be82986c7075a1186167e9fabad06"


@functools.cache
def compiled() -> tuple[wasmtime.Engine, wasmtime.Module]:
    runtime = wasmtime.Engine()
    return runtime, wasmtime.Module.from_file(runtime, str(WASM))


class Engine:
    """An instance: its exports as methods, its arrays as copies of its memory."""

    def __init__(self) -> None:
        runtime, module = compiled()
        self._store = wasmtime.Store(runtime)
        self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)

    def __getattr__(self, name):
        function = self._exports[name]
        return lambda *arguments: function(self._store, *arguments)

    def begin(self, width=100, seed=0, period=5000.0, amplitude=70.0, rate=1.0, shape=1) -> None:
        """A run from the start, with these settings."""
        self.reset(width, seed)
        self.set(period, amplitude, rate, shape)

    def bytes(self, name: str, size: int) -> np.ndarray:
        """The first ``size`` bytes of an exported array."""
        start = getattr(self, name)()
        return np.frombuffer(bytes(self._exports["memory"].read(self._store, start, start + size)), "u1")

    def array(self, name: str, size: int) -> np.ndarray:
        """The first ``size`` numbers of an exported array."""
        return self.bytes(name, 8 * size).view("<f8")

    def fill(self, name: str, values: np.ndarray) -> None:
        self._exports["memory"].write(self._store, np.asarray(values, "<f8").tobytes(), getattr(self, name)())

    def record(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """The loss and the accuracy of so many steps, or of those until the loss is no longer finite."""
        losses, accuracies = [], []
        while steps:
            asked = min(steps, self.longest())
            taken = self.run(asked, 0)
            kept = taken + (taken < asked)
            losses.append(self.array("losses", kept))
            accuracies.append(self.array("accuracies", kept))
            steps = steps - taken if taken == asked else 0
        return np.concatenate(losses), np.concatenate(accuracies)


def flat(params) -> np.ndarray:
    """Parameters of an ``MLP`` in the engine's order: six numbers of each unit, then the last biases."""
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    parts = [hidden["kernel"].T, np.asarray(hidden["bias"])[:, None], output["kernel"]]
    return np.concatenate([np.concatenate([np.asarray(part) for part in parts], 1).ravel(), output["bias"]])
