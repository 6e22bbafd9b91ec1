import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine.sweeps import grid as grids


def points(**columns):
    return {name: np.asarray(values) for name, values in columns.items()}


def test_points_are_the_product_seed_after_seed():
    found = grids.grid({"period": [10, 20], "amplitude": [1, 5, 7]}, [4, 2]).points()
    assert list(found) == ["period", "amplitude", "seed"]
    assert found["seed"].tolist() == [4] * 6 + [2] * 6
    assert len(set(zip(*found.values(), strict=True))) == 12


@pytest.mark.parametrize(
    ("axes", "seeds", "message"),
    [
        ({"x": [1]}, [], "axis seed is empty"),
        ({"x": [1]}, range(0), "axis seed is empty"),
        ({"x": [1]}, 5, "seeds must be a collection .* got 5"),
        ({"x": [1]}, np.int64(5), "seeds must be a collection .* got .*5"),
        ({"x": [1]}, "012", "seeds must be a collection .* got '012'"),
        ({"x": [1]}, None, "seeds must be a collection .* got None"),
        ({"x": [1]}, [0, -1], "at least 0 .*, got -1"),
        ({"x": [1]}, [1.5], "integer, at least 0 .*, got 1.5"),
        ({"x": [1]}, [True], "got True"),
        ({"x": [1]}, [2**31], "at most 2147483647, got 2147483648"),
        ({"x": [1]}, [3, 4, 3], "axis seed holds 3 more than once"),
        ({"x": []}, [0], "axis x is empty"),
        ({"x": [1, 2, 1.0]}, [0], "axis x holds 1.0 more than once"),
        ({"x": [0.0, -0.0]}, [0], "axis x holds -?0.0 more than once"),
        ({"x": [1, np.nan]}, [0], "axis x must hold finite numbers, got nan"),
        ({"x": [1, np.inf]}, [0], "axis x must hold finite numbers, got inf"),
        ({"x": ["1e-3"]}, [0], "axis x must hold finite numbers, got '1e-3'"),
        ({"x": [1, None]}, [0], "axis x must hold finite numbers, got None"),
        ({"x": [1, [2, 3]]}, [0], r"axis x must hold finite numbers, got \[2, 3\]"),
        ({"x": np.ones((2, 2))}, [0], "axis x must hold finite numbers, got array"),
        ({"x": [10**30]}, [0], "axis x must hold finite numbers, got 1000"),
        ({"x": [1j]}, [0], "axis x must hold finite numbers, got 1j"),
        ({"x": "123"}, [0], "axis x must be a collection .* got '123'"),
        ({"x": 3}, [0], "axis x must be a collection .* got 3"),
        ({"x": np.array(3)}, [0], r"axis x must be a collection .* got array\(3\)"),
        ({"x": {"a": 1}}, [0], "axis x must be a collection"),
        ({"seed": [1]}, [0], "an axis cannot be called 'seed'"),
        ({"done": [1]}, [0], "an axis cannot be called 'done'"),
        ({"diverged": [1]}, [0], "an axis cannot be called 'diverged'"),
        ({"point": [1]}, [0], "an axis cannot be called 'point'"),
        ({"learning rate": [1]}, [0], "an axis cannot be called 'learning rate'"),
        ({7: [1]}, [0], "an axis cannot be called 7"),
    ],
)
def test_misuse_is_refused_with_the_value(axes, seeds, message):
    with pytest.raises(ValueError, match=message):
        grids.grid(axes, seeds)


def test_values_may_come_from_anywhere():
    found = grids.grid({"a": (x for x in [1, 2]), "b": np.geomspace(1, 9, 2), "c": {3}}, (s for s in [0, 1]))
    assert {name: len(values) for name, values in found.axes.items()} == {"a": 2, "b": 2, "c": 1, "seed": 2}
    assert grids.grid({"a": np.float32([0.1, 0.2])}, [0]).size == 2


