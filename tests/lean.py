"""What makes the tests cheaper and changes nothing of what they find: imported first, here and in what they start."""

import gc
import threading

from jax._src.interpreters import mlir

LOWERINGS = 200  # by one context, which keeps the constants of all

# Of all that is imported nothing becomes garbage; to look at it time and again takes a twentieth of a run.
gc.set_threshold(20_000, 20, 20)


class Contexts(threading.local):
    """MLIR's context for what a thread lowers: one for many programs, where JAX makes one for each.

    The loading of its dialects is a quarter of what it takes to compile a single operation.
    """

    context, left = None, 0

    def __call__(self):
        if not self.left:
            self.context, self.left = make(), LOWERINGS
        self.left -= 1
        return self.context


make = getattr(mlir, "make_ir_context", None)  # JAX's own; a version without it goes its own way
if make is not None:
    mlir.make_ir_context = Contexts()
