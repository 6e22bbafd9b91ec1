"""How often does `dynloss compare` err? Re-runs that are right, and mutilated ones, drawn from the archive itself.

Right are copies of some seeds, runs of other seeds, runs that chaos has parted (other seeds under the same numbers, so
that nothing but chance is shared), and what earlier versions of JAX and of this project computed, where git has it.
Mutilated is each of these in some way that a reader would want to be told. "Too few" counts apart: those that say that
they have too few seeds to tell. For other seeds the shift of all accuracies that is found in 80 % of draws is printed.

    python benchmarks/comparison.py [--draws 1] [--keep 1]

``--keep 1`` writes what is printed to `book/comparison.json`, from which the page *Compare* is made.
"""

import collections
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import setting
import xarray as xr

from dynloss_book.engine import agreement, archive, hooks
from dynloss_book.engine.runner import compare
from dynloss_book.engine.sweeps import overview

ROOT = Path(__file__).resolve().parents[1]
RESULTS, KEPT = ROOT / "results", ROOT / "book" / "comparison.json"
LEAST = {"draws": 1, "figures": ["fig02_spiral_dataset", "figS4_wide_resnet", "cascades_two_step"]}
ALL = ["all"]
WORDS = ("agrees", "differs", "too few")
NO_COURSE = ("seed", "trial", "cascade", "period", "amplitude", "learning_rate", "width")
COURSES = ("cascades_edge", "cascades_kernel")  # chapters that record over time what Figures 4 and S1 do
POWER = {"fig03_spiral_phase_diagram/901c4f70ba2f1672": (3, 5, 10), "spiral_interpretations/0f909c1a4c0098b1": (5, 10)}
SHIFTS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)

LEAST_SCATTER = 0.01  # of the largest value: a scatter that is smaller counts as this
FAR = 3.0  # seeds' standard deviations between two means, from which on a change is one that a comparison has to find
BEFORE = "1 % off before chaos"
END = 0.13  # of a course: 9,000 of Figure 4's 70,000 steps
# Earlier runs of the same experiments, by the names of their blobs in git: other versions of JAX, other rounding.
VERSIONS = {
    "fig01_cifar_phase_diagram/c717d3674c1374a1": ("f0e6ec5b28b4",),
    "fig04_learning_dynamics/eb1473f39fd73ac0.nc": ("28037a524224",),
    "fig05_curvature_threshold/c5eeb63a302a0507.nc": (
        "53e6c7568598",
        "c0db3778f1fa",
    ),
    "fig05_curvature_threshold/cb81d5fc4a71a85d.nc": ("1f16a648bea4",),
    "fig05_curvature_threshold/e384b5b5c0d379af.nc": (
        "b33621853ee2",
        "8dace68bb597",
    ),
    "fig05_curvature_threshold/ecf8f8836a6f8550.nc": ("67d134987a99",),
    "fig05_curvature_threshold/69df94cdecfc4c61": (
        "192b3c451fbc",
        "2afa4439e28b",
    ),
    "fig05_curvature_threshold/896822c6a436ea07": (
        "3a6e0ba8ccc7",
        "e51012653022",
        "8b56531e0a3f",
    ),
    "fig05_curvature_threshold/9080dc5ef073133c": (
        "b3d1fbd12f2c",
        "05e57148da9a",
    ),
    "fig05_curvature_threshold/ad0be6fba6fe854a": (
        "e0d7e003800d",
        "1e5185af30bd",
    ),
    "figS2_myrtle_bifurcations/4a7f0fcf7f9bb42d.nc": ("534d1334affb",),
    "figS2_myrtle_bifurcations/c177be816d1ee4ee.nc": ("3922584b7d2c",),
    "figS4_wide_resnet/13fe3613b3a8f7b2": ("c47b9f45825a",),
}


