"""Where the lines of a text lie between newlines, how long they are, and which are equal.

CR LF is one newline. Equality is equality of 64-bit hashes, as in `curate.kernels.repetition`.
"""

import numba as nb
import numpy as np

from curate.kernels.byte_masks import bytes_between, count_continuations, eight_bytes, lowest_bit
from curate.kernels.words import mix

i64, u8, u64 = np.int64, np.uint8, np.uint64

_SEED = u64(0x243F6A8885A308D3)  # not 0, from which a text of NUL bytes would be invisible
_STEP = u64(0x9FB21C651E98DF25)
_ALL = u64(0xFFFFFFFFFFFFFFFF)


@nb.njit(inline="always")
def most_newlines(data, offsets):
    """The greatest number of newlines in one text."""
    most = 0
    for i in range(offsets.size - 1):
        newlines = 0
        for p in range(offsets[i], offsets[i + 1]):
            newlines += data[p] == 10
        most = max(most, newlines)
    return most


@nb.njit(inline="always")
def line_scratch(data, offsets):
    """Room for the lines of each text in turn: bounds int64 (2, lines), hashes uint64 (lines,), lengths int64 (lines,)."""
    most = most_newlines(data, offsets) + 1
    return np.empty((2, most), i64), np.empty(most, u64), np.empty(most, i64)


@nb.njit
def hash_bytes(text, start, end):
    """(hash, never 0; code points) of bytes start to end of a padded text, eight at a time; the length is part of the hash."""
    h, length = _SEED ^ u64(end - start), end - start
    while end - start > 8:
        eight = eight_bytes(text, start)
        h = mix(h ^ eight)
        length -= count_continuations(eight)
        start += 8
    if end > start:
        eight = eight_bytes(text, start) & (_ALL >> u64(64 - 8 * (end - start)))
        h = mix(h ^ eight)
        length -= count_continuations(eight)
    return max(mix(h * _STEP), u64(1)), length


@nb.njit
def split_lines(text, size, bounds, hashes, lengths):
    """Bounds (bytes; without the CR of a CR LF), hashes and code points of the lines of a padded text; returns their number.

    There is one more than newlines, so an empty text has one.
    """
    count, base, start = 0, 0, 0
    while base < size:
        newlines = bytes_between(text, base, u8(10), u8(10))
        while newlines:
            newline = base + lowest_bit(newlines)
            newlines &= newlines - u64(1)
            bounds[0, count], bounds[1, count] = start, newline - (newline > start and text[newline - 1] == 13)
            start = newline + 1
            count += 1
        base += 64
    bounds[0, count], bounds[1, count] = start, size
    for k in range(count + 1):
        hashes[k], lengths[k] = hash_bytes(text, bounds[0, k], bounds[1, k])
    return count + 1
