"""Each figure's claims, on made-up results that agree with the paper and on some that contradict it."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from dynloss.datasets import spiral, spiral_validation
from dynloss.dynamics import Instability, PowerLaw
from dynloss_book import paper
from dynloss_book.cifar_opponent import claims as cifar_opponent
from dynloss_book.cifar_scaling import claims as cifar_scaling
from dynloss_book.cifar_scaling import experiment as scaling
from dynloss_book.engine.findings import Verdict
from dynloss_book.fig01_cifar_phase_diagram import claims as cifar_phase_diagram
from dynloss_book.fig02_spiral_dataset import claims as spiral_dataset
from dynloss_book.fig03_spiral_phase_diagram import claims as spiral_phase_diagram
from dynloss_book.fig04_learning_dynamics import claims as learning_dynamics
from dynloss_book.fig05_curvature_threshold import claims as curvature_threshold
from dynloss_book.figS3_stopping_oscillations import claims as stopping_oscillations
from dynloss_book.figS4_wide_resnet import claims as wide_resnet
from dynloss_book.own_data import claims as own_data
from dynloss_book.paper import Region
from dynloss_book.spiral_readings import claims as spiral_readings
from dynloss_book.statements import claims as statements_claims
from dynloss_book.tasks.cifar10 import ARCHIVED

YES, NO, OPEN, SCALE = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.UNDECIDED, Verdict.NOT_TESTABLE


def verdicts(findings):
    return [claim.verdict for claim in findings.claims]


def scattered(mean, dims, seeds=6, spread=0.002):
    """Values of these means, and seeds around them."""
    noise = spread * np.linspace(-1, 1, seeds)
    return xr.DataArray(mean, dims=dims) + xr.DataArray(noise, dims="seed")


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
    [(0.73, 0.79, [YES] * 6), (0.79, 0.73, [NO, NO, YES, NO, NO, NO])],
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
    assert "at the paper's own scale, of which little is computed yet, by +0.060 ± 0.000 (6 seeds)" in found.summary
    assert "0 gain and 2 lose for sure" in judge(plane(0.79, 0.73), POINT, Region(1000, 25, 70), PAPER).summary
    small = judge(plane(0.4, 0.39), POINT, REGION, PAPER | {"image_size": 8})
    assert verdicts(small)[:2] == [SCALE, SCALE] and "decides nothing" in small.summary
    two = judge(plane(0.4, 0.39), {"period": 100, "amplitude": 50}, REGION, PAPER, few.isel(seed=[0, 1]))
    assert "by +0.060 and +0.060 (2 seeds)" in two.summary and "diverged" not in two.summary


def test_figure_1_says_how_many_networks_of_the_papers_scale_diverged():
    judge, few = cifar_phase_diagram.judge, plane(0.73, 0.79).sel(period=100).sel(amplitude=[1, 50])
    three = few.isel(seed=[0, 1, 2]).assign_coords(seed=[0, 1, 2])
    three = three.where((three.seed < 2) | (three.amplitude > 1))
    found = judge(plane(0.4, 0.39), POINT, REGION, PAPER | {"channels": 16}, three)
    assert "by +0.060 and +0.060 (2 seeds), and 1 static of 3 diverged." in found.summary
    lost = "a network of 1 of 3 seeds diverged"
    assert [lost in claim.here for claim in found.claims] == [False, False, True, True, False, True]


def test_the_papers_scale_of_figure_1_is_that_of_its_profile():
    profiles = yaml.safe_load((Path(__file__).parents[2] / "notebooks" / "profiles.yml").read_text("utf-8"))
    given = profiles["fig01_cifar_phase_diagram"]["paper"]["parameters"] | {"images": "cifar10"}
    assert {name: given[name] for name in ARCHIVED} == ARCHIVED
    assert {name: given[name] for name in POINT} == POINT and given["seeds"] == paper.FIGURE_1_SEEDS


def test_figure_1_with_nothing_computed():
    empty = plane(np.nan, np.nan, np.nan)
    assert set(verdicts(cifar_phase_diagram.judge(empty, POINT, REGION, PAPER))) == {Verdict.NOT_COMPUTED}


def test_figure_2():
    sets = [spiral(), spiral_validation()]
    data = xr.Dataset(
        {
            "inputs": (("set", "sample", "coordinate"), np.stack([each.inputs for each in sets])),
            "labels": (("set", "sample"), np.stack([each.labels for each in sets])),
        },
        coords={"set": ["training", "validation"]},
    )
    assert verdicts(spiral_dataset.judge(data)) == [YES] * 3
    blobs = data.copy()
    centres = np.array([[0, 5], [5, 0], [-5, -5]])[data.labels.values]
    blobs["inputs"] = data.inputs + xr.DataArray(centres, dims=data.inputs.dims)
    assert verdicts(spiral_dataset.judge(blobs))[0] == NO


def spiral_plane(static, inside, corner, validation_static, validation_inside, longer=0.4, optimum=0.02):
    """Over T and A: static at 1, something inside the region, more or less at A = 25, and a corner of large A."""
    period, amplitude = np.array([10.0, 100.0, 1000.0]), np.array([1.0, 10.0, 25.0, 100.0])

    def values(low, high):
        row = [low, high, high + optimum, corner]
        mean = np.array([row, row, [low, longer, longer, corner]])
        return scattered(mean, ("period", "amplitude"))

    data = {"accuracy": values(static, inside), "validation_accuracy": values(validation_static, validation_inside)}
    return xr.Dataset(data, coords={"period": period, "amplitude": amplitude}, attrs={"scale": "6 seeds"})


SETTINGS = {"steps": 35_000, "learning_rate": 1.0}
WIDTHS = {"narrow": 100, "wide": 1000}


def test_figure_3():
    judge = spiral_phase_diagram.judge
    agreeing = {
        "narrow": spiral_plane(0.65, 0.97, 0.4, 0.6, 0.91),
        "wide": spiral_plane(1.0, 1.0, 0.9, 0.93, 0.95),
    }
    assert verdicts(judge(agreeing, WIDTHS, SETTINGS)) == [YES] * 12
    contrary = {
        "narrow": spiral_plane(0.9, 0.5, 0.99, 0.9, 0.5, longer=0.99, optimum=-0.1),
        "wide": spiral_plane(0.7, 1.0, 0.9, 0.95, 0.93),
    }
    assert verdicts(judge(contrary, WIDTHS, SETTINGS)) == [NO] * 12
    found = judge(agreeing, WIDTHS, SETTINGS | {"steps": 200})
    assert [verdicts(found)[place] for place in (3, 4, 5, 6, 9, 10, 11)] == [SCALE] * 7
    level = agreeing | {"wide": spiral_plane(1.0, 1.0, 0.9, 0.94, 0.94)}
    level["wide"]["validation_accuracy"] = level["wide"].validation_accuracy + xr.DataArray(
        np.outer([0, 0.01, 0.01, 0.01], [-1, 1, -1, 1, -1, 1]), dims=("amplitude", "seed")
    )
    assert verdicts(judge(level, WIDTHS, SETTINGS))[1] == OPEN


def test_periods_that_stop_amid_a_turn_are_left_out():
    """Of 35,000 steps, T = 100 stops at a turn and T = 16 in the middle of one."""
    network = spiral_plane(0.65, 0.97, 0.4, 0.6, 0.9).assign_coords(period=[16.0, 100.0, 1000.0])
    network["validation_accuracy"] = network.validation_accuracy.where(network.period != 16, 0.1)
    region = spiral_phase_diagram.REGIONS["narrow"]
    found = spiral_phase_diagram.at_a_turn(network, region, 35_000).validation_accuracy
    assert float(found.mean()) == pytest.approx(0.9)


def learning_run(period=100, cycles=14, quiet_from=10, reverse=False):
    """In every period λ_max and the loss fall and rise; the kernel rises until a cascade, and falls in it.

    In a cascade the loss alternates between two branches; after the last one the valleys are wider. In reverse nothing
    of this holds.
    """
    steps = np.arange(period * cycles)
    phase, cycle = steps % period / period, steps // period
    wave = np.abs(2 * phase - 1)
    bounce = np.where((phase >= 0.8) | (phase <= 0.1), 0.5 * (-1.0) ** steps, 0)
    curvature = np.where(cycle < quiet_from, 1.0, 0.5) * (1 + wave)
    kernel = (1 + cycle) * np.where(phase < 0.8, phase, 4 * (1 - phase))
    accuracy = np.linspace(0.3, 1.0, len(steps))
    static = np.linspace(1.0, 0.1, len(steps)) + phase * (cycle < quiet_from)
    at, places = [1.9, 2.0], (0.8, 1.1)
    if reverse:
        curvature, kernel, bounce = np.where(cycle < 10, 1.0, 4.0) * (2 - wave), 1 + phase, 0
        accuracy, static = 0.3 + 0.3 * phase, np.linspace(1.0, 0.1, len(steps))
        at, places = [1.9, 3.9], (0.1, 0.8)
    run = xr.Dataset(
        {
            "hessian_eigenvalues": (("step", "rank"), curvature[:, None]),
            "ntk_eigenvalues": (("step", "ntk_rank"), kernel[:, None]),
            "loss": ("step", 1 - wave if reverse else 2 + wave + bounce),
            "static_loss": ("step", static),
            "accuracy": ("step", accuracy),
        },
        coords={"step": steps},
        attrs={"scale": "1 seed", "steps": len(steps)},
    )
    first, last = (round(each * period) for each in places)
    return run, [Instability(period * i + first, period * i + last, *at) for i in range(quiet_from)]


SCALED = (0, 6, 15, 16)  # of the claims of Figure 4, those that take the paper's scale


def test_figure_4():
    settings = paper.FIGURE_4 | {"period": 100, "steps": 1400}
    run, cascades = learning_run()
    agreeing = verdicts(learning_dynamics.judge(run, cascades, settings))
    assert agreeing == [SCALE if place in SCALED else YES for place in range(17)]
    run, cascades = learning_run(reverse=True)
    contrary = verdicts(learning_dynamics.judge(run, cascades, settings))
    assert contrary == [SCALE if place in SCALED else NO for place in range(17)]
    none = learning_dynamics.judge(run, [], settings)
    assert "No cascade" in none.summary and YES not in verdicts(none)


def test_figure_4_at_the_papers_scale():
    run, cascades = learning_run(period=5000)
    settings = paper.FIGURE_4
    assert verdicts(learning_dynamics.judge(run, cascades, settings)) == [YES] * 17
    run, cascades = learning_run(period=5000, quiet_from=13, reverse=True)
    assert verdicts(learning_dynamics.judge(run, cascades, settings)) == [NO] * 17


def threshold_networks(ratio=1.0, power=-0.92, scaled=-1.04):
    rate = np.array([0.5, 1.0, 2.0])

    def of(factor):
        values = {
            name: scattered(factor * 2 * rate**exponent, ("learning_rate",))
            for name, exponent in (("threshold", power), ("scaled_threshold", scaled))
        }
        return xr.Dataset(values, coords={"learning_rate": rate, "seed": range(6)}, attrs={"scale": "6 seeds"})

    return {"100 units": of(1.0), "1000 units": of(ratio)}


def static_run(level, accuracy):
    eigenvalues, accuracies = np.full((10, 1), level), np.full(10, accuracy)
    return xr.Dataset({"hessian_eigenvalues": (("step", "rank"), eigenvalues), "accuracy": ("step", accuracies)})


def test_figure_5():
    settings = {"period": 5000, "steps": 70_000, "static_steps": 70_000}
    judge = curvature_threshold.judge
    law = PowerLaw(-0.92, -0.93, -0.91, 2.0, 18)  # -0.9 to the paper's one digit
    laws = {mark: {"100 units": law, "1000 units": law} for mark in ("threshold", "scaled_threshold")}
    runs = {"100 units": static_run(3.0, 0.5), "1000 units": static_run(1.0, 1.0)}
    assert verdicts(judge(threshold_networks(), laws, runs, settings)) == [YES] * 8
    off = PowerLaw(-1.24, -1.26, -1.22, 2.0, 18)
    other = {mark: {"100 units": off, "1000 units": off} for mark in laws}
    swapped = {"100 units": runs["1000 units"], "1000 units": runs["100 units"]}
    assert verdicts(judge(threshold_networks(1.5, -1.24, -1.24), other, swapped, settings)) == [NO] * 8
    assert "farthest 1.50 at η" in judge(threshold_networks(1.5), laws, runs, settings).claims[2].here
    none = {"threshold": {}, "scaled_threshold": {}}
    assert verdicts(judge(threshold_networks(), none, runs, settings))[:2] == [Verdict.NOT_COMPUTED] * 2


def test_figure_s3():
    epochs = np.array([0, 40, 60, 100, 110, 120])
    static, tilted = [0.1, 0.53, 0.52, 0.50, 0.50, 0.50], [0.1, 0.2, 0.3, 0.45, 0.53, 0.54]
    calm = [0.1, 0.2, 0.3, 0.31, 0.32, 0.33]

    def both(first, second):
        values = scattered(np.array([first, second]), ("amplitude", "epoch"), spread=0.001)
        data = {"validation_accuracy": values}
        return xr.Dataset(data, coords={"amplitude": [1.0, 50.0], "epoch": epochs}, attrs={"scale": "6 seeds"})

    judge = stopping_oscillations.judge
    assert verdicts(judge(both(static, tilted), 50.0, 100, PAPER)) == [YES] * 7
    assert verdicts(judge(both(static, calm), 50.0, 100, PAPER))[6] == NO
    contrary = both(tilted, [0.1, 0.5, 0.6, 0.55, 0.5, 0.45])
    assert verdicts(judge(contrary, 50.0, 100, PAPER))[:6] == [NO] * 6
    assert set(verdicts(judge(contrary, 50.0, 100, PAPER | {"image_size": 8}))) == {SCALE}


def test_training_that_loses_half_of_its_accuracy_breaks_down():
    falls, dips, ends = [0.1, 0.8, 0.39, 0.7], [0.1, 0.8, 0.41, 0.7], [0.1, 0.8, np.nan, np.nan]
    both = xr.Dataset(
        {"accuracy": (("amplitude", "seed", "epoch"), [[falls, dips, ends], [dips, dips, dips]])},
        coords={"amplitude": [1.0, 50.0], "epoch": [0, 5, 10, 15]},
    )
    assert stopping_oscillations.breakdowns(both).startswith(
        "Training breaks down with the static loss in 2 of 3 networks, after epoch 5, 5 (1 diverged); "
        "with $A = 50$ in 0 of 3 networks. "
    )


def test_figure_s4():
    def of(gain):
        mean = np.array([[0.955, 0.955 + gain, 0.955 - gain]])
        noise = scattered(mean, ("period", "amplitude"), seeds=8)
        wobble = xr.DataArray(np.random.RandomState(0).normal(scale=0.001, size=(3, 8)), dims=("amplitude", "seed"))
        coords = {"period": [200.0], "amplitude": [1.0, 2.0, 50.0]}
        return xr.Dataset({"test_accuracy": noise + wobble}, coords=coords, attrs={"scale": "8 seeds"})

    judge, theirs = wide_resnet.judge, paper.FIGURE_S4
    assert verdicts(judge(of(0.0), 200.0, theirs)) == [YES, YES, YES, SCALE, SCALE]
    assert verdicts(judge(of(0.02), 200.0, theirs)) == [NO, NO, YES, SCALE, SCALE]
    assert verdicts(judge(of(0.02), 200.0, theirs | {"images": "generated"})) == [SCALE] * 5
    few = judge(of(0.0).isel(seed=[0, 1]), 200.0, theirs)
    assert verdicts(few)[:2] == [OPEN, OPEN] and "could hide" in few.summary


def test_other_data_say_what_they_gain():
    def of(mean):
        values = scattered(np.full(10, mean), ("digit",))
        return xr.Dataset({"test": values, "training": values}, coords={"digit": range(10)})

    results = {"4 units": {"static": of(0.8), "dynamical": of(0.9), "static at the same rate": of(0.85)}}
    assert "4 units: yes (+0.100" in own_data.judge(results, 300).summary
    rows = own_data.gains(results)
    assert rows[1]["gain"].startswith("+0.100") and rows[1]["gain at the same rate"].startswith("+0.050")


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
    [(0.65, 0.99, 0, [YES] * 3), (0.5, 0.5, 0, [OPEN, NO, NO]), (0.5, 0.5, 0.1, [YES, NO, NO]),
     (0.9, 0.5, 0, [NO, NO, NO])],
)  # fmt: skip
def test_other_readings_of_figure_3(static, inside, elsewhere, expected):
    ways = {"the book's": readings_of(static, inside, elsewhere), "no stop": readings_of(static, inside, 0)}
    settings = {"narrow": 100, "wide": 1000, "steps": 35_000}
    judge = spiral_readings.judge
    assert verdicts(judge({"narrow": ways, "wide": ways}, settings)) == expected
    assert set(verdicts(judge({"narrow": ways, "wide": ways}, settings | {"steps": 10_000}))) == {SCALE}
    rows = spiral_readings.table({"wide": ways})
    assert [(row["training"], row["validation set"]) for row in rows] == [
        ("the book's", "midway"), ("the book's", "uniform"), ("no stop", "midway")
    ]  # fmt: skip


def test_seeds_that_differ_too_much_leave_a_reading_open():
    """A mean of 0.55 is not near 0.65, but its interval reaches there."""
    one = readings_of(0.5, 0.5, 0) + 0.3 * xr.DataArray(np.eye(6)[0], dims="seed")
    networks = {"narrow": {"the book's": one}, "wide": {"the book's": readings_of(0.5, 0.5, 0)}}
    settings = {"narrow": 100, "wide": 1000, "steps": 35_000}
    assert verdicts(spiral_readings.judge(networks, settings)) == [OPEN, OPEN, NO]


def test_the_more_readings_the_wider_each_interval():
    one = {"the book's": readings_of(0.5, 0.5, 0).sel(validation=["midway"])}
    two = {"the book's": readings_of(0.5, 0.5, 0)}
    alone, among = (spiral_readings.gains(ways, "wide")[0] for ways in (one, two))
    assert alone.mean == among.mean and alone.margin < among.margin


def test_the_scaling_of_figure_1():
    base = {"batch_size": 256, "image_size": 16}
    ladders = scaling.ladders(base, [9400, 31_360, 62_720], [2000, 8000, 32_000], [8, 16, 32])
    slope = scattered([0.01, 0.0, 0.02], ("quantity",)).assign_coords(quantity=list(ladders))
    for gain, expected in ((0.06, YES), (0.0, NO)):
        end = xr.Dataset({"gain": scattered(gain, ()), "slope": slope})
        findings = cifar_scaling.judge(ladders, {}, end, "cifar10")
        assert verdicts(findings) == [expected] and "+0.0100 ±" in findings.summary
    assert verdicts(cifar_scaling.judge(ladders, {}, end, "generated")) == [SCALE]
    assert "2 times in channels above the highest rungs" in findings.summary
    assert findings.summary.endswith("32 × 32 pixels instead of 16 × 16.")
    begun = ladders | {"images": [], "steps": ladders["steps"][:1], "channels": []}
    assert "times in channels" in cifar_scaling.judge(begun, {}, end, "cifar10").summary  # stopped by `minutes`
    small = scaling.ladders({"batch_size": 64, "image_size": 8}, [150, 300, 600], [250, 500, 1000], [4, 8, 16])
    assert cifar_scaling.judge(small, {}, end, "cifar10").summary.endswith("nothing is said about it.")


def test_the_opponents_of_figure_1():
    names = cifar_opponent
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
    assert findings.summary.endswith("perhaps not the best: static's peak rate.") and findings.claims == ()
    assert findings.scale == "small; tuned: static: peak rate 0.05, weight decay 0.002"
    assert names.judge({}, {}, {}, "small").summary == "Not computed yet."
    for gain, said in ((0.05, "Here it is:"), (-0.05, "Here it is not:"), (0.0, "Here no more is to be seen:")):
        noise = xr.DataArray([0.001, -0.001] * 3, dims="seed")
        both = arms | {names.OSCILLATING_TUNED: arms[names.TUNED] + gain + noise}
        summary = names.judge(both, {}, {}, "small").summary
        assert summary.startswith(said) and f"gains {gain:+.4f} ±" in summary and "untuned it gains +0.08" in summary
    chance = arms | {names.OSCILLATING: arms[names.OSCILLATING] * 0 + 0.1}
    assert names.judge(chance, {}, {}, "small").summary.startswith("Nothing follows at this scale")
    assert "Nothing follows" not in findings.summary


def statements(*, agreeing=True):
    """What the text says, made up to hold or to fail in everything."""
    from dynloss_book.statements import experiment as measured

    weights = measured.weights(10, [1.0, 2.0, 70.0])
    margins = np.array([[0.5, 0.4, 0.6], [0.0, 0.0, 0.0]])
    steps, seeds = np.arange(50), np.arange(4)
    loss = np.exp(-steps / 5) * np.ones((4, 1))
    spectrum = np.r_[-0.5, np.zeros(90), 0.1 * np.ones(6), 1.0, 2.0, 3.0]
    ratios = np.array([0.5, -0.5, -1.5])
    chosen, least, along = np.ones(4), np.zeros(4), np.ones(40)
    # Amid its turn a class is learnt, and the valleys of the others rise.
    turns = np.full((4, 6, 3), 0.5)
    turns[:, [0, 2, 4], [0, 1, 2]] = 1.0
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
        spectrum, along = np.linspace(1, 2, 100), -along
        turns, valley, slow = 1 - turns, 1 / valley, modes[::-1]
        ratios, chosen, least, accuracy = ratios[::-1], 0.3 * chosen, least - 0.2 - 0.001 * seeds, accuracy[::-1]
    residual = ratios[:, None] ** np.arange(4)
    return weights.merge(
        {
            "margin_loss": (("margin", "way"), margins),
            "one_class_loss": (("seed", "descent_step"), loss),
            "chosen": ("seed", chosen),
            "least_curvature": ("seed", least),
            "spectrum": ("eigenvalue", spectrum),
            "along": ("step_9", along),
            "static_accuracy": (("rate", "seed"), accuracy),
            "class_accuracy": (("seed", "half_period", "class"), turns),
            "valley_loss": (("seed", "valley", "moment"), valley),
            "valley_curvature": (("seed", "valley", "moment"), valley),
            "mode_residual": (("mode", "small_step"), slow),
            "mode_expected": (("mode", "small_step"), modes),
            "mode_eigenvalue": ("mode", [2.0, 1.0]),
            "residual": (("regime", "kernel_step"), residual),
            "predicted": (("regime", "kernel_step"), residual),
        }
    ).assign_coords(way=["static", "least", "greatest"], rate=[1.0, 0.2], regime=[0.5, 1.5, 2.5])


def test_the_statements_of_the_text():
    judge, theirs = statements_claims.judge, paper.TEXT
    assert verdicts(judge(statements(), theirs)) == [YES] * 21
    assert verdicts(judge(statements(agreeing=False), theirs)) == [NO] * 21
    reduced = verdicts(judge(statements(agreeing=False), theirs | {"steps": 100}))
    assert "on a way downhill, on a convex landscape" in judge(statements(), theirs).summary
    assert "not without steps uphill" in judge(statements(agreeing=False), theirs).summary
    assert reduced == [NO] * 11 + [SCALE] * 8 + [NO] * 2
    rising = statements()
    rising["valley_curvature"] = 1 / rising.valley_curvature  # higher, but not narrower
    (valleys,) = [claim for claim in judge(rising, theirs).claims if claim.statement.startswith("Valleys")]
    assert valleys.verdict is NO and "in 0.00" in valleys.here
