"""Figure 1's ladders: rungs keep what they say, the extrapolation is a plane, and its claim."""


import numpy as np
import pytest
import xarray as xr
from made_up import NO, SCALE, YES, scattered, verdicts

from dynloss_book import paper
from dynloss_book.cifar_scaling import claims as cifar_scaling
from dynloss_book.cifar_scaling import experiment as scaling

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


def test_the_scaling_of_figure_1():
    base = {"batch_size": 256, "image_size": 16}
    ladders = scaling.ladders(base, [9400, 31_360, 62_720], [2000, 8000, 32_000], [8, 16, 32])
    slope = scattered([0.01, 0.0, 0.02], ("quantity",)).assign_coords(quantity=list(ladders))
    for gain, expected in ((0.06, YES), (0.0, NO)):
        end = xr.Dataset({"gain": scattered(gain, ()), "slope": slope})
        findings = cifar_scaling.judge(ladders, {}, end, "cifar10")
        assert verdicts(findings) == [expected] and "+0.010" in findings.summary
    assert verdicts(cifar_scaling.judge(ladders, {}, end, "generated")) == [SCALE]
    assert "2 times in channels above our largest" in findings.summary
    assert findings.summary.endswith("32 × 32 pixels instead of 16 × 16.")
    begun = ladders | {"images": [], "steps": ladders["steps"][:1], "channels": []}
    assert "times in channels" in cifar_scaling.judge(begun, {}, end, "cifar10").summary  # stopped by `minutes`
    small = scaling.ladders({"batch_size": 64, "image_size": 8}, [150, 300, 600], [250, 500, 1000], [4, 8, 16])
    assert cifar_scaling.judge(small, {}, end, "cifar10").summary.endswith("too far for an extrapolation.")
