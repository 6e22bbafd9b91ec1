"""Figure 1's ladders and its opponent: rungs keep what they say, the extrapolation is a plane, sets do not overlap."""

import numpy as np
import pytest
import xarray as xr

from dynloss import schedules
from dynloss_book import paper
from dynloss_book.cifar_opponent import experiment as opponent
from dynloss_book.cifar_scaling import experiment as scaling
from dynloss_book.tasks import cifar10 as photographs

BASE = {"batch_size": 256}


def test_a_ladder_changes_one_quantity():
    ladders = scaling.ladders(BASE, [9400, 31_360, 62_720], [2000, 8000, 32_000], [8, 16, 32])
    for name, rungs in ladders.items():
        for other in set(paper.FIGURE_1_SCALE) - {name}:
            values = np.array([getattr(rung, other) for rung in rungs])
            assert np.ptp(values) <= 0.03 * values.mean()  # steps come in whole epochs
        assert len({getattr(rung, name) for rung in rungs}) == 3
    middle = {rungs[1][:3] for rungs in ladders.values()}
    assert len(middle) == 1
    for rungs in ladders.values():
        for rung in rungs:
            own = rung.settings
            assert own["epochs"] % own["evaluate_every"] == own["stop_epoch"] % own["evaluate_every"] == 0
            assert own["stop_epoch"] / own["epochs"] == pytest.approx(6 / 7)


def test_a_short_run_is_evaluated_at_every_epoch():
    assert scaling.rung({"batch_size": 20}, steps=5, images=60, channels=4).settings["evaluate_every"] == 1


@pytest.mark.parametrize("values", [[1, 2], [0, 1, 2]])
def test_ladders_have_three_values(values):
    with pytest.raises(ValueError, match="three channels of at least 1"):
        scaling.ladders(BASE, [10, 20, 30], [300, 600, 900], values)


def test_the_extrapolation_finds_a_plane_for_every_seed():
    rungs = [each for rung in scaling.ladders(BASE, [9400, 31_360, 62_720], [2000, 8000, 32_000], [8, 16, 32]).values()
             for each in rung]  # fmt: skip
    slopes = np.array([[0.01, 0.02], [0.0, -0.01], [0.03, 0.0]])  # quantity, seed

    def gain(at):
        logs = np.log10([at[name] for name in paper.FIGURE_1_SCALE])
        return xr.DataArray(0.001 + logs @ slopes, dims="seed", coords={"seed": [0, 1]})

    found = scaling.extrapolated(rungs, [gain(rung._asdict()) for rung in rungs], paper.FIGURE_1_SCALE)
    np.testing.assert_allclose(found.slope, slopes, atol=1e-9)
    np.testing.assert_allclose(found.gain, gain(paper.FIGURE_1_SCALE), atol=1e-9)
    few = scaling.extrapolated(rungs[:3], [gain(rung._asdict()) for rung in rungs[:3]], paper.FIGURE_1_SCALE)
    assert np.isnan(few.gain).all()


def test_tuning_and_test_images_are_others_than_those_trained_on():
    training, tuning = opponent.sets("generated", 8, 40, "tuning", 20)
    again, test = opponent.sets("generated", 8, 40, "test", 20)
    np.testing.assert_array_equal(training.inputs, again.inputs)
    seen = {each.tobytes() for each in training.inputs}
    for other in (tuning, test):
        assert len(other) == 20 and not seen & {each.tobytes() for each in other.inputs}
    assert not {each.tobytes() for each in tuning.inputs} & {each.tobytes() for each in test.inputs}
    with pytest.raises(ValueError, match="held_out must be one of tuning, test, got 'both'"):
        opponent.sets("generated", 8, 40, "both", 20)


def test_without_weight_decay_it_trains_as_figure_1_does():
    """The same images in the same order, so the same numbers."""
    data = opponent.sets("generated", 8, 40, "test", 20)
    common = {"seed": 1, "epochs": 1, "batch_size": 20, "evaluate_every": 1, "checkpoint": None}
    model = photographs.myrtle5(8, 2)

    def end(**options):
        curves = photographs.train(model, data, schedules.static(10), lambda step: 0.05, **common, **options)
        return curves["static_loss"][-1]

    plain = end()
    assert end(direction=opponent.nesterov(0.0)) == plain
    assert end(direction=opponent.nesterov(0.5)) != plain


def test_what_is_chosen_is_the_best_on_average():
    values = np.zeros((2, 2, 2, 3))
    values[1, 0, :, 2] = [0.9, 0.5]
    values[0, 1, :, 2] = [0.8, 0.7]
    values[0, 1, :, 1] = 0.9
    curves = xr.Dataset(
        {"validation_accuracy": (("peak_rate", "weight_decay", "seed", "epoch"), values)},
        coords={"peak_rate": [0.02, 0.05], "weight_decay": [0.0, 0.002]},
    )
    best = opponent.tuned(curves)
    assert best == {"peak_rate": 0.02, "weight_decay": 0.002}
    assert opponent.early(curves.sel(best)) == 1
