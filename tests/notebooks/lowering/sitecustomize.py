"""What a Python does at its start whose PYTHONPATH names this folder: it lowers for a GPU what it compiles.

`jax.jit` is replaced before anything else is imported, so that each compiled function, whoever asks for it, is also
lowered for CUDA with the arguments of its first call, and again for arguments of other ranks or types. Compiled code
that holds a call back to Python, or the kernel for a processor, is a problem. The environment variable DYNLOSS_LOWERED
names a file; each lowering adds a line of JSON.
"""

import dataclasses
import functools
import inspect
import json
import os
import re
import threading

import jax
import lean  # noqa: F401
import numpy as np

# Custom calls that XLA's GPU compiler has no target for: Python callbacks, and our kernel for a processor.
FORBIDDEN = re.compile(r"custom_call[^\n]*(callback|dynloss|numba)", re.I)
original_jit, seen, one_at_a_time = jax.jit, set(), threading.RLock()


def jit(function=None, **options):
    """As `jax.jit`, but lower for CUDA as well."""
    if function is None:
        return functools.partial(jit, **options)
    compiled, known = original_jit(function, **options), set()

    @functools.wraps(function)
    def call(*arguments, **named):
        leaves = jax.tree.leaves((arguments, named))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return compiled(*arguments, **named)  # part of a computation that is lowered as a whole
        kinds = tuple(map(kind, leaves))
        if kinds not in known:
            known.add(kinds)
            once(function, kinds, compiled, options, arguments, named)
        return compiled(*arguments, **named)

    def trace(*arguments, **named):  # ahead of time, as the sweeps do
        return check(function, compiled, options, arguments, named)

    call.trace = trace
    call.lower = lambda *arguments, **named: trace(*arguments, **named).lower()
    for name in ("eval_shape", "clear_cache"):
        setattr(call, name, getattr(compiled, name))
    return call


def kind(leaf):
    """An array's rank and type, a function's code and what it closes over, what a record holds; else a value."""
    leaf = inspect.unwrap(leaf) if callable(leaf) else leaf
    if isinstance(leaf, (jax.Array, np.ndarray, np.generic)):
        return leaf.ndim, str(leaf.dtype)
    if isinstance(leaf, functools.partial):
        return kind(leaf.func), tuple(map(kind, (*leaf.args, *leaf.keywords.values())))
    if inspect.isfunction(leaf):
        return leaf.__code__, tuple(kind(cell.cell_contents) for cell in leaf.__closure__ or ())
    if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):  # whose numbers would take long to print
        leaf = {"of": type(leaf)} | {field.name: getattr(leaf, field.name) for field in dataclasses.fields(leaf)}
    if isinstance(leaf, (dict, tuple, list)):
        parts = leaf.values() if isinstance(leaf, dict) else leaf
        names = tuple(leaf) if isinstance(leaf, dict) else type(leaf)
        return names, tuple(each if type(each) in (int, float) else kind(each) for each in parts)
    return type(leaf).__name__ if type(leaf) in (int, float) else repr(leaf)


def once(function, kinds, compiled, options, arguments, named):
    """Check what is new: one function made anew for each network, or given more images, holds the same operations."""
    try:
        key = kind(function), kinds
    except (RecursionError, ValueError):  # it closes over itself, or over what is not there yet
        key = id(function), kinds
    if key not in seen:
        seen.add(key)
        check(function, compiled, options, arguments, named)


def check(function, compiled, options, arguments, named):
    """Lower for CUDA, and look for what must not be there; what was traced for the machine at hand."""

    @functools.wraps(function)
    def traced_anew(*arguments, **named):  # not to be mistaken for the one that is run here
        return function(*arguments, **named)

    own, problems, asked = None, [], []
    with one_at_a_time:
        # Traced once, unless the tracing asks where it is to run: a GPU's machine would trace its own.
        before = jax.default_backend
        jax.default_backend = lambda: asked.append(True) or before()
        try:
            own = traced = compiled.trace(*arguments, **named)
            jax.default_backend = lambda: "gpu"
            if asked:
                traced = original_jit(traced_anew, **options).trace(*arguments, **named)
            text = traced.lower(lowering_platforms=("cuda",)).as_text()
            problems += [found[0][:200] for found in FORBIDDEN.finditer(text)]
        except Exception as error:  # a primitive without a rule for CUDA
            problems.append(f"{type(error).__name__}: {str(error)[:300]}")
        finally:
            jax.default_backend = before  # "gpu" still, where one is checked while another is traced
    with open(os.environ["DYNLOSS_LOWERED"], "a") as file:
        file.write(json.dumps({"name": getattr(function, "__qualname__", repr(function)), "problems": problems}) + "\n")
    return own or compiled.trace(*arguments, **named)  # which fails as it did above


jax.jit = jit
