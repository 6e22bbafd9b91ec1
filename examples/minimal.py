"""The paper in one file, in plain JAX: a dynamical loss rescues a network that is too small, by cascades at 2/η.

    python examples/minimal.py

Ruiz-García, Zhang, Schoenholz and Liu, "Tilting the playing field" (ICML 2021). The network of Figure 4, one hidden
layer of 100 units, learns three spiral arms by gradient descent. Its loss weights the classes by Γ(t), which emphasises
one after the other: eqs. (1) to (5). It prints the accuracy beside that of the static loss, and the sharpness λ_max,
the largest eigenvalue of the Hessian, beside the edge of stability 2/η. It takes half a minute on a processor.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

CLASSES, POINTS = 3, 100  # of each class
WIDTH, RATE = 100, 1.0  # hidden units, and η
PERIOD, AMPLITUDE = 5000, 70.0  # T in steps, and A
STEPS, LOOKS = 70_000, 14  # the last period is without oscillations


def spiral(seed=0):
    """Figure 2: inputs (P, 2) and labels (P,)."""
    random, inputs = np.random.RandomState(seed), []
    for arm in range(CLASSES):
        radius = np.linspace(0, 1, POINTS)
        start = 2 * np.pi * arm / CLASSES
        angle = np.linspace(start, start + 4 * np.pi, POINTS) + 0.2 * random.randn(POINTS)
        inputs.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
    return jnp.asarray(np.concatenate(inputs), jnp.float32), jnp.repeat(jnp.arange(CLASSES), POINTS)


def initial(seed=0):
    """W ~ N(0, 1/fan_in), and biases of zero."""
    one, two = jax.random.split(jax.random.key(seed))
    return {
        "W1": jax.random.normal(one, (2, WIDTH)) / 2**0.5,
        "b1": jnp.zeros(WIDTH),
        "W2": jax.random.normal(two, (WIDTH, CLASSES)) / WIDTH**0.5,
        "b2": jnp.zeros(CLASSES),
    }


def outputs(params, inputs):
    """f(x) = W₂ᵀ max(W₁ᵀx + b₁, 0) + b₂, (P, C)."""
    return jax.nn.relu(inputs @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]


def class_weights(step, amplitude):
    """Γ(t), (C,): a triangular wave from 1 to A and back for one class after the other, normalised to a sum of C."""
    phase = step % PERIOD
    slope = 2 * (amplitude - 1) / PERIOD
    wave = jnp.where(phase <= PERIOD / 2, 1 + slope * phase, 2 * amplitude - 1 - slope * phase)
    wave = jnp.where(step >= STEPS - PERIOD, 1.0, wave)
    raw = jnp.where(jnp.arange(CLASSES) == step // PERIOD % CLASSES, wave, 1.0)
    return CLASSES * raw / jnp.sum(raw)


def loss(params, weights, inputs, labels):
    """F = (1/P) Σ_j Γ_{y_j} ℓ_j with the cross-entropy ℓ, eq. (1)."""
    logs = jax.nn.log_softmax(outputs(params, inputs))
    return -jnp.mean(weights[labels] * jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0])


gradient = jax.grad(loss)


@jax.jit
def train(params, first, amplitude, data):
    """A LOOKS-th of all steps of gradient descent, W ← W - η ∇F(W; Γ(t))."""

    def step(params, t):
        slopes = gradient(params, class_weights(t, amplitude), *data)
        return jax.tree.map(lambda w, g: w - RATE * g, params, slopes), None

    return jax.lax.scan(step, params, first + jnp.arange(STEPS // LOOKS))[0]


@jax.jit
def sharpness(params, weights, data):
    """λ_max of the Hessian of F: Lanczos's method with full reorthogonalisation, by products Hv alone."""
    flat, unravel = ravel_pytree(params)
    product = jax.linearize(lambda w: ravel_pytree(gradient(unravel(w), weights, *data))[0], flat)[1]
    vector = jax.random.normal(jax.random.key(1), flat.shape)
    basis, diagonal, beside = [vector / jnp.linalg.norm(vector)], [], []
    for _ in range(20):
        image = product(basis[-1])
        diagonal.append(basis[-1] @ image)
        known = jnp.stack(basis)
        for _ in range(2):  # once is not enough
            image = image - (known @ image) @ known
        beside.append(jnp.linalg.norm(image))
        basis.append(image / beside[-1])
    inner = jnp.stack(beside[:-1])
    return jnp.linalg.eigvalsh(jnp.diag(jnp.stack(diagonal)) + jnp.diag(inner, 1) + jnp.diag(inner, -1))[-1]


def accuracy(params, data):
    return float(jnp.mean(jnp.argmax(outputs(params, data[0]), axis=1) == data[1]))


def main():
    data = spiral()
    static = oscillating = initial()
    print(f"edge of stability 2/η = {2 / RATE:g}")
    print("   step  accuracy, static  oscillating  λ_max, oscillating")
    for first in range(0, STEPS, STEPS // LOOKS):
        static = train(static, first, 1.0, data)
        oscillating = train(oscillating, first, AMPLITUDE, data)
        done = first + STEPS // LOOKS
        top = sharpness(oscillating, class_weights(done, AMPLITUDE), data)
        print(f"{done:7,}  {accuracy(static, data):16.3f}  {accuracy(oscillating, data):11.3f}  {float(top):18.2f}")


if __name__ == "__main__":
    main()
