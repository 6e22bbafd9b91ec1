"""Training images a second of Myrtle5 in minibatches, against the same in PyTorch, on the same device.

Both take batches, in the same order, of data that lie on the device, and make steps of Nesterov's momentum from the
same weights in the same precision; after the first epoch they must agree. PyTorch has its channels last, and runs both
plainly and compiled, where it can be: the faster counts. Without PyTorch only the library is measured.

The arithmetic peak is that of a large matrix product, measured in turn with them and in the same precision. A step's
operations are those of the layers: forward, and back to the weights and to each layer's inputs. On a processor a step
in CPU time says what it would take if nobody else used the machine; for PyTorch only with OMP_WAIT_POLICY=PASSIVE,
for its threads wait busily.

    python benchmarks/myrtle_training.py [--channels 64] [--seconds 60] [--precision float32] [--images 2560]
        [--batch 512] [--rounds 5]

``--seconds`` are those of measuring, for all together. The precision may be bfloat16; CIFAR-10 has 50,000 images.
"""

import importlib.util
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leaves PyTorch its share of a GPU

import jax
import jax.numpy as jnp
import numpy as np
import setting

from dynloss import losses
from dynloss.models.myrtle import Myrtle
from dynloss.training import batches, minibatch

RATE = 0.02
LEAST = {"channels": 1, "batch": 2, "images": 4, "seconds": 0, "rounds": 1}


def operations(channels: int) -> int:
    """Additions and multiplications of one image in a step."""
    layers = [(32, 3, channels), (32, channels, channels), (16, channels, channels), (8, channels, channels)]
    forward = [2 * side**2 * 9 * before * after for side, before, after in layers]
    return 3 * (sum(forward) + 2 * channels * 10) - forward[0]  # the images themselves need no gradient


def generated(images: int):
    """Images, labels, and the order of an epoch."""
    random = np.random.RandomState(0)
    inputs = random.standard_normal((images, 32, 32, 3)).astype(np.float32)
    return inputs, random.randint(0, 10, images).astype(np.int32), random.permutation(images).astype(np.int32)


def library(model, variables, data, batch):
    """Epochs as ``minibatch.train`` makes them, and the first layer's kernel after them."""
    inputs, labels, order = map(jnp.asarray, data)
    parts = batches.Parts(model, minibatch.NESTEROV, losses.cross_entropy, None)
    state = batches.State(dict(variables), minibatch.NESTEROV.init(variables["params"]))
    rows = order.reshape(-1, batch)
    epoch = batches.Epoch(rows, jnp.full(len(rows), RATE), jnp.ones((len(rows), 10)), jax.random.key(0))
    together = batches.fits_a_loop(model, variables, inputs[:batch])

    def run(epochs):
        nonlocal state
        for start, count in batches.calls(len(rows), together) * epochs:
            state = jax.block_until_ready(batches.advance(state, inputs, labels, epoch, start, count, parts))
        return np.asarray(state.variables["params"]["convolution_1"]["kernel"])

    return run


def pytorch(params, data, batch, channels, precision, compiled):
    """The same in PyTorch."""
    import torch
    from torch import nn

    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
    layers: list[nn.Module] = []
    for before, pool in ((3, None), (channels, 2), (channels, 2), (channels, 8)):
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()] + ([nn.AvgPool2d(pool)] if pool else [])
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 10))
    filled = [layer for layer in model if hasattr(layer, "weight")]
    with torch.no_grad():
        for layer, (_, ours) in zip(filled, sorted(params.items()), strict=True):
            kernel, bias = np.array(ours["kernel"]), np.array(ours["bias"])
            # (h, w, D, C) -> (C, D, h, w), and (D, C) -> (C, D)
            layer.weight.copy_(torch.from_numpy(np.moveaxis(kernel, (-1, -2), (0, 1))))
            layer.bias.copy_(torch.from_numpy(bias))
    model = model.to(device, memory_format=torch.channels_last)
    inputs, labels, order = (torch.from_numpy(each).to(device) for each in data)
    inputs, labels, rows = inputs.permute(0, 3, 1, 2), labels.long(), order.long().reshape(-1, batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True, fused=True)

    def objective(x, y):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = model(x)
        return nn.functional.cross_entropy(outputs.float(), y)

    objective = torch.compile(objective) if compiled else objective

    def run(epochs):
        for chosen in (*rows,) * epochs:
            optimizer.zero_grad(set_to_none=True)
            objective(inputs[chosen], labels[chosen]).backward()
            optimizer.step()
        return filled[0].weight.detach().cpu().numpy().transpose(2, 3, 1, 0)  # waits for the device

    return run


