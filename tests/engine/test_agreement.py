"""A re-run beside the published result: what must agree, what must not, and what cannot be compared."""

import json

import numpy as np
import pytest
import xarray as xr

from dynloss_book.analysis.hooks import predictable_until
from dynloss_book.engine.agreement import Incomparable, compare

ATTRIBUTES = {
    "figure": "fig04",
    "sources": json.dumps({"compute": "aa"}),
    "versions": json.dumps({"jax": "0.9"}),
    "device": "2 CPU cores",
    "dtype": "float64",
    "seconds": 1.0,
    "commit": "none",
    "date": "2026-01-01 00:00 UTC",
}
PERIOD, STEPS = 100, 1000
PARAMETERS = {"period": PERIOD, "steps": STEPS, "learning_rate": 1, "seed": 0, "precision": "float64"}


def trajectory(rounding=0.0, cascades=5, threshold=1.8, final=0.99, chaos=0, **attributes):
    """λ_max rises to the threshold in every period and bounces above it, in as many periods as told; then it rests.

    ``chaos`` seeds what happens inside the cascades.
    """
    step = np.arange(STEPS)
    phase, cycle = step % PERIOD / PERIOD, step // PERIOD
    bouncing = (phase > 0.8) & (cycle < cascades)
    noise = np.random.RandomState(chaos).uniform(0.3, 0.6, STEPS) * (-1.0) ** step
    ramp = np.minimum(phase / 0.8, (1 - phase) / 0.2)
    curvature = 1 + (threshold - 1) * ramp + np.where(bouncing, noise, 0)
    loss = np.exp(-step / 300) + np.where(step > 80, 0.1 * np.random.RandomState(chaos + 1).uniform(size=STEPS), 0)
    data = {
        "loss": ("step", loss * (1 + rounding)),
        "accuracy": ("step", np.linspace(0.3, final, STEPS).round(2)),
        "hessian_eigenvalues": (("step", "rank"), curvature[:, None] * (1 + rounding)),
        "hessian_residuals": (("step", "rank"), np.random.RandomState(chaos).uniform(size=(STEPS, 1))),
    }
    given = {"parameters": json.dumps(PARAMETERS), "steps": STEPS, "diverged_at": -1} | attributes
    return xr.Dataset(data, coords={"step": step}, attrs=ATTRIBUTES | given).astype("float32")


def test_the_same_run_agrees():
    found = compare(trajectory(), trajectory())
    assert found.agrees and not found.notes
    assert str(found).startswith("This run agrees with the published one point by point until step 81, where")


def test_a_run_that_differs_only_by_chaos_agrees():
    """Another device: rounding before the first cascade, other bounces in it, one cascade fewer."""
    mine = trajectory(rounding=1e-12, chaos=7, cascades=4, device="NVIDIA T4", versions=json.dumps({"jax": "0.7.2"}))
    found = compare(mine, trajectory())
    assert found.agrees, str(found)
    device, versions = found.notes
    assert device == "on NVIDIA T4, published on 2 CPU cores"
    assert versions == "with jax 0.7.2 (0.9); in brackets the published run's"


@pytest.mark.parametrize(
    ("mine", "where"),
    [
        (trajectory(rounding=1e-3), "loss, before step 81"),
        (trajectory(cascades=1), "number of cascades: 1, published 5"),
        (trajectory(threshold=1.4, chaos=3), "hessian eigenvalues, before step 81"),
        (trajectory(final=0.8), "accuracy at the end: 0.800, published 0.990"),
        (trajectory(diverged_at=500), "the run diverges: at step 500, published never"),
    ],
)
def test_a_really_different_run_differs_and_says_where(mine, where):
    found = compare(mine, trajectory())
    assert not found.agrees
    assert str(found).startswith("This run differs") and where in str(found)


def test_where_the_difference_begins_is_said():
    mine = trajectory()
    mine["loss"] = mine.loss * xr.where(mine.step >= 40, 1.01, 1).astype("float32")
    assert "at step 40, and 50.6% of the values apart" in str(compare(mine, trajectory()))


def test_another_seed_is_compared_by_its_statistics():
    other = json.dumps(PARAMETERS | {"seed": 3})
    found = compare(trajectory(rounding=0.01, chaos=5, parameters=other), trajectory())
    assert found.agrees and "in its statistics" in str(found) and "seed 3, published 0" in found.notes
    assert not any("before" in quantity.name for quantity in found.quantities)


