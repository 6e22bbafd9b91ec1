"""`examples/minimal.py`, the paper in one short file: the same data, weights, loss and sharpness as the library's."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from dynloss import losses
from dynloss.datasets import spiral
from dynloss.models import mlp
from dynloss.schedules import oscillating
from dynloss.spectral.hessian import hessian_eigenvalues

PATH = Path(__file__).resolve().parents[1] / "examples" / "minimal.py"


@pytest.fixture
def minimal():
    spec = importlib.util.spec_from_file_location("minimal", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as users have it
        yield module


def test_it_is_short_and_takes_no_library():
    text = PATH.read_text("utf-8")
    assert len(text.splitlines()) <= 150 and "dynloss" not in text


def test_it_agrees_with_the_library(minimal):
    inputs, labels = minimal.spiral()
    data = spiral()
    np.testing.assert_allclose(inputs, data.inputs, atol=1e-6)
    np.testing.assert_array_equal(labels, data.labels)
    gamma = oscillating(minimal.PERIOD, minimal.AMPLITUDE, minimal.CLASSES, stop=minimal.STEPS - minimal.PERIOD)
    for step in (0, 1200, 7000, 14_999, 66_000):
        np.testing.assert_allclose(minimal.class_weights(step, minimal.AMPLITUDE), gamma(step), rtol=1e-5)

    params = minimal.initial()
    theirs = {
        "hidden": {"kernel": params["W1"], "bias": params["b1"]},
        "output": {"kernel": params["W2"], "bias": params["b2"]},
    }
    each = losses.cross_entropy(mlp.MLP().apply({"params": theirs}, inputs), labels)
    found = minimal.loss(params, gamma(1200), inputs, labels)
    np.testing.assert_allclose(found, losses.class_weighted_mean(each, labels, gamma(1200)), rtol=1e-6)
    slope = lambda w: mlp.cross_entropy_gradient(w, inputs, labels, gamma(1200))  # noqa: E731
    largest = jax.jit(lambda w: hessian_eigenvalues(slope, w).eigenvalues[0])({"params": theirs})
    np.testing.assert_allclose(minimal.sharpness(params, gamma(1200), (inputs, labels)), largest, rtol=1e-4)


def test_it_runs(minimal, monkeypatch, capsys):
    monkeypatch.setattr(minimal, "STEPS", 40)
    monkeypatch.setattr(minimal, "LOOKS", 2)
    minimal.main()
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["20", "40"]
    assert all(0 < float(value) < 1 for row in rows for value in row.split()[1:3])
