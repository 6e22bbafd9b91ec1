import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sweep_points

from dynloss_book.engine import sweeps
from dynloss_book.engine.sweeps import evaluate
from dynloss_book.engine.sweeps import grid as grids

POINTS = grids.grid({"x": [1, 2, 3, 4, 5]}, [0, 1]).points()
NAMES = ["x", "seed"]


def everything(how, points=POINTS):
    """What an evaluator makes of all points, in their order."""
    places = [slice(first, first + how.size) for first in range(0, len(points["seed"]), how.size)]
    return grids.joined([each.result() for each in [how.submit(grids.select(points, place)) for place in places]])


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_vectorised_batch_holds_what_each_point_gives_alone(size):
    found = everything(evaluate.vectorised(sweep_points.drawn, {"steps": 3}, NAMES, size, 10))
    for row in range(10):
        alone = sweep_points.drawn(float(POINTS["x"][row]), int(POINTS["seed"][row]), steps=3)
        np.testing.assert_allclose(found["numbers"][row], alone["numbers"], rtol=1e-5, atol=1e-7)


def test_the_last_batch_is_filled_up_and_cut():
    how = evaluate.vectorised(sweep_points.number, {}, NAMES, 4, 10)
    outputs = how.submit(grids.select(POINTS, slice(8, 10))).result()
    assert outputs["value"].tolist() == [5, 6]


def test_a_batch_is_never_larger_than_the_sweep():
    assert evaluate.vectorised(sweep_points.number, {}, NAMES, 10**9, 10).size == 10


def test_the_batch_fits_the_memory(monkeypatch):
    def size(free, chunk=None):
        monkeypatch.setattr(evaluate, "_bytes_free", lambda device: free)
        return evaluate.vectorised(sweep_points.drawn, {}, NAMES, chunk, 10).size

    needs = []
    needed = evaluate._bytes_needed
    monkeypatch.setattr(evaluate, "_bytes_needed", lambda program: needs.append(needed(program)) or needs[-1])
    assert size(2**40) == 10
    assert 1 <= size(needs[0]) < 10 and needs[-1] < needs[0] / 2
    assert size(0, chunk=10) == 10  # asked for
    assert size(0) == 1
    assert size(float("inf")) == 10


def test_threads_compute_point_by_point_with_plain_numbers():
    seen = []

    def plain(x, seed, offset):
        seen.append((type(x), type(seed)))
        return {"value": x + offset}

    found = everything(evaluate.pointwise(plain, {"offset": 10}))
    assert found["value"].tolist() == (POINTS["x"] + 10).tolist()
    assert set(seen) == {(int, int)}


def test_threads_overlap():
    meeting = threading.Barrier(3, timeout=20)

    def together(x, seed):
        meeting.wait()
        return {"value": x}

    points = grids.select(POINTS, slice(3))
    assert everything(evaluate.pointwise(together, {}), points)["value"].tolist() == [1, 2, 3]


def test_a_failing_point_is_named():
    how = evaluate.pointwise(sweep_points.at_most_one, {})
    assert how.submit(grids.select(POINTS, slice(1))).result()["value"] == [1]
    with pytest.raises(sweeps.SweepError, match=r"at_most_one failed at x=2, seed=0: RuntimeError: x is 2"):
        how.submit(grids.select(POINTS, slice(1, 2))).result()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (jnp.zeros(3), "must return {name: value}, got "),
        (3.0, "must return {name: value}, got float"),
        (None, "must return {name: value}, got NoneType"),
        ({}, "must return {name: value}, got dict"),
        ({"seed": 1.0}, "returns seed, which the sweep uses itself"),
        ({"x": 1.0}, "returns x, which"),
        ({"done": 1.0}, "returns done, which"),
        ({"diverged": 1.0, "point": 1.0}, "returns diverged, point, which"),
        ({"value": "text"}, "returns value of type <U4; a sweep keeps real numbers"),
        ({"value": {"inner": 1.0}}, "returns value of type object"),
        ({"value": None}, "returns value of type object"),
        ({"value": 1j}, "returns value of type complex128"),
        ({"value": jnp.zeros(2, "bfloat16")}, "returns value of type bfloat16"),
    ],
)
def test_results_that_cannot_be_kept_are_refused(outputs, message):
    def function(x, seed):
        return outputs

    with pytest.raises(ValueError, match=f"function {message}"):
        evaluate._one_point(function, {}, None, grids.select(POINTS, slice(1)))


def test_a_function_that_jax_cannot_trace_says_what_to_do():
    def branches(x, seed):
        return {"value": 1.0 if x > 2 else 0.0}

    with pytest.raises(jax.errors.TracerBoolConversionError) as raised:
        evaluate.vectorised(branches, {}, NAMES, None, 10)
    assert "branches cannot be traced by JAX; vectorize=False calls it point by point" in raised.value.__notes__


def test_axes_are_floats_and_seeds_whole_numbers():
    def types(x, seed):
        return {"x_is": x.dtype == jnp.result_type(float), "seed_is": seed.dtype == jnp.int32}

    found = everything(evaluate.vectorised(types, {}, NAMES, 4, 10))
    assert found["x_is"].all() and found["seed_is"].all()
