"""The spiral is the authors' to the last bit, its validation set another one, and wrong data are refused."""

import numpy as np
import pytest
from misuse import refused

from dynloss.datasets import Dataset, spiral, spiral_validation


def test_equals_the_authors_formula_to_the_last_bit():
    random = np.random.RandomState(0)
    inputs, labels = np.zeros((300, 2)), np.zeros(300, int)
    for j in range(3):
        r = np.linspace(0, 1, 100)
        angle = np.linspace(2 * np.pi * j / 3, 2 * np.pi * j / 3 + 4 * np.pi, 100) + 0.2 * random.randn(100)
        inputs[100 * j : 100 * (j + 1)] = np.c_[r * np.cos(angle), r * np.sin(angle)]
        labels[100 * j : 100 * (j + 1)] = j
    data = spiral()
    assert data.inputs.dtype == np.float64
    np.testing.assert_array_equal(data.inputs, inputs)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.num_classes == 3 and len(data) == 300


def test_noise_free_arms_are_archimedean_spirals():
    data = spiral(points_per_class=41, num_classes=5, turns=0.75, noise=0.0)
    assert data.counts.tolist() == [41] * 5
    for j in range(5):
        x, y = data.inputs[data.labels == j].T
        r = np.linspace(0, 1, 41)
        np.testing.assert_allclose(np.hypot(x, y), r, atol=1e-15)
        angle = np.unwrap(np.arctan2(y, x)[1:])
        np.testing.assert_allclose(np.diff(angle), 2 * np.pi * 0.75 / 40, rtol=1e-12)
        start = (angle[0] - 2 * np.pi * 0.75 / 40) / (2 * np.pi)
        assert start % 1 == pytest.approx(j / 5, abs=1e-12)


def test_the_seed_decides():
    np.testing.assert_array_equal(spiral(seed=4).inputs, spiral(seed=4).inputs)
    assert (spiral(seed=4).inputs[1:100] != spiral(seed=5).inputs[1:100]).any(axis=1).all()


def test_validation_lies_between_the_training_points():
    training, validation = spiral(), spiral_validation()
    assert validation.inputs.shape == (300, 2)
    np.testing.assert_array_equal(validation.labels, training.labels)
    radii = np.linalg.norm(training.inputs[:100], axis=1), np.linalg.norm(validation.inputs[:100], axis=1)
    assert (radii[1] > 0).all() and (radii[1] < 1).all()
    np.testing.assert_allclose(radii[1], (np.arange(100) + 0.5) / 100, rtol=1e-12)
    repeated = (training.inputs[:, None] == validation.inputs[None]).all(axis=2)
    assert not repeated.any()
    # Without noise both lie on the same curve, angle = start + radius × sweep.
    clean = spiral_validation(noise=0.0).inputs[:100]
    angle = 4 * np.pi * radii[1]
    np.testing.assert_allclose(clean, np.c_[radii[1] * np.cos(angle), radii[1] * np.sin(angle)], atol=1e-14)


@pytest.mark.parametrize("make", [spiral, spiral_validation])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"points_per_class": 0}, "points_per_class must be an integer, at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be an integer, at least 1, got 0"),
        ({"noise": -0.1}, "noise must be finite and at least 0, got -0.1"),
        ({"turns": float("nan")}, "turns must be finite.*, got nan"),
    ],
)
def test_misuse(make, arguments, said):
    with pytest.raises(ValueError, match=said):
        make(**arguments)


test_data_that_cannot_be_right_are_refused = refused(
    Dataset,
    {"inputs": np.zeros((3, 2)), "labels": np.array([0, 1, 2]), "num_classes": 3},
    ({"labels": np.array([0, 1, 3])}, r"labels must lie in 0 … 2, got 3"),
    ({"labels": np.array([0, -1, 1])}, r"labels must lie in 0 … 2, got -1"),
    ({"labels": np.array([0.0, 1, 1])}, "labels must be integers in one dimension, got float64"),
    ({"labels": np.eye(3, dtype=int)}, "in one dimension"),
    ({"inputs": np.zeros((4, 2))}, r"inputs \(4, 2\) and labels \(3,\)"),
    ({"inputs": np.zeros((0, 2)), "labels": np.array([], int)}, "at least one sample"),
    ({"inputs": np.array([[0.0], [np.nan], [1.0]])}, "inputs must be finite"),
    ({"inputs": np.array([[0.0], [1.0], [2.0]], object)}, "array of numbers, got one of object"),
    ({"inputs": np.array([["0"], ["1"], ["2"]])}, "inputs must be an array of numbers, got one of <U1"),
    ({"inputs": np.array(["2021-07-18"] * 3, "M8[D]")}, "array of numbers, got one of datetime64"),
    ({"num_classes": 0}, "num_classes must be an integer, at least 1, got 0"),
)


def test_counts_and_astype():
    data = Dataset(np.zeros((3, 2)), np.array([0, 2, 2]), 4)
    assert data.counts.tolist() == [1, 0, 2, 0]
    single = data.astype(np.float32)
    assert single.inputs.dtype == np.float32 and data.inputs.dtype == np.float64 and len(single) == 3
