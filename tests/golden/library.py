"""Golden runs of the library: small, named, deterministic; see test_golden.py.

Each run is a function without arguments that returns {name: array}. The same code gives the same bits on one machine,
in whatever order the runs are made. On another processor the numbers agree to about 1e-5 of an array's largest, because
a run takes a few steps only, and because what is rounded to bfloat16 is made of integers. To be cheap, a run
compiles one small program without XLA's optimisations, with weights drawn by NumPy. To be telling, it reaches few
definitions: where a network or a loss is wanted that is not the one in question, it is the plain one of this file.
"""

import contextlib
import functools
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import linen as nn
from reference import double

from dynloss import datasets, dynamics, losses, schedules, waveforms
from dynloss.datasets import cifar10
from dynloss.models import convolution, mlp, myrtle
from dynloss.spectral import (
    batched,
    gauss_newton,
    hessian,
    lanczos,
    ntk,
)
from dynloss.training import (
    batches,
    checkpoints,
    compiled,
    full_batch,
    minibatch,
    recorders,
)
from dynloss_book import paper
from dynloss_book.analysis import cascades, edges, onsets, paths, period_doubling, two_step
from dynloss_book.cascades_two_step import experiment as toy_losses
from dynloss_book.central_flow import flow as central_flow
from dynloss_book.cifar_scaling import experiment as scaling
from dynloss_book.cifar_tuned_baseline import experiment as baseline
from dynloss_book.engine import deadline, sweeps
from dynloss_book.fig05_curvature_threshold import experiment as curvature_threshold
from dynloss_book.fig05_curvature_threshold import mlp_hessian, tracking
from dynloss_book.figS2_myrtle_bifurcations import batched_recorders
from dynloss_book.figS4_wide_resnet.model import WideResNet
from dynloss_book.spiral_interpretations import experiment as spiral_interpretations
from dynloss_book.squared_error import infinite_width, kernel_map
from dynloss_book.tasks import augmentation, digits, plane, spiral
from dynloss_book.useful_cascades import experiment as useful_cascades

Arrays = dict[str, Any]

POINTS, DIMENSION, WIDTH, CLASSES = 9, 2, 5, 3
GAMMA = np.array([1.5, 0.9, 0.6], np.float32)


# What the runs are made of.


def _drawn(seed: int, *shape: int) -> np.ndarray:
    """Gaussian numbers in float32, the same for ever."""
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def _whole(seed: int, *shape: int) -> np.ndarray:
    """-2, -1, 0, 1 or 2: of these the sums are exact, and bfloat16 rounds them alike everywhere."""
    return np.random.RandomState(seed).randint(-2, 3, shape).astype(np.float32)