def test_single_precision_rounds_more():
    other = json.dumps(PARAMETERS | {"precision": "float32"})
    assert compare(trajectory(rounding=1e-4, parameters=other, dtype="float32"), trajectory()).agrees
    assert not compare(trajectory(rounding=1e-4), trajectory()).agrees


def test_a_run_that_still_bounces_at_its_end_has_no_final_accuracy():
    published, mine = trajectory(cascades=10), trajectory(cascades=10, final=0.5, chaos=2)
    assert not [q for q in compare(mine, published).quantities if "at the end" in q.name]


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (trajectory(figure="fig05"), "it is of fig05, not of fig04"),
        (trajectory(parameters=json.dumps(PARAMETERS | {"steps": 500})), "another experiment: steps=500, published"),
        (trajectory().drop_vars("accuracy"), "it is not whole: it lacks accuracy"),
        (trajectory().isel(step=slice(500)), "it is not whole: .* 500.* published .* 1000"),
        (trajectory().drop_attrs(), "no result of dynloss"),
        (trajectory(parameters="{"), "its attributes are damaged"),
    ],
)
def test_what_cannot_be_compared(mine, said):
    with pytest.raises(Incomparable, match=said):
        compare(mine, trajectory())


def test_predictable_until_the_edge_or_the_first_jump():
    run = trajectory(cascades=0)
    assert predictable_until(run, {"learning_rate": 1}) is None
    passed = run.hessian_eigenvalues.values[:, 0] > 2 / 1.5
    assert predictable_until(run, {"learning_rate": 1.5}) == int(np.argmax(passed))
    assert predictable_until(trajectory(), {"learning_rate": 0.1}) == 81


def sweep(shift=0.0, seeds=range(6), scatter=0, chaotic=0.02, done=True, points=3):
    """Accuracies over amplitude and seed; ``scatter`` seeds what chance adds to each run."""
    amplitude = np.arange(1.0, 1 + points)
    own = np.array([[0.5 + 0.1 * a + 0.01 * (seed % 3) for seed in seeds] for a in amplitude])
    values = own + shift + chaotic * np.random.RandomState(scatter).normal(size=own.shape)
    data = {
        "accuracy": (("amplitude", "seed"), values.astype("float32")),
        "done": (("amplitude", "seed"), np.full(own.shape, done)),
        "diverged": (("amplitude", "seed"), np.zeros(own.shape, bool)),
    }
    attributes = ATTRIBUTES | {"parameters": json.dumps({"steps": 10})}
    return xr.Dataset(data, coords={"amplitude": amplitude, "seed": list(seeds)}, attrs=attributes)


def test_the_same_sweep_agrees_to_the_last_digits():
    assert "to the last digits, at 3 of 3 points" in str(compare(sweep(), sweep()))


def test_a_sweep_agrees_within_what_its_seeds_scatter():
    wrong = [scatter for scatter in range(1, 41) if not compare(sweep(scatter=scatter), sweep()).agrees]
    assert len(wrong) <= 2  # each of about 1 %
    assert compare(sweep(scatter=5, seeds=range(6, 12)), sweep()).agrees  # other seeds
    assert compare(sweep(scatter=5, points=2), sweep()).agrees  # a part of the grid


def test_a_different_sweep_differs():
    found = compare(sweep(shift=0.1, scatter=1), sweep())
    assert not found.agrees and "accuracy, mean over the points" in str(found)
    one = sweep(scatter=1)
    one["accuracy"][1] += 0.3
    assert "1 of 3 points apart; the farthest" in str(compare(one, sweep()))
    diverged = sweep(scatter=1)
    diverged["diverged"][:] = True
    assert "runs that diverge: 18 of 18, published 0 of 18" in str(compare(diverged, sweep()))


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (sweep().assign_coords(amplitude=[7.0, 8.0, 9.0]), "shares no computed point"),
        (sweep(done=False), "shares no computed point"),
        (sweep().drop_vars("accuracy"), "it lacks accuracy"),
        (sweep().rename(amplitude="period"), "its axes are period, published amplitude"),
        (sweep().isel(seed=0, drop=True), "it is no sweep"),
    ],
)
def test_sweeps_that_cannot_be_compared(mine, said):
    with pytest.raises(Incomparable, match=said):
        compare(mine, sweep())


