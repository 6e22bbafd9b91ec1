r"""The inner loops of ``compiled.descend``: gradient descent on eq. (1) for a network with one hidden layer.

They are emitted as LLVM's vector instructions through numba, for each shape of input and output, because no compiler
finds them: sums stay in registers, the way forward over the hidden units, with samples side by side in a vector, and
the way back over the samples, with units side by side. Two identities save a third of the arithmetic. With
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
import math
from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

_FEATURES = binding.get_host_cpu_features()
# The processor's family as LLVM calls it.
_FOUND = binding.get_process_triple().split("-")[0]
_FAMILY = {"arm64": "aarch64", "amd64": "x86_64"}.get(_FOUND, _FOUND)
# The control word of a floating-point unit that takes subnormal numbers for zero, as XLA's does: they are many times
# slower. Of x86 the usual one, with flush-to-zero and denormals-are-zero.
_FLUSHING = {"x86_64": 0x1F80 | 0x8040, "aarch64": 1 << 24}.get(_FAMILY, 0)


def lanes(dtype: Any) -> int:
    """How many numbers a vector register of this processor holds."""
    size = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
    each: int = np.dtype(dtype).itemsize
    return size // each


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Without the GIL, with IEEE arithmetic, kept on disk where there is a folder to write to."""
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)


# numba reads the code of the functions themselves, so no run-time check of types may wrap them.
@_compiled
@no_type_check
def train(x, onehot, samples, width, lanes, table, rate, weights, output_bias):
    """Train B networks, one after the other, without the GIL; their parameters are changed in place.

    Args:
        x: the inputs as a tuple of D rows, one number per sample, padded with zeros to whole vectors.
        onehot: 1 where a sample is of the class, 0 elsewhere, as a tuple of C rows, padded likewise.
        samples, width: P and H, without the padding.
        lanes: of a vector.
        table: Γ/P at each step, (B, S, C).
        rate: η, (B,).
        weights: of each hidden unit in a column, (B, D + 2 C, H): W_1, b_1, W_2, and W_2 less its last class; padded to
            whole vectors with zeros, which are never active.
        output_bias: b_2, (B, C).
    """
    last, real = len(onehot) - 1, weights.dtype
    size, units = len(x[0]), weights.shape[2]
    sums = np.empty((last * (len(x) + 1), size), real)
    total, shift = np.empty((last, lanes), real), np.empty(last, real)
    mode = exchange_mode(_FLUSHING)
    for b in range(len(rate)):
        bias = output_bias[b]
        for step in range(table.shape[1]):
            for k in range(last):
                shift[k] = bias[k] - bias[last]
                for lane in range(lanes):
                    total[k, lane] = 0
            _forward(x, onehot, table[b, step], weights[b], shift, sums, total, width, size, units)
            _backward(x, onehot, sums, weights[b], rate[b], samples, size, units)
            rest = real.type(0)
            for k in range(last):
                gradient = real.type(0)
                for lane in range(lanes):
                    gradient += total[k, lane]
                rest -= gradient
                bias[k] -= rate[b] * gradient
            bias[last] -= rate[b] * rest
    exchange_mode(mode)


@intrinsic
@no_type_check
def _forward(typing, x, onehot, gamma, weights, shift, sums, total, width, size, units):
    """Outputs, softmax and δ of all samples; δ x̃ goes to ``sums``, and δ is added to ``total``.

    ``size`` and ``units`` are the lengths of the rows of ``sums`` and ``weights``.
    """

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, x, onehot)
        inputs, hot, gamma, weights, shift, sums, total, width, size, units = pointers(
            context, builder, signature, arguments
        )
        index = size.type

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

        emit.in_blocks(emit.sample_blocks, size, block)
        return context.get_dummy_value()

    return types.void(x, onehot, gamma, weights, shift, sums, total, width, size, units), generate


