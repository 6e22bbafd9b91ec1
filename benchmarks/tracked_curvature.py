"""How well λ_max is followed through cascades with few products: against dense spectra, as Figure 5 measures it.

For each least number of products, before and after a step: the products taken, how far λ_max lies from the largest
eigenvalue of the dense Hessian, and at how many pairs it does by more than 1 %: an overtaking that went unseen.

One goes unseen by four products with --rate 2 --every 5 --seed 2.

    python benchmarks/tracked_curvature.py [--width 40] [--rate 1.0] [--seed 0] [--pairs 1000] [--every 10] [--ways 4]
"""

import jax
import jax.numpy as jnp
import numpy as np
import setting
from jax.flatten_util import ravel_pytree

from dynloss import schedules
from dynloss.training import full_batch
from dynloss_book.fig05_curvature_threshold import experiment as curvature_threshold
from dynloss_book.fig05_curvature_threshold import mlp_hessian, tracking
from dynloss_book.tasks import spiral

LEAST = ((6, 6), (tracking.FEWEST, curvature_threshold.ONE_STEP_LATER), (4, 4), (3, 3))
SMALLEST = {"width": 2, "pairs": 2, "every": 2, "ways": 1}
ORDER, PERIOD, AMPLITUDE = 8, 1500, 70


def follow(width, rate, seed, count, every, ways):
    """The dense λ_max (2, count), and for each of these ``ways`` what tracking finds and its products (4, count)."""
    task = spiral.task(width, "float32", seed)
    inputs, labels = jnp.asarray(task.training.inputs), jnp.asarray(task.training.labels)
    weights_at = schedules.oscillating(PERIOD, AMPLITUDE, spiral.CLASSES)
    start = mlp_hessian.from_params(task.start)
    size = sum(leaf.size for leaf in start)
    _, unravel = ravel_pytree(start)

    def around(at, weights):
        local = mlp_hessian.derivatives(at, inputs, labels, weights)
        return local.gradient, lambda v: ravel_pytree(local.product(unravel(v)))[0]

    def dense(operator):
        return jnp.linalg.eigvalsh(jax.vmap(operator)(jnp.eye(size)))[-1]

    def pair(carry, step):
        at, starts = carry
        weights = weights_at(step, "float32")
        gradient, before = around(at, weights)
        following = jax.tree.map(lambda w, g: w - rate * g, at, gradient)
        _, after = around(following, weights)
        found, then = [], []
        for (fewest, later), each in zip(ways, starts, strict=True):
            one = tracking.largest(before, each, num_matvecs=ORDER, tolerance=0.01, fewest=fewest)
            two = tracking.largest(after, one.start, num_matvecs=ORDER, tolerance=0.01, fewest=later)
            found.append((one.eigenvalue, two.eigenvalue, one.products, two.products))
            then.append(two.start)
        descent = lambda w, gammas: around(w, gammas)[0]  # noqa: E731
        at, _ = full_batch.descend(following, descent, weights_at, rate, step + 1, every - 1)
        return (at, then), ((dense(before), dense(after)), found)

    cold = [tracking.cold_start(size, "float32")] * len(ways)
    _, (exact, found) = jax.jit(lambda: jax.lax.scan(pair, (start, cold), every * jnp.arange(count)))()
    return np.asarray(exact), [np.asarray(each) for each in found]


def main():
    options = setting.arguments(__doc__, SMALLEST, width=40, rate=1.0, seed=0, pairs=1000, every=10, ways=len(LEAST))
    print(setting.machine())
    ways = LEAST[: options.ways]
    exact, found = follow(options.width, options.rate, options.seed, options.pairs, options.every, ways)
    jumps = int((np.abs(exact[1] - exact[0]) > 0.1 / options.rate).sum())
    print(f"{options.pairs} pairs, {jumps} of them jumps of more than 0.1/η")
    for (fewest, later), values in zip(ways, found, strict=True):
        apart = np.abs(values[:2] / exact - 1)
        taken = values[2:].mean(axis=1)
        print(
            f"at least {fewest} and {later}: {taken[0]:.2f} and {taken[1]:.2f} products; λ_max at most "
            f"{apart.max():.2%} off, by more than 1 % at {int((apart > 0.01).sum())} of {apart.size} points"
        )


if __name__ == "__main__":
    main()
