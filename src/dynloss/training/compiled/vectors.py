"""Arithmetic on the processor's vectors, emitted as LLVM for ``compiled.kernel``, and its control word."""

import functools
import math
from typing import no_type_check

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic


def lanes(dtype) -> int:
    """How many numbers a vector register of this processor holds."""
    features = binding.get_host_cpu_features()
    size = 64 if features.get("avx512f") else 32 if features.get("avx") else 16
    return size // np.dtype(dtype).itemsize


def pointers(context, builder, signature, arguments):
    """Arrays as pointers to their first number, tuples of arrays as lists of them, numbers as they are."""

    def pointer(kind, value):
        if isinstance(kind, types.UniTuple):
            return [pointer(*each) for each in zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)]
        return context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value

    return [pointer(*each) for each in zip(signature.args, arguments, strict=True)]


class Emitter:
    """Emits arithmetic on vectors of one type, for one shape of the data."""

    def __init__(self, builder, x, onehot):
        self.builder, self.classes, self.dtype = builder, len(onehot), np.dtype(str(x[0].dtype))
        self.rows, self.others = range(len(x) + 1), range(self.classes - 1)
        self.lanes = lanes(self.dtype)
        self.scalar = ir.FloatType() if self.dtype.itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.zero = self.number(0)
        # As many vectors side by side as the registers hold (16 on x86 before AVX-512, 32 elsewhere).
        free = 32 if binding.get_host_cpu_features().get("avx512f") or _machine() != "x86_64" else 16
        held = len(x) + len(self.others)
        self.sample_blocks = [count for count in (4, 2) if count * held + held + 2 <= free] + [1]
        self.unit_blocks = [count for count in (2,) if count * len(self.rows) * self.classes <= 0.6 * free] + [1]

    def number(self, value):
        return ir.Constant(self.vector, [ir.Constant(self.scalar, float(value))] * self.lanes)

    def variable(self, value):
        return cgutils.alloca_once_value(self.builder, value)

    def at(self, stride, row, index):
        return self.builder.add(self.builder.mul(stride, stride.type(row)), index)

    def splat(self, value):
        first = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, one, first)

    def broadcast(self, pointer, index):
        return self.splat(self.builder.load(self.builder.gep(pointer, [index])))

    def load(self, pointer, index):
        place = self.builder.bitcast(self.builder.gep(pointer, [index]), self.vector.as_pointer())
        return self.builder.load(place, align=self.dtype.itemsize)

    def store(self, value, pointer, index):
        place = self.builder.bitcast(self.builder.gep(pointer, [index]), self.vector.as_pointer())
        self.builder.store(value, place, align=self.dtype.itemsize)

    def repeat(self, place, stop, count, block):
        """``block`` from ``place`` on, while ``count`` whole vectors are left; ``place`` moves on."""
        step = stop.type(count * self.lanes)
        start = self.builder.load(place)
        times = self.builder.sdiv(self.builder.sub(stop, start), step)
        with cgutils.for_range(self.builder, times) as loop:
            block(count, self.builder.add(start, self.builder.mul(loop.index, step)))
        self.builder.store(self.builder.add(start, self.builder.mul(times, step)), place)

    def multiply_add(self, a, b, c):
        return _call(self.builder, f"fmuladd.v{self.lanes}f{8 * self.dtype.itemsize}", self.vector, a, b, c)

    def before_relu(self, unit, sample):
        """w · x̃, the same to the last bit in both ways, since its sign says which units are active."""
        result = unit[-1]
        for weight, value in zip(unit[:-1], sample, strict=True):
            result = self.multiply_add(weight, value, result)
        return result

    def errors(self, logits, wanted, gamma):
        """δ of all classes but the last, from the outputs less that of the last."""
        builder = self.builder
        logits = [*logits, self.zero]
        peak = self.zero
        for z in logits[:-1]:
            peak = builder.select(builder.fcmp_ordered(">", z, peak), z, peak)
        likely = [self.exp(builder.fsub(z, peak)) for z in logits]
        share = builder.fdiv(self.number(1), functools.reduce(builder.fadd, likely))
        scale = self.zero
        for k, each in enumerate(wanted):
            scale = self.multiply_add(each, self.broadcast(gamma, ir.IntType(64)(k)), scale)
        probable = [builder.fmul(each, share) for each in likely]
        return [builder.fmul(scale, builder.fsub(probable[k], wanted[k])) for k in self.others]

    def exp(self, x):
        """e^x for x ≤ 0 to about an ulp; 0 where it would be subnormal, NaN for NaN."""
        builder, info = self.builder, np.finfo(self.dtype)
        bits, fraction = info.bits, info.nmant
        integers, integer = ir.VectorType(ir.IntType(bits), self.lanes), ir.IntType(bits)
        log2, high = math.log(2), _leading(math.log(2), fraction - 11)
        low = (log2 - high) + _LOG2_REST
        # Adding 1.5 · 2^fraction rounds x / log 2 to a whole number, which then stands in the lowest bits.
        magic = self.number(1.5 * 2.0**fraction)
        rounded = self.multiply_add(x, self.number(1 / log2), magic)
        turns = builder.fsub(rounded, magic)
        rest = self.multiply_add(turns, self.number(-high), x)
        rest = self.multiply_add(turns, self.number(-low), rest)
        degree = next(n for n in range(99) if (log2 / 2) ** (n + 1) / math.factorial(n + 1) < info.eps / 16)
        result = self.number(1 / math.factorial(degree))
        for n in reversed(range(degree)):
            result = self.multiply_add(result, rest, self.number(1 / math.factorial(n)))
        exponent = builder.add(
            builder.bitcast(rounded, integers), ir.Constant(integers, [integer(info.maxexp - 1)] * self.lanes)
        )
        power = builder.shl(exponent, ir.Constant(integers, [integer(fraction)] * self.lanes))
        result = builder.fmul(result, builder.bitcast(power, self.vector))
        vanishes = builder.fcmp_ordered("<", x, self.number(math.log(float(info.tiny)) + 0.5))
        return builder.select(vanishes, self.zero, result)


