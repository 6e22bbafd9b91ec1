"""A step of one network in a sweep of 64, float32: the compiled descent against the same sweep in plain JAX and others.

The named peer is `jit(vmap(scan(gradient step)))` on the plain loss with the plain flax model. Beside it stand the
library's own XLA method, a NumPy loop with the gradient written out and a PyTorch loop with autograd, both batched over
a few networks at a time, whose arrays stay in the cache, with one thread a core. All are checked to train the same
networks. The share of the arithmetic peak is that of the kernel's own operations (see `operations`), the fewest known
for a step, at the rate of independent fused multiply-adds on registers, in the widest vectors, two operations each,
measured here. An addition alone counts as one, although some processors do additions beside multiply-adds.

    python benchmarks/sweep_step.py [--widths 100 1000] [--networks 64] [--rounds 5]
"""

import importlib.util
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

# Before NumPy is imported. Threads of BLAS, on top of those that share out the networks, only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import setting

from dynloss import datasets, schedules
from dynloss.models import mlp
from dynloss.training import compiled, full_batch

LEAST = {"widths": [100], "networks": 1, "rounds": 1}
ASKED = {100: 5, 1000: 3}
# The fastest number of networks at a time, of 1, 8 and 64.
AT_A_TIME = {"NumPy": {100: 8, 1000: 1}, "PyTorch": {100: 8, 1000: 1}}
STEPS = {"compiled": 2048, "XLA": 128, "plain JAX": 64, "NumPy": 16, "PyTorch": 16}


def sweep(width, networks):
    """The model, the parameters of all networks, the data, and their periods and amplitudes."""
    data = datasets.spiral().astype("float32")
    model = mlp.MLP(width=width, num_classes=3)
    keys = jax.random.split(jax.random.key(0), networks)
    params = jax.vmap(lambda key: model.init(key, jnp.asarray(data.inputs)))(keys)
    return model, params, data, jnp.geomspace(10, 3000, networks), jnp.geomspace(1, 100, networks)


def library(method, width, networks, steps):
    """By a method of the compiled descent, or by none: the plain loss of the plain model."""
    model, params, data, periods, amplitudes = sweep(width, networks)
    gradient = full_batch.loss_gradient(model.apply, data)

    def one(w, period, amplitude):
        given = schedules.oscillating(period, amplitude, 3), setting.LEARNING_RATE, 0, steps
        if method is None:
            return full_batch.descend(w, gradient, *given)[0]
        return compiled.descend(w, data, *given, method=method)

    run = jax.jit(jax.vmap(one))
    return lambda: run(params, periods, amplitudes)


def tables(width, networks, steps):
    """The parameters as NumPy arrays, the data, and Γ of each step and network divided by P, (steps, networks, C)."""
    _, params, data, periods, amplitudes = sweep(width, networks)
    leaves = [np.array(params["params"][layer][part]) for layer in ("hidden", "output") for part in ("kernel", "bias")]
    weights = jax.vmap(lambda T, A: schedules.weights_over(schedules.oscillating(T, A, 3), jnp.arange(steps)))
    return leaves, data, np.array(weights(periods, amplitudes)).swapaxes(0, 1) / np.float32(len(data))


def in_groups(train, leaves, table, size):
    """Some networks at a time, through all steps, and as many such groups side by side as there are cores."""

    def group(start):
        return train([leaf[start : start + size] for leaf in leaves], table[:, start : start + size])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        groups = list(pool.map(group, range(0, table.shape[1], size)))
    kernel, bias, output, output_bias = (np.concatenate(part) for part in zip(*groups, strict=True))
    return {"params": {"hidden": {"kernel": kernel, "bias": bias}, "output": {"kernel": output, "bias": output_bias}}}


def numpy_loop(width, networks, steps):
    """Batched products (BLAS), arrays as (networks, units, samples), what is reused kept."""
    leaves, data, table = tables(width, networks, steps)
    x = np.ascontiguousarray(data.inputs.T)
    onehot = (np.arange(3)[:, None] == data.labels[None, :]).astype(np.float32)
    rate = np.float32(setting.LEARNING_RATE)

    def run():
        return in_groups(train, leaves, table, AT_A_TIME["NumPy"][width])

    def train(leaves, table):
        kernel, bias, output, output_bias = (each.copy() for each in leaves)
        for weights in table:
            units = kernel.swapaxes(1, 2) @ x
            units += bias[:, :, None]
            np.maximum(units, 0, out=units)
            logits = output.swapaxes(1, 2) @ units
            logits += output_bias[:, :, None]
            logits -= logits.max(axis=1, keepdims=True)
            np.exp(logits, out=logits)
            logits /= logits.sum(axis=1, keepdims=True)
            delta = (logits - onehot) * (weights @ onehot)[:, None, :]
            back = output @ delta
            back *= units > 0
            into_output = units @ delta.swapaxes(1, 2)
            kernel -= rate * (back @ x.T).swapaxes(1, 2)
            bias -= rate * back.sum(axis=2)
            output -= rate * into_output
            output_bias -= rate * delta.sum(axis=2)
        return kernel, bias, output, output_bias

    return run


