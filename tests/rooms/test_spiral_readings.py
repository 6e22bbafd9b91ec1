"""Other readings of Figure 3: validation sets on the same arms, and accuracies of a lost network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynloss import datasets
from dynloss_book.spiral_readings import experiment as readings
from dynloss_book.tasks import spiral


@pytest.mark.parametrize("name", readings.VALIDATIONS)
def test_every_validation_set_lies_on_the_arms_of_the_training_set(name):
    """The angle without that of the arm is the noise: a fifth of a radian, whatever the place along the arm."""
    data = readings.validation_set(name)
    radius = np.hypot(*data.inputs.T)
    angle = np.arctan2(*data.inputs.T[::-1]) - 2 * np.pi * (data.labels / 3 + readings.TURNS * radius)
    off = (angle + np.pi) % (2 * np.pi) - np.pi
    off = off[radius > 1e-9]
    assert abs(off.mean()) < 0.02 and off.std() == pytest.approx(readings.NOISE, rel=0.1)
    assert data.counts.tolist() == [len(data) // 3] * 3


def test_the_first_is_the_books():
    first = next(iter(readings.VALIDATIONS))
    np.testing.assert_array_equal(readings.validation_set(first).inputs, datasets.spiral_validation().inputs)
    with pytest.raises(ValueError, match="'elsewhere'"):
        readings.validation_set("elsewhere")


def test_places_along_the_arms():
    radius = {name: np.hypot(*readings.validation_set(name).inputs.T) for name in readings.VALIDATIONS}
    assert radius["uniform in the plane"].mean() == pytest.approx(2 / 3, abs=0.03)
    assert radius["nearer the centre"].mean() == pytest.approx(1 / 3, abs=0.03)
    assert radius["beyond the end"].min() >= 1 >= radius["uniform"].max()


def test_accuracies_are_the_tasks_own_and_nan_for_a_lost_network():
    task = spiral.task(20, "float32", 3)
    start = readings.start(20, "float32", "standard", 3)
    for ours, theirs in zip(jax.tree.leaves(start), jax.tree.leaves(task.start), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    found, outcome = readings.accuracies(start, task.training), task.outcome(task.start)
    assert float(found["accuracy"]) == float(outcome["accuracy"])
    assert float(found["validation_accuracy"][0]) == float(outcome["validation_accuracy"])
    lost = readings.accuracies(jax.tree.map(lambda w: w * jnp.nan, start), task.training)
    assert np.isnan(lost["accuracy"]) and np.isnan(lost["validation_accuracy"]).all()
