"""Every public function of the method with every kind of input: the right result, or one clear error.

A new function has to be entered here. What is right is what the same function gives in float64 from NumPy's arrays, so
that a byte that wraps round, a sum in half precision or a program that traces otherwise cannot pass.
"""

import dataclasses
import functools
import importlib
import pkgutil
import re
import warnings
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from jaxtyping import config as jaxtyping_config
from reference import double

from dynloss import datasets, dynamics, losses, models, schedules, spectral, training, waveforms
from dynloss.datasets.base import Dataset
from dynloss.models import convolution, mlp, myrtle, written_out
from dynloss.spectral import (
    batched,
    gauss_newton,
    hessian,
    lanczos,
    ntk,
)
from dynloss.training import compiled, full_batch, minibatch, recorders

RATE = 0.1


def model(w):
    return mlp.MLP(num_classes=w.C, width=3, param_dtype=w.dtype)


def apply(w):
    return model(w).apply


def gradient(w):
    return lambda params: mlp.cross_entropy_gradient(params, w.X, w.Y, w.W)


def data(w):
    return Dataset(w.X, w.Y, w.C)


def oscillating(w):
    return schedules.oscillating(2, 3, w.C)


def of_run(run):
    return jax.tree.leaves(run[0]), [np.asarray(each) for each in run.trajectory.data_vars.values()]


def at_all_steps(schedule):
    """A schedule, asked by one step and by many."""
    return lambda w: (schedule(w)(3), schedule(w)(w.steps))


def full(w, **rule):
    every = [
        recorders.class_weights(),
        recorders.training_state(apply(w), data(w)),
        recorders.validation_accuracy(apply(w), data(w)),
        recorders.hessian(num_matvecs=3),
    ]
    gradients = full_batch.loss_gradient(apply(w), data(w))
    setting = {"gradient": gradients, "steps": 2, "recorders": every}
    return of_run(full_batch.train(w.params, data(w), oscillating(w), **setting, **rule))


def in_batches(w):
    setting = {"schedule": oscillating(w), "learning_rate": RATE, "epochs": 1, "batch_size": len(data(w))}
    return of_run(minibatch.train(model(w), w.params, data(w), data(w), **setting))


def named(function):
    return f"{function.__module__.removeprefix('dynloss.')}.{function.__name__}"


