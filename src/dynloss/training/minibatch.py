"""Stochastic gradient descent on a dynamical loss: optax, batches, an epoch in one compiled loop, data on the device.

The class weights Γ(t) and the learning rate η(t), t counted in minimisation steps, enter the compiled program as tables
of their values. So any functions of the step will do, and another period, amplitude, learning rate or seed runs the
same program without compiling anew::

    steps = steps_per_epoch(len(training), 512)  # 98 for CIFAR-10
    run = train(
        model, model.init(jax.random.key(seed), images), training, validation,
        schedule=oscillating(period=100, amplitude=50, num_classes=10, stop=600 * steps),
        learning_rate=piecewise_linear((0, 300, 700), (0, 0.02, 0.002), steps),
        epochs=700, seed=seed, progress="Figure 1", checkpoint="run.npz",
    )
    run.trajectory["validation_accuracy"]

For the wide residual network: ``learning_rate=optax.cosine_decay_schedule(0.1, epochs * steps)``,
``direction=MOMENTUM`` and an ``augment`` such as flips and crops.
"""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynloss import losses
from dynloss.checks import check_count, check_number
from dynloss.datasets.base import Dataset, check_data
from dynloss.schedules import Schedule
from dynloss.training import batches, checkpoints, full_batch
from dynloss.training.batches import steps_per_epoch as steps_per_epoch

# Gradient -> direction; the step is -η times it. With a learning rate these are ``optax.sgd``.
NESTEROV = optax.trace(decay=0.9, nesterov=True)
MOMENTUM = optax.trace(decay=0.9)

RECORDED = {"static_loss": ("static loss (Γ = 1)", "nats"), "accuracy": ("accuracy", "1")}  # and their units

# Of training at least, between two checkpoints: a small network on a GPU takes longer to write one than for an epoch.
CHECKPOINT_SECONDS = 2.0


class Run(NamedTuple):
    """The end of training: the model's variables after the last step, and the trajectory as an ``xarray.Dataset``."""

    variables: Any
    trajectory: Any


def piecewise_linear(epochs: Sequence[float], rates: Sequence[Any], steps: int) -> Callable[[Any], Any]:
    """A learning rate that goes in straight lines from corner to corner, and stays at the last one.

    Args:
        epochs: of the corners, in passes over the data, growing.
        rates: η at the corners, at least 0.
        steps: of an epoch.

    Returns:
        step -> η.

    Raises:
        ValueError: epochs that do not grow, or not as many rates; a rate below 0 or not finite.

    >>> rate = piecewise_linear((0, 300, 700), (0, 0.02, 0.002), steps=98)
    >>> [round(float(rate(98 * epoch)), 6) for epoch in (0, 150, 300, 500, 700, 800)]
    [0.0, 0.01, 0.02, 0.011, 0.002, 0.002]
    """
    check_count("steps", steps, at_least=1)
    for epoch in epochs:
        check_number("epochs", epoch)
    for rate in rates:
        check_number("rates", rate, at_least=0)
    if len(epochs) != len(rates) or not len(epochs) or any(b <= a for a, b in itertools.pairwise(epochs)):
        raise ValueError(f"epochs must grow, with a rate for each, got {tuple(epochs)} and {tuple(rates)}")

    def rate_at(step: Any) -> Any:
        corners = jnp.asarray(epochs, float) * steps
        return jnp.interp(jnp.asarray(step, float), corners, jnp.asarray(rates, float))

    return rate_at


