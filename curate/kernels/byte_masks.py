"""Sixty-four bytes at a time: which of them are in a range, as the bits of one number.

What LLVM does not find in a plain loop is written down here as vector instructions of its own language, so it holds for every
processor: one comparison and one move with AVX-512, a few with AVX2 or NEON. A kernel then visits the set bits alone
(Langdale and Lemire 2019, "Parsing gigabytes of JSON per second").
"""

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

u8, u64 = np.uint8, np.uint64

PADDING = 128  # bytes that may be read beyond the end of a text
_BYTE, _LANE = ir.IntType(8), ir.IntType(32)
_BLOCK = ir.VectorType(_BYTE, 64)
_CONTINUATIONS = u64(0x0101010101010101)


def _at(context: Any, builder: Any, array_type: Any, array: Any, position: Any, loaded: Any) -> Any:
    """Load a value of an LLVM type from the bytes of an array, wherever they lie."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.load(builder.bitcast(builder.gep(data, [position]), loaded.as_pointer()), align=1)


def _repeated(builder: Any, byte: Any) -> Any:
    first = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), byte, ir.Constant(_LANE, 0))
    return builder.shuffle_vector(first, ir.Constant(_BLOCK, ir.Undefined), ir.Constant(ir.VectorType(_LANE, 64), [0] * 64))


@intrinsic
def bytes_between(typingctx, text, p, first, last):
    """Bit k is set where first <= text[p + k] <= last. The 64 bytes from p must be in the array."""

    def generate(context, builder, signature, given):
        block = _at(context, builder, signature.args[0], given[0], given[1], _BLOCK)
        above = builder.sub(block, _repeated(builder, given[2]))
        return builder.bitcast(builder.icmp_unsigned("<=", above, _repeated(builder, builder.sub(given[3], given[2]))), ir.IntType(64))

    return types.uint64(text, types.int64, types.uint8, types.uint8), generate


@intrinsic
def letters_equal(typingctx, text, p, letter):
    """Bit k is set where text[p + k] is this lower-case letter in either case. The 64 bytes from p must be in the array."""

    def generate(context, builder, signature, given):
        block = _at(context, builder, signature.args[0], given[0], given[1], _BLOCK)
        lower = builder.or_(block, ir.Constant(_BLOCK, [0x20] * 64))
        return builder.bitcast(builder.icmp_unsigned("==", lower, _repeated(builder, given[2])), ir.IntType(64))

    return types.uint64(text, types.int64, types.uint8), generate


@intrinsic
def eight_bytes(typingctx, text, p):
    """Bytes p to p + 7 as one number, the first lowest. They must be in the array."""

    def generate(context, builder, signature, given):
        return _at(context, builder, signature.args[0], given[0], given[1], ir.IntType(64))

    return types.uint64(text, types.int64), generate


@intrinsic
def copy_block(typingctx, source, p, target, q):
    """Copy the 64 bytes from source[p] to target[q]. Both must have them."""

    def generate(context, builder, signature, given):
        block = _at(context, builder, signature.args[0], given[0], given[1], _BLOCK)
        data = context.make_array(signature.args[2])(context, builder, given[2]).data
        builder.store(block, builder.bitcast(builder.gep(data, [given[3]]), _BLOCK.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.none(source, types.int64, target, types.int64), generate


@intrinsic
def lowest_bit(typingctx, bits):
    """The position of the lowest set bit, 64 where none is."""

    def generate(context, builder, signature, given):
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def count_bits(typingctx, bits):
    """How many bits are set."""

    def generate(context, builder, signature, given):
        return builder.ctpop(given[0])

    return types.int64(types.uint64), generate


@nb.njit(inline="always")
def padded_scratch(offsets):
    """Room for a padded copy of each text in turn: uint8."""
    longest = 0
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return np.empty(longest + PADDING, np.uint8)


@nb.njit(inline="always")
def copy_padded(data, start, end, text):
    """Copy bytes start to end to the front of `text`, PADDING spaces behind them; returns how many bytes they are."""
    size = end - start
    text[:size] = data[start:end]
    text[size : size + PADDING] = 32
    return size


@nb.njit(inline="always")
def count_continuations(eight):
    """How many of eight bytes continue a UTF-8 sequence."""
    return count_bits((eight >> u64(7)) & ~(eight >> u64(6)) & _CONTINUATIONS)