# What takes arrays: function -> a call of it.
ARRAYS = {
    losses.cross_entropy: lambda w: losses.cross_entropy(w.F, w.Y),
    losses.squared_error: lambda w: losses.squared_error(w.F, w.Y),
    losses.class_weighted_mean: lambda w: losses.class_weighted_mean(w.L, w.Y, w.W),
    losses.accuracy: lambda w: losses.accuracy(w.F, w.Y),
    losses.weights_of: lambda w: losses.weights_of(w.Y, w.W),
    losses.one_hot: lambda w: losses.one_hot(w.Y, w.C),
    losses.class_numbers: lambda w: losses.class_numbers(w.Y),
    schedules.oscillating: at_all_steps(oscillating),
    schedules.static: at_all_steps(lambda w: schedules.static(w.C)),
    schedules.weights_over: lambda w: schedules.weights_over(oscillating(w), w.steps),
    schedules.weights_at: lambda w: schedules.weights_at(lambda t: 2 * oscillating(w)(t), 3, w.dtype),
    schedules.has_come: lambda w: schedules.has_come(w.steps, 2),
    schedules.clock: lambda w: schedules.clock(w.steps, 3, "float32"),
    waveforms.pulses: at_all_steps(lambda w: waveforms.pulses("sine", 2, 3, w.C)),
    waveforms.one_at_a_time: at_all_steps(lambda w: waveforms.one_at_a_time(2, w.C)),
    waveforms.stopped: at_all_steps(lambda w: waveforms.stopped(oscillating(w), 2)),
    waveforms.without_period: at_all_steps(lambda w: waveforms.without_period(oscillating(w), 6, 2, jax.random.key(0))),
    Dataset: lambda w: (np.asarray(data(w).inputs), np.asarray(data(w).labels), data(w).counts),
    mlp.MLP: lambda w: apply(w)(w.params, w.X),
    mlp.cross_entropy_gradient: lambda w: gradient(w)(w.params),
    mlp.output_averaged_ntk: lambda w: mlp.output_averaged_ntk(w.params, w.X),
    convolution.convolution: lambda w: convolution.convolution(w.images, w.kernel),
    myrtle.Myrtle: lambda w: small(myrtle.Myrtle, w, depth=5, channels=2, final_pools=0, param_dtype=w.dtype),
    myrtle.average_pool: lambda w: myrtle.average_pool(w.images, 2),
    full_batch.loss_gradient: lambda w: full_batch.loss_gradient(apply(w), data(w))(w.params, w.W),
    full_batch.train: functools.partial(full, learning_rate=RATE),
    full_batch.optimize: functools.partial(full, optimizer=optax.sgd(RATE)),
    minibatch.train: in_batches,
    compiled.descend: lambda w: compiled.descend(w.params, data(w), oscillating(w), RATE, 0, 2),
    batched.loss_gradient: lambda w: batched.loss_gradient(apply(w), data(w), 4)(w.params, w.W),
    batched.hessian_operator: lambda w: batched.hessian_eigenvalues(gradient(w), w.params, num_matvecs=3)[:2],
    batched.ntk_operator: lambda w: batched.ntk_eigenvalues(apply(w), w.params, w.X, batch_size=4, num_matvecs=3)[:2],
    batched.in_batches: lambda w: batched.in_batches(4, w.X, w.Y),
    hessian.hessian_eigenvalues: lambda w: hessian.hessian_eigenvalues(gradient(w), w.params, num_matvecs=3)[:2],
    hessian.hessian_matrix: lambda w: hessian.hessian_matrix(gradient(w), w.params),
    ntk.ntk_eigenvalues: lambda w: ntk.ntk_eigenvalues(apply(w), w.params, w.X, num_matvecs=3)[:2],
    ntk.ntk_matrix: lambda w: ntk.ntk_matrix(apply(w), w.params, w.X),
    ntk.output_averaged_ntk_matrix: lambda w: ntk.output_averaged_ntk_matrix(apply(w), w.params, w.X),
    ntk.kernel_eigenvalues: lambda w: ntk.kernel_eigenvalues(w.K, num_matvecs=3)[:2],
    lanczos.extreme_eigenvalues: lambda w: lanczos.extreme_eigenvalues(
        lambda v: w.L * v, len(w.L), start=w.L, num_matvecs=3
    )[:2],
    lanczos.norm: lambda w: lanczos.norm(w.L),
    gauss_newton.weighted_kernel_eigenvalues: lambda w: gauss_newton.weighted_kernel_eigenvalues(
        apply(w), w.params, w.X, w.Y, w.W, num_matvecs=3
    )[:2],
    gauss_newton.parts: lambda w: gauss_newton.parts(
        gradient(w), apply(w), w.params, w.X, w.Y, w.W, num_matvecs=6
    ).curvature,
    gauss_newton.root: lambda w: gauss_newton.root(w.F, w.L),
    dynamics.instabilities: lambda w: [tuple(each) for each in dynamics.instabilities(w.steps, w.L)],
}


def small(kind, w, **options):
    """A network for images, with its own weights in the images' type."""
    network = kind(num_classes=w.C, **options)
    at = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 8, 8, 2), w.dtype))
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.1, leaf.dtype), at)
    return network.apply(variables, w.images)


# JAX draws other numbers in float64.
AT_RANDOM = {waveforms.without_period}

# Their results are data sets, trajectories and the like, which NumPy makes of finished numbers.
FINISHED = {
    *(Dataset, full_batch.train, full_batch.optimize, minibatch.train),
    dynamics.instabilities,
}
# Those, and what takes a data set, which NumPy checks: a compiled program begins after them.
OUTSIDE = FINISHED | {full_batch.loss_gradient, batched.loss_gradient, compiled.descend}