def runs_of(options, model, variables, data):
    """{name: a function of the number of epochs}, each after its first one, in which it agreed with the library."""
    found = {"dynloss": library(model, variables, data, options.batch)}
    expected = found["dynloss"](1)
    print(f"dynloss, memory at most: {memory()}")
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed: only the library is measured")
        return found
    import torch

    for name, compiled in ((f"PyTorch {torch.__version__}", False), (f"PyTorch {torch.__version__}, compiled", True)):
        run = pytorch(variables["params"], data, options.batch, options.channels, options.precision, compiled)
        try:
            kernel = run(1)
        except Exception as error:
            if not compiled:
                raise
            print(f"{name}: not possible here ({type(error).__name__}), so plainly only")
            continue
        loose = 5e-2 if options.precision == "bfloat16" or jax.default_backend() != "cpu" else 1e-3
        np.testing.assert_allclose(kernel, expected, rtol=0, atol=loose * np.abs(expected).max())
        found[name] = run
    return found


def memory() -> str:
    statistic = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in statistic:
        return f"{statistic['peak_bytes_in_use'] / 1e9:.2f} GB of the device"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.2f} GB of the process"


def measured(run) -> tuple[float, float]:
    """Seconds on the clock, and of the processor's cores."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def matrix_product(precision):
    """A large one, and its operations."""
    size = 2048 if jax.default_backend() == "cpu" else 8192
    a = jnp.ones((size, size), precision)
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    return lambda: product(a, a).block_until_ready(), 2 * size**3


def main():
    options = setting.arguments(
        __doc__, LEAST, channels=64, batch=512, images=2560, seconds=60.0, precision="float32", rounds=5
    )
    if options.images % options.batch:
        sys.exit(f"--images must be a multiple of {options.batch}, got {options.images}")

    print(f"{setting.machine()}, {options.precision}, {options.channels} channels, batches of {options.batch}")
    model = Myrtle(channels=options.channels, dtype=options.precision)
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    data = generated(options.images)
    runs = runs_of(options, model, variables, data)
    product, per_product = matrix_product(options.precision)
    share = options.seconds / options.rounds / len(runs)
    counts = {name: max(1, round(share / measured(lambda run=run: run(1))[0])) for name, run in runs.items()}
    times: dict[str, list] = {name: [] for name in runs}
    peaks = []
    for _ in range(options.rounds):
        peaks.append(min(measured(product) for _ in range(5)))
        for name, run in runs.items():
            count = counts[name]
            clock, processor = measured(lambda run=run, count=count: run(count))
            times[name].append((options.images * count / clock, options.images * count / processor))

    peak = per_product / min(clock for clock, _ in peaks)
    cores = os.cpu_count() or 1
    on_cpu = jax.default_backend() == "cpu"
    print(f"arithmetic peak (matrix product): {peak / 1e9:.0f} GFLOP/s")
    speeds, alone = {}, {}
    for name, each in times.items():
        speeds[name] = statistics.median(clock for clock, _ in each)
        alone[name] = cores * statistics.median(processor for _, processor in each)
        print(
            f"{name}: {speeds[name]:.0f} images/s, {speeds[name] * operations(options.channels) / peak:.0%} of the peak"
            + (f"; by CPU time {alone[name]:.0f} images/s" if on_cpu else "")
        )
    peers = {name: speed for name, speed in speeds.items() if name != "dynloss"}
    if peers:
        best = max(peers, key=peers.__getitem__)
        asked = 1 if on_cpu else 1.3
        print(f"ratio dynloss / {best}: {speeds['dynloss'] / speeds[best]:.2f} (asked: at least {asked})")
        if on_cpu:
            print(f"the same by CPU time: {alone['dynloss'] / max(alone[name] for name in peers):.2f}")


if __name__ == "__main__":
    main()