def results(figures: list[str]) -> dict[str, xr.Dataset]:
    """All archived results, by where they are."""
    found = compare.stored(RESULTS)
    chosen = [path for path in found if figures == ALL or path.relative_to(RESULTS).parts[0] in figures]
    return {str(path.relative_to(RESULTS)): compare.gridded(compare.read(path)) for path in chosen}


def versions(name: str, published: xr.Dataset) -> Iterator[xr.Dataset]:
    """What git has of earlier runs of an experiment; nothing in a copy without history."""
    for blob in VERSIONS.get(name, ()):
        found = subprocess.run(["git", "-C", str(ROOT), "cat-file", "blob", blob], capture_output=True)
        if found.returncode == 0:
            earlier = archive.decode(found.stdout)
            earlier = overview.whole([earlier]) if "axes" in earlier.attrs else earlier
            names = ("figure", "parameters")
            yield compare.gridded(earlier).assign_attrs({each: published.attrs[each] for each in names})


def parted(published: xr.Dataset, random) -> tuple[xr.Dataset, xr.Dataset]:
    """Two sets of runs under the same numbers, of which each pair is of two seeds, in any order: all else is chance."""
    half = published.sizes["seed"] // 2
    order = random.permutation(published.sizes["seed"])
    a, b = (
        published.isel(seed=part).assign_coords(seed=range(half)) for part in (order[:half], order[half : 2 * half])
    )
    ways = {name: way for said in hooks.called("ways") for name, way in said(published.attrs["figure"]).items()}
    smooth = {name: a[name] for name in a.data_vars if ways.get(str(name)) == agreement.POINTWISE}
    runs = a.done if "done" in a else a.seed
    swapped = xr.DataArray(random.random(runs.shape) < 0.5, dims=runs.dims)
    both = [xr.where(swapped, x, y, keep_attrs=True).assign(smooth).assign_attrs(a.attrs) for x, y in ((a, b), (b, a))]
    return both[0], both[1]


def one_run(published: xr.Dataset, seed: int) -> xr.Dataset:
    """What was recorded over time of one seed, as a result of its own."""
    run = published.isel({str(dim): 0 for dim in published.get("done", xr.DataArray()).dims if dim != "seed"})
    run = run.isel(seed=seed, drop=True)
    along = {str(name): dim for name, each in run.data_vars.items() if (dim := course(each)) is not None}
    first = max(along.values(), key=run.sizes.__getitem__)
    parameters = json.loads(published.attrs["parameters"]) | {"seed": seed}
    parameters.pop("seeds", None)
    run = run[[name for name, dim in along.items() if dim == first]].reset_coords(drop=True)
    return run.rename({} if first == "step" else {first: "step"}).assign_attrs(parameters=json.dumps(parameters))


def course(values: xr.DataArray) -> str | None:
    """The dimension along which a variable is recorded."""
    long = [str(dim) for dim, size in values.sizes.items() if size > agreement.SHORT and dim not in NO_COURSE]
    return max(long, key=values.sizes.__getitem__, default=None)


def right(name: str, published: xr.Dataset, random) -> Iterator[tuple[str, xr.Dataset, xr.Dataset]]:
    """Re-runs that are right, each with what it is held against."""
    yield "copies", published, published
    for each in versions(name, published):
        yield "other versions", each, published
        yield "other versions", published, each
    seeds = published.sizes.get("seed", 1)
    if seeds < 2:
        return
    yield "parted by chaos", *parted(published, random)
    order, few = random.permutation(seeds), int(random.integers(1, seeds))
    if "done" in published:
        yield "copies of some seeds", published.isel(seed=np.sort(order[:few])), published
        yield "other seeds", published.isel(seed=np.sort(order[:few])), published.isel(seed=np.sort(order[few:]))
    if published.attrs["figure"] in COURSES:
        yield "courses of other seeds", *(one_run(published, int(seed)) for seed in order[:2])