# Reached through those above, or a record of them.
# fmt: off
WITHIN = {
    batched.hessian_eigenvalues, batched.ntk_eigenvalues, batched.sum_over, hessian.hessian_operator,
    hessian.flattened, ntk.ntk_operator, ntk.jacobian_products, lanczos.orthogonal, lanczos.expanded,
    lanczos.tridiagonalise, gauss_newton.weighted_kernel_operator,
    written_out.layers, written_out.narrow_product, full_batch.descend, compiled.compiled_fits,
    full_batch.progress_bar, full_batch.first_changes, full_batch.with_divergence, full_batch.warn_of_empty_classes,
    full_batch.Recorder,
    recorders.class_weights, recorders.training_state, recorders.hessian, recorders.validation_accuracy,
    recorders.spectrum, recorders.ntk, recorders.output_averaged_ntk,
    schedules.over_steps, dynamics.instabilities_of_pairs,
    dynamics.threshold, dynamics.curvature_at_marks, dynamics.first_crossings, dynamics.alternation_breaks,
    losses.exact,
}
# fmt: on

# What takes numbers: (function, its arguments, the one that varies, a number that is right).
NUMBERS = [
    (schedules.oscillating, {"period": 4, "amplitude": 3, "num_classes": 3}, "period", 5),
    (schedules.oscillating, {"period": 4, "amplitude": 3, "num_classes": 3}, "amplitude", 5),
    (schedules.oscillating, {"period": 4, "amplitude": 3, "num_classes": 3}, "stop", 5),
    (schedules.static, {}, "num_classes", 3),
    (schedules.last_period, {"steps": 100, "period": 10}, "period", 7),
    (waveforms.pulses, {"wave": "sine", "period": 4, "amplitude": 3, "num_classes": 3}, "period", 5),
    (waveforms.pulses, {"wave": "sine", "period": 4, "amplitude": 3, "num_classes": 3}, "amplitude", 5),
    (waveforms.one_at_a_time, {"num_classes": 3}, "period", 5),
    (waveforms.stopped, {"schedule": schedules.static(3)}, "stop", 5),
    (waveforms.strength, {"schedule": schedules.static(3)}, "steps", 5),
    (minibatch.piecewise_linear, {"epochs": (0, 1), "rates": (0, 1)}, "steps", 5),
    (datasets.spiral, {}, "points_per_class", 5),
    (datasets.spiral_validation, {}, "points_per_class", 5),
    (dynamics.power_law, {"x": [1, 2, 3], "y": [1, 2, 4]}, "confidence", 0.5),
]


def world(samples=6, classes=3):
    random = np.random.RandomState(0)
    draw = random.standard_normal
    inputs = draw((samples, 2))
    params = {
        "hidden": {"kernel": draw((2, 3)), "bias": draw(3)},
        "output": {"kernel": draw((3, classes)), "bias": draw(classes)},
    }
    return {
        "X": inputs,
        "Y": np.arange(samples) * 7 % classes,
        "F": draw((samples, classes)),
        "L": np.abs(draw(samples)) + 1,
        "W": 0.5 + np.arange(classes) / classes,
        "K": inputs @ inputs.T + np.eye(samples),
        "images": draw((samples, 8, 8, 2)),
        "kernel": draw((3, 3, 2, 2)),
        "steps": np.arange(samples),
        "params": {"params": params},
        "dtype": np.dtype(float),
    }


def converted(arrays, floats, integers):
    """The arrays by these two; parameters, that no list could hold, only where they stay arrays."""

    def one(array):
        return (integers if array.dtype.kind == "i" else floats)(array)

    found = {name: one(array) for name, array in arrays.items() if name not in {"params", "dtype"}}
    dtype = getattr(found["W"], "dtype", None)
    kept = dtype is not None and jnp.issubdtype(dtype, jnp.floating) and not isinstance(found["W"], pd.Series)
    plain = jax.tree.map(one if kept else single, arrays["params"])
    return found | {"params": plain, "dtype": dtype if kept else np.dtype(np.float32)}


def outcome(function, arrays, classes=3):
    """The leaves of the result; an error of ours, which has one line and names what it got, is right too."""
    case = ARRAYS[function]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "class .* has no samples|Explicitly requested dtype float64")
            return jax.tree.leaves(case(SimpleNamespace(**arrays, C=classes)))
    except ValueError as error:
        assert "\n" not in str(error) and re.search("got|give|do not|not take", str(error)), str(error)
        return None


