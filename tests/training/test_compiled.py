"""The compiled descent: against automatic differentiation, alone and in batches, traced, diverged, and misused."""

import sys
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from misuse import refused

from dynloss import schedules
from dynloss.datasets import Dataset, spiral
from dynloss.models import MLP
from dynloss.training import compiled, full_batch
from dynloss.training.compiled import descend, descent, foreign

pytest.importorskip("numba")

SMALL = spiral(points_per_class=7)
WIDTH = 12


def random_data(samples, dimensions, classes):
    draw = np.random.default_rng(samples)
    labels = np.concatenate([np.arange(classes), draw.integers(0, classes, samples)])[:samples]
    return Dataset(draw.normal(size=(samples, dimensions)), labels, classes)


def parameters(data, width=WIDTH, dtype="float32", seed=0):
    # Drawn by NumPy: JAX compiles a program for each array of each shape.
    drawn = reference.parameters(seed, data.inputs.shape[1], width, data.num_classes)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), drawn)


def plain(params, data, schedule, learning_rate, first, steps):
    """Automatic differentiation of the plain loss, one step after the other."""
    leaves = jax.tree.leaves(params)
    model = MLP(leaves[0].shape[0], data.num_classes, param_dtype=leaves[0].dtype)
    gradient = full_batch.loss_gradient(model.apply, data.astype(leaves[0].dtype))
    return jax.jit(lambda w: full_batch.descend(w, gradient, schedule, learning_rate, first, steps)[0])(params)


def jitted(params, data, schedule, learning_rate, first, steps):
    """The compiled descent as sweeps call it: traced, so that XLA compiles what surrounds the kernel as one."""
    return jax.jit(lambda w: descend(w, data, schedule, learning_rate, first, steps, method="compiled"))(params)


def assert_equal(one, other):
    jax.tree.map(partial(np.testing.assert_array_equal, strict=True), one, other)


def distance(one, other):
    """How far the parameters lie apart, in their own size."""
    a, b = reference.flatten(one).astype(np.float64), reference.flatten(other).astype(np.float64)
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def at(tree, *place):
    return jax.tree.map(lambda leaf: leaf[place], tree)


def test_three_hundred_steps_on_the_spiral_equal_automatic_differentiation(x64):
    data, schedule = spiral(), schedules.oscillating(60, 10, 3)
    params = parameters(data, 100, "float64")
    ours = jitted(params, data, schedule, 1.0, 0, 300)
    expected = plain(params, data, schedule, 1.0, 0, 300)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), ours, expected)
    # It is the dynamics that were compared, not a standstill.
    assert distance(params, expected) > 0.1


def test_in_float32_it_is_as_near_to_the_exact_path_as_automatic_differentiation(x64):
    data, schedule, networks = spiral(), schedules.oscillating(60, 10, 3), 9
    keys = jax.random.split(jax.random.key(0), networks)
    single = jax.jit(jax.vmap(lambda key: MLP(100).init(key, jnp.asarray(data.inputs, "float32"))))(keys)
    double = jax.tree.map(lambda w: w.astype("float64"), single)
    exact, near = (jax.vmap(lambda w: plain(w, data, schedule, 0.3, 0, 100))(start) for start in (double, single))
    ours = jax.vmap(lambda w: jitted(w, data, schedule, 0.3, 0, 100))(single)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(ours)} == {"float32"}
    error, usual = (np.median([distance(at(run, i), at(exact, i)) for i in range(networks)]) for run in (ours, near))
    assert error < min(2 * usual, 1e-6)


@pytest.mark.parametrize(
    ("samples", "dimensions", "width", "classes", "dtype"),
    [
        (7, 3, 5, 2, "float32"),
        (1, 1, 1, 2, "float64"),
        (33, 2, 1, 3, "float32"),
        (65, 2, 33, 3, "float64"),
        (300, 1, 17, 4, "float32"),
        (40, 5, 9, 10, "float64"),
    ],
)
def test_any_shape(x64, samples, dimensions, width, classes, dtype):
    data = random_data(samples, dimensions, classes)
    params, schedule = parameters(data, width, dtype), schedules.oscillating(7, 4, classes)
    ours = jitted(params, data, schedule, 0.3, 5, 40)
    expected = plain(params, data, schedule, 0.3, 5, 40)
    assert distance(ours, expected) < {"float32": 3e-5, "float64": 1e-13}[dtype]
    assert distance(params, expected) > 1e-3


