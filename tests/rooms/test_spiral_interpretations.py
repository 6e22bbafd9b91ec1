"""Other interpretations of Figure 3: validation sets on the same arms, and accuracies of a lost network."""


import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from made_up import NO, OPEN, SCALE, YES, scattered, verdicts

from dynloss import datasets
from dynloss_book.engine import sweeps
from dynloss_book.spiral_interpretations import claims as spiral_interpretations
from dynloss_book.spiral_interpretations import experiment as interpretations
from dynloss_book.tasks import spiral


@pytest.mark.parametrize("name", interpretations.VALIDATIONS)
def test_every_validation_set_lies_on_the_arms_of_the_training_set(name):
    """The angle without that of the arm is the noise: a fifth of a radian, whatever the place along the arm."""
    data = interpretations.validation_set(name)
    radius = np.hypot(*data.inputs.T)
    angle = np.arctan2(*data.inputs.T[::-1]) - 2 * np.pi * (data.labels / 3 + interpretations.TURNS * radius)
    off = (angle + np.pi) % (2 * np.pi) - np.pi
    off = off[radius > 1e-9]
    assert abs(off.mean()) < 0.02 and off.std() == pytest.approx(interpretations.NOISE, rel=0.1)
    assert data.counts.tolist() == [len(data) // 3] * 3


def test_the_first_is_the_books():
    first = next(iter(interpretations.VALIDATIONS))
    np.testing.assert_array_equal(interpretations.validation_set(first).inputs, datasets.spiral_validation().inputs)
    with pytest.raises(ValueError, match="'elsewhere'"):
        interpretations.validation_set("elsewhere")


def test_places_along_the_arms():
    radius = {name: np.hypot(*interpretations.validation_set(name).inputs.T) for name in interpretations.VALIDATIONS}
    assert radius["uniform in the plane"].mean() == pytest.approx(2 / 3, abs=0.03)
    assert radius["nearer the centre"].mean() == pytest.approx(1 / 3, abs=0.03)
    assert radius["beyond the end"].min() >= 1 >= radius["uniform"].max()


def test_accuracies_are_the_tasks_own_and_nan_for_a_lost_network():
    task = spiral.task(20, "float32", 3)
    start = interpretations.start(20, "float32", "standard", 3)
    jax.tree.map(np.testing.assert_array_equal, start, task.start)
    found, outcome = interpretations.accuracies(start, task.training), task.outcome(task.start)
    assert float(found["accuracy"]) == float(outcome["accuracy"])
    assert float(found["validation_accuracy"][0]) == float(outcome["validation_accuracy"])
    lost = interpretations.accuracies(jax.tree.map(lambda w: w * jnp.nan, start), task.training)
    assert np.isnan(lost["accuracy"]) and np.isnan(lost["validation_accuracy"]).all()


def readings_of(static, inside, gain_elsewhere):
    """Networks of one width over a grid that holds the region: what oscillations gain, on each validation set."""
    coords = {"period": [10.0, 100.0, 1500.0], "amplitude": [1.0, 5.0, 15.0], "validation": ["midway", "uniform"]}
    accuracy = np.full((3, 3), inside)
    accuracy[:, 0] = static
    validation = np.repeat(accuracy[..., None], 2, axis=-1)
    validation[:, 1:, 1] += gain_elsewhere
    data = {
        "accuracy": scattered(accuracy, ("period", "amplitude")),
        "validation_accuracy": scattered(validation, ("period", "amplitude", "validation")),
    }
    found = xr.Dataset(data, coords=coords)
    # Each network has noise of its own, so that gains have an interval.
    return found + 0.001 * xr.DataArray(np.random.RandomState(0).randn(3, 6), dims=("amplitude", "seed"))


@pytest.mark.parametrize(
    ("static", "inside", "elsewhere", "expected"),
    [(0.65, 0.99, 0, [YES] * 3), (0.5, 0.5, 0, [NO, NO, NO]), (0.5, 0.5, 0.1, [YES, NO, NO]),
     (0.9, 0.5, 0, [NO, NO, NO])],
)  # fmt: skip
def test_other_readings_of_figure_3(static, inside, elsewhere, expected):
    ways = {"the book's": readings_of(static, inside, elsewhere), "no stop": readings_of(static, inside, 0)}
    settings = {"narrow": 100, "wide": 1000, "steps": 35_000}
    judge = spiral_interpretations.judge
    assert verdicts(judge({"narrow": ways, "wide": ways}, settings)) == expected
    assert set(verdicts(judge({"narrow": ways, "wide": ways}, settings | {"steps": 10_000}))) == {SCALE}
    rows = spiral_interpretations.table({"wide": ways})
    assert [(row["training"], row["validation set"]) for row in rows] == [
        ("the book's", "midway"), ("the book's", "uniform"), ("no stop", "midway")
    ]  # fmt: skip


def test_the_points_that_are_nearly_perfect_are_counted():
    """In the book's way and with more static steps, of those points alone that lie in the narrow network's region."""
    named = {spiral_interpretations.BOOK, spiral_interpretations.SETTLED, spiral_interpretations.GLOROT}
    assert named <= set(interpretations.TRAININGS)
    one = readings_of(0.5, 0.94, 0)
    low, high = one, one + 0.05 * (one.period < 50)
    ways = {spiral_interpretations.BOOK: low, spiral_interpretations.SETTLED: high}
    assert [spiral_interpretations.perfect(each) for each in (low, high)] == ["0 of 4", "2 of 4"]
    found = spiral_interpretations.judge({"narrow": ways, "wide": ways}, {"narrow": 100, "wide": 1000, "steps": 35_000})
    assert "initialisation" not in found.summary
    glorot = {"narrow": ways | {spiral_interpretations.GLOROT: readings_of(0.9, 0.94, 0)}, "wide": ways}
    other = spiral_interpretations.judge(glorot, {"narrow": 100, "wide": 1000, "steps": 35_000}).summary
    assert "without oscillations is 0.9" in other and "in place of 0.5" in other and "accuracy is +0.039" in other
    assert "at 0 of 4 points with the book's way, at 2 of 4 points with 1,000 static steps more" in found.summary


def test_seeds_that_differ_too_much_leave_a_reading_open():
    """A mean of 0.55 is not near 0.65, but its interval reaches there."""
    one = readings_of(0.5, 0.5, 0) + 0.3 * xr.DataArray(np.eye(6)[0], dims="seed")
    noise = 0.1 * xr.DataArray(np.random.RandomState(1).randn(3, 6), dims=("amplitude", "seed"))
    networks = {"narrow": {"the book's": one}, "wide": {"the book's": readings_of(0.5, 0.5, 0) + noise}}
    settings = {"narrow": 100, "wide": 1000, "steps": 35_000}
    assert verdicts(spiral_interpretations.judge(networks, settings)) == [OPEN, OPEN, NO]


def test_the_more_readings_the_wider_each_interval():
    one = {"the book's": readings_of(0.5, 0.5, 0).sel(validation=["midway"])}
    two = {"the book's": readings_of(0.5, 0.5, 0)}
    alone, among = (sweeps.simultaneous(spiral_interpretations.gains(ways, "wide")) for ways in (one, two))
    assert alone.mean[0] == among.mean[0] and alone.margin[0] < among.margin[0]


@pytest.mark.parametrize(("change", "verdict"), [
    (lambda networks: networks.isel(seed=[0]), OPEN),
    (lambda networks: networks.where(networks.amplitude > 1), "not computed"),
])  # fmt: skip
def test_one_seed_leaves_it_open_and_none_is_not_computed(change, verdict):
    narrow, wide = readings_of(0.65, 0.99, 0), change(readings_of(0.5, 0.5, 0))
    networks = {"narrow": {"the book's": narrow}, "wide": {"the book's": wide}}
    settings = {"narrow": 100, "wide": 1000, "steps": 35_000}
    assert verdicts(spiral_interpretations.judge(networks, settings))[0] == verdict
