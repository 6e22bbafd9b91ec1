"""Eqs. (8)-(14) on the spiral: how the kernel predicts the next outputs of the squared error, and the three regimes."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from dynloss import losses, schedules
from dynloss.spectral import ntk
from dynloss.spectral.lanczos import extreme_eigenvalues
from dynloss.training import full_batch
from dynloss_book.squared_error import infinite_width, kernel_map
from dynloss_book.tasks import spiral
from dynloss_book.tasks.spiral import SpiralTask

DISTURBANCE = 0.01  # of the residuals, along a mode of unit norm
RATIOS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 1.9, 2.0, 2.1, 2.25, 2.5)
# The variables of sweeps over `probe`, `regime` and `oscillating`.
PROBE = {
    "error": (("unit", "rate"), {"long_name": "mean error of eq. (14) over the outputs", "units": "1"}),
    "factor": (("ratio",), {"long_name": "factor of the top mode of the residuals in one step", "units": "1"}),
    "disturbance": (("ratio",), {"long_name": "factor of a small disturbance of the top mode", "units": "1"}),
    "eigenvalue": ((), {"long_name": "λ_max of the NTK over N", "units": "1"}),
    "residual": ((), {"long_name": "‖Θv − λv‖ over N", "units": "1"}),
}
UNITS = ("relu", "tanh")
REGIME = {
    "mode": (("step",), {"long_name": "top mode of the residuals, over its first value", "units": "1"}),
    "eigenvalue": (("step",), {"long_name": "ηλ_max/N of the NTK", "units": "1"}),
    "relative_error": (("step",), {"long_name": "error of eq. (14) over the change of the outputs", "units": "1"}),
}
OSCILLATING = {
    "plain": (("measurement",), {"long_name": "ηλ_max/N of the NTK", "units": "1"}),
    "weighted": (("measurement",), {"long_name": "ηλ_max/N of the weighted NTK", "units": "1"}),
    "accuracy": (("measurement",), {"long_name": "training accuracy", "units": "1"}),
    "loss": (("step",), {"long_name": "dynamical squared error", "units": "1"}),
}


def _residuals(task: SpiralTask, params, apply: Callable | None = None) -> Any:
    """g = f - y of eq. (12), (N, C)."""
    outputs = (apply or task.model.apply)(params, task.inputs)
    return outputs - jax.nn.one_hot(task.labels, spiral.CLASSES, dtype=outputs.dtype)


def _top_mode(task: SpiralTask, params, num_matvecs: int):
    """λ_max of the NTK of eq. (11) with its eigenvector, (N·C,), and residual."""
    operator, size = ntk.ntk_operator(task.model.apply, params, task.inputs)
    found = extreme_eigenvalues(operator, size, num_matvecs=num_matvecs, dtype=task.training.inputs.dtype)
    return found.eigenvalues[0], found.vectors[0], found.residuals[0]


def probe(
    moment, seed, *, width: int, rates: Sequence[float], ratios: Sequence[float], num_matvecs: int, precision: str
) -> dict[str, Any]:
    """Train for ``moment`` steps at half the first boundary; then try one step of many sizes from there.

    Args:
        moment: steps of training, may be traced.
        seed: of the initial weights.
        rates: η at which the next outputs are compared with eq. (14): the mean of the absolute errors, for ReLU units
            and for the same network with tanh in their place.
        ratios: ηλ/N at which the factor of the top mode is measured, with λ = λ_max of that moment.
        num_matvecs: products with the kernel in Lanczos's method.
    """
    task = spiral.task(width, precision, seed)
    _, step = _descent(task)
    first, _, _ = _top_mode(task, task.start, num_matvecs)
    half = 0.5 * len(task.training) / first
    params = jax.lax.fori_loop(0, jnp.asarray(moment, int), lambda _, params: step(params, half), task.start)
    top, mode, residual = _top_mode(task, params, num_matvecs)
    here, samples = _residuals(task, params), len(task.training)
    moved = DISTURBANCE * mode.reshape(here.shape)

    def factors(ratio):
        rate = ratio * samples / top
        there = _residuals(task, step(params, rate))
        disturbed = _residuals(task, step(params, rate, moved))
        both = mode @ there.ravel() / (mode @ here.ravel()), 1 + mode @ (disturbed - there).ravel() / DISTURBANCE
        return jnp.stack(both)

    dtype = here.dtype
    factor, disturbance = jax.lax.map(factors, jnp.asarray(ratios, dtype)).T
    errors = [_prediction_errors(task, apply, params, rates) for apply in (task.model.apply, _with_tanh)]
    return {
        "error": jnp.stack(errors),
        "factor": factor,
        "disturbance": disturbance,
        "eigenvalue": top / samples,
        "residual": residual / samples,
    }


def _prediction_errors(task: SpiralTask, apply: Callable, params, rates: Sequence[float]) -> Any:
    """How far the outputs after one step are from eq. (14), for each rate: the mean absolute error.

    The mean, not its square's root: a ReLU that a step carries over its kink is wrong for single samples, so their
    number grows with η, and so does the error of each.
    """
    _, step = _descent(task, apply)
    here = _residuals(task, params, apply)

    def error(rate):
        predicted = kernel_map.next_residuals(apply, params, task.inputs, here, rate)
        return jnp.mean(jnp.abs(_residuals(task, step(params, rate), apply) - predicted))

    return jax.lax.map(error, jnp.asarray(rates, here.dtype))


def regime(ratio, seed, *, width: int, steps: int, num_matvecs: int, precision: str) -> dict[str, Any]:
    """``steps`` steps at η = ratio · N/λ_max, with λ_max of the untrained network; see ``REGIME``.

    Args:
        ratio: ηλ_max/N; may be traced.
        seed: of the initial weights; may be traced.
        width: hidden units.
        steps: how many.
        num_matvecs: products with the kernel for each λ_max.
        precision: "float32" or "float64".
    """
    task = spiral.task(width, precision, seed)
    _, step = _descent(task)
    first, mode, _ = _top_mode(task, task.start, num_matvecs)
    samples, inputs = len(task.training), task.inputs
    rate = ratio * samples / first
    amplitude = mode @ _residuals(task, task.start).ravel()

    def advance(params, _):
        here, after = _residuals(task, params), step(params, rate)
        there = _residuals(task, after)
        predicted = kernel_map.next_residuals(task.model.apply, params, inputs, here, rate)
        operator, size = ntk.ntk_operator(task.model.apply, params, inputs)
        top = extreme_eigenvalues(operator, size, num_matvecs=num_matvecs, dtype=inputs.dtype).eigenvalues[0]
        return after, {
            "mode": mode @ here.ravel() / amplitude,
            "eigenvalue": rate * top / samples,
            "relative_error": jnp.linalg.norm(there - predicted) / jnp.linalg.norm(there - here),
        }

    return jax.lax.scan(advance, task.start, length=steps)[1]


def oscillating(
    learning_rate, seed, *, width: int, period: int, amplitude: float, steps: int, every: int, num_matvecs: int,
    precision: str,
) -> dict[str, Any]:  # fmt: skip
    """The squared error with the weights of eqs. (2)-(5); λ_max of both kernels every few steps: ``OSCILLATING``.

    Args:
        learning_rate: η; may be traced.
        seed, width, num_matvecs, precision: as of ``regime``.
        period, amplitude: T, in steps, and A.
        steps: how many.
        every: steps from one measurement of both kernels to the next.
    """
    task = spiral.task(width, precision, seed)
    inputs, labels, samples = task.inputs, task.labels, len(task.training)

    def spectra(at: full_batch.Snapshot):
        def largest(weights):
            operator, size = kernel_map.weighted_operator(task.model.apply, at.params, inputs, weights)
            top = extreme_eigenvalues(operator, size, num_matvecs=num_matvecs, dtype=inputs.dtype).eigenvalues[0]
            return learning_rate * top / samples

        return {
            "plain": largest(jnp.ones(samples, inputs.dtype)),
            "weighted": largest(at.weights[labels]),
            "accuracy": losses.accuracy(task.outputs(at.params), labels),
        }

    def loss(at: full_batch.Snapshot):
        each = losses.squared_error(task.outputs(at.params), labels)
        return {"loss": losses.class_weighted_mean(each, labels, at.weights)}

    recorders = [full_batch.Recorder(spectra, {}, every), full_batch.Recorder(loss, {})]
    gradient, _ = _descent(task)
    weights = schedules.oscillating(period, amplitude, spiral.CLASSES)
    _, (seen, path) = full_batch.descend(task.start, gradient, weights, learning_rate, 0, steps, recorders)
    return {name: values[::every] for name, values in seen.items()} | path


def convergence(*, widths: Sequence[int], seeds: int, points: int) -> xr.Dataset:
    """How far the NTK of untrained networks is from its infinite-width limit: the relative deviation, (width, seed).

    ``neural_tangents`` is how far our closed form of the limit is from neural-tangents' kernel; NaN where that is
    not installed.

    Args:
        widths: hidden units.
        seeds: how many networks of each width.
        points: of the spiral's 300, about as many for the kernels.
    """
    data = spiral.task(1, "float64", 0).training
    inputs = np.asarray(data.inputs)[:: max(1, len(data) // points)]
    inputs = inputs[np.linalg.norm(inputs, axis=1) > 0]  # at the origin both kernels are 0
    expected, theirs = infinite_width.limit(inputs), infinite_width.limit_by_neural_tangents(inputs)
    agreement = np.nan if theirs is None else infinite_width.relative_deviation(theirs, expected)

    def deviation(width: int, seed: int) -> float:
        start = spiral.task(width, "float64", seed).start
        return infinite_width.relative_deviation(infinite_width.scaled_kernel(start, inputs), expected)

    values = [[deviation(width, seed) for seed in range(seeds)] for width in widths]
    return xr.Dataset(
        {
            "deviation": (("width", "seed"), values, {"long_name": "relative deviation of the NTK", "units": "1"}),
            "neural_tangents": ((), agreement, {"long_name": "deviation from neural-tangents", "units": "1"}),
        },
        coords={"width": list(widths), "seed": range(seeds)},
        attrs={"scale": f"{seeds} seeds, {len(inputs)} points", "dtype": "float64"},
    )


def _descent(task: SpiralTask, apply: Callable | None = None):
    """The gradient of eq. (8), and a step with it, the residuals of which may be disturbed."""
    gradient = full_batch.loss_gradient(apply or task.model.apply, task.training, losses.squared_error)
    ones = jnp.ones(spiral.CLASSES, task.training.inputs.dtype)

    def step(params, rate, disturbance=None):
        slope = gradient(params, ones)
        if disturbance is not None:
            _, back = jax.vjp(lambda w: _residuals(task, w, apply), params)
            slope = jax.tree.map(lambda g, extra: g + extra / len(task.training), slope, back(disturbance)[0])
        return jax.tree.map(lambda w, g: w - rate * g, params, slope)

    return gradient, step


def _with_tanh(params, inputs):
    """An ``MLP`` with smooth units."""
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    units = jnp.tanh(inputs @ hidden["kernel"] + hidden["bias"][None, :])
    return units @ output["kernel"] + output["bias"][None, :]