def mutilations(dataset: xr.Dataset, random) -> Iterator[tuple[str, xr.Dataset]]:
    """A result with something wrong, in each way that there is for it."""
    names = [
        str(name) for name, each in dataset.data_vars.items() if each.dtype.kind == "f" and "residual" not in str(name)
    ]
    one = str(random.choice(names))
    values = np.where(random.random(dataset[one].shape) < 0.1, np.nan, dataset[one].values)
    values.flat[random.integers(values.size)] = np.nan
    yield "NaN in a tenth", dataset.assign({one: dataset[one].copy(data=values)})
    along = {name: dim for name in names if (dim := course(dataset[name])) is not None}
    if along:
        yield (
            "a cut end",
            dataset.isel({dim: slice(0, -max(1, int(END * dataset.sizes[dim]))) for dim in along.values()}),
        )
        for what, value in (("the end NaN", np.nan), ("the end 0", 0.0)):
            late = {
                dim: xr.DataArray(np.arange(size := dataset.sizes[dim]) >= size * (1 - END), dims=dim)
                for dim in along.values()
            }
            yield what, dataset.assign({name: dataset[name].where(~late[dim], value) for name, dim in along.items()})
        one = str(random.choice(sorted(along)))
        yield "ten-fold", dataset.assign({one: dataset[one] * 10})
        yield "shuffled rows", reordered(dataset, along[one], random.permutation(dataset.sizes[along[one]]))
    for dim in {"class", "digit"} & set(dataset.dims):
        of = [
            each.mean([other for other in each.dims if other != dim])
            for each in dataset.data_vars.values()
            if dim in each.dims
        ]
        places = np.arange(dataset.sizes[dim])
        ends = [int(of[0].values.argmin()), int(of[0].values.argmax())]
        places[ends] = ends[::-1]
        yield "exchanged classes", reordered(dataset, dim, places)
    if "labels" in dataset:
        yield (
            "exchanged classes",
            dataset.assign(labels=xr.where(dataset.labels < 2, 1 - dataset.labels, dataset.labels)),
        )
    axes = [str(dim) for dim in dataset.done.dims if dim != "seed"] if "done" in dataset else []
    if "amplitude" in axes:
        yield "another amplitude", reordered(dataset, "amplitude", np.roll(np.arange(dataset.sizes["amplitude"]), 1))
    for axis in axes:
        yield "shuffled rows", reordered(dataset, axis, random.permutation(dataset.sizes[axis]))
    if smooth := [name for name in names if predictable(dataset, name)]:
        one = str(random.choice(smooth))
        yield BEFORE, dataset.assign({one: dataset[one] * 1.01})


def reordered(dataset: xr.Dataset, dim: str, places: np.ndarray) -> xr.Dataset:
    """With the values along a dimension in another order."""
    return dataset.isel({dim: places}).assign_coords({dim: dataset[dim]} if dim in dataset.coords else {})


def matters(wrong: xr.Dataset, dataset: xr.Dataset) -> bool:
    """Whether there is anything to find: other sizes, numbers, or half of a variable's means far off.

    Only where both have networks: that a re-run has other points of a sweep than what is published is no mistake.
    """
    if wrong.sizes != dataset.sizes:
        return True
    if "done" in dataset:
        both = (wrong.done & dataset.done).values
        wrong, dataset = (each.where(xr.DataArray(both, dims=each.done.dims)) for each in (wrong, dataset))
    for name, each in dataset.data_vars.items():
        a, b = wrong[name].values.astype(float), each.values.astype(float)
        if (np.isfinite(a) != np.isfinite(b)).any():
            return True
        x, y = np.ma.masked_invalid(a), np.ma.masked_invalid(b)
        over = each.dims.index("seed") if "seed" in each.dims and each.sizes["seed"] > 1 else None
        scatter = 1e-3 * np.abs(y) if over is None else np.maximum(y.std(over), LEAST_SCATTER * np.abs(y).max())
        apart = x - y if over is None else (x - y).mean(over)
        if name != "done" and np.ma.median(np.ma.abs(apart) - FAR * scatter) > 0:
            return True
    return False