def at_once(function, arrays, classes=3):
    """The same, with the arrays as they are, compiled as one program instead of one for each of its operations."""
    if function in FINISHED:
        return outcome(function, arrays, classes)
    return jax.jit(lambda: outcome(function, arrays, classes))()


@functools.cache
def plain(function):
    """What it gives for the plainest arrays, operation by operation."""
    return outcome(function, converted(world(), *KINDS["NumPy"]))


def table(array):
    return (pd.DataFrame if array.ndim == 2 else pd.Series)(array) if array.ndim in (1, 2) else array


class Tensor:
    """What PyTorch's tensors have in common with NumPy's arrays."""

    def __init__(self, array):
        self.array, self.shape, self.ndim = array, array.shape, array.ndim

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, key):
        return Tensor(self.array[key])


def single(array):
    return array.astype(np.float32)


def in_class(kind):
    return lambda array: array.astype(kind) if array.max(initial=0) <= np.iinfo(kind).max else array.astype(np.int32)


KINDS = {
    "NumPy": (single, in_class(np.int32)),
    "NumPy, float64": (np.asarray, np.asarray),
    "JAX": (lambda a: jnp.asarray(single(a)), lambda a: jnp.asarray(a, jnp.int32)),
    "lists": (np.ndarray.tolist, np.ndarray.tolist),
    "pandas": (lambda a: table(single(a)), lambda a: table(a.astype(np.int32))),
    "tensors": (lambda a: Tensor(single(a)), lambda a: Tensor(a.astype(np.int32))),
    "int8": (single, in_class(np.int8)),
    "uint8 of JAX": (lambda a: jnp.asarray(single(a)), lambda a: jnp.asarray(in_class(np.uint8)(a))),
    "bfloat16": (lambda a: jnp.asarray(a, jnp.bfloat16), in_class(np.int32)),
    "float16": (lambda a: a.astype(np.float16), in_class(np.int32)),
    "labels as floats": (single, single),
    "words": (lambda a: a.astype(str), in_class(np.int32)),
    "objects": (lambda a: a.astype(object), in_class(np.int32)),
}

HALF = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
# For these each operation would be compiled once more.
OTHER_TYPES = {*HALF, "int8", "uint8 of JAX"}


@pytest.fixture(autouse=True)
def as_users_have_it(monkeypatch):
    """Without the types that only the tests check, and with JAX's own promotion."""
    monkeypatch.setattr(jaxtyping_config, "jaxtyping_disable", True)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def in_float64(function, **sizes):
    classes = sizes.get("classes", 3)
    if function in AT_RANDOM:
        return at_once(function, converted(world(**sizes), *KINDS["NumPy"]), classes)
    with double():
        return at_once(function, world(**sizes), classes)


def agree(found, wanted, eps):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        one, other = (np.asarray(each).astype(complex) for each in (one, other))
        assert one.shape == other.shape
        size = np.abs(other).max(initial=0, where=np.isfinite(other))
        np.testing.assert_allclose(one, other, atol=50 * eps * max(size, 1), rtol=0)


# Spectra and what trains are among the slow tests: they compile for minutes.
SLOW = [each for each in ARRAYS if each.__module__.startswith(("dynloss.spectral", "dynloss.training"))]
EACH = [pytest.param(each, marks=[pytest.mark.slow] * (each in SLOW)) for each in ARRAYS]


@pytest.mark.parametrize("function", EACH, ids=named)
def test_any_kind_of_array(function):
    wanted = in_float64(function)
    assert wanted is not None
    for kind, (floats, integers) in KINDS.items():
        arrays = converted(world(), floats, integers)
        try:
            run = at_once if kind in OTHER_TYPES else outcome
            found = plain(function) if kind == "NumPy" else run(function, arrays)
            eps = HALF.get(kind, 2.0**-22)
            if found is not None:
                agree(found, wanted, eps)
        except Exception as error:
            error.add_note(f"kind of input: {kind}")
            raise


# More classes than a byte holds.
SIZES = {"no sample": {"samples": 0}, "one class": {"classes": 1}, "300 classes": {"classes": 300}}