def test_a_single_class_has_nothing_to_learn():
    data = random_data(9, 2, 1)
    params = parameters(data)
    assert_equal(descend(params, data, schedules.static(1), 0.5, 0, 3, method="compiled"), params)


@pytest.mark.parametrize("steps", [0, 1, descent.SEGMENT, 2 * descent.SEGMENT + 17])
def test_any_number_of_steps(x64, steps):
    schedule, params = schedules.oscillating(30, 3, 3), parameters(SMALL, dtype="float64")
    ours = descend(params, SMALL, schedule, 0.05, 11, steps, method="compiled")
    assert distance(ours, plain(params, SMALL, schedule, 0.05, 11, steps)) < 1e-9
    if steps == 0:
        assert_equal(ours, params)
    else:
        assert distance(ours, params) > 1e-4


def test_two_descents_in_a_row_equal_one_to_the_last_bit():
    schedule, params = schedules.oscillating(30, 3, 3, stop=1500), parameters(SMALL)
    whole = jitted(params, SMALL, schedule, 0.5, 0, 2000)
    half = jitted(params, SMALL, schedule, 0.5, 0, 777)
    assert_equal(jitted(half, SMALL, schedule, 0.5, 777, 1223), whole)


@pytest.mark.parametrize("batch", [2, 7, 40])
def test_a_network_is_the_same_alone_and_at_any_place_of_a_batch(batch):
    start = parameters(SMALL)  # made here, since XLA rounds random numbers in a batch otherwise than alone

    def run(scale, period, amplitude, rate):
        params = jax.tree.map(lambda w: scale * w, start)
        return descend(params, SMALL, schedules.oscillating(period, amplitude, 3), rate, 0, 100, method="compiled")

    cases = (
        jnp.linspace(0.5, 1.5, batch),
        jnp.linspace(5, 50, batch),
        jnp.linspace(1, 20, batch),
        jnp.linspace(0.1, 1, batch),
    )
    together, alone = jax.jit(jax.vmap(run))(*cases), jax.jit(run)
    backwards = jax.jit(jax.vmap(run))(*(case[::-1] for case in cases))
    for i in range(batch):
        expected = alone(*(case[i] for case in cases))
        assert_equal(at(together, i), expected)
        assert_equal(at(backwards, batch - 1 - i), expected)
    kernels = np.asarray(together["params"]["hidden"]["kernel"]).reshape(batch, -1)
    assert len(np.unique(kernels, axis=0)) == batch


@pytest.mark.parametrize("over", ["period", "amplitude", "learning_rate", "first", "params"])
def test_one_argument_vmapped_and_the_others_shared(x64, over):
    def run(method, **given):
        given = {"period": 20.0, "amplitude": 5.0, "learning_rate": 0.5, "first": 3, "params": 1.0} | given
        params = jax.tree.map(lambda w: given["params"] * w, parameters(SMALL, dtype="float64"))
        schedule = schedules.oscillating(given["period"], given["amplitude"], 3)
        return descend(params, SMALL, schedule, given["learning_rate"], given["first"], 30, method=method)

    values = {"period": jnp.array([5.0, 30.0, 31.5]), "first": jnp.array([0, 8, 1000])}.get(
        over, jnp.array([1.0, 1.5, 2.0])
    )
    ours, expected = (jax.vmap(lambda v, m=m: run(m, **{over: v}))(values) for m in ("compiled", "xla"))
    for i in range(3):
        assert distance(at(ours, i), at(expected, i)) < 1e-11
    assert distance(at(ours, 0), at(ours, 2)) > 1e-4


def test_nested_vmaps_in_a_scan_in_a_jit(x64):
    params = parameters(SMALL, dtype="float64")

    def run(method, period, rate):
        schedule = schedules.oscillating(period, 5.0, 3)

        def part(w, first):
            return descend(w, SMALL, schedule, rate, first, 10, method=method), w["params"]["output"]["bias"]

        return jax.lax.scan(part, params, jnp.arange(0, 40, 10))

    periods, rates = jnp.array([5.0, 9.0, 20.0]), jnp.array([0.2, 0.7])
    grid = {
        method: jax.jit(
            jax.vmap(lambda t, m=method: jax.vmap(lambda r: run(m, t, r))(rates), out_axes=0)
        )(periods)
        for method in ("compiled", "xla")
    }
    (ours, path), (expected, expected_path) = grid["compiled"], grid["xla"]
    assert path.shape == (3, 2, 4, 3)
    np.testing.assert_allclose(path, expected_path, rtol=1e-10, atol=1e-13)
    for i, j in np.ndindex(3, 2):
        assert distance(at(ours, i, j), at(expected, i, j)) < 1e-11