def train(
    model: Any,
    variables: Any,
    training: Dataset,
    validation: Dataset | None = None,
    *,
    schedule: Schedule,
    learning_rate: float | Callable[[Any], Any] | None = None,
    epochs: int,
    batch_size: int = 512,
    seed: int = 0,
    optimizer: optax.GradientTransformation | None = None,
    direction: optax.GradientTransformation = NESTEROV,
    loss: Callable[..., Any] = losses.cross_entropy,
    augment: Callable[..., Any] | None = None,
    evaluate_every: int = 1,
    progress: str | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 1,
) -> Run:
    r"""Train in batches, each with the class-weighted mean of eq. (1) at its own Γ(t), and record every epoch.

    Batch b at step t moves the parameters by :math:`-\eta(t)` times the optimiser's direction for the gradient of
    :math:`\frac{1}{|b|} \sum_{j \in b} \Gamma_{y_j}(t)\, \ell_j`. Every epoch goes through all samples in an order that
    depends on the seed and the number of the epoch alone. The last batch is smaller where the batch size does not
    divide the data: it is filled up with samples from the start of the same order, which count neither in the sum nor
    in the number of samples, :math:`|b|`. (Batch normalisation sees them, so that its batches are all of one size.)
    What diverges is recorded as diverged, not raised.

    Args:
        model: a flax module; or anything hashable with ``apply(variables, inputs) -> (P, C)``. One that takes an
            argument ``train``, ``training`` or ``deterministic`` gets it, with the key of flax's ``dropout``, and may
            change its variables, for example the averages of batch normalisation.
        variables: at the start, what ``model.init`` returned: {"params": …, other collections}. Float32 parameters
            stay so where the model computes in bfloat16.
        training, validation: the data, with inputs as the model reads them; a validation set is not needed.
        schedule: step -> Γ, (C,).
        learning_rate: η, at least 0: a number, or a function of the step as optax has them. With ``direction``.
        epochs: passes over the data.
        batch_size: samples a step, and at a time in evaluations; at most the training samples.
        seed: of the order of the samples, augmentation and dropout, from 0 to 2³² - 1.
        optimizer: of optax, with its learning rate and sign, such as ``optax.adam(1e-3)``, instead of a learning rate
            and a direction. Make it once: each new one compiles anew, and so does each new ``loss`` or ``augment``.
        direction: gradient -> direction, a transformation of optax without a learning rate: by default Nesterov's
            momentum of 0.9. The same program serves every ``learning_rate``.
        loss: (outputs, labels) -> one loss per sample.
        augment: (key, inputs) -> inputs, of each training batch.
        evaluate_every: epochs between two evaluations; the first and the last are always evaluated.
        progress: the label of a progress bar with the time left; ``None`` shows none.
        checkpoint: a file that holds the run so far; removed when the run is complete. A killed run goes on from it,
            with the same numbers to the last bit on a processor (on a GPU, where XLA is told to be deterministic).
            It knows the seed, the tables, the training set, the optimizer or direction, and the variables at the start,
            and starts again where they differ; model, loss and augment must be the same.
        checkpoint_every: epochs between two checkpoints; more where they pass within ``CHECKPOINT_SECONDS``.

    Returns:
        The final variables, and over ``epoch``, the completed passes from 0, the untrained network, on:
        ``static_loss`` (Γ = 1) and ``accuracy`` on the training set, without augmentation, and the same with
        ``validation_`` before them. The attribute ``diverged_at`` is the first epoch recorded with a value that is
        not finite, ``epochs`` if only the final variables are not, or -1.

    Raises:
        ValueError: a learning rate and an optimiser, or neither; an optimiser or a direction that goes uphill; a
            learning rate below 0 or not finite at some step; class weights likewise, or not one a class; a
            batch size, numbers of epochs or a seed out of range; data that do not fit the model or each other.
    """
    sets = {"": training} if validation is None else {"": training, "validation_": validation}
    _check_setting(sets, batch_size, seed)
    named = {"epochs": epochs, "evaluate_every": evaluate_every, "checkpoint_every": checkpoint_every}
    for name, count in named.items():
        check_count(name, count, at_least=1)
    steps = steps_per_epoch(len(training), batch_size)
    rule = direction if optimizer is None else optimizer
    parts = batches.Parts(model, rule, loss, augment)
    _check_parts(parts, variables, training, batch_size)
    _check_rule(learning_rate, optimizer, direction, variables["params"])
    tables = _tables(schedule, learning_rate, training.num_classes, epochs * steps)
    full_batch.warn_of_empty_classes(training, stacklevel=3)

    state, first = batches.State(dict(variables), rule.init(variables["params"])), 0
    records: dict[str, list[float]] = {prefix + name: [] for prefix in sets for name in RECORDED}
    on_device = {prefix: (jnp.asarray(data.inputs), jnp.asarray(data.labels)) for prefix, data in sets.items()}

    def evaluate() -> None:
        for prefix, arrays in on_device.items():
            for name, value in batches.evaluated(parts, state.variables, *arrays, batch_size).items():
                records[prefix + name].append(value)

    run = ""
    if checkpoint is not None:
        changes = full_batch.first_changes(rule, variables["params"])
        data = training.inputs, training.labels
        run = checkpoints.identity(tables, seed, batch_size, evaluate_every, data, changes, variables)
    if found := checkpoints.load(checkpoint, run, state, records):
        first, state, kept = found
        records = {name: values.tolist() for name, values in kept.items()}
    else:
        evaluate()
    key = jax.random.key(np.uint32(seed))
    calls = batches.calls(steps, batches.fits_a_loop(model, variables, on_device[""][0][:batch_size]))
    saved = time.monotonic()
    with full_batch.progress_bar(progress, epochs * steps, first * steps) as bar:
        for epoch in range(first, epochs):
            state = _one_epoch(parts, state, on_device[""], key, epoch, tables, batch_size, calls, bar)
            if (done := epoch + 1) % evaluate_every == 0 or done == epochs:
                evaluate()
                bar.set_postfix({name: f"{values[-1]:.3f}" for name, values in records.items() if "accuracy" in name})
            due = done % checkpoint_every == 0 and time.monotonic() - saved >= CHECKPOINT_SECONDS
            if due and done < epochs:
                checkpoints.save(checkpoint, run, done, state, records)
                saved = time.monotonic()

    trajectory = _as_dataset(records, epochs, evaluate_every, steps, state.variables)
    checkpoints.remove(checkpoint)
    return Run(state.variables, trajectory)


