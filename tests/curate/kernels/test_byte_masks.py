"""Sixty-four bytes at a time, against a loop over them."""

import numba as nb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.byte_masks import PADDING, bytes_between, copy_padded, count_bits, count_continuations, eight_bytes, letters_equal, lowest_bit

u8, u64 = np.uint8, np.uint64
BYTES = st.binary(max_size=200)


@nb.njit
def _between(data, p, first, last):  # type: ignore[no-untyped-def]
    return bytes_between(data, p, first, last)


@nb.njit
def _equal(data, p, letter):  # type: ignore[no-untyped-def]
    return letters_equal(data, p, letter)


@nb.njit
def _of_number(bits):  # type: ignore[no-untyped-def]
    return lowest_bit(bits), count_bits(bits), count_continuations(bits)


@nb.njit
def _eight(data, p):  # type: ignore[no-untyped-def]
    return eight_bytes(data, p)


@nb.njit
def _copied(data, start, end, text):  # type: ignore[no-untyped-def]
    return copy_padded(data, start, end, text)


def _set_bits(bits: int) -> list[int]:
    return [k for k in range(64) if int(bits) >> k & 1]


@settings(deadline=None)  # the first call compiles
@given(BYTES, st.integers(0, 100), st.integers(0, 255), st.integers(0, 255))
def test_the_bits_of_a_mask_are_the_bytes_in_the_range_wherever_the_block_begins(given_bytes: bytes, p: int, one: int, other: int) -> None:
    data = np.frombuffer(given_bytes.ljust(p + 64, b"\xff"), np.uint8)
    first, last = sorted((one, other))
    assert _set_bits(_between(data, p, u8(first), u8(last))) == [k for k in range(64) if first <= data[p + k] <= last]


@settings(deadline=None)  # the first call compiles
@given(BYTES, st.integers(0, 100), st.sampled_from(b"azjpx"))
def test_letters_are_found_in_either_case(given_bytes: bytes, p: int, letter: int) -> None:
    data = np.frombuffer((given_bytes + b"JavaScript POLICY aZzA").ljust(p + 64, b" "), np.uint8)
    assert _set_bits(_equal(data, p, u8(letter))) == [k for k in range(64) if data[p + k] | 0x20 == letter]


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 2**64 - 1))
def test_counts_over_the_bits_of_a_number(number: int) -> None:
    lowest, count, continuations = _of_number(u64(number))
    assert lowest == (number & -number).bit_length() - 1 if number else lowest == 64
    assert count == number.bit_count()
    assert continuations == sum(0x80 <= byte < 0xC0 for byte in number.to_bytes(8))


@settings(deadline=None)  # the first call compiles
@given(st.binary(min_size=8, max_size=40), st.data())
def test_eight_bytes_are_read_from_any_place_the_first_lowest(given_bytes: bytes, data: st.DataObject) -> None:
    p = data.draw(st.integers(0, len(given_bytes) - 8))
    assert _eight(np.frombuffer(given_bytes, np.uint8), p) == int.from_bytes(given_bytes[p : p + 8], "little")


def test_a_copy_ends_with_spaces_whatever_was_there_before() -> None:
    text = np.full(300, 7, np.uint8)
    assert _copied(np.frombuffer(b"0123456789", np.uint8), 2, 5, text) == 3
    assert bytes(text[: 3 + PADDING]) == b"234" + b" " * PADDING
