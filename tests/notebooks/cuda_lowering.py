"""Run a notebook's code, and lower every computation that it compiles for a GPU too.

    python cuda_lowering.py NOTEBOOK < PARAMETERS.json

`jax.jit` is replaced before anything else is imported, so that each compiled function, whoever asks for it, is also
lowered for CUDA with the arguments of its first call. Compiled code that holds a call back to Python, or the kernel for
a processor, is an error. Prints the names of what was lowered, and the errors, as JSON.
"""

import functools
import json
import re
import sys

import jax

# Custom calls that XLA's GPU compiler has no target for: Python callbacks, and our kernel for a processor.
FORBIDDEN = re.compile(r"custom_call[^\n]*(callback|dynloss|numba)", re.I)
lowered, problems, seen = [], [], set()
original_jit = jax.jit


def jit(function=None, **options):
    """As `jax.jit`, but lower for CUDA as well."""
    if function is None:
        return functools.partial(jit, **options)
    compiled = original_jit(function, **options)

    @functools.wraps(function)
    def call(*arguments, **named):
        leaves = jax.tree.leaves((arguments, named))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return compiled(*arguments, **named)  # part of a computation that is lowered as a whole
        shapes = tuple((getattr(leaf, "shape", None), str(getattr(leaf, "dtype", leaf))) for leaf in leaves)
        if (id(function), shapes) not in seen:
            seen.add((id(function), shapes))
            check(getattr(function, "__qualname__", repr(function)), compiled.trace(*arguments, **named))
        return compiled(*arguments, **named)

    def lower(*arguments, **named):  # ahead of time, as the sweeps do
        check(getattr(function, "__qualname__", repr(function)), compiled.trace(*arguments, **named))
        return compiled.lower(*arguments, **named)

    call.lower = lower
    for name in ("trace", "eval_shape", "clear_cache"):
        setattr(call, name, getattr(compiled, name))
    return call


def check(name, traced):
    """Lower for CUDA, and look for what must not be there."""
    try:
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    except Exception as error:  # a primitive without a rule for CUDA
        problems.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
        return
    lowered.append(name)
    problems.extend(f"{name}: {found[0][:200]}" for found in FORBIDDEN.finditer(text))


def main():
    import jupytext
    import matplotlib

    matplotlib.use("Agg")
    jax.jit = jit
    import dynloss.models.convolution as convolution

    # The derivatives of a convolution are chosen when they are traced; a GPU's machine would trace its own.
    convolution.jax.default_backend = lambda: "gpu"
    values, namespace = json.load(sys.stdin), {"__name__": "__main__"}
    for cell in jupytext.read(sys.argv[1]).cells:
        if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", []):
            source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
            _execute(source, namespace)
            if "parameters" in cell.metadata.get("tags", []):
                namespace.update(values)
    print(json.dumps({"lowered": lowered, "problems": problems}))


def _execute(source, namespace):
    """A cell, from a file of its own, since fingerprints read the sources of functions."""
    import linecache

    name = f"<cell {len(linecache.cache)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)


if __name__ == "__main__":
    main()
