"""Where cascades start, measured in units of the edge of stability: for every optimiser, and for the kernels."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

from dynloss import dynamics, losses
from dynloss.checks import check_count
from dynloss.schedules import Schedule
from dynloss.spectral import gauss_newton, hessian, ntk
from dynloss_book.analysis import edges, paths
from dynloss_book.analysis.paths import Landscape, Path

# Jumps of λ across a step, as parts of the edge. The first is the paper's mark: 0.1 at η = 1, where the edge is 2.
MARKS = (0.05, 0.1, 0.2)
LASTING = 3  # jumps in a row, as in Figure 5: a single one may be a kink of a ReLU
SIDES = ("before", "after")


class Rule(NamedTuple):
    """An optimiser with its edge.

    Attributes:
        optimizer: of optax.
        edge: the largest eigenvalue of P⁻¹H that its steps on a quadratic bear.
        learning_rate: η.
        preconditioner: its state after a step -> the diagonal of P.
    """

    optimizer: Any
    edge: float
    learning_rate: float
    preconditioner: Callable[[Any], Any] = lambda state: 1.0


def rules(gradient_descent: float, heavy_ball: float, nesterov: float, adam: float, momentum: float) -> dict[str, Rule]:
    """{name: rule} at these learning rates; Adam has the usual β₁ = 0.9, β₂ = 0.999.

    Args:
        gradient_descent, heavy_ball, nesterov, adam: η of each.
        momentum: of heavy ball and Nesterov, from 0 to below 1.

    Raises:
        ValueError: a number is out of range.

    >>> {name: round(rule.edge, 2) for name, rule in rules(1.0, 0.3, 0.3, 0.01, 0.9).items()}
    {'gradient descent': 2.0, 'heavy ball': 12.67, 'Nesterov': 4.52, 'Adam': 3800.0}
    """
    return {
        "gradient descent": Rule(
            optax.sgd(gradient_descent), edges.gradient_descent(gradient_descent), gradient_descent
        ),
        "heavy ball": Rule(optax.sgd(heavy_ball, momentum), edges.heavy_ball(heavy_ball, momentum), heavy_ball),
        "Nesterov": Rule(optax.sgd(nesterov, momentum, nesterov=True), edges.nesterov(nesterov, momentum), nesterov),
        "Adam": Rule(optax.adam(adam), edges.adam(adam), adam, adam_preconditioner()),
    }


def adam_preconditioner(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Callable[[Any], Any]:
    """The state of ``optax.adam`` after step t -> the diagonal of P.

    Adam steps by η m̂/(√v̂ + ε). With both corrections for the start written out, this is heavy ball with the
    preconditioner (1 − β₁^t)(√v̂ + ε), of which the first factor is 1 after some steps.

    Args:
        beta1, beta2, epsilon: β₁, β₂ and ε of the optimiser; by default optax's.
    """

    def diagonal(state):
        moments = state[0]
        count = moments.count.astype(moments.nu.dtype)
        unbiased = moments.nu / (1 - beta2**count)
        return (1 - beta1**count) * (jnp.sqrt(unbiased) + epsilon)

    return diagonal


def adam_with_preconditioner_held(learning_rate: float, beta1: float = 0.9) -> Any:
    """Adam with P = 1: a step of η along the average of the gradients."""
    return optax.chain(optax.ema(beta1, debias=False), optax.scale(-learning_rate))


def growth_on_quadratic(rule: Rule, part: float, steps: int = 1000) -> float:
    """The growth of the distance from the minimum in ``steps`` steps, in a valley of ``part`` of the edge.

    Args:
        rule: of `rules`.
        part: the curvature over the edge; the distance grows where it is above 1.
        steps: at least 10, the last of which are looked at.
    """
    curvature = part * rule.edge
    x = jnp.ones(1)
    state = rule.optimizer.init(x)

    def advance(carry, _):
        x, state = carry
        change, state = rule.optimizer.update(curvature * x, state, x)
        return (x + change, state), jnp.abs(x)[0]

    _, distance = jax.lax.scan(advance, (x, state), length=steps)
    return float(jnp.max(distance[-10:]))


def linear_network() -> dict[str, list[float]]:
    """The three largest eigenvalues of Hessian and weighted kernel for f = xW, where both must agree.

    30 inputs of 4 features, labels of 3 classes, and parameters, drawn by NumPy; class weights that differ.
    """
    random = np.random.RandomState(0)
    inputs, labels = jnp.asarray(random.randn(30, 4)), jnp.asarray(random.randint(3, size=30))
    params, weights = jnp.asarray(random.randn(4, 3)), jnp.asarray([2.0, 0.7, 0.3], inputs.dtype)

    def apply(w, x):
        return x @ w

    def loss(w):
        each = losses.cross_entropy(apply(w, inputs), labels)
        return losses.class_weighted_mean(each, labels, weights)

    whole = hessian.hessian_eigenvalues(jax.grad(loss), params, 3, num_matvecs=params.size)
    kernel = gauss_newton.weighted_kernel_eigenvalues(
        apply, params, inputs, labels, weights, 3, num_matvecs=params.size
    )
    pairs = zip(whole.eigenvalues, kernel.eigenvalues, strict=True)
    return {f"λ{rank}": [float(each) for each in both] for rank, both in zip("₁₂₃", pairs, strict=True)}


def curvature(ground: Landscape, schedule: Schedule, num_matvecs: int) -> Callable[[Path, Any], Any]:
    """(path, steps) -> λ_max of P⁻¹H before and after each of these steps, the loss held, (steps, 2).

    Args:
        ground, schedule: the moving loss.
        num_matvecs: products with the Hessian for each λ_max, at most as many as there are parameters.
    """
    num_matvecs = min(num_matvecs, ground.start(0).size)

    def measure(here, following, weights, _, scale):
        def largest(w):
            ritz = edges.preconditioned_eigenvalues(
                lambda v: ground.gradient(v, weights), w, scale, num_matvecs=num_matvecs
            )
            return ritz.eigenvalues[0]

        return jax.lax.map(largest, jnp.stack([here, following]))  # in one compiled piece of code

    return paths.observer(measure, schedule)


def _kernels(
    ground: Landscape, schedule: Schedule, learning_rate: float, num_matvecs: int
) -> Callable[[Path, Any], Any]:
    """(path, steps) -> ηλ of Hessian, weighted and plain kernel, and the residual term's share in λ_max of the Hessian.

    Each (steps, 2), by name. The plain kernel is that of eq. (11), divided by the number of samples P.
    """
    num_matvecs = min(num_matvecs, ground.start(0).size)

    def sides(here, following, weights, _, __):
        def one(w):
            how = (lambda v, _: ground.outputs(v)), w, None, ground.labels, weights
            parts = gauss_newton.parts(lambda v: ground.gradient(v, weights), *how, num_matvecs=num_matvecs)
            weighted = gauss_newton.weighted_kernel_eigenvalues(*how, num_matvecs=num_matvecs)
            plain = ntk.ntk_eigenvalues(*how[:3], num_matvecs=num_matvecs)
            return {
                "hessian": learning_rate * parts.curvature,
                "weighted_kernel": learning_rate * weighted.eigenvalues[0],
                "ntk": learning_rate * plain.eigenvalues[0] / len(ground.labels),
                "residual_share": parts.residual / parts.curvature,
            }

        return jax.lax.map(one, jnp.stack([here, following]))

    return paths.observer(sides, schedule)


def cadence(steps: int, every: int) -> np.ndarray:
    """The steps looked at: every ``every``-th that has a successor."""
    check_count("every", every, at_least=1)
    return np.arange(0, steps - 1, every)


def marked(steps: np.ndarray, level: np.ndarray, period: int, jump: float = MARKS[0]) -> list[dynamics.Instability]:
    """The cascades: where λ over its edge jumps by ``jump`` across a step, `LASTING` times in a row.

    The first half of the first period is left out, in which the initial weights settle.

    Args:
        steps: looked at, (n,).
        level: λ over its edge before and after each, (n, 2).
    """
    late = steps >= period // 2
    quiet = max(1, period // 10)
    return dynamics.instabilities_of_pairs(steps[late], *level[late].T, jump=jump, quiet=quiet, lasting=LASTING)


def starts(steps: np.ndarray, level: np.ndarray, period: int, most: int) -> np.ndarray:
    """The first step of each cascade for each of `MARKS`, (marks, most), NaN beyond the last cascade.

    Args:
        steps, level, period: as of ``marked``.
        most: cascades that have a place.
    """
    rows = np.full((len(MARKS), most), np.nan)
    for row, jump in zip(rows, MARKS, strict=True):
        found = marked(steps, level, period, jump)[:most]
        row[: len(found)] = [cascade.start for cascade in found]
    return rows


def midway(steps: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The mean of both sides of the steps ``at``, NaN where that is NaN.

    Args:
        steps: looked at, ascending, (n,).
        values: before and after each, (n, 2).
        at: any of these steps or NaN, in any shape.
    """
    known = np.isfinite(at)
    rows = np.full(at.shape, np.nan)
    rows[known] = values[np.searchsorted(steps, at[known])].mean(axis=-1)
    return rows


