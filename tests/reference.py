"""The physics once more, in NumPy and float64, written from the equations and sharing no code with the library.

Parameters are those of the MLP: ``{"params": {"hidden": {"kernel", "bias"}, "output": {"kernel", "bias"}}}``.
"""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np


@contextlib.contextmanager
def double():
    """JAX with 64 bits: the plain setting, as a notebook makes it, since JAX's own context has moved with versions."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def class_weights(steps, period, amplitude, num_classes, stop=None, interpretation="text"):
    """Γ at steps 0 … steps-1, eqs. (2)-(5): a clock and the emphasised class, counted on as the paper tells it."""
    rows, clock, emphasised = [], 0, 0
    for step in range(steps):
        slope = 2 * (amplitude - 1) / period
        height = 1 + slope * clock if clock <= period / 2 else 2 * amplitude - 1 - slope * clock
        raw = [height if i == emphasised else 1.0 for i in range(num_classes)]
        if stop is not None and step >= stop:
            raw = [1.0] * num_classes
        rows.append([num_classes * value / sum(raw) for value in raw])
        clock += 1
        # The text has T steps a class, t_T = 0 … T-1; the authors' code resets after t_T > T.
        if clock == period if interpretation == "text" else clock > period:
            clock, emphasised = 0, (emphasised + 1) % num_classes
    return np.array(rows)


def parameters(seed, dimension, width, num_classes):
    """Parameters without a structure: no bias is zero."""
    random = np.random.RandomState(seed)
    shapes = {"hidden": (dimension, width), "output": (width, num_classes)}
    return {
        "params": {
            name: {"kernel": random.randn(*shape) / shape[0] ** 0.5, "bias": random.randn(shape[1]) / 5}
            for name, shape in shapes.items()
        }
    }


def samples(seed, points, dimension, num_classes):
    """Gaussian inputs, with the classes in turn."""
    return np.random.RandomState(seed).randn(points, dimension), np.arange(points) % num_classes


def flatten(tree):
    """One vector of the parameters, or of something shaped as they are, in the order of JAX."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def unflatten(vector, like):
    """The inverse of ``flatten``."""
    leaves, structure = jax.tree.flatten(like)
    parts = np.split(vector, np.cumsum([leaf.size for leaf in leaves])[:-1])
    return jax.tree.unflatten(structure, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])


def logits(params, inputs):
    """The outputs of the MLP, a row a sample."""
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    return np.maximum(inputs @ hidden["kernel"] + hidden["bias"], 0) @ output["kernel"] + output["bias"]


def cross_entropy(outputs, labels):
    """-log softmax(f)_y of each sample."""
    shifted = [f - f.max() for f in outputs]
    return np.array([np.log(np.sum(np.exp(f))) - f[y] for f, y in zip(shifted, labels, strict=True)])


def loss(params, inputs, labels, weights):
    """Eq. (1) as a mean over samples."""
    return np.mean(np.asarray(weights)[labels] * cross_entropy(logits(params, inputs), labels))


def gradient(params, inputs, labels, weights):
    """∇F by the chain rule, all samples at once; held against differences of ``loss`` in the tests."""
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    entering = inputs @ hidden["kernel"] + hidden["bias"]
    units = np.maximum(entering, 0)
    outputs = units @ output["kernel"] + output["bias"]
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    error = exponentials / exponentials.sum(axis=1, keepdims=True)
    error[np.arange(len(labels)), labels] -= 1
    error *= np.asarray(weights)[labels][:, None] / len(labels)
    back = (error @ output["kernel"].T) * (entering > 0)
    return {
        "params": {
            "hidden": {"kernel": inputs.T @ back, "bias": back.sum(axis=0)},
            "output": {"kernel": units.T @ error, "bias": error.sum(axis=0)},
        }
    }


def descend(params, inputs, labels, weights, learning_rate):
    """W_0, W_1, …: one step of gradient descent for each row of ``weights``."""
    path = [params]
    for row in weights:
        change = flatten(gradient(path[-1], inputs, labels, row))
        path.append(unflatten(flatten(path[-1]) - learning_rate * change, params))
    return path


def drawn(model, inputs, seed=1):
    """Variables of a flax model, far cheaper than by its ``init``: no bias is zero, so that all count."""
    random = np.random.RandomState(seed)

    def draw(leaf):
        if len(leaf.shape) == 1:
            return jnp.asarray(random.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        return jnp.asarray(random.randn(*leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5, leaf.dtype)

    return jax.tree.map(draw, jax.eval_shape(model.init, jax.random.key(0), inputs))


def convolved(x, kernel, stride=1):
    """A convolution pixel by pixel, with the same border on every side."""
    window = kernel.shape[0]
    border = window // 2
    padded = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    outputs = np.zeros((len(x), x.shape[1] // stride, x.shape[2] // stride, kernel.shape[-1]))
    for row, column in np.ndindex(outputs.shape[1:3]):
        part = padded[:, row * stride : row * stride + window, column * stride : column * stride + window]
        outputs[:, row, column] = part.reshape(len(x), -1) @ kernel.reshape(-1, kernel.shape[-1])
    return outputs


def assert_gaussian(values, deviation):
    """Drawn from a Gaussian of mean 0, not truncated, as far as so many numbers tell."""
    scaled = np.ravel(values) / deviation
    # Of n Gaussian numbers the mean scatters by n^-1/2 and the variance by (2/n)^1/2; five times that at most.
    assert abs(scaled.mean()) < 5 / scaled.size**0.5
    assert abs(scaled.var() - 1) < 5 * (2 / scaled.size) ** 0.5
    # A truncated Gaussian has nothing beyond two of its own deviations, a Gaussian 4.55 %.
    assert abs(np.mean(np.abs(scaled) > 2) - 0.0455) < 5 * (0.0455 / scaled.size) ** 0.5


def differences(function, params, step=1e-5):
    """The derivative of ``function`` of the parameters by central differences, one row a parameter."""
    at = lambda vector: function(unflatten(vector, params))  # noqa: E731
    flat = flatten(params)
    return np.array([(at(flat + shift) - at(flat - shift)) / (2 * step) for shift in step * np.eye(len(flat))])


def hessian(params, inputs, labels, weights):
    """The dense Hessian of the loss, by differences of the gradient."""
    matrix = differences(lambda p: flatten(gradient(p, inputs, labels, weights)), params)
    return (matrix + matrix.T) / 2


def ntk(params, inputs):
    """Θ of eq. (11) over pairs (sample, output), from the Jacobian of each sample, written out by hand."""
    hidden, output = params["params"]["hidden"], params["params"]["output"]
    classes = len(output["bias"])
    rows = []
    for x in inputs:
        entering = x @ hidden["kernel"] + hidden["bias"]
        units = np.maximum(entering, 0)
        for k in range(classes):
            chosen = np.eye(classes)[k]
            back = output["kernel"][:, k] * (entering > 0)
            layers = {"hidden": {"kernel": np.outer(x, back), "bias": back}}
            layers["output"] = {"kernel": np.outer(units, chosen), "bias": chosen}
            rows.append(flatten({"params": layers}))
    jacobian = np.array(rows)
    return jacobian @ jacobian.T
