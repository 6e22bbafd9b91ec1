"""What the text says: the experiments against plain loops and dense matrices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from made_up import MIXED, NO, NOTHING, ONE, SCALE, YES, verdicts

from dynloss import losses, schedules
from dynloss_book import paper
from dynloss_book.engine.findings import Kind
from dynloss_book.statements import claims as statements_claims
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
    with pytest.raises(ValueError, match="turns must be an integer, at least 3"):
        statements.turns(tasks, 0.5, PERIOD, AMPLITUDE, turns=2)


def test_the_kernel_says_what_the_first_step_does_to_each_mode(x64):
    wide = [spiral.task(300, "float64", 0)]  # where a single kink weighs little
    found = statements.kernel(wide, modes=5, ratio=1e-3, small_steps=4, steps=3).isel(seed=0)
    values = found.mode_eigenvalue.values
    assert (np.diff(values) <= 0).all() and found.mode_residual[:, 0].values.tolist() == [1.0] * 5
    shrunk = 1 - 1e-3 * values / values[0]
    np.testing.assert_allclose(found.mode_residual[:, 1], shrunk, atol=2e-5)  # η² and the modes' own mixing
    np.testing.assert_allclose(found.mode_expected[:, 1], shrunk, atol=1e-6)
    first = found.residual[:, 1].values
    assert 0 < first[0] < 1 and -1 < first[1] < 0 and first[2] < -1
    np.testing.assert_allclose(found.predicted[:, 1], [0.5, -0.5, -1.5])


def made_up(*, agreeing=True):
    """What the text says, made up to hold or to fail in everything."""
    weights = statements.weights(10, [1.0, 2.0, 70.0])
    margins = np.array([[0.5, 0.4, 0.6], [0.0, 0.0, 0.0]])
    steps, seeds = np.arange(50), np.arange(4)
    loss = np.exp(-steps / 5) * np.ones((4, 1))
    spectrum = np.r_[-0.5, np.zeros(90), 0.1 * np.ones(6), 1.0, 2.0, 3.0] * np.ones((4, 1))
    ratios = np.array([0.5, -0.5, -1.5])
    chosen, least, along = np.ones(4), np.zeros(4), np.ones((4, 40))
    # Amid its turn a class is learnt, and the valleys of the others rise.
    turns = np.full((4, 6, 3), 0.96)
    turns[:, [0, 2, 4], [0, 1, 2]] = 1.0
    turns[:, 5] = 1.0  # in the end none is forgotten
    valley = np.ones((4, 3, 7))
    valley[:, :, 1::2] = np.where(np.eye(3, dtype=bool), 0.5, 2.0)
    times = np.arange(100)
    modes = np.exp(-0.02 * np.array([1.0, 0.5])[:, None] * times)
    slow = modes
    accuracy = np.array([0.5 + 0.01 * seeds, 0.97 + 0.003 * seeds])
    if not agreeing:
        together = 10 * xr.DataArray(np.arange(60) % 10, dims="weight_step")
        weights["weights"] = weights.weights[:, :, ::-1] * 1.5 + together
        weights["weights"][:, 5, 0] = -1.0
        margins, loss = np.array([[0.5, 0.0, 0.6], [0.0, 0.0, 0.2]]), loss[:, ::-1]
        spectrum, along = np.linspace(1, 2, 100) * np.ones((4, 1)), -along
        turns, valley, slow = 1 - turns, 1 / valley, modes[::-1]
        ratios, chosen, least, accuracy = ratios[::-1], 0.3 * chosen, least - 0.2 - 0.001 * seeds, accuracy[::-1]
    residual = ratios[:, None] ** np.arange(4)
    return weights.merge(
        {
            "margin_loss": (("margin", "way"), margins),
            "one_class_loss": (("seed", "descent_step"), loss),
            "chosen": ("seed", chosen),
            "least_curvature": ("seed", least),
            "spectrum": (("seed", "eigenvalue"), spectrum),
            "along": (("seed", "step_9"), along),
            "static_accuracy": (("rate", "seed"), accuracy),
            "class_accuracy": (("seed", "half_period", "class"), turns),
            "valley_loss": (("seed", "valley", "moment"), valley),
            "valley_curvature": (("seed", "valley", "moment"), valley),
            "mode_residual": (("seed", "mode", "small_step"), slow * np.ones((4, 1, 1))),
            "mode_expected": (("seed", "mode", "small_step"), modes * np.ones((4, 1, 1))),
            "mode_eigenvalue": (("seed", "mode"), [[2.0, 1.0]] * 4),
            "residual": (("seed", "regime", "kernel_step"), residual * np.ones((4, 1, 1))),
            "predicted": (("seed", "regime", "kernel_step"), residual * np.ones((4, 1, 1))),
        }
    ).assign_coords(way=["static", "least", "greatest"], rate=[1.0, 0.2], regime=[0.5, 1.5, 2.5])


def test_the_statements_of_the_text():
    judge, theirs = statements_claims.judge, paper.TEXT
    single = {13: NOTHING}  # not answered
    found = judge(made_up(), theirs)
    assert verdicts(found) == [single.get(place, YES) for place in range(20)]
    assert [claim.kind for claim in found.claims[14:]] == [Kind.DEFINITION] * 6
    assert verdicts(judge(made_up(agreeing=False), theirs)) == [single.get(place, NO) for place in range(20)]
    assert verdicts(judge(made_up().isel(seed=[0]), theirs))[3:7] == [ONE] * 4
    assert verdicts(judge(made_up().isel(seed=[0]), theirs))[12] is ONE
    reduced = verdicts(judge(made_up(agreeing=False), theirs | {"steps": 100}))
    assert "uphill and the loss nearly vanishes, on a convex landscape" in judge(made_up(), theirs).summary
    assert "not vanish without steps uphill" in judge(made_up(agreeing=False), theirs).summary
    further = made_up()
    further["static_accuracy"] = further.static_accuracy - 0.3  # it gets further, and does not learn
    partly = judge(further, theirs)
    assert verdicts(partly)[7:9] == [MIXED, NO] and "11 are reproduced, 1 in part and 0 not." in partly.plain
    meanwhile = made_up()
    meanwhile["class_accuracy"][:, :5] = np.where(meanwhile.class_accuracy[:, :5] < 1, 0.5, 1)
    assert verdicts(judge(meanwhile, theirs))[11] == MIXED  # forgotten, and learnt again
    forgetful = made_up()
    forgetful["class_accuracy"][:, -1, 0] = 0.5
    assert verdicts(judge(forgetful, theirs))[11] == NO
    assert reduced == [NO] * 3 + [SCALE] * 10 + [NOTHING] + [NO] * 6
    rising = made_up()
    rising["valley_curvature"] = 1 / rising.valley_curvature  # higher, but not narrower
    (valleys,) = [claim for claim in judge(rising, theirs).claims if claim.statement.startswith("Valleys")]
    assert valleys.verdict is NO and "in 0.00" in valleys.here
