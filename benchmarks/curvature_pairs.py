"""λ_max on both sides of a step now and then, as Figure 5 takes it: followed by products written out, against the way
before: a cold Lanczos run for each, with automatic products, inside a loop of XLA's own steps.

Both train the same network with the same oscillations. How far their λ_max lie apart is printed too, until the runs
part: they are chaotic.

    python benchmarks/curvature_pairs.py [--pairs 1000] [--rate 1.0] [--rounds 3] [--widths 100 1000]
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import setting

from dynloss import schedules
from dynloss.models import mlp
from dynloss.spectral.hessian import hessian_eigenvalues
from dynloss.training import full_batch, recorders
from dynloss_book.fig05_curvature_threshold import experiment as curvature_threshold
from dynloss_book.tasks import spiral

LEAST = {"pairs": 2, "rounds": 1, "widths": [100]}
ORDER, CADENCE, PERIOD, AMPLITUDE = 8, 5, 1500, 70


def before(width, rate, every, pairs, oscillation):
    """Figure 5's run as it was: each λ_max by ``ORDER`` products from the same random vector."""
    task = spiral.task(width, "float32", 0)
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)

    def measure(at):
        after = jax.tree.map(lambda w, g: w - rate * g, at.params, at.gradient(at.params))
        both = jax.tree.map(lambda *sides: jnp.stack(sides), at.params, after)
        largest = lambda w: hessian_eigenvalues(at.gradient, w, num_matvecs=ORDER).eigenvalues[0]  # noqa: E731
        return {"curvature": jax.lax.map(largest, both)}

    observe = [
        full_batch.Recorder(measure, {"curvature": (("side",), {})}, every),
        recorders.training_state(task.model.apply, task.training, every=every),
    ]
    period, amplitude, stop = oscillation
    weights = schedules.oscillating(period, amplitude, 3, stop=stop)
    gradient = lambda w, gammas: mlp.cross_entropy_gradient(w, inputs, labels, gammas)  # noqa: E731
    run = jax.jit(
        lambda params: full_batch.descend(params, gradient, weights, rate, 0, every * pairs, observe)[1][0]["curvature"]
    )
    return lambda: run(task.start)


def now(width, rate, every, pairs, oscillation):
    run = curvature_threshold.pairs
    return lambda: run(width, "float32", 0, oscillation, rate, every * pairs, every, ORDER).curvature.values


def main():
    options = setting.arguments(__doc__, LEAST, pairs=1000, rate=1.0, rounds=3, widths=[100, 1000])
    print(setting.machine())
    every = max(1, round(CADENCE / options.rate))
    steps = every * options.pairs
    oscillation = PERIOD, AMPLITUDE, steps
    for width in options.widths:
        given = width, options.rate, every, options.pairs, oscillation
        runs = {"now": now(*given), "before": before(*given)}
        found = {name: np.asarray(run()) for name, run in runs.items()}
        early = slice(0, 40)  # pairs, before rounding has grown
        apart = np.abs(found["before"][::every][early] - found["now"][early]).max()
        for clock in (time.perf_counter, time.process_time):
            seconds = setting.in_turn(runs, options.rounds, functools.partial(setting.seconds, clock=clock))
            each = {name: f"{1e3 * value / options.pairs:.2f} ms" for name, value in seconds.items()}
            ratio = seconds["before"] / seconds["now"]
            what = "" if clock is time.perf_counter else " of processor time, which other work disturbs less"
            print(f"width {width}: {each['now']} a pair, before {each['before']}: {ratio:.1f} times as fast{what}")
        print(f"width {width}: λ_max within {apart:.1g} over the first 40 pairs")


if __name__ == "__main__":
    main()