def torch_loop(width, networks, steps):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as XLA does
    leaves, data, table = tables(width, networks, steps)
    inputs = torch.from_numpy(np.array(data.inputs))
    classes = torch.from_numpy(np.array(data.labels)).long()

    def run():
        return in_groups(train, leaves, table, AT_A_TIME["PyTorch"][width])

    def train(leaves, table):
        params = [torch.from_numpy(each.copy()).requires_grad_() for each in leaves]
        kernel, bias, output, output_bias = params
        x, labels = inputs.expand(len(bias), -1, -1), classes.expand(len(bias), -1)
        for weights in torch.from_numpy(table):
            units = torch.relu(torch.baddbmm(bias[:, None, :], x, kernel))
            logits = torch.baddbmm(output_bias[:, None, :], units, output)
            losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
            loss = (weights.gather(1, labels).flatten() * losses).sum()
            gradients = torch.autograd.grad(loss, params)
            with torch.no_grad():
                for each, gradient in zip(params, gradients, strict=True):
                    each -= setting.LEARNING_RATE * gradient
        return [each.detach().numpy() for each in params]

    return run


def operations(width, samples=300, inputs=2, classes=3) -> int:
    """Of the kernel's inner loops in one step; a multiply-add is two, as it is in the peak.

    Forward, D multiply-adds, the relu and C - 1 multiply-adds; back, D multiply-adds, a comparison and
    (C - 1) (D + 1) masked additions.
    """
    multiply_adds = inputs + classes - 1 + inputs
    others = 1 + 1 + (classes - 1) * (inputs + 1)
    return width * samples * (2 * multiply_adds + others)


def peak_per_second() -> float:
    """Float32 multiply-adds a second of all cores: independent ones, on registers, in numba."""
    import numba
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    from dynloss.training.compiled import kernel

    # As many sums as hide the latency of an addition and leave registers for the factor: with 16 sums and 16
    # registers every round would go through memory.
    chains = 24 if kernel.lanes("float32") == 16 else 12

    @intrinsic
    def work(typing, like, times):
        def generate(context, builder, signature, arguments):
            emit = kernel.Emitter(builder, [like], [like])
            source, count = kernel.pointers(context, builder, signature, arguments)
            index = count.type
            sums = [emit.variable(emit.load(source, index(0))) for _ in range(chains)]
            factor = emit.load(source, index(emit.lanes))
            with cgutils.for_range(builder, count):
                for total in sums:
                    builder.store(emit.multiply_add(builder.load(total), factor, factor), total)
            for total in sums:
                emit.store(builder.fadd(builder.load(total), emit.load(source, index(0))), source, index(0))
            return context.get_dummy_value()

        return types.void(like, times), generate

    @numba.njit(nogil=True)
    def run(like, times):
        work(like, times)

    count, threads = 200_000, os.cpu_count() or 1
    lanes = kernel.lanes("float32")

    def fastest(_):
        """Of many short rounds, all threads at once: a long one would meet whatever else runs on the machine."""
        like, best = np.full(2 * lanes, 0.5, np.float32), float("inf")
        for _ in range(1000):
            started = time.perf_counter()
            run(like, count)
            best = min(best, time.perf_counter() - started)
        return best

    run(np.full(2 * lanes, 0.5, np.float32), 1)
    with ThreadPoolExecutor(threads) as pool:
        return sum(count * chains * lanes / best for best in pool.map(fastest, range(threads)))


def check(runs, width):
    """A few steps, which rounding cannot have driven apart."""
    expected = runs["plain JAX"](width, 3, 8)()
    for name, make in runs.items():
        for ours, theirs in zip(jax.tree.leaves(make(width, 3, 8)()), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4, err_msg=name)


def main():
    options = setting.arguments(__doc__, LEAST, widths=[100, 1000], networks=64, rounds=5)
    print(setting.machine())
    runs = {
        "compiled": partial(library, "compiled"),
        "XLA": partial(library, "xla"),
        "plain JAX": partial(library, None),
        "NumPy": numpy_loop,
    }
    if importlib.util.find_spec("torch"):
        runs["PyTorch"] = torch_loop
    else:
        print("PyTorch is not installed: its figure is missing")
    peak = peak_per_second()
    print(f"arithmetic peak, all cores, float32: {peak / 1e9:.0f} · 10⁹ multiply-adds a second")
    for width in options.widths:
        check(runs, width)
        steps = {name: max(4, STEPS[name] * 100 // width) for name in runs}
        ready = {name: make(width, options.networks, steps[name]) for name, make in runs.items()}
        times = setting.in_turn(ready, options.rounds)
        each = {name: times[name] / steps[name] / options.networks for name in runs}
        for name, seconds in each.items():
            share = operations(width) / seconds / (2 * peak)
            ratio = f", {seconds / each['compiled']:.1f} times ours" if name != "compiled" else ""
            print(f"width {width}, {name}: {seconds * 1e6:.2f} µs a step and network, {share:.1%} of the peak{ratio}")
        asked = f" (asked: at least {ASKED[width]})" if width in ASKED else ""
        print(f"width {width}, ratio plain JAX / compiled: {each['plain JAX'] / each['compiled']:.1f}{asked}")


if __name__ == "__main__":
    main()
