"""The registered test: a random search, the same for both losses, and one network trained with a trial's settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import xarray as xr

from dynloss import losses, schedules
from dynloss.checks import check_count
from dynloss_book.engine.sweeps import store
from dynloss_book.tasks import digits

TASKS = ("clean labels", "noisy labels", "unequal classes")
WRONG = 0.2  # of noisy training labels
RARE, KEPT = (2, 5, 8), 0.1  # where classes are unequal, of these digits one training image in ten is kept
TRAINING = 800  # images, of 1,200; the others choose the settings
STATIC, OSCILLATING = 0, 1
GUESS = 0.1  # the accuracy of a network that knows nothing
VARIABLES = {
    "validation_accuracy": ((), {"long_name": "validation accuracy, mean over digits", "units": "1"}),
    "test_accuracy": ((), {"long_name": "test accuracy, mean over digits", "units": "1"}),
}


def settings(trials: int, steps: int) -> list[dict[str, float]]:
    """The settings of each trial. A trial is the same whatever their number is.

    The static loss takes all but the period and the amplitude, of the same draws; so both losses have as many trials.

    Args:
        trials: how many.
        steps: of the longest training.
    """
    check_count("trials", trials, at_least=1)
    return [_drawn(np.random.RandomState(trial), steps) for trial in range(trials)]


def _drawn(random: np.random.RandomState, steps: int) -> dict[str, float]:
    def between(low: float, high: float) -> float:
        return float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.3g}")

    return {
        "learning_rate": between(0.01, 0.5),
        "weight_decay": between(1e-5, 1e-2) * random.randint(2),
        "smoothing": float(random.choice([0, 0.05, 0.1, 0.2])),
        "balanced": float(random.randint(2)),
        "stop": round(between(0.1, 1) * steps),  # after so many steps
        "period": between(10, 1000),
        "amplitude": between(2, 100),
    }


def network(
    task: Any, trial: Any, oscillating: Any, seed: Any, *, width: int, search: Sequence[Sequence[float]], steps: int
) -> dict[str, jax.Array]:
    """Train one network with one trial's settings; its mean accuracy over the digits. Traceable in its numbers.

    Which images are for training, which of their labels are wrong, and the initial weights depend on the seed.

    Args:
        task: which of ``TASKS``, from 0 on.
        trial: which row of ``search``.
        oscillating: 1 for the dynamical loss, 0 for the static one.
        width: hidden units.
        search: the values of ``settings``, (trials, 7).
        steps: of the longest training.
    """
    rate, decay, smoothing, balanced, stop, period, amplitude = jnp.asarray(search, "float32")[jnp.asarray(trial, int)]
    pool, held_out, test = digits.split(900)
    images = jnp.concatenate([pool.inputs, held_out.inputs])
    labels = jnp.concatenate([pool.labels, held_out.labels])
    by_seed = jax.random.uniform(jax.random.key(seed + 10_000), (4, len(labels)))  # another key than the weights'
    training, validation = jnp.split(jnp.argsort(by_seed[0]), [TRAINING])
    wrong, other, kept = by_seed[1:, :TRAINING]
    noisy = (wrong < WRONG) & (task == TASKS.index("noisy labels"))
    given = (labels[training] + jnp.where(noisy, 1 + jnp.floor(9 * other).astype(int), 0)) % 10
    thinned = jnp.isin(labels[training], jnp.asarray(RARE)) & (task == TASKS.index("unequal classes"))
    counted = jnp.where(thinned & (kept >= KEPT), 0.0, 1.0)
    shares = jnp.zeros(10).at[given].add(counted) / counted.sum()
    balance = jnp.where(balanced > 0, 1 / (10 * jnp.maximum(shares, 1 / TRAINING)), 1.0)
    gammas = schedules.oscillating(period, jnp.where(oscillating > 0, amplitude, 1.0), 10, stop=0.9 * stop)
    direction = optax.chain(optax.add_decayed_weights(decay), optax.trace(0.9, nesterov=True))

    def loss(params: Any, weights: jax.Array) -> jax.Array:
        logits = digits.network(params, images[training])
        smooth = jax.nn.logsumexp(logits, -1) - logits.mean(-1)  # the cross-entropy to a label that is uniform
        each = (1 - smoothing) * losses.cross_entropy(logits, given) + smoothing * smooth
        return losses.class_weighted_mean(each * counted, given, weights) / counted.mean()

    def update(state: Any, step: jax.Array) -> Any:
        params, memory = state
        change, memory = direction.update(jax.grad(loss)(params, gammas(step) * balance), memory, params)
        moved = jax.tree.map(lambda each: jnp.where(step.astype(float) < stop, -rate, 0.0) * each, change)
        return (optax.apply_updates(params, moved), memory), None

    start = digits.initial(seed, width)
    (params, _), _ = jax.lax.scan(update, (start, direction.init(start)), jnp.arange(steps))

    def accuracy(chosen: jax.Array, right: jax.Array) -> jax.Array:
        hit = jnp.argmax(digits.network(params, chosen), -1) == right
        return jnp.mean(jnp.zeros(10).at[right].add(hit.astype(float)) / jnp.zeros(10).at[right].add(1))

    return {
        "validation_accuracy": accuracy(images[validation], labels[validation]),
        "test_accuracy": accuracy(jnp.asarray(test.inputs), jnp.asarray(test.labels)),
    }


def tested(
    task: Any, oscillating: Any, seed: Any, *, picks: Sequence[Sequence[int]], **constants: Any
) -> dict[str, jax.Array]:
    """One network with the settings that its search has chosen.

    Args:
        picks: the trial of each task and loss, (3, 2).
        constants: of ``network``, which has the other arguments too.
    """
    trial = jnp.asarray(picks)[jnp.asarray(task, int), jnp.asarray(oscillating, int)]
    return network(task, trial, oscillating, seed, **constants)


def best(tuning: xr.Dataset) -> list[list[int]]:
    """The trial with the highest mean validation accuracy, of each task and loss; a network that diverged guesses.

    Raises:
        store.NothingYet: the search is not complete.
    """
    if not tuning.done.all():
        raise store.NothingYet(f"the search has {int(tuning.done.sum())} of {tuning.done.size} networks yet")
    mean = tuning.validation_accuracy.fillna(GUESS).mean("seed").transpose("task", "oscillating", "trial")
    return mean.trial.values[mean.argmax("trial").values].astype(int).tolist()


def accuracy(tests: Mapping[int, xr.Dataset], widths: Sequence[int]) -> xr.DataArray:
    """Test accuracy over task, width, oscillating and seed; NaN where not computed, a guess where it diverged."""
    found = [each.test_accuracy.fillna(GUESS).where(each.done) for each in tests.values()]
    places = pd.Index(list(tests), name="width")
    return xr.concat(found, places).assign_coords(task=list(TASKS)).reindex(width=sorted(widths))