def predictable(dataset: xr.Dataset, name: str) -> bool:
    """Whether a variable has a part that no chaos reaches, with numbers other than 0."""
    parameters = json.loads(dataset.attrs["parameters"])
    ways = {name: way for said in hooks.called("ways") for name, way in said(dataset.attrs["figure"]).items()}
    if "seed" in dataset.dims:
        return ways.get(name) == agreement.POINTWISE and bool((np.abs(dataset[name]) > 1e-9).any())
    first = next(
        (at for until in hooks.called("predictable_until") if (at := until(dataset, parameters)) is not None), None
    )
    along = course(dataset[name])
    part = dataset[name] if first is None else dataset[name].isel({along: dataset[along].values < first})
    return bool((np.abs(part) > 0).any())


def verdict(mine: xr.Dataset, published: xr.Dataset) -> str:
    """In one word."""
    try:
        found = agreement.compare(mine, published)
    except agreement.Incomparable:
        return "differs"
    return {True: "agrees", False: "differs", None: "too few"}[found.agrees]


def power(published: xr.Dataset, seeds: int, random, draws: int) -> float | None:
    """The shift of every value of the first accuracy that is found in 80 % of draws of so many other seeds."""
    name = next(str(name) for name in published.data_vars if "accuracy" in str(name))
    for shift in SHIFTS:
        found = 0
        for _ in range(draws):
            order = random.permutation(published.sizes["seed"])
            mine, rest = published.isel(seed=order[:seeds]), published.isel(seed=order[seeds:])
            found += verdict(mine.assign({name: mine[name] + shift}), rest) == "differs"
        if found >= 0.8 * draws:
            return shift
    return None


def measured(archived: dict[str, xr.Dataset], draws: int, random) -> list[dict]:
    """How many comparisons of each kind agree, differ, or have too few seeds to tell."""
    counts: dict = collections.defaultdict(collections.Counter)
    for _, (name, published) in itertools.product(range(draws), archived.items()):
        for kind, mine, against in right(name, published, random):
            counts["right", kind][verdict(mine, against)] += 1
            if kind.startswith("courses"):
                continue
            for what, wrong in mutilations(mine, random):
                shared = kind not in ("other seeds", "parted by chaos")
                if matters(wrong, mine) and (shared or what != BEFORE):
                    counts["mutilated", what][verdict(wrong, against)] += 1
    return [{"what": what, "kind": kind} | {each: n[each] for each in WORDS} for (what, kind), n in counts.items()]


def main():
    options = setting.arguments(__doc__, LEAST, draws=1, figures=ALL, keep=0)
    random, archived = np.random.default_rng(0), results(options.figures)
    rows = measured(archived, options.draws, random)
    for row in rows:
        print(f"{row['what']:10} {row['kind']:26}", ", ".join(f"{row[each]:4} {each}" for each in WORDS))
    rates = {}
    for what in ("right", "mutilated"):
        told = {each: sum(row[each] for row in rows if row["what"] == what) for each in WORDS}
        rates[what] = told | {"rate": told["differs"] / max(1, told["agrees"] + told["differs"])}
        print(f"{what}: {rates[what]['rate']:.1%} of those that can be told differ; too few seeds: {told['too few']}")
    shifts = [
        {"result": name, "seeds": seeds, "shift": power(archived[name], seeds, random, 5 * options.draws)}
        for name, sizes in POWER.items() if name in archived for seeds in sizes
    ]  # fmt: skip
    for row in shifts:
        print(f"{row['result']}: a shift of {row['shift']} is found in 80 % of draws of {row['seeds']} other seeds")
    if options.keep:
        kept = {"results": len(archived), "rates": rates, "rows": rows, "shifts": shifts}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
