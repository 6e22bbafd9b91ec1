"""The compiled part of minibatch training: the order of an epoch, its steps, and evaluations in bounded memory."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynloss import losses
from dynloss.checks import check_count


class State(NamedTuple):
    """What a step changes: the model's variables, parameters and all, and the optimiser's state."""

    variables: dict[str, Any]
    optimizer: Any


class Epoch(NamedTuple):
    """What the steps of an epoch read, a row each: samples (S, B), learning rates (S,), Γ (S, C); and a key."""

    order: Any
    rates: Any
    weights: Any
    key: Any


class Parts(NamedTuple):
    """What the compiled program is made of. Equal parts share one program."""

    model: Any
    optimizer: optax.GradientTransformation
    loss: Callable[..., Any]
    augment: Callable[..., Any] | None


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """How many batches a pass over the data takes, the last and smaller one included.

    >>> steps_per_epoch(50_000, 512)
    98
    """
    check_count("samples", samples, at_least=1)
    check_count("batch_size", batch_size, at_least=1)
    return math.ceil(samples / batch_size)


@partial(jax.jit, static_argnames=("samples", "batch_size"))
def shuffled(key: Any, epoch: Any, samples: int, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """The samples of each batch, (S, B), all of them and the first ones again; and a key for the steps' own noise.

    Args:
        key: of the run, the same in each epoch.
        epoch: its number, from 0 on; may be traced.
        samples, batch_size: P and B.
    """
    shuffle, noise = jax.random.split(jax.random.fold_in(key, epoch))
    order = jax.random.permutation(shuffle, samples)
    shape = steps_per_epoch(samples, batch_size), batch_size
    return jnp.resize(order, shape), noise


@partial(jax.jit, static_argnames=("count", "parts"))
def advance(
    state: State, inputs: jax.Array, labels: jax.Array, epoch: Epoch, start: Any, count: int, parts: Parts
) -> State:
    """``count`` steps of an epoch from step ``start`` of it.

    Args:
        state: before the first of them.
        inputs, labels: of all P samples.
        epoch: what its steps read.
        start: from 0 to S - 1; may be traced.
        count: at least 1.
        parts: what the program is made of.
    """

    def step(state: State, i: Any) -> tuple[State, None]:
        chosen, key = epoch.order[i], jax.random.fold_in(epoch.key, i)
        x, y = inputs[chosen], labels[chosen]
        augmenting, dropping = jax.random.split(key)
        if parts.augment is not None:
            x = parts.augment(augmenting, x)
        share = _share(i, len(chosen), len(labels))
        others = {name: tree for name, tree in state.variables.items() if name != "params"}

        def objective(params: Any) -> tuple[Any, Any]:
            outputs, changed = outputs_of(parts.model, {"params": params, **others}, x, dropping)
            each = parts.loss(outputs, y)
            each = each * share.astype(each.dtype)
            return losses.class_weighted_mean(each, y, epoch.weights[i].astype(each.dtype)), changed

        params = state.variables["params"]
        gradient, changed = jax.grad(objective, has_aux=True)(params)
        direction, optimizer = parts.optimizer.update(gradient, state.optimizer, params)
        params = jax.tree.map(lambda w, d: w - epoch.rates[i].astype(w.dtype) * d, params, direction)
        return State({"params": params, **others, **changed}, optimizer), None

    state, _ = _loop(step, state, start, count)
    return state


def _share(i: Any, batch_size: int, samples: int) -> jax.Array:
    """What each place of batch i counts, so that a mean over all places is that over its samples, (B,)."""
    there = i * batch_size + jnp.arange(batch_size) < samples
    return jnp.where(there, batch_size / jnp.sum(there), 0.0)


def outputs_of(model: Any, variables: Any, inputs: Any, key: Any = None) -> Any:
    """The outputs, and, given a key, the collections that training changes.

    Args:
        model: of flax.
        variables: {collection: tree}, with ``params``.
        inputs: a batch, (B, …).
        key: of the model's dropout, in training alone.
    """
    switch = _switch(model)
    if not switch or key is None:
        return model.apply(variables, inputs, **{name: not on for name, on in switch.items()}), {}
    mutable = [name for name in variables if name != "params"]
    return model.apply(variables, inputs, **switch, mutable=mutable, rngs={"dropout": key})


def _switch(model: Any) -> dict[str, bool]:
    """The argument by which a model is told that it is trained, as flax's models call it; none for most."""
    taken = inspect.signature(model if callable(model) else model.apply).parameters
    names = {"train": True, "training": True, "deterministic": False}
    return {name: on for name, on in names.items() if name in taken}


