"""From one's own results to the published ones: what is said is done, and no row is ever lost."""

import itertools

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine import archive, sweeps
from dynloss_book.engine.runner import publish
from dynloss_book.engine.sweeps import overview
from dynloss_book.engine.sweeps.store import REQUEST

AXES = {"x": [1.0, 2.0]}


def point(x, seed, *, width):
    return {"value": x * width + seed}


def other_point(x, seed, *, width):
    return {"value": x * width - seed}


def compute(steps):
    return xr.Dataset({"x": ("step", np.arange(steps))})


def other_compute(steps):
    return xr.Dataset({"x": ("step", np.arange(steps) + 1)})


@pytest.fixture
def layers(tmp_path, monkeypatch):
    """One's own results and the published ones, in a checkout; nothing in either."""
    monkeypatch.delenv("DYNLOSS_RESULTS")
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own_results", tmp_path / "results"


def sweep(seeds, function=point, results=None, **options):
    function.__name__ = "point"  # one store for both codes
    call = {"axes": AXES, "constants": {"width": 3}, "vectorize": False, "progress": False}
    return sweeps.run("fig", function, seeds=seeds, results=results, **call | options)


def single(function=compute, results=None, **options):
    return archive.fetch_or_compute("fig", function, {"steps": 3}, results=results, **options)


def steps(own, published, renew=False):
    chosen = publish.places(archive.contents(own).records)
    return list(publish.steps(chosen, published, renew))


def said(*layers, **options):
    (step,) = steps(*layers, **options)
    return step.words


def done(own, published, renew=False, move=True):
    for step in steps(own, published, renew):
        publish.publish(step, own, move)


def points(folder):
    (store,) = (each.folders[0] for each in overview.overview(folder))
    found = overview.gathered(store)
    return {
        (float(x), int(seed)): float(found.value.sel(x=x, seed=seed))
        for x, seed in itertools.product(found.x.values, found.seed.values)
        if found.done.sel(x=x, seed=seed)
    }


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_new_is_said_then_published_and_moves(layers):
    own, published = layers
    single()
    sweep([0])
    words = sorted(step.words for step in steps(*layers))
    assert words[0].startswith("adds 2 points to 0, ") and words[1].startswith("new, ") and not published.exists()
    done(*layers)
    assert not list(own.rglob("*.nc")) and len(list(published.rglob("*.nc"))) == 2
    (asked,) = published.rglob(REQUEST)
    sweep([0, 1, 2], results=published)
    sweep([0, 3])
    done(*layers)
    assert '"points": 6' in asked.read_text() and len(points(published)) == 8  # what was asked for last was smaller
    assert single().published and sweep([0]).published and steps(*layers) == []


def test_new_seeds_are_added_and_each_keeps_its_maker(layers):
    own, published = layers
    sweep([0], results=published)
    (path,) = published.rglob("*.nc")
    path.write_bytes(archive.encode(archive.read(path).assign_attrs(device="NVIDIA H200")))
    sweep([0, 1])
    assert points(own).keys() == {(1, 1), (2, 1)}
    assert said(*layers).startswith("adds 2 points to 2, ")
    done(*layers)
    assert points(published) == {(x, seed): 3 * x + seed for x in (1, 2) for seed in (0, 1)}
    (path,) = published.rglob("*.nc")
    part = archive.read(path)
    assert part.part.values.tolist() == [0, 0, 1, 1]
    assert part.attrs["device"].startswith("NVIDIA H200, ") and '"NVIDIA H200"' in part.attrs["parts"]


@pytest.mark.parametrize("move", [True, False])
def test_published_values_stay_unless_they_are_renewed(layers, move):
    own, published = layers
    single(other_compute, results=published)
    single(fresh=True)
    assert said(*layers) == "other values are published; --renew replaces what is published"
    before = files(published)
    done(*layers, move=move)
    assert files(published) == before and list(own.rglob("*.nc"))
    assert said(*layers, renew=True).startswith("replaces what is published, ")
    done(*layers, renew=True, move=move)
    assert single(results=published).x.values.tolist() == [0, 1, 2]
    assert [step.words for step in steps(*layers)] == [publish.THERE] * (not move)


def test_other_values_of_the_same_code_stay_too(layers):
    _, published = layers
    sweep([0, 1])
    done(*layers)
    (path,) = published.rglob("*.nc")
    before = archive.read(path)
    path.write_bytes(archive.encode(before.assign(value=before.value + 100)))
    sweep([0], fresh=True)
    assert said(*layers).startswith("other values of 2 points are published; --renew")
    sweep([2])
    assert said(*layers).startswith("adds 2 points to 4, but other values of 2 are published; --renew")
    done(*layers)
    assert points(published)[1, 0] == 103 and points(published)[1, 2] == 5
    assert said(*layers, renew=True).startswith("adds 0 points to 6, replaces 2, ")
    done(*layers, renew=True)
    assert points(published)[1, 0] == 3 and points(published)[1, 1] == 104 and len(points(published)) == 6
    assert steps(*layers) == []


def test_other_code_is_replaced_as_a_whole_or_not_at_all(layers):
    _, published = layers
    sweep([0, 1], results=published)
    sweep([0], other_point, fresh=True)
    before = files(published)
    assert said(*layers, renew=True) == "other code computed what is published, of which this lacks 2 points"
    done(*layers, renew=True)
    assert files(published) == before
    sweep([0, 1], other_point)
    assert said(*layers).startswith("other code computed what is published; --renew")
    done(*layers, renew=True)
    assert points(published) == {(x, seed): 3 * x - seed for x in (1, 2) for seed in (0, 1)}


def test_what_is_computed_while_it_is_published_stays(layers):
    own, published = layers
    sweep([0])
    (step,) = steps(*layers)
    sweep([1])  # by another process, before what was read is taken away
    publish.publish(step, own, move=True)
    assert points(published).keys() | points(own).keys() == {(x, seed) for x in (1, 2) for seed in (0, 1)}


def test_what_is_damaged_is_named_and_left(layers):
    own, published = layers
    sweep([0])
    single()
    whole = files(own)
    done(*layers, move=False)
    before = files(published)
    for path in own.rglob("*.nc"):
        path.write_bytes(b"nonsense")
    assert [step for step in steps(*layers) if step.whole] == []
    for path, content in whole.items():
        path.write_bytes(content)
    for path in published.rglob("*.nc"):
        path.write_bytes(b"nonsense")
    assert all("cannot be read" in step.words and not step.whole for step in steps(*layers))
    done(*layers)
    for path, content in before.items():
        path.write_bytes(content)
    assert {step.words for step in steps(*layers)} == {publish.THERE}


def test_a_kill_while_publishing_loses_no_row(layers, monkeypatch):
    own, published = layers
    sweep([0], results=published)
    sweep([0, 1])

    def killed(path, missing_ok=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pathlib.Path.unlink", killed)
        done(*layers)
    assert len(points(published)) == 4 and points(own)
    done(*layers)
    assert len(points(published)) == 4 and len(list(published.rglob("*.nc"))) <= 2