def by_optimiser(
    ground: Landscape, schedule: Schedule, chosen: dict[str, Rule], seeds: int, steps: int, period: int,
    every: int, num_matvecs: int,
) -> xr.Dataset:  # fmt: skip
    """λ over the edge of its optimiser: ``level`` along the runs, and ``onset`` where each cascade starts.

    Args:
        ground, schedule: the moving loss.
        chosen: of `rules`.
        seeds: how many.
        steps, period: of the run, and T.
        every: λ is measured around one step in so many.
        num_matvecs: products with the Hessian for each.

    Returns:
        ``level`` (optimiser, seed, step, side); ``onset`` and ``onset_step`` (optimiser, seed, mark, cascade), NaN
        beyond the last cascade; ``edge`` and ``learning_rate`` (optimiser).
    """
    at, most = cadence(steps, every), -(-steps // period) + 1
    look = curvature(ground, schedule, num_matvecs)
    level = np.full((len(chosen), seeds, len(at), 2), np.nan)
    step = np.full((len(chosen), seeds, len(MARKS), most), np.nan)
    onset = step.copy()
    for row, rule in enumerate(chosen.values()):
        follow = paths.follower(ground, schedule, rule.optimizer, steps, rule.preconditioner)
        for seed in range(seeds):
            level[row, seed] = look(follow(ground.start(seed)), at) / rule.edge
            step[row, seed] = starts(at, level[row, seed], period, most)
            onset[row, seed] = midway(at, level[row, seed], step[row, seed])
    along, dims, plain = ("optimiser", "seed", "step", "side"), ("optimiser", "seed", "mark", "cascade"), {"units": "1"}
    edge, rate = ([getattr(rule, name) for rule in chosen.values()] for name in ("edge", "learning_rate"))
    data = {
        "level": (along, level.astype("float32"), {"long_name": "λ over the edge", **plain}),
        "onset": (dims, onset, {"long_name": "λ over the edge where a cascade starts", **plain}),
        "onset_step": (dims, step, {"long_name": "step at which a cascade starts", "units": "steps"}),
        "edge": ("optimiser", edge, {"long_name": "edge of stability", **plain}),
        "learning_rate": ("optimiser", rate, {"long_name": "learning rate η", **plain}),
    }
    coords = {"optimiser": list(chosen), "step": at, "side": list(SIDES), "mark": list(MARKS)}
    return xr.Dataset(data, coords=coords)


def by_kernel(
    ground: Landscape, schedule: Schedule, learning_rate: float, seeds: int, steps: int, period: int,
    every: int, num_matvecs: int,
) -> xr.Dataset:  # fmt: skip
    """ηλ of the Hessian, of the weighted kernel and of the plain one along runs of gradient descent, and at the onsets.

    Args:
        ground, schedule, seeds, steps, period, every, num_matvecs: as of ``by_optimiser``.
        learning_rate: η.

    Returns:
        ``hessian``, ``weighted_kernel``, ``ntk`` and ``residual_share`` over (seed, step, side), and the same at the
        start of each cascade, with the prefix ``onset_``, over (seed, mark, cascade).
    """
    at, most = cadence(steps, every), -(-steps // period) + 1
    follow = paths.follower(ground, schedule, optax.sgd(learning_rate), steps)
    look = _kernels(ground, schedule, learning_rate, num_matvecs)
    runs = [look(follow(ground.start(seed)), at) for seed in range(seeds)]
    step = np.stack([starts(at, run["hessian"] / 2, period, most) for run in runs])
    words = {
        "hessian": "ηλ_max of the Hessian",
        "weighted_kernel": "ηλ_max of the weighted kernel over P",
        "ntk": "ηλ_max of the plain kernel over P",
        "residual_share": "share of the residual term in λ_max of the Hessian",
    }
    dims = ("seed", "mark", "cascade")
    data: dict[str, tuple] = {
        "onset_step": (dims, step, {"long_name": "step at which a cascade starts", "units": "steps"})
    }
    for name, meaning in words.items():
        about = {"long_name": meaning, "units": "1"}
        along = np.stack([run[name] for run in runs])
        data[name] = (("seed", "step", "side"), along.astype("float32"), about)
        marks = [midway(at, run[name], each) for run, each in zip(runs, step, strict=True)]
        data[f"onset_{name}"] = (dims, np.stack(marks), about)
    return xr.Dataset(data, coords={"step": at, "side": list(SIDES), "mark": list(MARKS)})