@pytest.mark.parametrize("function", EACH, ids=named)
def test_any_size(function):
    for name, sizes in SIZES.items():
        wanted = in_float64(function, **sizes)
        arrays = converted(world(**sizes), single, in_class(np.int16))
        found = at_once(function, arrays, sizes.get("classes", 3))
        assert (found is None) == (wanted is None), name
        if found is not None:
            agree(found, wanted, 2.0**-22)


# They read a trajectory or count what is largest, where a value that is no number says nothing.
WITHOUT_NAN = {losses.accuracy, dynamics.instabilities}


@pytest.mark.parametrize("function", ARRAYS, ids=named)
def test_a_value_that_is_no_number(function):
    """It shows in what it enters into, or is refused; nothing is repaired in silence."""

    def spoilt(array):
        return np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array).astype(np.float32)

    whole = plain(function)
    found = outcome(function, converted(world(), spoilt, in_class(np.int32)))
    if found is None or function in WITHOUT_NAN:
        return
    changed = any(not np.array_equal(one, other) for one, other in zip(found, whole, strict=True))
    assert not changed or any(np.isnan(np.asarray(leaf, complex)).any() for leaf in found)


@pytest.mark.parametrize("function", [each for each in ARRAYS if each not in OUTSIDE], ids=named)
def test_compiled_over_a_batch(function):
    """Under ``jit`` and ``vmap`` the same as alone."""
    arrays = converted(world(), single, in_class(np.int32))
    dtype = arrays.pop("dtype")
    wanted = plain(function)
    batch = jax.tree.map(lambda array: np.stack([array, array]), arrays)
    both = jax.jit(jax.vmap(lambda w: outcome(function, w | {"dtype": dtype})))(batch)
    for number in range(2):
        agree([leaf[number] for leaf in both], wanted, 2.0**-22)


SMOOTH = [
    *(losses.cross_entropy, losses.squared_error, losses.class_weighted_mean, mlp.MLP, mlp.cross_entropy_gradient),
    *(convolution.convolution, myrtle.Myrtle, myrtle.average_pool, gauss_newton.root),
    *(mlp.output_averaged_ntk, ntk.ntk_matrix, lanczos.norm),
]


@pytest.mark.parametrize("function", SMOOTH, ids=named)
def test_derivatives(function):
    """Of the sum of the results, by the inputs: finite, and those of float64."""

    def slopes(arrays, dtype):
        names = [name for name in ("X", "F", "L", "W", "K", "images") if arrays[name].dtype == dtype]

        def total(given):
            leaves = outcome(function, arrays | given | {"dtype": dtype})
            return sum(jnp.sum(leaf) for leaf in leaves)

        return jax.tree.leaves(jax.jit(jax.grad(total))({name: arrays[name] for name in names}))

    found = slopes(converted(world(), single, in_class(np.int32)), np.dtype(np.float32))
    with double():
        wanted = slopes(world(), np.dtype(float))
    assert all(np.isfinite(leaf).all() for leaf in found)
    agree(found, wanted, 2.0**-20)


@pytest.mark.parametrize(
    ("function", "others", "name", "right"), NUMBERS, ids=[f"{named(row[0])}, {row[2]}" for row in NUMBERS]
)
def test_any_kind_of_number(function, others, name, right):
    def call(value):
        found = function(**others | {name: value})
        found = found(7) if callable(found) else found
        return jax.tree.leaves(found.inputs if isinstance(found, Dataset) else found)

    wanted = call(right)
    whole = isinstance(right, int)
    for kind in (np.int8, np.uint8, np.int64) if whole else (np.float32, np.float16):
        agree(call(kind(right)), wanted, 2.0**-22)
    for wrong in (None, "3", [3], -1, float("nan"), float("inf"), np.ones(2), 1j):
        if wrong is None and name == "stop":
            continue
        with pytest.raises(ValueError, match=name):
            call(wrong)