# What log 2 has beyond a double.
_LOG2_REST = 2.319046813846299558e-17


def _leading(value: float, bits: int) -> float:
    """The first bits of a number, so that a few-digit multiple of it is exact."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.floor(mantissa * 2**bits), exponent - bits)


def _machine() -> str:
    """The processor's family as LLVM calls it."""
    found = binding.get_process_triple().split("-")[0]
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(found, found)


# The control word of the floating-point unit: its width, and flush-to-zero with denormals-are-zero, or FZ.
_CONTROL = {"x86_64": (32, 0x8040), "aarch64": (64, 1 << 24)}


@intrinsic
@no_type_check
def flush_subnormals(typing):
    """Take subnormal numbers for zero, as XLA does: they are many times slower. Returns the mode before."""

    def generate(context, builder, signature, arguments):
        width, bits = _CONTROL.get(_machine(), (64, 0))
        before = _read_control(builder) if bits else ir.IntType(64)(0)
        _write_control(builder, builder.or_(before, before.type(bits)))
        return builder.zext(before, ir.IntType(64)) if width < 64 else before

    return types.uint64(), generate


@intrinsic
@no_type_check
def restore_mode(typing, before):
    """Put the mode of ``flush_subnormals`` back."""

    def generate(context, builder, signature, arguments):
        width, _ = _CONTROL.get(_machine(), (64, 0))
        _write_control(builder, builder.trunc(arguments[0], ir.IntType(width)) if width < 64 else arguments[0])
        return context.get_dummy_value()

    return types.void(before), generate


def _read_control(builder):
    if _machine() == "aarch64":
        return _call(builder, "aarch64.get.fpcr", ir.IntType(64))
    place = cgutils.alloca_once(builder, ir.IntType(32))
    _call(builder, "x86.sse.stmxcsr", ir.VoidType(), builder.bitcast(place, ir.IntType(8).as_pointer()))
    return builder.load(place)


def _write_control(builder, value):
    if _machine() == "aarch64":
        _call(builder, "aarch64.set.fpcr", ir.VoidType(), value)
    elif _machine() == "x86_64":
        place = cgutils.alloca_once_value(builder, value)
        _call(builder, "x86.sse.ldmxcsr", ir.VoidType(), builder.bitcast(place, ir.IntType(8).as_pointer()))


def _call(builder, name, result, *arguments):
    """A function of LLVM's own."""
    kind = ir.FunctionType(result, [each.type for each in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}"), arguments)
