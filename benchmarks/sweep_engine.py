"""What a sweep costs beside its points: the engine against a bare loop over the same compiled batches.

Networks of 10 hidden units on the spiral, few steps. Every number is taken in processes of their own.

- overhead: a sweep of about `--seconds`, each of whose batches is also computed bare, just before. What the engine does
  with each batch and every ten seconds is measured; to that comes once its start and end, set against ten minutes:
  an extrapolation, unless `--seconds 600`.
- restart: the time from the call to the first new batch, less compilation, with `--stored` points on disk, in the files
  of as many flushes as a killed sweep leaves.
- growth: time per point and peak memory of sweeps of 10^2 to 10^5 points of few steps; and beside it the memory of a
  process that has compiled the program and computed one batch.

    python benchmarks/sweep_engine.py [--seconds 60] [--rounds 3] [--steps 500] [--stored 10000] [--largest 100000]
"""

import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import setting

from dynloss import datasets, schedules
from dynloss.models import mlp
from dynloss.training import full_batch
from dynloss_book.engine import sweeps
from dynloss_book.engine.sweeps import engine, evaluate

DATA = datasets.spiral().astype("float32")
CHUNK = 64
LEAST = {"seconds": 0, "rounds": 1, "steps": 1, "stored": 100, "largest": 100}


def final_loss(period, amplitude, seed, *, steps):
    inputs, labels = jnp.asarray(DATA.inputs), jnp.asarray(DATA.labels)
    start = mlp.MLP(width=10, num_classes=3).init(jax.random.key(seed), inputs)
    schedule = schedules.oscillating(period, amplitude, 3)
    params, _ = full_batch.descend(
        start, lambda p, w: mlp.cross_entropy_gradient(p, inputs, labels, w), schedule, 1.0, 0, steps
    )
    return {"first": params["params"]["output"]["bias"][0], "second": params["params"]["output"]["bias"][1]}


def arguments(points, steps, folder):
    """A sweep of about so many points: 100 of the plane, and seeds."""
    axes = {"period": range(10, 110, 10), "amplitude": range(1, 11)}
    return {
        "axes": axes, "seeds": range(max(1, points // 100)), "constants": {"steps": steps}, "chunk": CHUNK,
        "store": Path(folder) / "store", "progress": False,
    }  # fmt: skip


def swept(points, steps):
    """Seconds of a sweep, with its start and end."""
    with tempfile.TemporaryDirectory() as folder:
        return setting.seconds(lambda: sweeps.run("benchmark", final_loss, **arguments(points, steps, folder)))


def overhead(steps, points):
    """What a sweep takes for its start and end, between its batches, and for them; and a bare loop over the same.

    Each batch is computed twice, bare and in the sweep, so that a drift of the machine meets both.
    """
    how = evaluate.vectorised(final_loss, {"steps": steps}, ["period", "amplitude", "seed"], CHUNK, points)
    evaluate.vectorised = lambda *_: how
    begin, wait, bare, inside, moments = how.begin, engine.wait, [], [], []

    def twice(batch):
        began = time.perf_counter()
        begin(batch)()
        bare.append(time.perf_counter() - began)
        compute = begin(batch)

        def timed():
            began = time.perf_counter()
            outputs = compute()
            inside.append(time.perf_counter() - began)
            return outputs

        moments.append(time.perf_counter())
        return timed

    def waited(*arguments):
        if wait(*arguments).done:
            moments.append(time.perf_counter())

    how.begin, engine.wait = twice, waited
    whole = swept(points, steps)
    within = moments[-1] - moments[0] - sum(bare[1:])
    once = whole - (moments[-1] - moments[0]) - bare[0]
    return {"once": once, "within": within, "inside": sum(inside), "bare": sum(bare), "batches": len(bare)}


def restart(stored):
    """Seconds from the call to the first new batch, less compilation."""
    took: list[float] = []
    make = evaluate.vectorised

    def timed(*given):
        began = time.perf_counter()
        how = make(*given)
        took.append(time.perf_counter() - began)
        return how

    class First(Exception):
        pass

    def stop(self, points):
        raise First

    submit = evaluate.Local.submit
    with tempfile.TemporaryDirectory() as folder:
        engine.WRITE_EVERY = 0
        flushes = max(1, stored // CHUNK)

        def killed(self, points):
            nonlocal flushes
            flushes -= 1
            if flushes < 0:
                raise First
            return submit(self, points)

        evaluate.Local.submit = killed
        with contextlib.suppress(First):
            sweeps.run("benchmark", final_loss, **arguments(2 * stored, 1, folder))
        evaluate.vectorised, evaluate.Local.submit = timed, stop
        files = len(list((Path(folder) / "store").glob("*.nc")))
        began = time.perf_counter()
        with contextlib.suppress(First):
            sweeps.run("benchmark", final_loss, **arguments(2 * stored, 1, folder))
        return {"seconds": time.perf_counter() - began - took[0], "files": files}


def growth(points):
    """Seconds of a sweep, less compilation, and the largest memory of the process in MB."""
    how = evaluate.vectorised(final_loss, {"steps": 10}, ["period", "amplitude", "seed"], CHUNK, 10**9)
    evaluate.vectorised = lambda *_: how
    swept(100, 10)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = swept(points, 10)
    return {"seconds": seconds, "base": base, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def apart(*call):
    """One of the above in a process of its own."""
    command = [sys.executable, __file__, "--call", json.dumps(call)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    usual = {"seconds": 60.0, "rounds": 3, "steps": 500, "stored": 10_000, "largest": 100_000, "call": ""}
    options = setting.arguments(__doc__, LEAST, **usual)
    if options.call:
        name, *given = json.loads(options.call)
        print(json.dumps({"overhead": overhead, "restart": restart, "growth": growth}[name](*given)))
        return

    print(setting.machine())
    steps = options.steps  # usually batches of a few tenths of a second
    trial = apart("overhead", steps, 600)["bare"] / 600 / steps
    points = max(1, round(options.seconds / (trial * steps) / 100)) * 100
    rounds = [apart("overhead", steps, points) for _ in range(options.rounds)]
    once, within, bare = (statistics.median(each[name] for each in rounds) for name in ("once", "within", "bare"))
    print(f"{points} points of {steps} steps: bare loop {bare:.2f} s, sweep {within:.2f} s, start and end {once:.2f} s")
    print(f"ratio sweep / bare loop: {statistics.median(each['within'] / each['bare'] for each in rounds):.3f}")
    beside = statistics.median((each["within"] - each["inside"]) / each["within"] for each in rounds)
    each_one = statistics.median((each["within"] - each["inside"]) / each["batches"] for each in rounds)
    print(f"of that outside of the batches, writing included: {100 * beside:.2f} %, {1e3 * each_one:.1f} ms a batch")
    print(f"with start and end, of a sweep of ten minutes: {100 * (beside + once / 600):.2f} % (asked: below 3)")

    again = [apart("restart", options.stored) for _ in range(options.rounds)]
    slow = statistics.median(each["seconds"] for each in again)
    print(f"restart with {options.stored} points in {again[0]['files']} files: {slow:.2f} s (asked: below 5)")

    count = 100
    while count <= options.largest:
        found = apart("growth", count)
        print(f"{count:7d} points: {found['seconds'] / count * 1e6:7.0f} µs a point, {found['memory']:.0f} MB, "
              f"{found['memory'] - found['base']:+.0f} MB beside the first 100")  # fmt: skip
        count *= 10


if __name__ == "__main__":
    main()
