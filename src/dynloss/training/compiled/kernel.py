r"""The inner loops of ``compiled.descend``: gradient descent on eq. (1) for a network with one hidden layer.

They are emitted as vector instructions through numba, for each shape of input and output, because no compiler finds
them: sums stay in registers, the way forward over the hidden units, with samples side by side in a vector, and the way
back over the samples, with units side by side. Two identities save a third of the arithmetic. With
:math:`\tilde x = (x, 1)`, :math:`w_j` a hidden unit's weights and bias, :math:`a_j = w_j \cdot \tilde x` and
:math:`\delta` as in ``models.mlp.cross_entropy_gradient``,

- softmax depends on differences of outputs only, so the last class serves as the zero: C-1 products a unit give
  :math:`z_k - z_{C-1}`, and :math:`\sum_k \delta_k = 0` gives the last class's gradient;
- both layers' gradients come from the same sums :math:`M_{kd} = \sum_n 1_{a_{jn} > 0} \delta_{kn} \tilde x_{dn}`:

.. math::

    \partial_{W_{2,jk}} F = \sum_d w_{jd} M_{kd}, \qquad
    \partial_{w_{jd}} F = \sum_{k < C-1} (W_{2,jk} - W_{2,j,C-1}) M_{kd}.

Each sum has its terms in one order, whatever else is computed beside it. This module needs numba; it is imported only
when it is used.
"""

import functools
import hashlib
from pathlib import Path
from typing import no_type_check

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from dynloss.training.compiled import vectors


def _compiled(function):
    """Without the GIL, with IEEE arithmetic, kept on disk where there is a folder to write to."""
    # numba asks whether this file is as it was; the name says it of the other one.
    function.__qualname__ += "_" + hashlib.sha256(Path(vectors.__file__).read_bytes()).hexdigest()[:8]
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)


# numba reads the code of the functions themselves, so no run-time check of types may wrap them.
@_compiled
@no_type_check
def train(x, onehot, samples, table, rate, kernel, bias, output_kernel, output_bias):
    """Train B networks, one after the other, without the GIL; the parameters are changed in place.

    Args:
        x: the inputs as a tuple of D rows, one number a sample, padded with zeros to whole vectors.
        onehot: 1 where a sample is of the class, 0 elsewhere, as a tuple of C rows, padded likewise.
        samples: P.
        table: Γ/P at each step, (B, S, C).
        rate: η, (B,).
        kernel, bias, output_kernel, output_bias: W_1 (B, D, H), b_1 (B, H), W_2 (B, H, C), b_2 (B, C).
    """
    mode = vectors.flush_subnormals()
    for b in range(len(rate)):
        _train(x, onehot, samples, table[b], rate[b], kernel[b], bias[b], output_kernel[b], output_bias[b])
    vectors.restore_mode(mode)