def _one_epoch(
    parts: batches.Parts,
    state: batches.State,
    data: tuple[jax.Array, jax.Array],
    key: Any,
    epoch: int,
    tables: tuple[np.ndarray, np.ndarray],
    batch_size: int,
    calls: list[tuple[int, int]],
    bar: Any,
) -> batches.State:
    """All samples once, in the order that the key and the number of the epoch give."""
    samples = len(data[1])
    steps = steps_per_epoch(samples, batch_size)
    order, noise = batches.shuffled(key, epoch, samples, batch_size)
    rates, weights = (jnp.asarray(table[epoch * steps : (epoch + 1) * steps]) for table in tables)
    rows = batches.Epoch(order, rates, weights, noise)
    for start, count in calls:
        state = jax.block_until_ready(batches.advance(state, *data, rows, start, count, parts))
        bar.update(count)
    return state


def _tables(schedule: Schedule, learning_rate: Any, num_classes: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """η and Γ at every step, (steps,) and (steps, C)."""
    full_batch.check_schedule(schedule, num_classes)
    at = jnp.arange(steps)
    weights = np.asarray(jax.vmap(schedule)(at))
    _check_table("the schedule's weights", weights)
    if learning_rate is None:  # an optimiser's update is the whole step, and a step is minus the rate times it
        return np.full(steps, -1, weights.dtype), weights
    if callable(learning_rate):
        rates = np.asarray(jax.vmap(lambda step: jnp.asarray(learning_rate(step), weights.dtype))(at))
    else:
        check_number("learning_rate", learning_rate, at_least=0)
        rates = np.full(steps, learning_rate, weights.dtype)
    if rates.shape != (steps,):
        raise ValueError(f"learning_rate must give one number per step, got an array {rates.shape[1:]}")
    _check_table("learning_rate", rates)
    return rates, weights


def _check_table(name: str, table: np.ndarray) -> None:
    good = (np.isfinite(table) & (table >= 0)).reshape(len(table), -1).all(axis=1)
    if not good.all():
        step = int(np.argmin(good))
        raise ValueError(f"{name} must be finite and at least 0, got {table[step]} at step {step}")


def _check_setting(sets: dict[str, Dataset], batch_size: int, seed: int) -> None:
    for data in sets.values():
        check_data(data)
    check_count("batch_size", batch_size, at_least=1)
    check_count("seed", seed, at_least=0)
    if seed >= 2**32:
        raise ValueError(f"seed must be less than 2³², got {seed}")
    if batch_size > len(sets[""]):
        raise ValueError(f"batch_size must be at most the {len(sets[''])} training samples, got {batch_size}")
    first, *others = (
        f"inputs {np.shape(data.inputs)[1:]} of {np.asarray(data.inputs).dtype} in {data.num_classes} classes"
        for data in sets.values()
    )
    if others not in ([], [first]):
        raise ValueError(f"validation {others[0]} do not match the training {first}")


def _check_rule(learning_rate: Any, optimizer: Any, direction: optax.GradientTransformation, params: Any) -> None:
    full_batch.check_rule(learning_rate, optimizer, params)
    if optimizer is None and direction not in (NESTEROV, MOMENTUM):
        full_batch.check_goes_down(optax.chain(direction, optax.scale(-1.0)), params)


def _check_parts(parts: batches.Parts, variables: Any, training: Dataset, batch_size: int) -> None:
    """That a batch goes through the model, in training and in evaluation."""
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise ValueError('variables must be what model.init returns, {"params": …}')
    try:
        hash(parts)
    except TypeError as error:
        raise ValueError(f"model, optimizer, loss and augment must be hashable, to be compiled in: {error}") from None
    some = jnp.asarray(np.asarray(training.inputs)[:1])
    inputs, key = jax.ShapeDtypeStruct((batch_size, *some.shape[1:]), some.dtype), jax.random.key(0)
    if parts.augment is not None:
        changed = jax.eval_shape(parts.augment, key, inputs)
        if (changed.shape, changed.dtype) != (inputs.shape, inputs.dtype):
            raise ValueError(
                f"augment must keep inputs {inputs.shape} of {inputs.dtype}, "
                f"but gives {changed.shape} of {changed.dtype}"
            )
    for chosen in (None, key):
        try:
            outputs, _ = jax.eval_shape(partial(batches.outputs_of, parts.model, key=chosen), variables, inputs)
        except Exception as error:  # of flax, or of whatever the model is made with
            raise ValueError(f"the model with these variables does not take inputs {inputs.shape}: {error}") from error
        if outputs.shape != (batch_size, training.num_classes):
            raise ValueError(
                f"the model gives outputs {outputs.shape} for {batch_size} samples of {training.num_classes} classes"
            )


def _as_dataset(records: dict[str, list[float]], epochs: int, every: int, steps: int, last: Any) -> Any:
    import xarray as xr

    recorded = np.array(sorted({*range(0, epochs, every), epochs}))
    variables: dict[str, Any] = {"epoch": ("epoch", recorded, {"long_name": "passes over the data", "units": "epochs"})}
    for name, values in records.items():
        kind = name.removeprefix("validation_")
        which, (what, units) = "training" if kind == name else "validation", RECORDED[kind]
        variables[name] = ("epoch", np.array(values), {"long_name": f"{which} {what}", "units": units})
    attributes = {"epochs": epochs, "steps": epochs * steps}
    return full_batch.with_divergence(xr.Dataset(variables, attrs=attributes), last, epochs)