def test_many_wide_networks_at_once():
    """Arguments of megabytes, which a callback of JAX may not be able to read."""
    data, batch = random_data(3, 2, 3), 512
    keys = jax.random.split(jax.random.key(0), batch)
    model = MLP(1000)
    params = jax.jit(jax.vmap(lambda key: model.init(key, jnp.asarray(data.inputs, "float32"))))(keys)
    run = jax.jit(jax.vmap(lambda w: descend(w, data, schedules.static(3), 0.1, 0, 4, method="compiled")))
    trained = params
    for _ in range(3):
        trained = run(trained)
    assert_equal(at(trained, 300), at(run(run(run(at(params, slice(300, 301))))), 0))
    assert distance(at(trained, 300), at(params, 300)) > 1e-4


@pytest.mark.parametrize(("dtype", "rate"), [("float32", 1e30), ("float64", 1e200)])
def test_a_diverged_network_ends_in_nan_like_the_plain_one_and_spares_its_neighbours(x64, dtype, rate):
    params = parameters(SMALL, dtype=dtype)

    def run(rate, steps=20):
        return descend(params, SMALL, schedules.static(3), rate, 0, steps, method="compiled")

    rates = jnp.array([0.5, rate, 0.5], dtype)
    ours = jax.jit(jax.vmap(run))(rates)
    expected = plain(params, SMALL, schedules.static(3), jnp.asarray(rate, dtype), 0, 20)
    for a, b in zip(jax.tree.leaves(at(ours, 1)), jax.tree.leaves(expected), strict=True):
        assert np.isnan(b).any()
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    for i in (0, 2):
        assert_equal(at(ours, i), run(rates[i]))
        assert np.isfinite(reference.flatten(at(ours, i))).all()