def public():
    """The functions and classes of the method, less errors, records and checks."""
    for package in (losses, schedules, waveforms, dynamics, datasets, models, spectral, training):
        inner = pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}.")
        for name in [package.__name__, *(each.name for each in inner)]:
            if name.rpartition(".")[2] in INTERNAL:
                continue
            for word, value in vars(importlib.import_module(name)).items():
                own = getattr(value, "__module__", "") == name and callable(value)
                record = isinstance(value, type) and issubclass(value, tuple | Exception)
                if own and not record and not word.startswith(("_", "check_")):
                    yield value


# How the trainers do it; and data sets and networks of their own files.
INTERNAL = {"batches", "checkpoints", "cifar10", "foreign", "kernel", "host"}


def test_no_function_escapes():
    entered = set(ARRAYS) | WITHIN | {function for function, *_ in NUMBERS}
    found = list(public())
    assert len(found) > 75
    assert not [f"{each.__module__}.{each.__name__}" for each in found if each not in entered]


WORLD = SimpleNamespace(**converted(world(), single, in_class(np.int32)), C=3)


def trained(**instead):
    setting = {"data": data(WORLD), "schedule": oscillating(WORLD), "learning_rate": RATE, "steps": 2}
    setting |= {"params": WORLD.params, "gradient": full_batch.loss_gradient(apply(WORLD), data(WORLD))}
    return full_batch.train(**setting | instead)


def moved(world):
    return dataclasses.replace(data(world), inputs=1.1 * data(world).inputs)


def loss_itself(params, weights=None):
    return jnp.mean(losses.cross_entropy(apply(WORLD)(params, WORLD.X), WORLD.Y))


# What people give instead of what is asked for, and what they are told.
MISTAKES = {
    "a loss for its gradient": (lambda: hessian.hessian_eigenvalues(loss_itself, WORLD.params), "jax.grad gives"),
    "the same in training": (lambda: trained(gradient=loss_itself), "gradient must give .*jax.grad"),
    "value_and_grad": (lambda: trained(gradient=jax.value_and_grad(loss_itself)), "gradient .*a tuple"),
    "images into an MLP": (lambda: apply(WORLD)(WORLD.params, WORLD.images), r"\(6, 8, 8, 2\).*reshape"),
    "a model for parameters": (lambda: trained(params=model(WORLD)), "got the model MLP: its init"),
    "nothing for parameters": (lambda: trained(params={}), "tree of arrays, got {}"),
    "a model for its apply": (lambda: full_batch.loss_gradient(model(WORLD), data(WORLD)), "model MLP: give its apply"),
    "the same for a kernel": (lambda: ntk.ntk_matrix(model(WORLD), WORLD.params, WORLD.X), "give its apply"),
    "one recorder": (lambda: trained(recorders=recorders.hessian()), "a list of"),
    "a recorder not called": (lambda: trained(recorders=[recorders.hessian]), "a list of .*got .*function hessian"),
    "another data set": (lambda: trained(data=datasets.spiral(5)), "gradient and data .* same samples: give"),
    "other inputs": (lambda: trained(data=moved(WORLD)), "gradient and data .* same samples: give"),
    "data as a tuple": (lambda: trained(data=(WORLD.X, WORLD.Y)), "data must be .*got tuple: Dataset"),
    "a schedule as an array": (lambda: trained(schedule=WORLD.W), r"function step -> .*an array \(3,\)"),
    "a text column": (lambda: Dataset(np.array([["a"], ["b"]]), [0, 1], 2), "numbers, got one of <U1"),
    "words for labels": (lambda: Dataset([[1.0], [2.0]], ["cat", "dog"], 2), "integers .* got <U3"),
    "rows of different lengths": (lambda: Dataset([[1.0], [2.0, 3.0]], [0, 1], 2), "rows of one length"),
    "a matrix for an operator": (
        lambda: lanczos.extreme_eigenvalues(WORLD.K, 6, num_matvecs=2), r"v -> A v, got an array"
    ),
    "bare outputs": (lambda: ntk.ntk_matrix(lambda w, x: x[:, 0] * w, jnp.ones(()), WORLD.X), r"\(P, C\).*got \(1,\)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_people_are_told(mistake):
    call, told = MISTAKES[mistake]
    with pytest.raises(ValueError, match=told) as caught:
        call()
    assert "\n" not in str(caught.value)