def test_data_are_compared_point_by_point():
    attributes = ATTRIBUTES | {"parameters": "{}"}
    data = xr.Dataset({"inputs": (("sample",), np.linspace(0, 1, 50))}, attrs=attributes)
    assert compare(data, data).agrees
    assert not compare(data + xr.where(data.inputs > 0.5, 1e-9, 0).drop_attrs(), data).agrees


def of_seeds(seeds, *, shift=0.0, noise=0, digit=0.0, course=0.0, cascades=3, **attributes):
    """An experiment of the chapter: a few runs beside each other, one of them in full, and a table without seeds."""
    random = np.random.RandomState(noise)
    onset = 2 + 0.1 * random.randn(seeds, 2, cascades) + shift
    onset[0, 0, 2:] = np.nan  # no third cascade
    data = {
        "onset": (("seed", "optimiser", "cascade"), onset),
        "level": (("seed", "step"), random.rand(seeds, 50)),
        "edge": ("optimiser", np.array([2.0, 38.0]) + digit),
        "loss": ("moment", np.linspace(1, 2, 40) + course),
        "deviation": ((), 1e-15 * (1 + noise)),
    }
    given = {"parameters": json.dumps({"seeds": seeds, "period": 100}), "figure": "cascades_edge"} | attributes
    return xr.Dataset(data, coords={"optimiser": ["plain", "Adam"]}, attrs=ATTRIBUTES | given)


def test_a_result_of_several_seeds_is_compared_by_its_means():
    published = of_seeds(6)
    same = compare(of_seeds(6), published)
    assert same.agrees and "to the last digits, 6 seeds beside 6" in str(same)
    other = compare(of_seeds(4, noise=1, course=0.5), published)
    assert other.agrees and "in its means over places and seeds, 4 seeds beside 6" in str(other)
    assert any("loss is of one run each" in note for note in other.notes)
    assert any("seeds 4, published 6" in note for note in other.notes)


@pytest.mark.parametrize("seeds", [2, 6])
@pytest.mark.parametrize(("what", "said"), [({"shift": 0.5}, "onset, plain"), ({"digit": 0.1}, "edge")])
def test_a_result_of_several_seeds_that_differs(what, said, seeds):
    """Two seeds, which the profile `quick` has, are enough to tell."""
    found = compare(of_seeds(seeds, noise=1, **what), of_seeds(seeds))
    assert not found.agrees and said in str(found)


def test_what_is_missing_does_not_agree():
    published, empty, alone = of_seeds(3), of_seeds(3), of_seeds(3)
    for name in ("onset", "level"):
        empty[name] = empty[name] * np.nan
    alone["onset"][:, 1] = np.nan
    fewer, many = of_seeds(3, cascades=1), of_seeds(3, cascades=6)
    cases = (empty, published, "level: 0"), (alone, published, "onset, Adam: 0 values"), (fewer, many, "how many")
    for mine, published, said in cases:
        found = compare(mine, published)
        assert not found.agrees and said in str(found) and "to the last digits" not in str(found)


def test_a_sweep_without_any_value_agrees_only_with_one_that_has_none_either():
    """Such as the thresholds of runs that are too short for a cascade."""

    def sweep(value):
        values = np.full((2, 3), value) + 0.01 * np.arange(3)
        accuracy = 0.5 + 0.01 * np.arange(6.0).reshape(2, 3)
        data = {"threshold": (("rate", "seed"), values), "accuracy": (("rate", "seed"), accuracy)}
        flags = {name: (("rate", "seed"), np.full((2, 3), float(name == "done"))) for name in ("done", "diverged")}
        given = {"parameters": json.dumps({"steps": 9}), "figure": "fig05"}
        return xr.Dataset(data | flags, coords={"rate": [0.5, 1.0], "seed": range(3)}, attrs=ATTRIBUTES | given)

    assert compare(sweep(np.nan), sweep(np.nan)).agrees
    assert not compare(sweep(np.nan), sweep(2.0)).agrees


def test_a_run_may_have_a_cascade_more():
    """Of which each run has its own number, and the fewest places that hold them."""
    assert compare(of_seeds(6, cascades=4), of_seeds(6, cascades=5, noise=1)).agrees


def test_one_seed_each_is_compared_at_its_places():
    found = compare(of_seeds(1, noise=1), of_seeds(1))
    assert found.agrees and "too few values for an interval" in str(found.table)
