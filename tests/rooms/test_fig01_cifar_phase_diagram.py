"""Figure 1's claims, on made-up results that agree with the paper and on some that contradict it."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from made_up import NO, SCALE, YES, scattered, verdicts

from dynloss_book import paper
from dynloss_book.engine.findings import Verdict
from dynloss_book.fig01_cifar_phase_diagram import claims as cifar_phase_diagram
from dynloss_book.paper import Region
from dynloss_book.tasks.cifar10 import ARCHIVED


def plane(static, oscillating, training=1.0):
    """Over period, amplitude and one epoch: a validation accuracy with and without oscillations."""
    mean = np.full((2, 3), oscillating)
    mean[:, 0] = static
    values = scattered(mean, ("period", "amplitude")).expand_dims(epoch=[1])
    data = {"validation_accuracy": values, "accuracy": values * 0 + training}
    coords = {"period": [100.0, 1000.0], "amplitude": [1.0, 50.0, 100.0]}
    return xr.Dataset(data, coords=coords, attrs={"scale": "6 seeds"})


PAPER, POINT = paper.FIGURE_1, paper.FIGURE_1_POINT


REGION = Region(250, 25, 70)


@pytest.mark.parametrize(
    ("static", "oscillating", "expected"),
    [(0.73, 0.79, [YES] * 6), (0.79, 0.73, [NO, NO, NO, YES, NO, NO])],
)
def test_figure_1(static, oscillating, expected):
    judge = cifar_phase_diagram.judge
    assert verdicts(judge(plane(static, oscillating), POINT, REGION, PAPER)) == expected
    reduced = judge(plane(static, oscillating), POINT, REGION, PAPER | {"channels": 16})
    assert verdicts(reduced) == [*expected[:2], SCALE, SCALE, SCALE, SCALE]
    assert "16 channels" in reduced.scale


def test_figure_1_tests_the_numbers_at_the_papers_scale_where_there_is_some_of_it():
    judge, few = cifar_phase_diagram.judge, plane(0.73, 0.79).sel(period=100).sel(amplitude=[1, 50])
    found = judge(plane(0.4, 0.39), {"period": 100, "amplitude": 50}, REGION, PAPER | {"channels": 16}, few)
    assert verdicts(found) == [NO, NO, YES, YES, YES, YES]
    assert "at the paper's scale" in found.claims[-1].here
    assert [claim.reduced for claim in found.claims] == [True, True, False, False, False, False]
    assert "at the paper's own scale (6 of 30 seeds) it is +0.060 (6 seeds, all the same)" in found.summary
    assert "where the paper reports +0.06 (reproduced)." in found.summary
    assert "0 of its 2 points gain and 2 lose" in judge(plane(0.79, 0.73), POINT, Region(1000, 25, 70), PAPER).summary
    small = judge(plane(0.4, 0.39), POINT, REGION, PAPER | {"image_size": 8})
    assert verdicts(small)[:2] == [SCALE, SCALE] and "too small" in small.plain
    two = judge(plane(0.4, 0.39), {"period": 100, "amplitude": 50}, REGION, PAPER, few.isel(seed=[0, 1]))
    assert "it is +0.060 and +0.060 (2 seeds)" in two.summary and "diverged" not in two.summary


def test_figure_1_says_how_many_networks_of_the_papers_scale_diverged():
    judge, few = cifar_phase_diagram.judge, plane(0.73, 0.79).sel(period=100).sel(amplitude=[1, 50])
    three = few.isel(seed=[0, 1, 2]).assign_coords(seed=[0, 1, 2])
    three = three.where((three.seed < 2) | (three.amplitude > 1))
    found = judge(plane(0.4, 0.39), POINT, REGION, PAPER | {"channels": 16}, three)
    assert "it is +0.060 and +0.060 (2 seeds), where the paper reports +0.06 (" in found.summary
    assert "scale (3 of 30 seeds, of which 1 static diverged) it is" in found.summary
    assert "the gain may be due to that breakdown" in found.summary
    gaining = judge(plane(0.39, 0.4), POINT, REGION, PAPER | {"channels": 16}, three)
    assert gaining.plain.endswith("scale 1 of 3 static networks break down, and 0 oscillating ones.")
    lost = "1 of 3 seeds diverged"
    assert [lost in claim.here for claim in found.claims] == [False, False, True, True, True, False]


def test_a_region_in_which_the_grid_decides_is_mixed():
    """Short periods lose and long ones gain: more points of the grid are short, more of the area is long."""
    period, amplitude = [10.0, 20.0, 40.0, 200.0], [1.0, 30.0, 60.0]
    mean = np.full((4, 3), 0.7)
    mean[:3, 1:], mean[3, 1:] = 0.66, 0.76
    values = scattered(mean, ("period", "amplitude")).expand_dims(epoch=[1])
    coords = {"period": period, "amplitude": amplitude}
    found = xr.Dataset({"validation_accuracy": values, "accuracy": values}, coords, {"scale": "6 seeds"})
    region = cifar_phase_diagram.judge(found, {"period": 200.0, "amplitude": 60.0}, REGION, PAPER).claims[1]
    assert region.verdict == Verdict.MIXED and "where T ≥ 200 +0.06" in region.here
    gain = (values - 0.7).isel(epoch=0).assign_coords(coords).sel(amplitude=[30, 60])
    grid, area, long = (float(each.mean()) for each in cifar_phase_diagram.means_over(gain, 200).values())
    assert grid < 0 < area < long


def test_the_papers_scale_of_figure_1_is_that_of_its_profile():
    profiles = yaml.safe_load((Path(__file__).parents[2] / "notebooks" / "profiles.yml").read_text("utf-8"))
    given = profiles["fig01_cifar_phase_diagram"]["paper"]["parameters"] | {"images": "cifar10"}
    assert {name: given[name] for name in ARCHIVED} == ARCHIVED
    assert {name: given[name] for name in POINT} == POINT and given["seeds"] == paper.FIGURE_1_SEEDS


def test_figure_1_with_nothing_computed():
    empty = plane(np.nan, np.nan, np.nan)
    assert set(verdicts(cifar_phase_diagram.judge(empty, POINT, REGION, PAPER))) == {Verdict.NOT_COMPUTED}