@intrinsic
@no_type_check
def _backward(typing, x, onehot, sums, weights, rate, samples, size, units):
    """The sums M of all units, and their update."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, x, onehot)
        inputs, _, sums, weights, rate, samples, size, units = pointers(context, builder, signature, arguments)
        index = size.type
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
                row = [emit.at(units, number, s) for number in range(len(emit.rows) + 2 * emit.classes - 1)]
                emit.update(weights, row, down, unit, {pair: builder.load(m) for pair, m in moment.items()})

        emit.in_blocks(emit.unit_blocks, units, block)
        return context.get_dummy_value()

    return types.void(x, onehot, sums, weights, rate, samples, size, units), generate


@intrinsic
@no_type_check
def exchange_mode(typing, mode):
    """Write the control word of the floating-point unit; returns the one before."""

    def generate(context, builder, signature, arguments):
        if _FAMILY == "aarch64":
            before = _call(builder, "aarch64.get.fpcr", ir.IntType(64))
            _call(builder, "aarch64.set.fpcr", ir.VoidType(), *arguments)
            return before
        if _FAMILY != "x86_64":
            return arguments[0]
        before, after = (cgutils.alloca_once(builder, ir.IntType(32)) for _ in range(2))
        builder.store(builder.trunc(arguments[0], ir.IntType(32)), after)
        for name, place in (("stmxcsr", before), ("ldmxcsr", after)):
            _call(builder, f"x86.sse.{name}", ir.VoidType(), builder.bitcast(place, ir.IntType(8).as_pointer()))
        return builder.zext(builder.load(before), ir.IntType(64))

    return types.uint64(types.uint64), generate


def pointers(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """Arrays as pointers to their first number, tuples of arrays as lists of them, numbers as they are.

    Args:
        context, builder, signature, arguments: what numba hands to the generator of an ``intrinsic``.
    """

    def pointer(kind: Any, value: Any) -> Any:
        if isinstance(kind, types.UniTuple):
            return [pointer(*each) for each in zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)]
        return context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value

    return [pointer(*each) for each in zip(signature.args, arguments, strict=True)]


class Emitter:
    """Emits arithmetic on vectors of one type, for one shape of the data; values are LLVM's."""

    def __init__(self, builder: Any, x: Any, onehot: Any) -> None:
        self.builder, self.classes, self.dtype = builder, len(onehot), np.dtype(str(x[0].dtype))
        self.rows, self.others = range(len(x) + 1), range(self.classes - 1)
        self.lanes = lanes(self.dtype)
        self.scalar = ir.FloatType() if self.dtype.itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.zero = self.number(0)
        # As many vectors side by side as the registers hold (16 on x86 before AVX-512, 32 elsewhere).
        free = 32 if _FEATURES.get("avx512f") or _FAMILY != "x86_64" else 16
        held = len(x) + len(self.others)
        self.sample_blocks = [count for count in (4, 2) if count * held + held + 2 <= free] + [1]
        self.unit_blocks = [count for count in (2,) if count * len(self.rows) * self.classes <= 0.6 * free] + [1]

    def number(self, value: float) -> Any:
        return ir.Constant(self.vector, [ir.Constant(self.scalar, float(value))] * self.lanes)

    def variable(self, value: Any) -> Any:
        return cgutils.alloca_once_value(self.builder, value)

    def at(self, stride: Any, row: int, index: Any) -> Any:
        """Where a number of a matrix is, counted from the first.

        Args:
            stride: numbers in a row, an integer of LLVM's.
            row: its number, an integer of Python's.
            index: of the number in its row, an integer of LLVM's.
        """
        return self.builder.add(self.builder.mul(stride, stride.type(row)), index)

    def splat(self, value: Any) -> Any:
        first = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, one, first)

    def broadcast(self, pointer: Any, index: Any) -> Any:
        return self.splat(self.builder.load(self.builder.gep(pointer, [index])))

    def place(self, pointer: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), self.vector.as_pointer())

    def load(self, pointer: Any, index: Any) -> Any:
        return self.builder.load(self.place(pointer, index), align=self.dtype.itemsize)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        """Write a vector to memory.

        Args:
            value: a vector.
            pointer: to numbers of its type.
            index: of the number at which the vector begins; any.
        """
        self.builder.store(value, self.place(pointer, index), align=self.dtype.itemsize)

    def in_blocks(self, counts: list[int], stop: Any, block: Callable[[int, Any], None]) -> None:
        """``block(count, start)`` over all numbers up to ``stop``: count vectors at a time, while there are as many.

        Args:
            counts: vectors in a block, falling, the last of them 1.
            stop: numbers in all, a multiple of those in a vector.
            block: emits a block of ``count`` vectors that begins at the number ``start``.
        """
        start = stop.type(0)
        for count in counts:
            step = stop.type(count * self.lanes)
            times = self.builder.sdiv(self.builder.sub(stop, start), step)
            with cgutils.for_range(self.builder, times) as loop:
                block(count, self.builder.add(start, self.builder.mul(loop.index, step)))
            start = self.builder.add(start, self.builder.mul(times, step))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a·b + c, rounded once where the processor can.

        Args:
            a, b, c: vectors.
        """
        return _call(self.builder, f"fmuladd.v{self.lanes}f{8 * self.dtype.itemsize}", self.vector, a, b, c)

    def before_relu(self, unit: list[Any], sample: list[Any]) -> Any:
        """w · x̃, the same to the last bit in both ways, since its sign says which units are active."""
        result = unit[-1]
        for weight, value in zip(unit[:-1], sample, strict=True):
            result = self.multiply_add(weight, value, result)
        return result

    def errors(self, logits: list[Any], wanted: list[Any], gamma: Any) -> list[Any]:
        """δ of all classes but the last, from the outputs less that of the last.

        Args:
            logits: those differences, of all classes but the last.
            wanted: 1 where a sample is of the class, of all C classes.
            gamma: pointer to Γ/P, (C,).
        """
        builder = self.builder
        peak = self.zero
        for z in logits:
            peak = builder.select(builder.fcmp_ordered(">", z, peak), z, peak)
        exponentials = [self.exp(builder.fsub(z, peak)) for z in [*logits, self.zero]]
        share = builder.fdiv(self.number(1), functools.reduce(builder.fadd, exponentials))
        scale = self.zero
        for k, each in enumerate(wanted):
            scale = self.multiply_add(each, self.broadcast(gamma, ir.IntType(64)(k)), scale)
        probs = [builder.fmul(each, share) for each in exponentials]
        return [builder.fmul(scale, builder.fsub(probs[k], wanted[k])) for k in self.others]

    def update(self, weights: Any, row: list[Any], down: Any, unit: list[Any], moment: dict[Any, Any]) -> None:
        """One step of a vector of units, by their sums M.

        Args:
            weights: pointer to those of all units, laid out as in ``train``.
            row: the place in them of each row, D + 2 C of them.
            down: a vector of -η.
            unit: W_1 and b_1 of these units, D + 1 vectors.
            moment: {(k, d): M_kd}, for all classes but the last.
        """
        builder, first = self.builder, len(self.rows)
        for d in self.rows:
            gradient = self.zero
            for k in self.others:
                difference = self.load(weights, row[first + self.classes + k])
                gradient = self.multiply_add(difference, moment[k, d], gradient)
            self.store(self.multiply_add(down, gradient, unit[d]), weights, row[d])
        gradients = []
        for k in self.others:
            gradients.append(self.zero)
            for d in self.rows:
                gradients[k] = self.multiply_add(unit[d], moment[k, d], gradients[k])
        gradients.append(builder.fneg(functools.reduce(builder.fadd, gradients, self.zero)))
        new = [self.multiply_add(down, g, self.load(weights, row[first + k])) for k, g in enumerate(gradients)]
        differences = [builder.fsub(each, new[-1]) for each in new[:-1]]
        for place, value in zip(row[first:], [*new, *differences], strict=True):
            self.store(value, weights, place)

    def exp(self, x: Any) -> Any:
        """e^x for x ≤ 0 to about an ulp; 0 where it would be subnormal, NaN for NaN."""
        builder, info = self.builder, np.finfo(self.dtype)
        integer = ir.IntType(info.bits)
        integers = ir.VectorType(integer, self.lanes)
        # log 2 in two parts: its first bits, so that a few-digit multiple is exact, and the rest, beyond a double's.
        log2, shift = math.log(2), 2.0 ** (info.nmant - 11)
        high = math.floor(log2 * shift) / shift
        low = (log2 - high) + 2.319046813846299558e-17
        # Adding 1.5 · 2^fraction rounds x / log 2 to an integer, which then stands in the lowest bits.
        magic = self.number(1.5 * 2.0**info.nmant)
        rounded = self.multiply_add(x, self.number(1 / log2), magic)
        turns = builder.fsub(rounded, magic)
        rest = self.multiply_add(turns, self.number(-high), x)
        rest = self.multiply_add(turns, self.number(-low), rest)
        degree = next(n for n in range(99) if (log2 / 2) ** (n + 1) / math.factorial(n + 1) < info.eps / 16)
        result = self.number(1 / math.factorial(degree))
        for n in reversed(range(degree)):
            result = self.multiply_add(result, rest, self.number(1 / math.factorial(n)))
        bias, fraction = (ir.Constant(integers, [integer(each)] * self.lanes) for each in (info.maxexp - 1, info.nmant))
        power = builder.shl(builder.add(builder.bitcast(rounded, integers), bias), fraction)
        result = builder.fmul(result, builder.bitcast(power, self.vector))
        vanishes = builder.fcmp_ordered("<", x, self.number(math.log(float(info.tiny)) + 0.5))
        return builder.select(vanishes, self.zero, result)


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """A function of LLVM's own."""
    kind = ir.FunctionType(result, [each.type for each in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}"), arguments)
