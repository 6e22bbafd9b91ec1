"""Figure 1's baseline: sets do not overlap, the best is chosen, and what is left of the gain."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from made_up import scattered

from dynloss import schedules
from dynloss_book.cifar_tuned_baseline import claims as cifar_tuned_baseline
from dynloss_book.cifar_tuned_baseline import experiment as baseline
from dynloss_book.tasks import cifar10


def test_tuning_and_test_images_are_others_than_those_trained_on():
    training, tuning = baseline.sets("generated", 8, 40, "tuning", 20)
    again, test = baseline.sets("generated", 8, 40, "test", 20)
    np.testing.assert_array_equal(training.inputs, again.inputs)
    seen = {each.tobytes() for each in training.inputs}
    for other in (tuning, test):
        assert len(other) == 20 and not seen & {each.tobytes() for each in other.inputs}
    assert not {each.tobytes() for each in tuning.inputs} & {each.tobytes() for each in test.inputs}
    with pytest.raises(ValueError, match="held_out must be one of tuning, test, got 'both'"):
        baseline.sets("generated", 8, 40, "both", 20)


def test_without_weight_decay_it_trains_as_figure_1_does():
    """The same images in the same order, so the same numbers."""
    data = baseline.sets("generated", 8, 40, "test", 20)
    common = {"seed": 1, "epochs": 1, "batch_size": 20, "evaluate_every": 1, "checkpoint": None}
    model = nn.Sequential((partial(jnp.reshape, shape=(-1, 8 * 8 * 3)), nn.Dense(10)))

    def end(**options):
        curves = cifar10.train(model, data, schedules.static(10), lambda step: 0.05, **common, **options)
        return curves["static_loss"][-1]

    plain = end()
    assert end(direction=baseline.nesterov(0.0)) == plain
    assert end(direction=baseline.nesterov(0.5)) != plain


def test_what_is_chosen_is_the_best_on_average():
    values = np.zeros((2, 2, 2, 3))
    values[1, 0, :, 2] = [0.9, 0.5]
    values[0, 1, :, 2] = [0.8, 0.7]
    values[0, 1, :, 1] = 0.9
    curves = xr.Dataset(
        {"validation_accuracy": (("peak_rate", "weight_decay", "seed", "epoch"), values)},
        coords={"peak_rate": [0.02, 0.05], "weight_decay": [0.0, 0.002]},
    )
    best = baseline.tuned(curves)
    assert best == {"peak_rate": 0.02, "weight_decay": 0.002}
    assert baseline.early(curves.sel(best)) == 1


def test_the_tuned_baselines_of_figure_1():
    names = cifar_tuned_baseline
    curves = {
        names.STATIC: scattered([0.5, 0.6, 0.55], ("epoch",)),
        names.TUNED: scattered([0.5, 0.62, 0.61], ("epoch",)),
        names.OSCILLATING: scattered([0.4, 0.5, 0.63], ("epoch",)),
    }
    arms = names.arms(curves, {names.STATIC: 1, names.TUNED: 1})
    means = {name: round(float(values.mean()), 3) for name, values in arms.items()}
    assert means == {"static": 0.55, "static, stopped early": 0.6, "static, tuned": 0.61,
                     "static, tuned, stopped early": 0.62, "oscillating": 0.63}  # fmt: skip
    gains = {name: round(float(values.mean()), 3) for name, values in names.gains(arms).items()}
    assert gains == {"static": 0.08, "static, stopped early": 0.03}
    grid = {"peak_rate": [0.02, 0.05], "weight_decay": [0.0, 0.002, 0.008]}
    findings = names.judge(arms, {names.STATIC: {"peak_rate": 0.05, "weight_decay": 0.002}}, grid, "small")
    assert "so far, static: +0.08" in findings.summary and "static, stopped early: +0.03" in findings.summary
    assert "the largest value that it tried for static's peak rate;" in findings.summary and findings.claims == ()
    assert findings.scale == "small; tuned: static: peak rate 0.05, weight decay 0.002"
    assert names.judge({}, {}, {}, "small").plain == "Not computed yet."
    for gain, said in ((0.05, "Yes: it remains"), (-0.05, "No: against"), (0.0, "No significant gain")):
        noise = xr.DataArray([0.001, -0.001] * 3, dims="seed")
        both = arms | {names.OSCILLATING_TUNED: arms[names.TUNED] + gain + noise}
        findings = names.judge(both, {}, {}, "small")
        summary = findings.summary
        assert findings.plain.startswith(said) and "untuned it gains +0.08" in summary
        assert f"gains {gain:+.4f} ±".replace("-", "−") in summary
    chance = arms | {names.OSCILLATING: arms[names.OSCILLATING] * 0 + 0.1}
    assert "too small" in names.judge(chance, {}, {}, "small").plain