def test_equal_numbers_have_equal_keys():
    first, second, third = (points(x=[x], seed=[3]) for x in (1, 1.0, 1.0000001))
    assert grids.keys(first, ["x", "seed"]) == grids.keys(second, ["x", "seed"])
    assert grids.keys(first, ["x", "seed"]) != grids.keys(third, ["x", "seed"])
    assert grids.keys(points(x=[0.0], seed=[0]), ["x"]) == grids.keys(points(x=[-0.0], seed=[0]), ["x"])
    many = grids.grid({"x": range(30), "y": range(30)}, range(5)).points()
    assert len(set(grids.keys(many, ["x", "y", "seed"]))) == 4500


def test_rows_come_back_at_their_place_whatever_the_order():
    on = grids.grid({"x": [3, 1, 2], "y": [0.5, 0.25]}, [7, 5])
    all_points = on.points()
    value = all_points["x"] * 100 + all_points["y"] * 10 + all_points["seed"]
    shuffled = np.random.default_rng(0).permutation(12)
    rows = grids.rows(grids.select(all_points, shuffled), {"value": value[shuffled]}, {})
    found = grids.assemble(on, rows)
    assert found.done.all() and not found.diverged.any()
    assert found.value.sel(x=1, y=0.25, seed=7) == 109.5
    xr.testing.assert_equal(found.value, (found.x * 100 + found.y * 10 + found.seed).transpose("x", "y", "seed"))


def test_what_is_missing_is_nan_and_not_done_and_what_is_not_wanted_is_left_out():
    on = grids.grid({"x": [1, 2]}, [0, 1])
    rows = grids.rows(points(x=[1, 2, 9], seed=[0, 1, 0]), {"value": np.array([5, 6, 7])}, {})
    found = grids.assemble(on, rows)
    assert found.done.values.tolist() == [[True, False], [False, True]]
    np.testing.assert_array_equal(found.value, [[5, np.nan], [np.nan, 6]])
    assert not found.diverged.any()
    assert not grids.assemble(on, rows.isel(point=[2])).done.any()


def test_one_number_of_many_that_is_not_finite_flags_the_point():
    rows = grids.rows(
        points(x=[1, 2, 3], seed=[0, 0, 0]),
        {"a": np.array([[1, 2], [np.inf, 1], [1, 1]], "float32"), "b": np.array([1.0, 1.0, np.nan])},
        {"a": (("step",), {"units": "1"})},
    )
    found = grids.assemble(grids.grid({"x": [1, 2, 3]}, [0]), rows)
    assert found.diverged.values.ravel().tolist() == [False, True, True]
    assert found.a.dims == ("x", "seed", "step") and found.a.dtype == "float32" and found.a.attrs == {"units": "1"}


def test_variables_without_elements_are_kept():
    rows = grids.rows(points(x=[1, 2], seed=[0, 0]), {"nothing": np.zeros((2, 0))}, {})
    assert grids.assemble(grids.grid({"x": [1, 2]}, [0]), rows).nothing.shape == (2, 1, 0)


def test_scale_says_how_much_is_there():
    on = grids.grid({"x": [1, 2, 3]}, range(4))

    def scale(*there):
        x, seed = zip(*there, strict=True)
        return grids.scale(grids.assemble(on, grids.rows(points(x=x, seed=seed), {"v": np.zeros(len(x))}, {})))

    assert scale(*((x, s) for x in (1, 2, 3) for s in range(4))) == "4 seeds"
    assert scale(*((x, s) for x in (1, 2, 3) for s in range(2))) == "2 of 4 seeds"
    assert scale((1, 0), (2, 0), (3, 0), (1, 1)) == "1 to 2 of 4 seeds"
    assert scale((1, 0), (2, 0)) == "2 of 3 points, 0 to 1 of 4 seeds"
    one = grids.assemble(grids.grid({}, [3]), grids.rows(points(seed=[3]), {"v": np.zeros(1)}, {}))
    assert grids.scale(one) == "1 seed"
