"""The `paper` profile of Figure 4: at each of 70,000 steps in float64 three Hessian eigenvalues and the full NTK.

The peer is the same training without spectra, so that the ratio says what the spectra cost. By default a tenth of the
steps is run and the whole is estimated from the time a step, compilation left out; `--steps 70000` runs all of it.

    python benchmarks/fig04_paper_profile.py [--steps 7000]
"""

import jax
import jax.numpy as jnp
import setting

from dynloss import datasets
from dynloss.models import mlp
from dynloss.training import full_batch, recorders


def main():
    steps = setting.arguments(__doc__, {"steps": 2}, steps=7000).steps
    jax.config.update("jax_enable_x64", True)
    model, params, data, schedule = setting.figure4("float64")
    inputs, labels = jnp.asarray(data.inputs), jnp.asarray(data.labels)
    plain = [
        recorders.training_state(model.apply, data),
        recorders.validation_accuracy(model.apply, datasets.spiral_validation(), every=10),
    ]
    spectra = [*plain, recorders.hessian(k=3, num_matvecs=16), recorders.ntk(model.apply, inputs, num_matvecs=16)]

    def compiled(outputs):
        def gradient(p, w):
            return mlp.cross_entropy_gradient(p, inputs, labels, w)

        run = jax.jit(lambda p: full_batch.descend(p, gradient, schedule, setting.LEARNING_RATE, 0, steps, outputs))
        return lambda: run(params)

    times = setting.in_turn({"with spectra": compiled(spectra), "without": compiled(plain)}, rounds=1)
    per_step = {name: each / steps * 1e3 for name, each in times.items()}
    print(setting.machine())
    for name, each in per_step.items():
        print(f"{name}: {each:.3f} ms a step, so 70,000 steps take {each * 70:.0f} s")
    print(f"ratio with / without spectra: {per_step['with spectra'] / per_step['without']:.1f}")
    print(f"share of the ten minutes asked for: {per_step['with spectra'] * 70 / 600:.2f}")


if __name__ == "__main__":
    main()
