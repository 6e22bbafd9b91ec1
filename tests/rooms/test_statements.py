"""What the text says: the experiments against plain loops and dense matrices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynloss import losses, schedules
from dynloss_book.statements import experiment as statements
from dynloss_book.tasks import spiral

PERIOD, AMPLITUDE = 20, 5.0


@pytest.fixture
def tasks(x64):
    return [spiral.task(6, "float64", seed) for seed in range(2)]


def loss(task, params, gammas):
    logits, labels = task.model.apply(params, jnp.asarray(task.training.inputs)), jnp.asarray(task.training.labels)
    return losses.class_weighted_mean(losses.cross_entropy(logits, labels), labels, gammas)


def test_turns_are_those_of_a_plain_loop(tasks):
    found = statements.turns(tasks, 0.5, PERIOD, AMPLITUDE, turns=4)
    assert found.sizes == {"seed": 2, "half_period": 8, "class": 3, "valley": 3, "moment": 7}
    task, schedule = tasks[1], schedules.oscillating(PERIOD, AMPLITUDE, 3)
    inputs, labels = jnp.asarray(task.training.inputs), task.training.labels
    gradient, apply = jax.grad(functools.partial(loss, task)), jax.jit(task.model.apply)
    weights = jax.jit(functools.partial(schedules.weights_over, schedule))(jnp.arange(4 * PERIOD))
    descend = jax.jit(lambda w, gammas: jax.tree.map(lambda w, g: w - 0.5 * g, w, gradient(w, gammas)))
    params, kept = task.start, {}
    for step in range(4 * PERIOD):
        params = descend(params, weights[step])
        half, rest = divmod(step + 1, PERIOD // 2)
        if rest == 0:
            right = np.asarray(apply(params, inputs)).argmax(1) == labels
            each = [right[labels == number].mean() for number in range(3)]
            np.testing.assert_allclose(found.class_accuracy[1, half - 1], each, atol=1e-12)
            kept[half] = params
    _, unravel = jax.flatten_util.ravel_pytree(params)
    curved = jax.hessian(lambda w, gammas: loss(task, unravel(w), gammas))
    both = jax.jit(lambda w, gammas: (loss(task, unravel(w), gammas), curved(w, gammas)))
    for valley, half in ((1, 3), (2, 5), (0, 7)):  # the middle of the last period of each class
        flat, _ = jax.flatten_util.ravel_pytree(kept[half])
        for moment in (0, 3):
            value, hessian = both(flat, weights[moment * PERIOD // 2])
            there = found.isel(seed=1, valley=valley, moment=moment)
            assert float(there.valley_loss) == pytest.approx(float(value), rel=1e-9)
            assert float(there.valley_curvature) == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)


def test_turns_need_a_middle_and_every_class(tasks):
    with pytest.raises(ValueError, match="period must be even, so that it has a middle, got 21"):
        statements.turns(tasks, 0.5, 21, AMPLITUDE, turns=3)
    with pytest.raises(ValueError, match="turns must be a whole number, at least 3"):
        statements.turns(tasks, 0.5, PERIOD, AMPLITUDE, turns=2)


def test_the_kernel_says_what_the_first_step_does_to_each_mode(x64):
    wide = spiral.task(300, "float64", 0)  # where a single kink weighs little
    found = statements.kernel(wide, modes=5, ratio=1e-3, small_steps=4, steps=3)
    values = found.mode_eigenvalue.values
    assert (np.diff(values) <= 0).all() and found.mode_residual[:, 0].values.tolist() == [1.0] * 5
    shrunk = 1 - 1e-3 * values / values[0]
    np.testing.assert_allclose(found.mode_residual[:, 1], shrunk, atol=2e-5)  # η² and the modes' own mixing
    np.testing.assert_allclose(found.mode_expected[:, 1], shrunk, atol=1e-6)
    first = found.residual[:, 1].values
    assert 0 < first[0] < 1 and -1 < first[1] < 0 and first[2] < -1
    np.testing.assert_allclose(found.predicted[:, 1], [0.5, -0.5, -1.5])
