"""Figure 4 with the outputs of the authors' notebook, at their cadence, against the straightforward version.

Both train in float64 and give, at every step, Γ, the loss, the static loss, the accuracy and the largest eigenvalue of
the NTK averaged over outputs on 50 samples (a 50 x 50 matrix), and at every 25th the three largest eigenvalues of the
Hessian. The library takes them by Lanczos of order 10. The peer is what one would write first: a loop on the host over
jitted functions, compiled once, with dense `eigh`.

    python benchmarks/fig04_authors_outputs.py [--steps 70000] [--peer-steps 250]
"""

import jax
import jax.numpy as jnp
import numpy as np
import setting
from jax.flatten_util import ravel_pytree

from dynloss import losses
from dynloss.models import mlp
from dynloss.spectral import ntk
from dynloss.training import full_batch, recorders


def library(steps):
    model, params, data, schedule = setting.figure4("float64")
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    outputs = [
        recorders.class_weights(),
        recorders.training_state(model.apply, data),
        recorders.output_averaged_ntk(mlp.output_averaged_ntk, inputs[:50]),
        recorders.hessian(k=3, num_matvecs=10, every=25),
    ]
    return lambda: full_batch.train(
        params,
        data,
        schedule,
        gradient=lambda p, w: mlp.cross_entropy_gradient(p, inputs, labels, w),
        learning_rate=setting.LEARNING_RATE,
        steps=steps,
        recorders=outputs,
    )


def peer(steps):
    model, first, data, schedule = setting.figure4("float64")
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    flat, unravel = ravel_pytree(first)

    def objective(w, weights):
        each = losses.cross_entropy(model.apply(unravel(w), inputs), labels)
        return losses.class_weighted_mean(each, labels, weights)

    weights_at = jax.jit(schedule)
    loss = jax.jit(objective)
    accuracy = jax.jit(lambda w: losses.accuracy(model.apply(unravel(w), inputs), labels))
    kernel = jax.jit(lambda w: ntk.output_averaged_ntk_matrix(model.apply, unravel(w), inputs[:50]))
    hessian = jax.jit(jax.hessian(objective))
    eigenvalues = jax.jit(jnp.linalg.eigvalsh)
    update = jax.jit(lambda w, weights: w - setting.LEARNING_RATE * jax.grad(objective)(w, weights))
    even = jnp.ones(3)

    def run():
        w, rows, spectra = flat, [], []
        for step in range(steps):
            weights = weights_at(step)
            top = eigenvalues(kernel(w))[-1]
            rows.append([*weights, loss(w, weights), loss(w, even), accuracy(w), top])
            if step % 25 == 0:
                spectra.append(eigenvalues(hessian(w, weights))[-3:])
            w = update(w, weights)
        return w, np.asarray(rows), np.asarray(spectra)

    return run


def main():
    options = setting.arguments(__doc__, {"steps": 1, "peer_steps": 1}, steps=70_000, peer_steps=250)
    jax.config.update("jax_enable_x64", True)

    steps = options.peer_steps
    run, trajectory = peer(steps), library(steps)().trajectory
    run()  # compiles
    _, rows, spectra = run()
    np.testing.assert_allclose(trajectory.loss, rows[:, 3], rtol=1e-6)
    np.testing.assert_allclose(trajectory.averaged_ntk_eigenvalues[:, 0], rows[:, 6], rtol=1e-6)
    np.testing.assert_allclose(trajectory.hessian_eigenvalues[:, 0], spectra[:, -1], rtol=1e-3)

    theirs = [setting.seconds(run)]
    ours = setting.seconds(library(options.steps))  # the whole run, with its compilation
    theirs.append(setting.seconds(run))
    per_step, peer_step = ours / options.steps * 1e3, sum(theirs) / len(theirs) / steps * 1e3
    print(setting.machine())
    print(f"library, {options.steps} steps, compilation included: {ours:.1f} s, {per_step:.3f} ms a step")
    print(f"peer (host loop, dense eigh), {steps} steps, compiled before: {peer_step:.2f} ms a step")
    print(f"ratio peer / library: {peer_step / per_step:.1f} (asked: at least 10)")


if __name__ == "__main__":
    main()