@pytest.mark.parametrize("leaf", [("hidden", "kernel"), ("hidden", "bias"), ("output", "kernel"), ("output", "bias")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_shows_in_the_result(leaf, value):
    params = parameters(SMALL)
    layer, part = leaf
    start = params["params"][layer][part]
    params["params"][layer][part] = start.reshape(-1).at[0].set(value).reshape(start.shape)
    trained = descend(params, SMALL, schedules.static(3), 0.5, 0, 3, method="compiled")
    assert np.isnan(trained["params"]["output"]["bias"]).all()
    assert np.isnan(trained["params"]["output"]["kernel"]).all()


def test_large_outputs_do_not_overflow(x64):
    """Softmax of outputs in the thousands, with probabilities below the smallest number."""
    params = jax.tree.map(lambda w: 100 * w, parameters(SMALL, dtype="float64"))
    params["params"]["hidden"]["bias"] += 10.0
    ours = descend(params, SMALL, schedules.oscillating(5, 70, 3), 0.5, 0, 3, method="compiled")
    expected = plain(params, SMALL, schedules.oscillating(5, 70, 3), 0.5, 0, 3)
    assert np.isfinite(reference.flatten(expected)).all() and distance(params, expected) > 1e-6
    assert distance(ours, expected) < 1e-13


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_exponential_is_within_two_ulp_and_knows_its_limits(dtype):
    import numba
    from numba.core import types
    from numba.extending import intrinsic

    from dynloss.training.compiled import kernel

    @intrinsic
    def exponential(typing, values, result, place):
        def generate(context, builder, signature, arguments):
            emit = kernel.Emitter(builder, [values], [values])
            source, target, index = kernel.pointers(context, builder, signature, arguments)
            emit.store(emit.exp(emit.load(source, index)), target, index)
            return context.get_dummy_value()

        return types.void(values, result, place), generate

    lanes, info = kernel.lanes(dtype), np.finfo(dtype)

    @numba.njit
    def apply(values, result):
        for place in range(0, len(values), lanes):
            exponential(values, result, place)

    low = np.log(info.tiny) + 1
    steps = np.linspace(low, 0, 999 * lanes - 4)
    values = np.concatenate([steps, [-0.0, 2 * low, -np.inf, np.nan]]).astype(dtype)
    result = np.empty_like(values)
    apply(values, result)
    np.testing.assert_allclose(result[: len(steps)], np.exp(values[: len(steps)].astype(np.longdouble)), rtol=info.eps)
    np.testing.assert_array_equal(result[len(steps) :], [1, 0, 0, np.nan])


def without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    return SMALL, "needs numba"


def many_inputs(monkeypatch):
    return random_data(5, 40, 3), r"is for \(D \+ 1\) \(C - 1\) up to 64, got D = 40 and C = 3"


@pytest.mark.parametrize("case", [without_numba, many_inputs])
def test_auto_falls_back_to_xla_and_compiled_says_why_not(monkeypatch, case):
    data, said = case(monkeypatch)
    schedule, params = schedules.oscillating(30, 3, 3), parameters(data)
    assert not compiled.compiled_fits(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        auto, xla = (descend(params, data, schedule, 0.5, 0, 20, method=m) for m in ("auto", "xla"))
    assert [str(each.message).startswith("without numba") for each in caught] == [True] * (case is without_numba)
    assert_equal(auto, xla)
    assert distance(xla, plain(params, data, schedule, 0.5, 0, 20)) < 1e-4
    with pytest.raises(ValueError, match=said):
        descend(params, data, schedule, 0.5, 0, 20, method="compiled")


@pytest.mark.parametrize(("platform", "by_kernel"), [("cpu", True), ("cuda", False)])
def test_auto_follows_the_platform_that_is_lowered_for(platform, by_kernel):
    """Also under ``vmap``, with a traced amplitude: as in a sweep."""

    def point(amplitude, params):
        return descend(params, SMALL, schedules.oscillating(30, amplitude, 3), 0.5, 0, 50)

    traced = jax.jit(jax.vmap(point, (0, None))).trace(jnp.array([1.0, 3.0]), parameters(SMALL))
    program = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("dynloss_descend" in program) == by_kernel


MISUSES = [
    ({"method": "fast"}, "method must be one of 'auto', 'compiled', 'xla', got 'fast'"),
    ({"learning_rate": 0.0}, "learning_rate must be finite and greater than 0, got 0"),
    ({"steps": -1}, "steps must be an integer, at least 0, got -1"),
    ({"schedule": schedules.oscillating(20, 10, 4)}, r"the schedule gives weights \(4,\) for 3 classes"),
    ({"data": random_data(9, 3, 3)}, "do not fit 3 inputs and 3 classes"),
    ({"data": random_data(9, 2, 2)}, "do not fit 2 inputs and 2 classes"),
    ({"data": Dataset(np.zeros((3, 2, 2)), np.arange(3), 3)}, r"inputs must be \(P, D\), got \(3, 2, 2\)"),
    ({"params": {"params": {"dense": jnp.zeros(3)}}}, "params must be those of an MLP"),
    ({"params": parameters(SMALL, dtype="float16")}, "params must be all float32 or all float64, got float16"),
]
test_misuse = refused(
    descend,
    {
        "params": parameters(SMALL),
        "data": SMALL,
        "schedule": schedules.static(3),
        "learning_rate": 0.5,
        "first": 0,
        "steps": 3,
        "method": "compiled",
    },
    *MISUSES,
    *[({"method": "xla"} | change, said) for change, said in MISUSES],
)


def test_an_error_in_a_foreign_function_is_an_error_of_the_program():
    def fail(operands, results):
        results[0][...] = operands[0]
        if operands[0][0] > 1:
            raise ArithmeticError("too large")

    foreign.register("dynloss_test_fail", fail)
    call = jax.jit(lambda x: jax.ffi.ffi_call("dynloss_test_fail", jax.ShapeDtypeStruct((2,), np.float32))(x))
    np.testing.assert_array_equal(call(jnp.array([1.0, 5.0], "float32")), [1.0, 5.0])
    with pytest.raises(Exception, match="dynloss_test_fail: ArithmeticError: too large"):
        jax.block_until_ready(call(jnp.array([2.0, 5.0], "float32")))


def test_a_processor_on_which_it_was_never_tested_gets_xla_unless_asked(monkeypatch):
    assert compiled.compiled_fits(SMALL)  # on every processor on which the tests run
    monkeypatch.setattr(descent.platform, "machine", lambda: "riscv64")
    assert not compiled.compiled_fits(SMALL)