def _samples(seed: int = 0, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and the classes in turn."""
    return _drawn(seed, points, DIMENSION), np.arange(points, dtype=np.int32) % CLASSES


def _dataset(seed: int = 0, points: int = POINTS) -> datasets.Dataset:
    return datasets.Dataset(*_samples(seed, points), CLASSES)


def _parameters(seed: int = 0) -> dict[str, Any]:
    """Of a network with one hidden layer; no bias is zero."""
    random = np.random.RandomState(100 + seed)
    layers = {"hidden": (DIMENSION, WIDTH), "output": (WIDTH, CLASSES)}
    return {
        "params": {
            name: {
                "kernel": (random.randn(*shape) / shape[0] ** 0.5).astype(np.float32),
                "bias": (random.randn(shape[1]) / 5).astype(np.float32),
            }
            for name, shape in layers.items()
        }
    }


def _few(seed: int = 0, dtype: str = "float32") -> dict[str, Any]:
    """The parameters of ``_outputs``, the smallest network that is not linear."""
    return {"w": _drawn(200 + seed, DIMENSION, CLASSES).astype(dtype)}


def _outputs(params, inputs):
    return jnp.tanh(inputs @ params["w"])


def _gradient(dtype: str = "float32") -> Callable:
    """(parameters, Γ) -> the gradient of a weighted squared error, by automatic differentiation."""
    inputs, labels = _samples()
    inputs, wanted = inputs.astype(dtype), (labels[:, None] == np.arange(CLASSES)).astype(dtype)

    def loss(params, weights):
        return jnp.sum((_outputs(params, inputs) - wanted) ** 2 * weights[None]) / POINTS

    return jax.grad(loss)


def _in_turn(step, dtype=None):
    """A schedule: a class at a time is emphasised, and each a little less than the one before."""
    heights = jnp.asarray([1.0, 0.5, 0.25], dtype or jnp.float32)
    turn = jnp.asarray(step).astype(jnp.int32) % CLASSES
    return 1 + heights * (jnp.arange(CLASSES, dtype=jnp.int32) == turn).astype(heights.dtype)


_ALONG = np.random.RandomState(11).randint(-2, 3, (6, 4)).astype(np.float32) / 2
_HEIGHTS = np.array([[1, 0.5, -0.3, 0.2, 0.4, 0.1], [0.2, -0.1, 0.6, 0.8, 0.3, 0.5]], np.float32)


def _hills(w, weights):
    """A polynomial of four numbers that has curvature of every kind, linear in two weights."""
    along = _ALONG @ w
    return weights @ (_HEIGHTS @ (along**2 / 2 + along**3 / 5))


_PLACE = np.array([0.3, -0.4, 0.5, 0.6], np.float32)
_TWO = np.array([1.2, 0.8], np.float32)


def _symmetric(size: int) -> np.ndarray:
    matrix = _drawn(3, size, size)
    return (matrix + matrix.T) / 2


def _filled(model: nn.Module, inputs: Any, draw: Callable[..., np.ndarray]) -> Any:
    """Variables of a model with kernels from ``draw``, and all else a little off what it is at the start."""
    wanted = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.asarray(inputs)))
    places, tree = jax.tree_util.tree_flatten_with_path(wanted)

    def filled(number: int, path: Any, leaf: Any) -> np.ndarray:
        if leaf.ndim > 1:
            return draw(number, *leaf.shape)
        around_one = path[-1].key in ("scale", "var")
        return (around_one + _whole(number, *leaf.shape) / 16).astype(np.float32)

    return jax.tree.unflatten(tree, [filled(number, *place) for number, place in enumerate(places)])


def _named(tree: Any, prefix: str = "") -> Arrays:
    """The leaves of a tree, by the way to them."""
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    way = functools.partial(jax.tree_util.keystr, simple=True, separator="/")
    return {prefix + way(path): np.asarray(leaf) for path, leaf in found}


def _variables(dataset: Any) -> Arrays:
    """The variables of an ``xarray.Dataset``."""
    return {str(name): values.values for name, values in dataset.data_vars.items()}


def _letters(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


# Losses.


def _with_slopes(loss: Callable) -> Arrays:
    def compute(outputs, labels):
        return {"loss": loss(outputs, labels), "slope": jax.grad(lambda f: jnp.sum(loss(f, labels) ** 2))(outputs)}

    return jax.jit(compute)(_drawn(1, POINTS, CLASSES), _samples()[1])


def cross_entropy() -> Arrays:
    return _with_slopes(losses.cross_entropy)


def half_squared_error() -> Arrays:
    return _with_slopes(losses.squared_error)


def class_weighted_mean() -> Arrays:
    mean = jax.jit(jax.value_and_grad(losses.class_weighted_mean))
    value, slope = mean(np.abs(_drawn(2, POINTS)), _samples()[1], GAMMA)
    return {"mean": value, "slope": slope}


def accuracy() -> Arrays:
    return {"accuracy": jax.jit(losses.accuracy)(_drawn(1, POINTS, CLASSES), _samples()[1])}


# Schedules and shapes.


def oscillating() -> Arrays:
    def compute(period, amplitude):
        steps = jnp.arange(26)
        ways: dict[str, dict[str, Any]] = {"text": {}, "code": {"interpretation": "code"}, "stopped": {"stop": 15}}
        return {
            name: schedules.weights_over(schedules.oscillating(period, amplitude, CLASSES, **way), steps)
            for name, way in ways.items()
        }

    return jax.jit(compute)(np.float32(7), np.float32(12.5))


def static_weights() -> Arrays:
    return {"weights": jax.jit(lambda steps: schedules.weights_over(schedules.static(CLASSES), steps))(np.arange(3))}


def last_period() -> Arrays:
    found = [schedules.last_period(100, 30, interpretation=each) for each in ("text", "code")]
    traced = jax.jit(lambda period: schedules.last_period(100, period, interpretation="code"))(30)
    return {"last": np.array([*found, schedules.last_period(10, 30)]), "traced": traced}


def pulses() -> Arrays:
    def compute(period, amplitude):
        steps = jnp.arange(15)
        return {
            wave: schedules.weights_over(waveforms.pulses(wave, period, amplitude, CLASSES), steps)
            for wave in ("triangle", "sine", "square")
        }

    return jax.jit(compute)(np.float32(5), np.float32(8))


def pulses_in_random_order() -> Arrays:
    def compute(seed):
        schedule = waveforms.pulses("triangle", 2, 6.0, CLASSES, key=jax.random.key(seed))
        return {"weights": schedules.weights_over(schedule, jnp.arange(12))}

    return jax.jit(compute)(5)


def one_at_a_time() -> Arrays:
    def compute(period):
        schedule = waveforms.stopped(waveforms.one_at_a_time(period, CLASSES), 9)
        weights = schedules.weights_over(schedule, jnp.arange(11))
        return {"weights": weights, "strength": waveforms.strength(schedule, 9)}

    return jax.jit(compute)(np.float32(3))


def weights_without_period() -> Arrays:
    def compute(seed):
        schedule = waveforms.without_period(_in_turn, 3, 2, jax.random.key(seed))
        return {"weights": schedules.weights_over(schedule, jnp.arange(10))}

    return jax.jit(compute)(1)


# What is read off a trajectory.


def _bounces(steps: int = 240, period: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Made up: in each period the loss and three eigenvalues bounce, and for a while the loss at every fourth step."""
    step = np.arange(steps)
    within = step % period
    bounce = np.where((within > 30) & (within < 70), np.minimum(1, (within - 30) / 8), 0) * (-1.0) ** step
    fourth = np.where((within > 50) & (within < 60), np.sin(np.pi * step / 2), 0)
    top = 1.2 + within / 40 + 0.4 * bounce
    eigenvalues = np.stack([top, 0.6 * top + within / 100, 0.4 * top + within / 120], axis=1)
    return step, 1 - step / 600 + 0.02 * bounce + 0.02 * fourth, eigenvalues


def instabilities() -> Arrays:
    step, _, eigenvalues = _bounces()
    curvature = eigenvalues[:, 0]
    found = dynamics.instabilities(step, curvature, jump=0.3, quiet=8, lasting=2)
    pairs = dynamics.instabilities_of_pairs(step[:-1:3], curvature[:-1:3], curvature[1::3], jump=0.3, quiet=8)
    return {"found": np.array(found), "pairs": np.array(pairs)}


def threshold_of_marks() -> Arrays:
    marks = [dynamics.Instability(3, 9, 1.9, 2.2), dynamics.Instability(20, 31, 1.8, 2.4)]
    return {"threshold": np.array(dynamics.threshold(marks)), "marks": dynamics.curvature_at_marks(marks)}


def crossings_and_breaks() -> Arrays:
    step, loss, eigenvalues = _bounces()
    breaks = [dynamics.alternation_breaks(step, loss, (first, first + 70)) for first in (0, 80)]
    return {
        "crossings": np.array(dynamics.first_crossings(step, eigenvalues, 1.5, (5, 75))),
        "breaks": np.array(breaks),
    }


def power_law() -> Arrays:
    law = dynamics.power_law([1.0, 2, 3, 5, 8], [2.1, 1.3, np.nan, 0.45, 0.3])
    return {"law": np.array(law), "fitted": law.at(np.array([1.0, 4.0]))}


# Data.


def spiral_points() -> Arrays:
    data = datasets.spiral(5, 4, turns=1.5, noise=0.1, seed=3)
    return {"default": datasets.spiral().inputs[::60], "inputs": data.inputs, "labels": data.labels}


def spiral_validation_points() -> Arrays:
    data = datasets.spiral_validation(4, 3, turns=1.5, noise=0.1, seed=3)
    return {"default": datasets.spiral_validation().inputs[::60], "inputs": data.inputs, "labels": data.labels}


def dataset_methods() -> Arrays:
    data = datasets.Dataset(_drawn(0, 4, 2), np.array([0, 2, 2, 1]), num_classes=4)
    return {"counts": data.counts, "length": np.array(len(data)), "double": data.astype("float64").inputs}


def generated_photographs() -> Arrays:
    training, validation = cifar10.generated(13, 2, num_classes=12, image_size=4, noise=9, seed=4)
    return {"training": training.inputs, "labels": training.labels, "validation": validation.inputs}


def normalised_photographs() -> Arrays:
    random = np.random.RandomState(5)
    first, second = (
        datasets.Dataset(random.randint(0, 256, (size, 4, 4, 3)).astype(np.uint8), np.arange(size) % 2, 2)
        for size in (6, 2)
    )
    mean, deviation = cifar10.channel_statistics(first)
    found = {f"set {number}": each.inputs for number, each in enumerate(cifar10.normalised(first, second))}
    return found | {"mean": mean, "deviation": deviation}


def subset() -> Arrays:
    data = datasets.Dataset(np.arange(40), np.arange(40) % 5, 5)
    some = cifar10.subset(data, classes=(3, 0, 4), size=10, seed=2)
    return {"inputs": some.inputs, "labels": some.labels, "whole": cifar10.subset(data, size=15).inputs}


def photographs_from_files() -> Arrays:
    """A folder and an archive in the format of CIFAR-10, with ten images in each file."""
    random = np.random.RandomState(6)
    content = random.randint(0, 256, (6, 10, 1 + 3 * 32 * 32)).astype(np.uint8)
    content[:, :, 0] = np.arange(10)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    with tempfile.TemporaryDirectory() as folder, io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, records in zip(names, content, strict=True):
                Path(folder, name).write_bytes(records.tobytes())
                archive.add(Path(folder, name), f"cifar-10-batches-bin/{name}")
        file = Path(folder, "packed.tar.gz")
        file.write_bytes(packed.getvalue())
        release = cifar10.Release("", hashlib.sha256(packed.getvalue()).hexdigest(), records=10)
        sets = {where: cifar10.load(where, release=release) for where in (folder, file)}
    found: Arrays = {}
    for kind, (training, validation) in zip(("folder", "archive"), sets.values(), strict=True):
        found |= {
            f"{kind} training": training.inputs[::12, ::16, ::16],
            f"{kind} validation": validation.inputs[:1, ::16, ::4],
        }
        found |= {f"{kind} labels": training.labels}
    return found


def flips_and_crops() -> Arrays:
    images = np.arange(3 * 5 * 6 * 2, dtype=np.float32).reshape(3, 5, 6, 2)

    def compute(seed, images):
        return {"images": augmentation.flips_and_crops(jax.random.key(seed), images, padding=2)}

    return jax.jit(compute)(2, images)


# Models.


def mlp_at_the_start() -> Arrays:
    def compute(seed):
        key = jax.random.key(seed)
        start = {
            name: mlp.MLP(4, 2, initialization=name).init(key, jnp.zeros((1, 3))) for name in ("standard", "glorot")
        }
        return {
            "standard": start["standard"]["params"]["output"]["kernel"],
            "glorot": start["glorot"]["params"]["hidden"],
        }

    return _named(jax.jit(compute)(3))


def mlp_outputs() -> Arrays:
    model = mlp.MLP(WIDTH, CLASSES)

    def compute(params, inputs):
        outputs, pull = jax.vjp(lambda w: model.apply(w, inputs), params)
        return {"outputs": outputs, "gradient": pull(outputs)[0]}

    return _named(jax.jit(compute)(_parameters(), _samples()[0]))


def mlp_gradient() -> Arrays:
    return _named(jax.jit(mlp.cross_entropy_gradient)(_parameters(), *_samples(), GAMMA))


def mlp_hessian_products() -> Arrays:
    """Of the gradient, differentiated forwards; with more inputs than it sums one by one."""
    random = np.random.RandomState(7)
    shapes_of = {"hidden": (6, 4), "output": (4, 2)}
    params, along = (
        {
            "params": {
                name: {"kernel": random.randn(*shape).astype("f"), "bias": random.randn(shape[1]).astype("f")}
                for name, shape in shapes_of.items()
            }
        }
        for _ in range(2)
    )

    def compute(params, along, inputs, labels, weights):
        return jax.jvp(lambda w: mlp.cross_entropy_gradient(w, inputs, labels, weights), (params,), (along,))[1]

    labels = np.arange(POINTS, dtype=np.int32) % 2
    return _named(jax.jit(compute)(params, along, _drawn(8, POINTS, 6), labels, GAMMA[:2]))


def mlp_kernel() -> Arrays:
    return {"kernel": jax.jit(mlp.output_averaged_ntk)(_parameters(), _samples()[0])}


def myrtle_at_the_start() -> Arrays:
    model = myrtle.Myrtle(channels=2, num_classes=2, final_pools=0)

    def compute(seed):
        start = model.init(jax.random.key(seed), jnp.zeros((1, 4, 4, 1)))["params"]
        return {name: start[name]["kernel"] for name in ("convolution_2", "output")}

    return jax.jit(compute)(3)


def _scaled(number: int, *shape: int) -> np.ndarray:
    return _drawn(number, *shape) / np.float32(np.prod(shape[:-1]) ** 0.5)


def myrtle_gradient() -> Arrays:
    model, images = myrtle.Myrtle(channels=3, num_classes=2, final_pools=1), _drawn(9, 2, 8, 8, 3)

    def compute(params, images):
        outputs, pull = jax.vjp(lambda w: model.apply(w, images), params)
        return {"outputs": outputs, "gradient": pull(outputs)[0]}

    return _named(jax.jit(compute)(_filled(model, images, _scaled), images))


def myrtle_in_bfloat16() -> Arrays:
    model, images = (
        myrtle.Myrtle(depth=7, channels=2, num_classes=2, final_pools=0, dtype=jnp.bfloat16),
        _whole(9, 2, 4, 4, 1),
    )
    return {"outputs": jax.jit(model.apply)(_filled(model, images, _whole), images)}


def average_pool() -> Arrays:
    return {"images": jax.jit(myrtle.average_pool, static_argnums=1)(_drawn(1, 2, 6, 6, 2), 3)}


def wide_resnet_gradient() -> Arrays:
    """In training: outputs, gradient, and the averages of the normalisations after a batch."""
    model, images = WideResNet(depth=10, widening=1, num_classes=2), _drawn(9, 4, 8, 8, 3)

    def compute(variables, images):
        def loss(params):
            outputs, changed = model.apply(variables | {"params": params}, images, train=True, mutable=["batch_stats"])
            return jnp.sum(outputs**2), (outputs, changed)

        gradient, (outputs, changed) = jax.grad(loss, has_aux=True)(variables["params"])
        ends = {name: gradient[name] for name in ("convolution", "group_2_block_1_shortcut", "output")}
        return {"outputs": outputs, "averages": changed["batch_stats"]["normalisation"], "gradient": ends}

    return _named(jax.jit(compute)(_filled(model, images, _scaled), images))


def wide_resnet_outputs() -> Arrays:
    model, images = WideResNet(depth=10, widening=1, num_classes=2), _drawn(9, 4, 8, 8, 3)
    return {"outputs": jax.jit(model.apply)(_filled(model, images, _scaled), images)}


def _convolved(dtype: Any, **options: Any) -> Arrays:
    images, kernel = (_whole(seed, *shape).astype(dtype) for seed, shape in ((1, (9, 5, 4, 2)), (2, (3, 3, 2, 3))))

    def compute(images, kernel):
        outputs, pull = jax.vjp(lambda x, k: convolution.convolution(x, k, **options), images, kernel)
        to_images, to_kernel = pull(outputs)
        found = {"outputs": outputs, "to images": to_images, "to kernel": to_kernel}
        return {name: values.astype(jnp.float32) for name, values in found.items()}

    return jax.jit(compute)(images, kernel)


def convolution_with_slopes() -> Arrays:
    return _convolved(jnp.float32)


def convolution_with_strides() -> Arrays:
    return _convolved(jnp.float32, strides=(2, 2), padding=((1, 1), (1, 1)))


def convolution_in_bfloat16() -> Arrays:
    return _convolved(jnp.bfloat16)


def convolution_second_derivatives() -> Arrays:
    """Forward over reverse mode, as in a Hessian's product, for two directions at once; and reverse over reverse."""
    images, kernel = _drawn(1, 2, 4, 3, 2), _drawn(2, 3, 2, 2, 2)
    along = _drawn(3, 2, *images.shape), _drawn(4, 2, *kernel.shape)

    def compute(images, kernel, along):
        def gradient(images, kernel):
            return jax.grad(lambda x, k: jnp.sum(convolution.convolution(x, k) ** 3), (0, 1))(images, kernel)

        first = [each[0] for each in along]
        return {
            "forwards": jax.vmap(lambda x, k: jax.jvp(gradient, (images, kernel), (x, k))[1])(*along),
            "backwards": jax.grad(lambda *at: sum(map(jnp.vdot, first, gradient(*at))), (0, 1))(images, kernel),
        }

    return _named(jax.jit(compute)(images, kernel, along))


# Training.


def loss_gradient() -> Arrays:
    gradients = {
        "cross-entropy": full_batch.loss_gradient(_outputs, _dataset()),
        "squared error": full_batch.loss_gradient(_outputs, _dataset(), losses.squared_error),
    }
    compute = jax.jit(lambda params, weights: {name: each(params, weights) for name, each in gradients.items()})
    return _named(compute(_few(), GAMMA))


def descent() -> Arrays:
    """From step 4 on, with something recorded at every step and at every second."""

    def compute(params, learning_rate):
        each = full_batch.Recorder(lambda at: {"weights": at.weights, "params": at.params["w"]}, {})
        second = full_batch.Recorder(lambda at: {"slope": at.gradient(at.params)["w"]}, {}, 2)
        return full_batch.descend(params, _gradient(), _in_turn, learning_rate, 4, 5, [each, second])

    params, (each, second) = jax.jit(compute)(_few(), np.float32(0.3))
    return _named(params) | each | second


def descent_in_double_precision() -> Arrays:
    def compute(params):
        return full_batch.descend(params, _gradient("float64"), _in_turn, 0.3, 0, 5)[0]

    with double():
        return _named(jax.jit(compute)(_few(dtype="float64")))


def full_batch_training() -> Arrays:
    """Two segments, with the recorders that need no spectra."""
    data, validation = _dataset(), _dataset(seed=1)
    run = full_batch.train(
        _few(),
        data,
        _in_turn,
        gradient=_gradient(),
        learning_rate=0.3,
        steps=6,
        recorders=[
            recorders.class_weights(),
            recorders.training_state(_outputs, data, every=2),
            recorders.validation_accuracy(_outputs, validation, every=3),
        ],
        segments=2,
    )
    return _named(run.params) | _variables(run.trajectory)


def full_batch_training_resumed() -> Arrays:
    """A run that is out of time after the first of two segments, and goes on from its checkpoint."""
    with tempfile.TemporaryDirectory() as folder:

        def run():
            return full_batch.train(
                _few(),
                _dataset(),
                _in_turn,
                gradient=_gradient(),
                learning_rate=0.3,
                steps=4,
                recorders=[full_batch.Recorder(lambda at: {"w": at.params["w"]}, {"w": (("input", "class"), {})})],
                checkpoint=Path(folder, "run.npz"),
                segments=2,
            )

        with contextlib.suppress(deadline.OutOfTime), deadline.until(0):
            run()
        assert Path(folder, "run.npz").exists()
        found = run()
    return _named(found.params) | _variables(found.trajectory)


def recorded_spectra() -> Arrays:
    data = _dataset()
    inputs = jnp.asarray(data.inputs)
    run = full_batch.train(
        _few(),
        data,
        _in_turn,
        gradient=_gradient(),
        learning_rate=0.3,
        steps=3,
        recorders=[
            recorders.hessian(2, num_matvecs=4),
            recorders.ntk(_outputs, inputs, num_matvecs=3),
            recorders.output_averaged_ntk(
                lambda params, x: _outputs(params, x) @ _outputs(params, x).T, inputs, num_matvecs=2
            ),
        ],
    )
    return _variables(run.trajectory)


def recorded_in_batches() -> Arrays:
    data = _dataset()
    run = full_batch.train(
        _few(),
        data,
        _in_turn,
        gradient=_gradient(),
        learning_rate=0.3,
        steps=3,
        recorders=[
            batched_recorders.training_state(_outputs, data, 4),
            batched_recorders.hessian(2, num_matvecs=4),
        ],
    )
    return _variables(run.trajectory)


def training_by_optax() -> Arrays:
    with jax.numpy_dtype_promotion("standard"):  # Adam needs it
        run = full_batch.train(
            _few(),
            _dataset(),
            _in_turn,
            gradient=_gradient(),
            optimizer=optax.adam(0.05),
            steps=6,
            recorders=[full_batch.Recorder(lambda at: {"weights": at.weights}, {"weights": (("class",), {})}, 2)],
        )
    return _named(run.params) | _variables(run.trajectory)


def descent_by_optax() -> Arrays:
    optimizer = optax.sgd(0.2, momentum=0.9)

    def compute(params):
        return full_batch.optimize((params, optimizer.init(params)), _gradient(), _in_turn, optimizer, 2, 5)[0]

    return _named(jax.jit(compute)(_few()))


def _compiled_descent(method: str) -> Arrays:
    data = _dataset()

    def compute(params, learning_rate):
        return compiled.descend(params, data, _in_turn, learning_rate, 4, 6, method=method)

    return _named(jax.jit(compute)(_parameters(), np.float32(0.3)))


def descent_by_kernel() -> Arrays:
    return _compiled_descent("compiled" if compiled.compiled_fits(_dataset()) else "xla")


def descent_by_xla() -> Arrays:
    return _compiled_descent("xla")


def descent_of_several() -> Arrays:
    """Three networks at learning rates of their own, in a batch."""
    data = _dataset()
    several = jax.tree.map(lambda *each: np.stack(each), *map(_parameters, range(3)))

    def compute(params, learning_rate):
        return compiled.descend(params, data, _in_turn, learning_rate, 0, 6)

    return _named(jax.jit(jax.vmap(compute))(several, np.array([0.1, 0.3, 0.5], np.float32)))


def minibatches_with_momentum() -> Arrays:
    run = minibatch.train(
        mlp.MLP(WIDTH, CLASSES),
        jax.tree.map(jnp.asarray, _parameters()),
        _dataset(),
        _dataset(seed=1),
        schedule=jax.jit(_in_turn),
        learning_rate=jax.jit(lambda step: 0.1 + 0.01 * jnp.asarray(step, float)),
        epochs=2,
        batch_size=4,
        seed=3,
        direction=minibatch.MOMENTUM,
    )
    return _named(run.variables) | _variables(run.trajectory)


class _Normalised(nn.Module):
    """With averages that training changes, and dropout."""

    @nn.compact
    def __call__(self, inputs, train: bool = False):
        x = nn.Dense(4, use_bias=False)(inputs)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        return nn.Dense(CLASSES)(nn.Dropout(0.25, deterministic=not train)(nn.relu(x)))


def _noisy(key, inputs):
    return inputs + jax.random.uniform(key, inputs.shape, inputs.dtype) / 4


def minibatches_with_normalisation() -> Arrays:
    """Nesterov's momentum, changed inputs, and an evaluation at the start and the end only."""
    model, data = _Normalised(), _dataset()
    run = minibatch.train(
        model,
        jax.tree.map(jnp.asarray, _filled(model, data.inputs, _scaled)),
        data,
        schedule=jax.jit(_in_turn),
        learning_rate=0.1,
        epochs=2,
        batch_size=4,
        augment=_noisy,
        evaluate_every=5,
    )
    return _named(run.variables) | _variables(run.trajectory)


def piecewise_linear() -> Arrays:
    rate = jax.jit(jax.vmap(minibatch.piecewise_linear((0, 2, 5), (0.0, 0.4, 0.1), 3)))
    return {"rate": rate(np.arange(0, 18, 2))}


def order_of_an_epoch() -> Arrays:
    def compute(seed):
        order, noise = batches.shuffled(jax.random.key(seed), 2, 7, 3)
        return {"order": order, "noise": jax.random.key_data(noise)}

    return jax.jit(compute)(4)


def checkpoint() -> Arrays:
    """What is written is read again, and the identity of a run."""
    state = {"w": _drawn(1, 3), "half": jnp.asarray(_whole(2, 2), jnp.bfloat16), "count": np.array(5)}
    run = checkpoints.identity(state, 0.5, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.npz")
        checkpoints.save(path, run, 4, state, {"loss": [0.5, 0.25]})
        kept = checkpoints.load(path, run, state, ["loss"])
        checkpoints.remove(path)
        left = len(list(Path(folder).iterdir()))
    assert kept is not None
    epoch, found, records = kept
    numbers = {"epoch": np.array(epoch), "loss": np.array(records["loss"]), "left": np.array([epoch, left])}
    return _named(jax.tree.map(lambda leaf: np.asarray(leaf, float), found)) | numbers | {"run": _letters(run)}


# Spectra.


def _values(found: lanczos.Ritz) -> Arrays:
    """Without the eigenvectors, whose signs differ between machines."""
    return {"eigenvalues": found.eigenvalues, "residuals": found.residuals}


def tridiagonal() -> Arrays:
    """Of a matrix, and of one whose Krylov space ends early."""

    def compute(matrix, start):
        plain = lanczos.tridiagonalise(lambda v: matrix @ v, start, 5)
        short = lanczos.tridiagonalise(lambda v: jnp.asarray([1.0, 1, 1, 2, 2, 3, 3], v.dtype) * v, start, 4)
        return plain, {"alphas": short.alphas, "betas": short.betas}

    return _named(jax.jit(compute)(_symmetric(7), _drawn(1, 7)))


def extreme_eigenvalues() -> Arrays:
    def compute(matrix):
        ends = ("largest", "smallest")
        return {
            which: _values(lanczos.extreme_eigenvalues(lambda v: matrix @ v, 7, 2, num_matvecs=4, which=which))
            for which in ends
        }

    return _named(jax.jit(compute)(_symmetric(7)))


def leading_eigenpairs() -> Arrays:
    def compute(matrix):
        found = lanczos.extreme_eigenvalues(lambda v: matrix @ v, 7, 2, num_matvecs=4)
        return found._replace(vectors=jnp.abs(found.vectors))  # up to their signs

    return _named(jax.jit(compute)(_symmetric(7)))


def hessian_of_hills() -> Arrays:
    def compute(w, weights):
        def gradient(w):
            return jax.grad(_hills)(w, weights)

        operator, _ = hessian.hessian_operator(gradient, w)
        return {
            "product": operator(jnp.ones_like(w)),
            "largest": _values(hessian.hessian_eigenvalues(gradient, w, 2, num_matvecs=3)),
            "matrix": hessian.hessian_matrix(gradient, w),
        }

    return _named(jax.jit(compute)(_PLACE, _TWO))


def hessian_of_a_network() -> Arrays:
    """Gradient and products of ``mlp_hessian``."""

    def compute(params, along, inputs, labels, weights):
        local = mlp_hessian.derivatives(mlp_hessian.from_params(params), inputs, labels, weights)
        product = mlp_hessian.to_params(local.product(mlp_hessian.from_params(along)))
        return {"outputs": local.outputs, "gradient": local.gradient, "product": product}

    return _named(jax.jit(compute)(_parameters(), _parameters(1), *_samples(), GAMMA))


def tangent_kernel() -> Arrays:
    def compute(params, inputs):
        operator, size = ntk.ntk_operator(_outputs, params, inputs)
        return {
            "product": operator(jnp.arange(size, dtype=inputs.dtype)),
            "eigenvalues": _values(ntk.ntk_eigenvalues(_outputs, params, inputs, 2, num_matvecs=4)),
        }

    return _named(jax.jit(compute)(_few(), _samples()[0]))


def tangent_kernel_matrices() -> Arrays:
    def compute(params, inputs):
        averaged = ntk.output_averaged_ntk_matrix(_outputs, params, inputs)
        return {
            "whole": ntk.ntk_matrix(_outputs, params, inputs),
            "averaged": averaged,
            "eigenvalues": _values(ntk.kernel_eigenvalues(averaged, 2, num_matvecs=3)),
        }

    return _named(jax.jit(compute)(_few(), _samples(points=5)[0]))


def kernel_of_infinite_width() -> Arrays:
    params, inputs = _parameters(), _samples()[0]
    kernel, expected = jax.jit(infinite_width.scaled_kernel)(params, inputs), infinite_width.limit(inputs)
    deviation = infinite_width.relative_deviation(kernel, expected)
    return {"kernel": kernel, "limit": expected, "deviation": np.array(deviation)}


def alignments() -> Arrays:
    def compute(rows, labels, direction):
        return {
            "alignment": useful_cascades.kernel_target_alignment(rows @ rows.T, labels, CLASSES),
            "cosines": useful_cascades.cosines(rows, direction / jnp.linalg.norm(direction)),
        }

    return jax.jit(compute)(_drawn(1, POINTS, 4), _samples()[1], _drawn(2, 4))


def sums_over_batches() -> Arrays:
    def compute(values):
        (rows,), there = batched.in_batches(4, values)
        total = batched.sum_over(
            (rows, there), lambda batch: jnp.sum(jnp.where(batch[1][:, None], batch[0], 0) ** 2, 0)
        )
        return {"rows": rows, "there": there, "total": total}

    return jax.jit(compute)(_drawn(1, POINTS, 3))


def gradient_in_batches() -> Arrays:
    gradient = batched.loss_gradient(_outputs, _dataset(), 4)
    return _named(jax.jit(gradient)(_few(), GAMMA))


def spectra_in_batches() -> Arrays:
    def compute(w, weights, params, inputs):
        def gradient(w):
            return jax.grad(_hills)(w, weights)

        product, size = batched.hessian_operator(gradient, w)
        kernel, outputs = batched.ntk_operator(_outputs, params, inputs, 4)
        return {
            "product": product(jnp.arange(size, dtype=w.dtype)),
            "hessian": _values(batched.hessian_eigenvalues(gradient, w, 2, num_matvecs=3)),
            "kernel": kernel(jnp.arange(outputs, dtype=w.dtype)),
            "ntk": _values(batched.ntk_eigenvalues(_outputs, params, inputs, batch_size=4, num_matvecs=3)),
        }

    return _named(jax.jit(compute)(_PLACE, _TWO, _few(), _samples()[0]))


def tracked_eigenvalue() -> Arrays:
    def compute(matrix):
        def measure(start, part):
            shifted = matrix + part * np.diag(np.arange(9, dtype=np.float32))
            top = tracking.largest(lambda v: shifted @ v, start, num_matvecs=6, tolerance=0.05, fewest=3)
            return top.start, top._replace(start=jnp.abs(top.start))

        return jax.lax.scan(measure, tracking.cold_start(9, matrix.dtype), np.array([0, 0.1], np.float32))[1]

    return _named(jax.jit(compute)(_symmetric(9)))


def edges_of_stability() -> Arrays:
    names = "gradient descent", "heavy ball", "Nesterov", "Adam"
    found = edges.gradient_descent(0.3), edges.heavy_ball(0.3, 0.8), edges.nesterov(0.3, 0.8), edges.adam(0.01)
    return {name: np.array(each) for name, each in zip(names, found, strict=True)}


def preconditioned_eigenvalues() -> Arrays:
    def compute(w, weights, scale):
        found = edges.preconditioned_eigenvalues(lambda w: jax.grad(_hills)(w, weights), w, scale, 2, num_matvecs=3)
        return {"eigenvalues": found.eigenvalues}

    return jax.jit(compute)(_PLACE, _TWO, np.array([1, 2, 0.5, 3], np.float32))


def two_steps() -> Arrays:
    def compute(w, weights):
        gradient = jax.grad(_hills)
        after = w - 0.8 * gradient(w, weights)
        return two_step.two_step(gradient, (w, weights), (after, weights[::-1]), 0.8, 4, num_matvecs=2)

    # The basis spans everything, so that these products do not depend on its signs.
    found = two_step.TwoStep(*map(np.asarray, jax.jit(compute)(_PLACE, _TWO)))
    multipliers = two_step.multipliers(found)
    return {
        "half": found.half @ found.basis.T,
        "full": found.full @ found.basis.T,
        "curvatures": found.curvatures[:, :2],
        "values": np.stack([multipliers.values.real, np.abs(multipliers.values.imag)]),
        "alternation": multipliers.alternation,
        "extremes": np.array([multipliers.lowest, multipliers.alternating]),
    }


def gauss_newton_parts() -> Arrays:
    def compute(params, inputs, labels, weights):
        gradient = _gradient()
        how = _outputs, params, inputs, labels, weights
        operator, size = gauss_newton.weighted_kernel_operator(*how)
        return {
            "root": gauss_newton.root(_outputs(params, inputs), weights[labels]),
            "product": operator(jnp.ones(size, inputs.dtype)),
            "eigenvalues": _values(gauss_newton.weighted_kernel_eigenvalues(*how, 2, num_matvecs=4)),
            "parts": gauss_newton.parts(lambda w: gradient(w, weights), *how, num_matvecs=6),
        }

    return _named(jax.jit(compute)(_few(), *_samples(), GAMMA))


def map_of_the_kernel() -> Arrays:
    def compute(params, inputs, residuals, weights):
        operator, size = kernel_map.weighted_operator(_outputs, params, inputs, weights)
        return {
            "next": kernel_map.next_residuals(_outputs, params, inputs, residuals, 0.3),
            "weighted": kernel_map.next_residuals(_outputs, params, inputs, residuals, 0.3, weights),
            "product": operator(jnp.ones(size, inputs.dtype)),
        }

    inputs, labels = _samples()
    return jax.jit(compute)(_few(), inputs, _drawn(5, POINTS, CLASSES), GAMMA[labels])


def edge_of_the_central_flow() -> Arrays:
    def compute(w, weights, change):
        at = central_flow.edge(jax.grad(_hills), w, weights, change, 0.7, k=2, num_matvecs=3)
        centre = central_flow.centre({"w": w}, {"w": 2 * w}, {"w": w**2})
        return at._replace(direction=jnp.abs(at.direction)), centre

    return _named(jax.jit(compute)(_PLACE, _TWO, np.array([0.1, -0.1], np.float32)))


def central_flow_along_a_schedule() -> Arrays:
    def compute(w, learning_rate):
        def schedule(time, dtype):
            phase = jnp.asarray(time).astype(dtype) / 8
            return jnp.stack([1 + phase, 1 - phase])

        names = "path", "variance", "eigenvalues"
        found = central_flow.flow(jax.grad(_hills), w, schedule, learning_rate, 1, 3, parts=2, num_matvecs=3)
        return dict(zip(names, found, strict=True))

    return jax.jit(compute)(_PLACE, np.float32(0.6))


# Sweeps.


def swept(x, slope, seed, *, steps):
    """A point of the sweep below."""
    end = jax.lax.fori_loop(0, steps, lambda _, a: a - slope * a**2, jnp.asarray(x, jnp.float32))
    return {"end": end + jnp.asarray(seed, jnp.float32), "powers": jnp.stack([end, end**2])}


def small_sweep() -> Arrays:
    """Twelve points in two calls, the second of which finds what the first left."""
    with tempfile.TemporaryDirectory() as folder:
        for seeds in (1, 2):
            found = sweeps.run(
                "golden",
                swept,
                axes={"x": [0.5, 1.0, 1.5], "slope": [0.1, 0.2]},
                seeds=range(seeds),
                constants={"steps": 4},
                variables={"powers": (("power",), {"units": "1"})},
                progress=False,
                results=folder,
            )
    return _variables(found.drop_vars("diverged")) | {"scale": _letters(found.attrs["scale"])}


def swept_by_numpy(x, seed):
    return {"value": np.random.RandomState(seed).randn(2) * x}


def sweep_in_stages() -> Arrays:
    """Point by point; the second stage has more of everything."""
    plan = [sweeps.Stage("first", {"x": [1.0, 2.0]}, range(2)), sweeps.Stage("more", {"x": [1.0, 2.0, 3.0]}, range(3))]
    with tempfile.TemporaryDirectory() as folder:
        sweep = functools.partial(sweeps.run, "golden", swept_by_numpy, vectorize=False, progress=False, results=folder)
        origin = sweeps.run_plan(sweep, plan)
        found = sweeps.in_turn({"all": functools.partial(sweep, axes=plan[1].axes, seeds=plan[1].seeds)}, minutes=0)
    table = sweeps.progress_of(plan, found["all"])[["seeds", "points", "computed"]]
    return {"values": found["all"]["value"].values, "table": table.to_numpy(), "origin": _letters(origin)}


def _over_seeds() -> xr.DataArray:
    values = np.random.RandomState(3).randn(4, 7) + np.arange(4)[:, None] / 2
    values[1, 2] = values[3, 5] = np.nan
    return xr.DataArray(values, {"amplitude": [1, 2, 4, 8], "seed": range(7)})


def summary_over_seeds() -> Arrays:
    return {name: each.values for name, each in sweeps.summary(_over_seeds(), 0.9)._asdict().items()}


def simultaneous_intervals() -> Arrays:
    return {name: each.values for name, each in sweeps.simultaneous(_over_seeds())._asdict().items()}


def paired_differences() -> Arrays:
    values = _over_seeds().isel(amplitude=[0, 2])
    return {"differences": sweeps.paired(values[1, 1:], values[0, :-2]).values}


def best_of_the_points() -> Arrays:
    values = _over_seeds().isel(seed=[0, 1, 3, 4, 6])
    best = sweeps.best_point(values)
    choosing, judging = sweeps.halves(values)
    return {"best": best.values, "at": best.amplitude.values, "choosing": choosing.values, "judging": judging.values}


def intervals_in_words() -> Arrays:
    values = _over_seeds()
    words = [
        sweeps.interval(values[0]),
        sweeps.interval(values[1] * 100, signed=True),
        sweeps.interval(values[2, :1]),
        sweeps.interval(values[2, :0]),
        sweeps.interval(values[3].rename(seed="mark"), over="mark"),
    ]
    return {"words": _letters("; ".join(words))}


# What the experiments read off their runs, and what they are made of.


def cascades_of_a_run() -> Arrays:
    (step, loss, eigenvalues), period = _bounces(), 80
    variables = {"loss": ("step", loss), "hessian_eigenvalues": (("step", "rank"), eigenvalues)}
    run = xr.Dataset(variables, {"step": step}, {"steps": len(step)})
    by_curvature, by_loss = cascades.by_curvature(run, period, jump=0.3), cascades.by_loss(run, period)
    level = cascades.threshold(run, by_curvature, period)
    crossings = cascades.crossings(run, by_curvature, 1.5, period)
    beside = cascades.beside_the_edge(run, by_loss, 1.0)
    tables = {"crossings": crossings, "beside the edge": beside}
    return {
        "by curvature": np.array(by_curvature),
        "by loss": np.array(by_loss),
        "marks": cascades.marks(run, by_curvature, period).values,
        "threshold": np.array(level),
        "zoom": np.array([cascades.zoom(by_loss, number, 240, 9) for number in (1, 2, 9)]),
    } | {name: table.astype(float).fillna(-1).to_numpy() for name, table in tables.items()}


def _bouncing(steps: int = 420, period: int = 200) -> paths.Path:
    """A network that rests, bounces from step 150 on, and for a while comes back every fourth step only."""
    t = np.arange(steps)
    bounce = np.where((t >= 150) & (t < 290), (-1.0) ** t, 0)
    fourth = np.where((t >= 200) & (t < 260), 0.4 * np.sin(np.pi * t / 2), 0)
    x = 1e-3 * t + bounce + fourth
    return paths.Path(np.stack([x, 0 * x], axis=1), (x - 1e-3 * t - 0.3) ** 2, np.ones(steps))


def returns_and_quarters() -> Arrays:
    path = _bouncing()
    # Where the orbit has period two the share is nothing but rounding, and is left out.
    return {"returns": paths.return_ratio(path.params)[:150:10], "share": paths.quarter_share(path.loss)[210:250:5]}


def bounces_of_a_path() -> Arrays:
    steps, values = np.array([0, 10, 20, 30]), np.array([1.0, 0.5, -1.5, -2.0])
    crossings = [period_doubling.crossing(steps, values, level) for level in (0.7, -1.0)]
    return {"bounces": np.array(period_doubling.bounces(_bouncing(), 200)), "crossings": np.array(crossings)}


def followed_path() -> Arrays:
    """A path over the hills, and what is looked at along it."""
    ground = paths.Landscape(lambda seed: _PLACE, lambda w: w, _hills, jax.grad(_hills), None)
    schedule = lambda step, dtype: jnp.stack([1 + step % 2, 2 - step % 2]).astype(dtype)  # noqa: E731
    path = paths.follower(ground, schedule, optax.sgd(0.3), 6)(ground.start(0))
    look = paths.observer(lambda here, there, now, then, scale: (there - here, now + 2 * then, scale), schedule)
    return _named(path) | _named(look(path, [1, 4]), "look/")


def valleys_with_orbits() -> Arrays:
    found = toy_losses.orbits("two_valleys", [2.15, 2.3], steps=100)
    at = np.array([0.7, 1.1], np.float32)
    losses_there = jax.jit(lambda w: [loss(w, 1.5) for loss, _ in toy_losses.VALLEYS.values()])(at)
    return {"orbits": np.array(found), "losses": np.array(losses_there)}


def onsets_of_cascades() -> Arrays:
    step = np.arange(0, 1000, 10)
    width = np.where(step >= 600, np.clip((step - 600) / 290, 0, 1), 0)
    level = np.stack([1 - width, 1 + width / 2], axis=1)
    found = onsets.starts(step, level, 500, most=1)
    return {
        "starts": found,
        "midway": onsets.midway(step, level, found),
        "marked": np.array(onsets.marked(step, level, 500)),
        "cadence": onsets.cadence(30, 7),
    }


def rules_on_a_quadratic() -> Arrays:
    """The edge of each optimiser."""
    rules = onsets.rules(0.7, 0.3, 0.2, 0.01, 0.8)
    growth = onsets.growth_on_quadratic(rules["heavy ball"], 1.01, 20)
    return {"edges": np.array([rule.edge for rule in rules.values()]), "growth": np.array(growth)}


def thresholds_and_power_laws() -> Arrays:
    curvature = _bounces()[2][:, 0]
    run = xr.Dataset(
        {"curvature": (("step", "side"), np.stack([curvature[:-1], curvature[1:]], axis=1)),
         "accuracy": ("step", np.linspace(0.4, 0.9, 239))},
        coords={"step": np.arange(239)},
    )  # fmt: skip
    found = curvature_threshold.thresholds(run, 80, 0.5)
    rates, about = [0.5, 1.0, 2.0], ("learning_rate", "seed")
    values = np.array([[4.1, 3.9], [2.0, 2.2], [1.05, np.nan]])
    names = curvature_threshold.CRITERIA
    network = xr.Dataset({name: (about, values) for name in names}, coords={"learning_rate": rates, "seed": [0, 1]})
    laws = curvature_threshold.power_laws({"narrow": network})
    return {"thresholds": np.array(list(found.values())), "laws": np.array([law["narrow"] for law in laws.values()])}


def extrapolated_gains() -> Arrays:
    base = {"batch_size": 256}
    ladders = scaling.ladders(base, (400, 2000, 9000), (500, 1000, 2000), (4, 8, 16))
    rungs = [rung for each in ladders.values() for rung in each]
    random = np.random.RandomState(4)
    gains = [xr.DataArray(random.randn(3) / 50 + np.log10(rung.steps) / 20, {"seed": range(3)}) for rung in rungs]
    found = scaling.extrapolated(rungs, gains, paper.FIGURE_1_SCALE)
    settings = [[*rung[:3], *(rung.settings[name] for name in ("epochs", "evaluate_every"))] for rung in rungs]
    return _variables(found) | {"rungs": np.array(settings)}


def tuned_opponent() -> Arrays:
    values = np.random.RandomState(5).rand(2, 3, 4, 5)
    dims = "peak_rate", "weight_decay", "seed", "epoch"
    curves = xr.Dataset(
        {"validation_accuracy": (dims, values)}, coords={"peak_rate": [0.1, 0.2], "weight_decay": [0.01, 0.02, 0.04]}
    )
    best = baseline.tuned(curves)
    stopped = baseline.early(curves.isel(peak_rate=0, weight_decay=1))
    return {"best": np.array(list(best.values())), "early": np.array(stopped)}


def best_settings_of_digits() -> Arrays:
    values = np.random.RandomState(6).rand(2, 3, 2, 4)
    dims = "learning_rate", "amplitude", "seed", "digit"
    search = xr.Dataset(
        {"validation": (dims, values)}, coords={"learning_rate": [0.1, 0.2], "amplitude": [1.0, 5.0, 20.0]}
    )
    best = digits.best_settings(search)
    thinned = digits.thinned(datasets.Dataset(np.arange(120), np.arange(120) % 10, 10), (3, 7))
    return {"best": np.array([list(each.values()) for each in best.values()]), "thinned": thinned.inputs}


def validation_sets() -> Arrays:
    sets = spiral_interpretations
    return {name: sets.validation_set(name).inputs[::97] for name in sets.VALIDATIONS}


def stages_of_the_plane() -> Arrays:
    axes = {"period": [2.0, 8.0], "amplitude": [1.0, 5.0, 9.0]}
    corners, region = {"period": [2.0], "amplitude": [5.0]}, {"period": [2.0, 8.0], "amplitude": [5.0]}
    plan = plane.grown_from({"period": 2, "amplitude": 5.0}, corners, region, axes, 2, 4)
    sizes = [[len(stage.axes["period"]), len(stage.axes["amplitude"]), len(stage.seeds)] for stage in plan]
    return {"axis": np.array(plane.axis("periods", [8, 2, 32], 4)), "sizes": np.array(sizes)}


def outcome_on_the_spiral() -> Arrays:
    def compute(seed, learning_rate):
        task = spiral.task(4, "float32", seed)
        params = task.descend(_in_turn, learning_rate, 6)
        return {"params": params, "outcome": task.outcome(params)}

    return _named(jax.jit(compute)(2, np.float32(0.5)))


RUNS: dict[str, Callable[[], Arrays]] = {
    "losses/cross_entropy": cross_entropy,
    "losses/squared_error": half_squared_error,
    "losses/class_weighted_mean": class_weighted_mean,
    "losses/accuracy": accuracy,
    "schedules/oscillating": oscillating,
    "schedules/static": static_weights,
    "schedules/last_period": last_period,
    "shapes/pulses": pulses,
    "shapes/pulses_in_random_order": pulses_in_random_order,
    "shapes/one_at_a_time": one_at_a_time,
    "shapes/without_period": weights_without_period,
    "dynamics/instabilities": instabilities,
    "dynamics/threshold": threshold_of_marks,
    "dynamics/crossings": crossings_and_breaks,
    "dynamics/power_law": power_law,
    "datasets/spiral": spiral_points,
    "datasets/spiral_validation": spiral_validation_points,
    "datasets/dataset": dataset_methods,
    "datasets/cifar10_generated": generated_photographs,
    "datasets/cifar10_normalised": normalised_photographs,
    "datasets/cifar10_subset": subset,
    "datasets/cifar10_files": photographs_from_files,
    "models/mlp_at_the_start": mlp_at_the_start,
    "models/mlp_outputs": mlp_outputs,
    "models/mlp_gradient": mlp_gradient,
    "models/mlp_hessian_products": mlp_hessian_products,
    "models/mlp_kernel": mlp_kernel,
    "models/myrtle_at_the_start": myrtle_at_the_start,
    "models/myrtle_gradient": myrtle_gradient,
    "models/myrtle_bfloat16": myrtle_in_bfloat16,
    "models/average_pool": average_pool,
    "models/wide_resnet_gradient": wide_resnet_gradient,
    "models/wide_resnet_outputs": wide_resnet_outputs,
    "models/convolution": convolution_with_slopes,
    "models/convolution_strides": convolution_with_strides,
    "models/convolution_bfloat16": convolution_in_bfloat16,
    "models/convolution_second_derivatives": convolution_second_derivatives,
    "training/loss_gradient": loss_gradient,
    "training/descend": descent,
    "training/descend_double_precision": descent_in_double_precision,
    "training/full_batch": full_batch_training,
    "training/full_batch_resumed": full_batch_training_resumed,
    "training/recorders": recorded_spectra,
    "training/batched_recorders": recorded_in_batches,
    "training/by_optax": training_by_optax,
    "training/by_optax_descend": descent_by_optax,
    "training/compiled_kernel": descent_by_kernel,
    "training/compiled_xla": descent_by_xla,
    "training/compiled_batch": descent_of_several,
    "training/minibatch_momentum": minibatches_with_momentum,
    "training/minibatch_normalisation": minibatches_with_normalisation,
    "training/piecewise_linear": piecewise_linear,
    "training/shuffled": order_of_an_epoch,
    "training/flips_and_crops": flips_and_crops,
    "training/checkpoints": checkpoint,
    "spectral/lanczos_tridiagonal": tridiagonal,
    "spectral/lanczos": extreme_eigenvalues,
    "spectral/eigenpairs": leading_eigenpairs,
    "spectral/hessian": hessian_of_hills,
    "spectral/mlp_hessian": hessian_of_a_network,
    "spectral/ntk": tangent_kernel,
    "spectral/ntk_matrices": tangent_kernel_matrices,
    "spectral/infinite_width": kernel_of_infinite_width,
    "spectral/alignment": alignments,
    "spectral/batched_sums": sums_over_batches,
    "spectral/batched_gradient": gradient_in_batches,
    "spectral/batched": spectra_in_batches,
    "spectral/tracking": tracked_eigenvalue,
    "spectral/edges": edges_of_stability,
    "spectral/edges_preconditioned": preconditioned_eigenvalues,
    "spectral/two_step": two_steps,
    "spectral/gauss_newton": gauss_newton_parts,
    "spectral/kernel_map": map_of_the_kernel,
    "spectral/central_flow_edge": edge_of_the_central_flow,
    "spectral/central_flow": central_flow_along_a_schedule,
    "sweeps/run": small_sweep,
    "sweeps/plan": sweep_in_stages,
    "sweeps/summary": summary_over_seeds,
    "sweeps/simultaneous": simultaneous_intervals,
    "sweeps/paired": paired_differences,
    "sweeps/best_point": best_of_the_points,
    "sweeps/interval": intervals_in_words,
    "experiments/cascades": cascades_of_a_run,
    "experiments/paths": returns_and_quarters,
    "experiments/paths_followed": followed_path,
    "experiments/period_doubling": bounces_of_a_path,
    "experiments/valleys": valleys_with_orbits,
    "experiments/onsets": onsets_of_cascades,
    "experiments/onsets_rules": rules_on_a_quadratic,
    "experiments/curvature_threshold": thresholds_and_power_laws,
    "experiments/scaling": extrapolated_gains,
    "experiments/opponent": tuned_opponent,
    "experiments/digits_best_settings": best_settings_of_digits,
    "experiments/readings": validation_sets,
    "experiments/plane": stages_of_the_plane,
    "experiments/spiral": outcome_on_the_spiral,
}
