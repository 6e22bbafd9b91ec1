"""What the paper's text says besides its figures, measured: weights, minima, curvature, learning rate and kernel.

Each function returns a dataset of its own dimensions; together they are one result.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from dynloss import losses, schedules
from dynloss.checks import check_count
from dynloss.spectral.hessian import hessian_eigenvalues, hessian_matrix
from dynloss.spectral.ntk import ntk_matrix
from dynloss.training import compiled, full_batch, recorders
from dynloss_book.tasks.spiral import CLASSES, SpiralTask

REGIMES = (0.5, 1.5, 2.5)  # ηλ/N: one in each regime of eq. (14)


def weights(period: int, amplitudes: Sequence[float]) -> xr.Dataset:
    """``weights`` Γ over two cycles, (amplitude, weight_step, class)."""
    steps = jnp.arange(2 * CLASSES * period)
    each = [schedules.weights_over(schedules.oscillating(period, a, CLASSES), steps) for a in amplitudes]
    values = np.stack([np.asarray(gammas) for gammas in each])
    about = {"long_name": "class weight Γ", "units": "1"}
    return xr.Dataset(
        {"weights": (("amplitude", "weight_step", "class"), values, about)},
        coords={"amplitude": list(amplitudes)},
        attrs={"weight_period": period},
    )


def minima(task: SpiralTask, period: int, amplitude: float, largest: int = 6) -> xr.Dataset:
    """Outputs that are right by a margin, ``margin_loss`` for the static and the least and greatest weighted loss.

    The margins, (margin), grow from 1 to 10^2; ``way`` is static, least, greatest (over all Γ of two cycles).

    Args:
        task: whose labels count.
        period, amplitude: T, in steps, and A.
        largest: how many margins.
    """
    margins = np.geomspace(1, 100, largest)
    schedule = schedules.oscillating(period, amplitude, CLASSES)
    gammas = schedules.weights_over(schedule, jnp.arange(2 * CLASSES * period))

    def three(margin) -> list[float]:
        each = losses.cross_entropy(margin * jax.nn.one_hot(task.labels, CLASSES), task.labels)
        weighted = jax.vmap(lambda gamma: losses.class_weighted_mean(each, task.labels, gamma))(gammas)
        return [float(jnp.mean(each)), float(weighted.min()), float(weighted.max())]

    about = {"long_name": "loss", "units": "nats"}
    return xr.Dataset(
        {"margin_loss": (("margin", "way"), np.array([three(margin) for margin in margins]), about)},
        coords={"margin": margins, "way": ["static", "least", "greatest"]},
    )


def one_class(tasks: Sequence[SpiralTask], learning_rate: float, steps: int) -> xr.Dataset:
    """A → ∞: only class 0 counts. The loss along the descent, what the outputs say in the end, and the curvature.

    ``one_class_loss`` (seed, descent_step); ``chosen`` (seed), the share of all points that is called class 0 at the
    end; ``least_curvature`` (seed), the smallest eigenvalue of the Hessian at the start over the largest modulus.

    Args:
        tasks: one for each seed, on the same points.
        learning_rate: η.
        steps: how many.
    """
    task = tasks[0]
    gammas = jnp.zeros(CLASSES, task.inputs.dtype).at[0].set(CLASSES)
    state = recorders.training_state(task.model.apply, task.training)

    def run(start):
        schedule = lambda step, dtype=None: gammas  # noqa: E731
        params, (along,) = full_batch.descend(start, task.gradient, schedule, learning_rate, 0, steps, [state])
        called = jnp.mean((jnp.argmax(task.outputs(params), -1) == 0).astype(task.inputs.dtype))
        eigenvalues = jnp.linalg.eigvalsh(hessian_matrix(lambda params: task.gradient(params, gammas), start))
        return along["loss"], called, eigenvalues[0] / jnp.abs(eigenvalues).max()

    loss, chosen, least = map(np.asarray, jax.jit(lambda starts: jax.lax.map(run, starts))(_together(tasks)))
    about = {"long_name": "loss of the chosen class", "units": "nats"}
    return xr.Dataset(
        {
            "one_class_loss": (("seed", "descent_step"), loss, about),
            "chosen": ("seed", chosen, {"long_name": "share of points called the chosen class", "units": "1"}),
            "least_curvature": ("seed", least,
                                {"long_name": "smallest over largest Hessian eigenvalue", "units": "1"}),
        }
    )  # fmt: skip


def spectrum(tasks: Sequence[SpiralTask], learning_rate: float, steps: int) -> xr.Dataset:
    """``spectrum`` (seed, eigenvalue): all of the static loss's Hessian after training with it, ascending.

    Args:
        tasks, learning_rate, steps: as of ``one_class``.
    """
    static = schedules.static(CLASSES)
    ones = static(0, tasks[0].inputs.dtype)

    def eigenvalues(start):
        params = dataclasses.replace(tasks[0], start=start).descend(static, learning_rate, steps)
        return jnp.linalg.eigvalsh(hessian_matrix(lambda params: tasks[0].gradient(params, ones), params))

    values = np.asarray(jax.jit(lambda starts: jax.lax.map(eigenvalues, starts))(_together(tasks)))
    about = {"long_name": "Hessian eigenvalue", "units": "1"}
    return xr.Dataset({"spectrum": (("seed", "eigenvalue"), values, about)})


def along_the_gradient(tasks: Sequence[SpiralTask], learning_rate: float, steps: int, every: int) -> xr.Dataset:
    """``along`` (seed, step_n): the curvature of the static loss along its gradient while it is trained, gᵀHg/gᵀg.

    Args:
        tasks, learning_rate, steps: as of ``one_class``.
        every: steps from one measurement to the next.
    """

    def measure(at: full_batch.Snapshot) -> dict[str, Any]:
        gradient = at.gradient(at.params)
        _, curved = jax.jvp(at.gradient, (at.params,), (gradient,))
        flat, other = ravel_pytree(gradient)[0], ravel_pytree(curved)[0]
        return {"along": flat @ other / (flat @ flat)}

    about = {"long_name": "curvature along the gradient", "units": "1"}
    recorder = full_batch.Recorder(measure, {"along": ((), about)}, every)
    static = schedules.static(CLASSES)
    return xr.concat([task.record(static, learning_rate, steps, [recorder]).drop_attrs() for task in tasks], "seed")


def learning_rates(tasks: Sequence[SpiralTask], rates: Sequence[float], duration: float) -> xr.Dataset:
    """``static_accuracy`` (rate, seed): of the static loss after ``duration``/η steps, an equal time ηt for each η.

    Args:
        tasks: as of ``one_class``.
        rates: values of η.
        duration: ηt, the number of steps at η = 1.
    """

    static = schedules.static(CLASSES)

    def final(rate: float) -> np.ndarray:
        def one(start):
            task = dataclasses.replace(tasks[0], start=start)
            return task.outcome(task.descend(static, rate, round(duration / rate)))["accuracy"]

        return np.asarray(jax.jit(lambda starts: jax.lax.map(one, starts))(_together(tasks)))

    about = {"long_name": "training accuracy", "units": "1"}
    values = np.array([final(rate) for rate in rates])
    return xr.Dataset({"static_accuracy": (("rate", "seed"), values, about)}, coords={"rate": list(rates)})


def turns(tasks: Sequence[SpiralTask], learning_rate: float, period: int, amplitude: float, turns: int) -> xr.Dataset:
    """What the network can do when each class counts most, and what the others' turns do to a valley it was in.

    ``class_accuracy`` (seed, half_period, class): of each class alone, after each half of ``turns`` periods; entries 0,
    2, … are the middles, where Γ is largest.
    ``valley_loss``, ``valley_curvature`` (seed, valley, moment): F and the largest eigenvalue of its Hessian at the
    parameters of the middle of the last period of each class, ``valley``, which are then *held*, while Γ goes through
    all classes once more in half periods, the first and the last with Γ = 1.

    Args:
        tasks, learning_rate: as of ``one_class``.
        period: T, in steps, an even number.
        amplitude: A.
        turns: periods, at least C.

    Raises:
        ValueError: the period is odd, or a class has no turn.
    """
    check_count("turns", turns, at_least=CLASSES)
    if period % 2:
        raise ValueError(f"period must be even, so that it has a middle, got {period}")
    task, half = tasks[0], period // 2
    dtype = task.inputs.dtype
    schedule = schedules.oscillating(period, amplitude, CLASSES)
    moments = jax.vmap(lambda step: schedule(step, dtype))(half * jnp.arange(2 * CLASSES + 1))
    members = jax.nn.one_hot(task.labels, CLASSES, dtype=dtype)

    def by_class(params):
        right = jnp.argmax(task.outputs(params), -1) == task.labels
        return right.astype(dtype) @ members / members.sum(0)

    def at_moment(params, gammas):
        found = hessian_eigenvalues(lambda w: task.gradient(w, gammas), params, num_matvecs=32)
        return task.loss(params, gammas), found.eigenvalues[0]

    def run(start):
        def one(params, number):
            params = compiled.descend(params, task.training, schedule, learning_rate, half * number, half)
            return params, (params, by_class(params))

        _, (path, accuracy) = jax.lax.scan(one, start, jnp.arange(2 * turns))
        ends = np.arange(turns - CLASSES, turns)
        middles = jax.tree.map(lambda w: w[2 * ends[np.argsort(ends % CLASSES)]], path)
        return accuracy, jax.lax.map(lambda w: jax.lax.map(lambda gammas: at_moment(w, gammas), moments), middles)

    accuracy, (loss, curvature) = jax.jit(lambda starts: jax.lax.map(run, starts))(_together(tasks))
    dims, units = ("seed", "valley", "moment"), {"units": "nats"}
    return xr.Dataset(
        {
            "class_accuracy": (("seed", "half_period", "class"), np.asarray(accuracy),
                               {"long_name": "training accuracy of a class", "units": "1"}),
            "valley_loss": (dims, np.asarray(loss), {"long_name": "loss in a valley that is left"} | units),
            "valley_curvature": (dims, np.asarray(curvature), {"long_name": "λ_max in it", "units": "1"}),
        },
        attrs={"turn_period": period},
    )  # fmt: skip


def kernel(tasks: Sequence[SpiralTask], modes: int, ratio: float, small_steps: int, steps: int) -> xr.Dataset:
    """The squared error along the first eigenvectors of the NTK at the start, at small η and in the regimes; over seed.

    Gradient descent on eq. (8); residuals in proportion to the first. At small η, ηλ_max/N = ``ratio``:
    ``mode_residual`` (mode, small_step), ``mode_expected``, which is eq. (13) with the first kernel, exp(−ηλt/N), and
    ``mode_eigenvalue`` (mode), its λ, descending. With ηλ_max/N as ``REGIMES`` say: ``residual`` (regime, kernel_step)
    along the first eigenvector, and ``predicted``, which is eq. (14) with the first kernel, (1 − ηλ/N)^t.

    Args:
        tasks: as of ``one_class``.
        modes: how many eigenvectors, of the largest eigenvalues.
        ratio: ηλ_max/N of the small η.
        small_steps, steps: how many at the small η, and in each regime.
    """
    return xr.concat([_kernel(task, modes, ratio, small_steps, steps) for task in tasks], "seed")


def _kernel(task: SpiralTask, modes: int, ratio: float, small_steps: int, steps: int) -> xr.Dataset:
    number = len(task.training)
    operator = ntk_matrix(task.model.apply, task.start, task.inputs).reshape(number * CLASSES, -1)
    values, vectors = jnp.linalg.eigh(operator)
    values, vectors = np.asarray(values)[::-1][:modes], vectors[:, ::-1][:, :modes]
    few, many = (_residuals(task, vectors, count) for count in (steps, small_steps))
    slow = np.asarray(many(ratio * number / values[0])).T
    expected = np.exp(-ratio * (values / values[0])[:, None] * np.arange(small_steps))
    top = np.stack([few(regime * number / values[0])[:, 0] for regime in REGIMES])
    predicted = (1 - np.array(REGIMES)[:, None]) ** np.arange(steps)
    about = {"long_name": "residual along an eigenvector of the NTK", "units": "1"}
    return xr.Dataset(
        {
            "mode_residual": (("mode", "small_step"), slow / slow[:, :1], about),
            "mode_expected": (("mode", "small_step"), expected, about),
            "mode_eigenvalue": ("mode", values, {"long_name": "NTK eigenvalue", "units": "1"}),
            "residual": (("regime", "kernel_step"), top / top[:, :1], about),
            "predicted": (("regime", "kernel_step"), predicted, about),
        },
        coords={"regime": list(REGIMES)},
    )


def _residuals(task: SpiralTask, vectors: Any, steps: int) -> Any:
    """A compiled function of η: the squared error's residual along ``vectors`` (P·C, k) at each step, (steps, k)."""
    target = jax.nn.one_hot(task.labels, CLASSES, dtype=task.inputs.dtype)

    def loss(params):
        return jnp.mean(losses.squared_error(task.outputs(params), task.labels))

    @jax.jit
    def path(rate):
        def step(params, _):
            residual = (task.outputs(params) - target).reshape(-1)
            after = jax.tree.map(lambda w, g: w - rate * g, params, jax.grad(loss)(params))
            return after, vectors.T @ residual

        return jax.lax.scan(step, task.start, length=steps)[1]

    return path


def _together(tasks: Sequence[SpiralTask]) -> Any:
    """The initial weights of several tasks, along a leading axis."""
    return jax.tree.map(lambda *each: jnp.stack(each), *(task.start for task in tasks))
