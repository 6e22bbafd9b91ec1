r"""Toy losses with a known answer, on which the multipliers of ``spectral.two_step`` are tried before they are used.

Each is a loss of one or two parameters and one number, a, that steepens it; gradient descent takes steps with η = 1.

``lopsided``
    :math:`F = \tfrac a2 x^2 - \tfrac13 x^3`. Its map :math:`x \mapsto (1-a)x + x^2` is the logistic one with r = a + 1.
    A bounce of period two is born at a = 2, has the multiplier :math:`\mu = 5 - a^2`, and doubles where that is −1, at
    a = √6, with only one direction there is.
``scalar_network``
    :math:`F = \tfrac a2 (1 - x^2 y^2)^2`, the minimalist example of Zhu et al. (arXiv:2210.03294) with the learning
    rate as a factor of the loss. At x = y = 1 its curvatures are 8a and 0: a single direction bounces.
``two_valleys``
    :math:`F = \tfrac a2 x^2 - \tfrac14 x^4 + c(\tfrac a2 y^2 - \tfrac14 y^4)` with c = 0.9: the paper's account in its
    purest form. x bounces from a = 2 on, with :math:`x^2 = a - 2` and :math:`\mu_x = (2a - 5)^2`; y rests until ca = 2,
    where :math:`\mu_y = (1 - ca)^2` reaches +1 and y bounces, too. The period stays two.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynloss_book.analysis import two_step

SECOND = 0.9  # c of `two_valleys`


class Orbit(NamedTuple):
    """Where gradient descent has settled.

    Attributes:
        period: 1, 2 or 4; 0 for any other.
        lowest, highest: the extreme multipliers of the two-step map.
        alternating: the highest among directions that alternate at each step; NaN where none does.
    """

    period: int
    lowest: float
    highest: float
    alternating: float


def lopsided(w, a):
    """One valley, steeper on one side."""
    return jnp.sum(a / 2 * w**2 - w**3 / 3)


def scalar_network(w, a):
    """The product of four weights, equal in pairs, that should be 1."""
    return a / 2 * (1 - w[0] ** 2 * w[1] ** 2) ** 2


def two_valleys(w, a):
    """Two directions that know nothing of each other."""
    return jnp.sum(jnp.asarray([1.0, SECOND], w.dtype) * (a / 2 * w**2 - w**4 / 4))


VALLEYS: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "lopsided": (lopsided, (0.1,)),
    "scalar_network": (scalar_network, (1.02, 1.02)),
    "two_valleys": (two_valleys, (0.1, 0.05)),
}


def orbits(name: str, steepness: Sequence[float], steps: int = 20_000) -> list[Orbit]:
    """Where gradient descent settles in a valley at each steepness a, and the multipliers there.

    Args:
        name: a key of ``VALLEYS``.
        steepness: values of a.
        steps: of gradient descent with η = 1 until it counts as settled.

    >>> (orbit,) = orbits("lopsided", [2.2])
    >>> orbit.period, round(orbit.lowest, 3)
    (2, 0.16)
    """
    loss, start = VALLEYS[name]

    @jax.jit
    def settle(a):
        def step(w, _):
            return w - jax.grad(loss)(w, a), None

        w, _ = jax.lax.scan(step, jnp.asarray(start, a.dtype), length=steps)
        last = jax.lax.scan(lambda w, _: (step(w, None)[0], w), w, length=5)[1]
        return last, two_step.two_step(jax.grad(loss), (last[0], a), (last[1], a), 1.0, len(start), len(start))

    return [_orbit(*settle(jnp.asarray(a, jnp.result_type(float)))) for a in steepness]


def _orbit(last: Any, found: two_step.TwoStep) -> Orbit:
    last = np.asarray(last)
    near = [bool(np.allclose(last[0], last[k], atol=1e-4, rtol=0)) for k in (1, 2, 4)]
    period = next((k for k, same in zip((1, 2, 4), near, strict=True) if same), 0)
    multipliers = two_step.multipliers(found)
    return Orbit(period, multipliers.lowest, float(multipliers.values[-1].real), multipliers.alternating)