@numba.njit(nogil=True, error_model="numpy")
@no_type_check
def _train(x, onehot, samples, table, rate, kernel, bias, output_kernel, output_bias):
    dimensions, classes, width, real = len(x), len(onehot), len(bias), bias.dtype
    rows, last, lanes = dimensions + 1, classes - 1, _lanes(bias)
    # Its rows: W_1, b_1, W_2, and W_2 less its last class. Padded with units that are never active.
    weights = np.zeros((rows + classes + last, (width + lanes - 1) // lanes * lanes), real)
    for j in range(width):
        for d in range(dimensions):
            weights[d, j] = kernel[d, j]
        weights[dimensions, j] = bias[j]
        for k in range(classes):
            weights[rows + k, j] = output_kernel[j, k]
        for k in range(last):
            weights[rows + classes + k, j] = output_kernel[j, k] - output_kernel[j, last]
    sums, total, shift = np.empty((last * rows, len(x[0])), real), np.empty((last, lanes), real), np.empty(last, real)

    for step in range(len(table)):
        for k in range(last):
            shift[k] = output_bias[k] - output_bias[last]
            for lane in range(lanes):
                total[k, lane] = 0
        _forward(x, onehot, table[step], weights, shift, sums, total, width, sums.shape[1], weights.shape[1])
        _backward(x, onehot, sums, weights, rate, samples, sums.shape[1], weights.shape[1])
        rest = real.type(0)
        for k in range(last):
            gradient = real.type(0)
            for lane in range(lanes):
                gradient += total[k, lane]
            rest -= gradient
            output_bias[k] -= rate * gradient
        output_bias[last] -= rate * rest

    for j in range(width):
        for d in range(dimensions):
            kernel[d, j] = weights[d, j]
        bias[j] = weights[dimensions, j]
        for k in range(classes):
            # The plain formula multiplies errors by units: one that is NaN spreads to idle units too.
            output_kernel[j, k] = weights[rows + k, j] + 0 * output_bias[k]


@intrinsic
@no_type_check
def _lanes(typing, like):
    def generate(context, builder, signature, arguments):
        return context.get_constant(types.intp, vectors.lanes(str(like.dtype)))

    return types.intp(like), generate


@intrinsic
@no_type_check
def _forward(typing, x, onehot, gamma, weights, shift, sums, total, width, size, units):
    """Outputs, softmax and δ of all samples; δ x̃ goes to ``sums``, and δ is added to ``total``.

    ``size`` and ``units`` are the lengths of the rows of ``sums`` and ``weights``.
    """

    def generate(context, builder, signature, arguments):
        emit = vectors.Emitter(builder, x, onehot)
        inputs, hot, gamma, weights, shift, sums, total, width, size, units = vectors.pointers(
            context, builder, signature, arguments
        )
        index = size.type
        place = cgutils.alloca_once_value(builder, index(0))

        def block(count, start):
            starts = [builder.add(start, index(v * emit.lanes)) for v in range(count)]
            samples = [[emit.load(row, s) for row in inputs] for s in starts]
            logits = [[emit.variable(emit.broadcast(shift, index(k))) for k in emit.others] for _ in starts]
            with cgutils.for_range(builder, width) as loop:
                unit = [emit.broadcast(weights, emit.at(units, d, loop.index)) for d in emit.rows]
                first = len(emit.rows) + emit.classes
                output = [emit.broadcast(weights, emit.at(units, first + k, loop.index)) for k in emit.others]
                for sample, logit in zip(samples, logits, strict=True):
                    value = emit.before_relu(unit, sample)
                    value = builder.select(builder.fcmp_ordered(">", emit.zero, value), emit.zero, value)  # NaN stays
                    for k in emit.others:
                        builder.store(emit.multiply_add(output[k], value, builder.load(logit[k])), logit[k])

            for s, sample, logit in zip(starts, samples, logits, strict=True):
                wanted = [emit.load(row, s) for row in hot]
                errors = emit.errors([builder.load(z) for z in logit], wanted, gamma)
                for k, delta in enumerate(errors):
                    so_far = emit.load(total, index(k * emit.lanes))
                    emit.store(builder.fadd(so_far, delta), total, index(k * emit.lanes))
                    products = [*(builder.fmul(delta, value) for value in sample), delta]
                    for d, product in enumerate(products):
                        emit.store(product, sums, emit.at(size, k * len(products) + d, s))

        for count in emit.sample_blocks:
            emit.repeat(place, size, count, block)
        return context.get_dummy_value()

    return types.void(x, onehot, gamma, weights, shift, sums, total, width, size, units), generate


@intrinsic
@no_type_check
def _backward(typing, x, onehot, sums, weights, rate, samples, size, units):
    """The sums M of all units, and their update."""

    def generate(context, builder, signature, arguments):
        emit = vectors.Emitter(builder, x, onehot)
        inputs, _, sums, weights, rate, samples, size, units = vectors.pointers(context, builder, signature, arguments)
        index = size.type
        place = cgutils.alloca_once_value(builder, index(0))
        down = emit.splat(builder.fneg(rate))
        pairs = [(k, d) for k in emit.others for d in emit.rows]

        def block(count, start):
            starts = [builder.add(start, index(u * emit.lanes)) for u in range(count)]
            hidden = [[emit.load(weights, emit.at(units, d, s)) for d in emit.rows] for s in starts]
            moments = [{pair: emit.variable(emit.zero) for pair in pairs} for _ in starts]
            with cgutils.for_range(builder, samples) as loop:
                sample = [emit.broadcast(row, loop.index) for row in inputs]
                products = [emit.broadcast(sums, emit.at(size, row, loop.index)) for row in range(len(pairs))]
                for unit, moment in zip(hidden, moments, strict=True):
                    active = builder.fcmp_unordered(">", emit.before_relu(unit, sample), emit.zero)
                    for pair, product in zip(pairs, products, strict=True):
                        so_far = builder.load(moment[pair])
                        more = builder.fadd(so_far, product)
                        builder.store(builder.select(active, more, so_far), moment[pair])
            for s, unit, moment in zip(starts, hidden, moments, strict=True):
                update(s, unit, {pair: builder.load(m) for pair, m in moment.items()})

        def update(start, unit, moment):
            first = len(emit.rows)
            row = [emit.at(units, number, start) for number in range(first + emit.classes + len(emit.others))]
            for d in emit.rows:
                gradient = emit.zero
                for k in emit.others:
                    difference = emit.load(weights, row[first + emit.classes + k])
                    gradient = emit.multiply_add(difference, moment[k, d], gradient)
                emit.store(emit.multiply_add(down, gradient, unit[d]), weights, row[d])
            gradients = []
            for k in emit.others:
                gradients.append(emit.zero)
                for d in emit.rows:
                    gradients[k] = emit.multiply_add(unit[d], moment[k, d], gradients[k])
            gradients.append(builder.fneg(functools.reduce(builder.fadd, gradients, emit.zero)))
            new = [emit.multiply_add(down, g, emit.load(weights, row[first + k])) for k, g in enumerate(gradients)]
            for k, value in enumerate(new):
                emit.store(value, weights, row[first + k])
            for k in emit.others:
                emit.store(builder.fsub(new[k], new[-1]), weights, row[first + emit.classes + k])

        for count in emit.unit_blocks:
            emit.repeat(place, units, count, block)
        return context.get_dummy_value()

    return types.void(x, onehot, sums, weights, rate, samples, size, units), generate
