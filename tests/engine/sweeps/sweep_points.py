"""Functions of a point that the tests sweep, and what they run in processes of their own."""

import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tqdm  # noqa: F401
import xarray as xr

from dynloss import datasets, losses, schedules
from dynloss.models import mlp
from dynloss.training import full_batch, recorders
from dynloss_book.engine import archive, sweeps
from dynloss_book.engine.sweeps import engine, evaluate
from dynloss_book.engine.sweeps.store import Store

# Reading and writing import a good second's worth: once, before the processes of the tests are forked.
archive.decode(archive.encode(xr.Dataset({"x": ("x", [1.0])})))

DATA = datasets.spiral().astype("float32")
AXES = {"period": [2, 10, 30], "amplitude": [1, 10.5]}


def network(period, amplitude, seed, *, steps):
    inputs, labels = jnp.asarray(DATA.inputs), jnp.asarray(DATA.labels)
    model = mlp.MLP(width=10, num_classes=3)
    start = model.init(jax.random.key(seed), inputs)
    schedule = schedules.oscillating(period, amplitude, 3)
    params, _ = full_batch.descend(
        start, lambda p, w: mlp.cross_entropy_gradient(p, inputs, labels, w), schedule, 1.0, 0, steps
    )
    logits = model.apply(params, inputs)
    return {"loss": jnp.mean(losses.cross_entropy(logits, labels)), "bias": params["params"]["output"]["bias"]}


def drawn(x, seed, *, steps=100):
    """Random numbers from the seed, and as much work as wanted."""
    numbers = jax.random.normal(jax.random.key(seed), (50,))
    end = jax.lax.fori_loop(0, steps, lambda _, a: jnp.sin(a) + x / 100, numbers)
    return {"mean": end.mean(), "numbers": end[:2]}


def number(x, seed):
    """The cheapest."""
    return {"value": x + jnp.float32(seed)}


def logged(x, seed, *, log, pause):
    """Says that it was called, and by whom."""
    with open(log, "a") as file:
        file.write(f"{os.getpid()} {x} {seed}\n")
    time.sleep(pause)
    return {"value": np.random.default_rng([int(x), seed]).normal(size=2)}


def on_eight_devices(store):
    # Beside the flags of the tests, so that both programs are compiled alike.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    assert jax.local_device_count() == 8
    sweeps.run("test", network, axes=AXES, seeds=range(3), constants={"steps": 50}, store=store, progress=False)


def shared(store, log, points):
    """One of several processes on one store."""
    engine.WRITE_EVERY = 0.1
    found = sweeps.run(
        "test", logged, axes={"x": range(points)}, seeds=[0], constants={"log": log, "pause": 0.02},
        vectorize=False, store=store, progress=False,
    )  # fmt: skip
    assert bool(found.done.all())
    Path(f"{log}.{os.getpid()}").write_bytes(found.value.values.tobytes())


def batchwise(store, log, points, write_every):
    """A sweep that says which points it is about to compute."""
    engine.WRITE_EVERY = write_every
    submit = evaluate.Local.submit

    def said(self, points):
        with open(log, "a") as file:
            file.write("".join(f"{x:g} {seed}\n" for x, seed in zip(points["x"], points["seed"], strict=True)))
        return submit(self, points)

    evaluate.Local.submit = said
    sweeps.run(
        "test", drawn, axes={"x": range(points // 10)}, seeds=range(10), constants={"steps": 2000}, chunk=7,
        store=store, progress=False,
    )  # fmt: skip


def say(out, text):
    """All at once, since somebody waits for the file."""
    part = out.with_name(f"{out.name}.part")
    part.write_text(text)
    part.rename(out)


def claimed(folder, batches, out):
    """Tries to claim points, says so, and waits to be killed."""
    store = Store(folder, {"figure": "test", "function": "f", "parameters": "{}"}, {"compute": "one"}, ["x", "seed"])
    got = [store.locks.take({"x": np.array(xs, float), "seed": np.zeros(len(xs), int)}) for xs in batches]
    say(out, " ".join("yes" if each else "no" for each in got))
    time.sleep(60)


def at_most_one(x, seed):
    if x > 1:
        raise RuntimeError(f"x is {x}")
    return {"value": x}


def grid_point(x, y, seed):
    return {"value": x + 1000 * y}


def slow_network(period, seed, checkpoint=None):
    """One that is cut into segments, with a checkpoint after each."""
    data = datasets.spiral(points_per_class=5).astype("float32")
    model = mlp.MLP(3)
    run = full_batch.train(
        model.init(jax.random.key(seed), jnp.asarray(data.inputs)),
        data,
        schedules.oscillating(period, 3, 3),
        gradient=full_batch.loss_gradient(model.apply, data),
        learning_rate=0.1,
        steps=20,
        recorders=[recorders.training_state(model.apply, data)],
        checkpoint=checkpoint,
        segments=4,
    )
    return {"loss": run.trajectory.loss.values[-1]}