@partial(jax.jit, static_argnames=("count", "batch_size", "parts"))
def _sums(
    variables: Any, inputs: jax.Array, labels: jax.Array, start: Any, count: int, batch_size: int, parts: Parts
) -> Any:
    """The sum of the losses over ``count`` batches in the order of the data, and the number of right samples."""

    def batch(sums: None, i: Any) -> tuple[None, Any]:
        places = i * batch_size + jnp.arange(batch_size)
        there, chosen = places < len(labels), places % len(labels)
        outputs, _ = outputs_of(parts.model, variables, inputs[chosen])
        each = parts.loss(outputs, labels[chosen])
        numbers = losses.class_numbers(labels[chosen])
        right = jnp.argmax(outputs, -1).astype(numbers.dtype) == numbers
        return None, (jnp.sum(jnp.where(there, each, 0).astype(losses.exact(each.dtype))), jnp.sum(there & right))

    return _loop(batch, None, start, count)[1]


def _loop(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, start: Any, count: int) -> tuple[Any, Any]:
    """A scan over ``count`` numbers; of one, without a loop, which would stand in the way of XLA."""
    if count > 1:
        return jax.lax.scan(step, state, start + jnp.arange(count))
    state, result = step(state, start)
    return state, jax.tree.map(lambda leaf: leaf[None], result)


def evaluated(parts: Parts, variables: Any, inputs: jax.Array, labels: jax.Array, batch_size: int) -> dict[str, float]:
    """``static_loss`` and ``accuracy`` of all samples.

    Args:
        parts: what the program is made of; the model and the loss count here.
        variables: as of ``outputs_of``.
        inputs, labels: of all P samples.
        batch_size: B, samples at a time, which bounds the memory.
    """
    found = [
        jax.block_until_ready(_sums(variables, inputs, labels, start, count, batch_size, parts))
        for start, count in calls(steps_per_epoch(len(labels), batch_size))
    ]
    loss, right = (np.concatenate(column).astype(np.float64).sum() / len(labels) for column in zip(*found, strict=True))
    return {"static_loss": float(loss), "accuracy": float(right)}


def calls(steps: int, together: bool = False) -> list[tuple[int, int]]:
    """How many steps go into each call of the compiled program, as (first, number).

    All, or one on a processor. Where they may go ``together`` on a processor too, up to 16, which share the memory that
    each call has to get anew, and always as many, so that one program is compiled. It is the same arithmetic.
    """
    if jax.default_backend() != "cpu":
        number = steps
    else:
        number = max(n for n in range(1, 17) if steps % n == 0) if together else 1
    return [(start, number) for start in range(0, steps, number)]


def fits_a_loop(model: Any, variables: Any, inputs: Any) -> bool:
    """Whether training steps of a model may go together into a loop on a processor.

    XLA compiles the gradients of plain convolutions in a loop to code many times as slow there (jax-ml/jax#12868); not
    those of ``dynloss.models.convolution``.

    Args:
        model, variables, inputs: as of ``outputs_of``; of arrays the shapes suffice.
    """
    traced = jax.make_jaxpr(partial(outputs_of, model, key=jax.random.key(0)))(variables, inputs)
    return "conv_general_dilated" not in str(traced)
