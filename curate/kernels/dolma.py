"""Lines and n-grams as Dolma's taggers count them. Lines stand between newlines and are taken as they are, white space included."""

import numba as nb
import numpy as np

from curate.kernels.every_copy import ALL, FIRST_TOP, REPEATED, TOP, copied_pieces, count_ngrams, table_size
from curate.kernels.spaced_words import SPACE, split_spaced
from curate.kernels.words import decode, extend, mix

u32, u64 = np.uint32, np.uint64

_SEED = u64(0x243F6A8885A308D3)  # not 0, from which leading NUL bytes would be invisible


@nb.njit
def hash_lines(data, p, end, joined, hashes, lengths, starts):
    """Lines between newlines, or between runs of newlines where `joined`: hash, code points and first byte of each.

    Returns how many there are: one more than separators, so an empty text has one. starts[lines] is where a line after the
    last would start.
    """
    count, h, length, start = 0, _SEED, 0, p
    while p < end:
        if data[p] == 10:
            hashes[count], lengths[count], starts[count] = max(mix(h), u64(1)), length, start
            count, h, length = count + 1, _SEED, 0
            while joined and p + 1 < end and data[p + 1] == 10:
                p += 1
            start = p + 1
        else:
            h = extend(h, u32(data[p]))
            length += (data[p] & 0xC0) != 0x80
        p += 1
    hashes[count], lengths[count], starts[count] = max(mix(h), u64(1)), length, start
    return count + 1


@nb.njit
def line_end(data, start, end):
    """Where the line that starts at a byte ends."""
    p = start
    while p < end and data[p] != 10:
        p += 1
    return p


@nb.njit
def count_marked(data, starts, num, end):
    """(lines that start with "*" or "-", lines that end with U+2026)."""
    bullets, ellipses = 0, 0
    for k in range(num):
        start = starts[k]
        stop = line_end(data, start, end)
        bullets += stop > start and (data[start] == 42 or data[start] == 45)
        ellipses += stop - start >= 3 and data[stop - 1] == 0xA6 and data[stop - 2] == 0x80 and data[stop - 3] == 0xE2
    return bullets, ellipses


@nb.njit
def count_weak(data, starts, num, end, flags):
    """(lines without . ? ! or " at their end, lines of fewer than 3 words); white space around a line is ignored."""
    unpunctuated, few = 0, 0
    for k in range(num):
        p, stop = starts[k], line_end(data, starts[k], end)
        words, inside, last = 0, False, u32(0)
        while p < stop:
            cp, size = decode(data, p)
            if flags[cp] & SPACE:
                inside = False
            else:
                words += not inside
                inside, last = True, cp
            p += size
        unpunctuated += not (last == u32(46) or last == u32(63) or last == u32(33) or last == u32(34))
        few += words < 3
    return unpunctuated, few


@nb.njit(nogil=True, cache=True)
def count_dolma_lines(data, offsets, flags, out):
    """Counts over the lines of every text, into out: int64 (12, n).

    Rows 0 to 4: lines; starting with "*" or "-"; ending with U+2026; lines that occur more than once, every copy; code points
    in those. 5 to 9: the same of lines between runs of newlines. 10, 11: lines without an end mark; of fewer than 3 words.
    """
    most = 0
    for i in range(offsets.size - 1):
        lines = 1
        for p in range(offsets[i], offsets[i + 1]):
            lines += data[p] == 10
        most = max(most, lines)
    hashes, lengths, starts = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64)
    slots, keys, counts = np.empty(most, np.uint64), np.empty(table_size(most), np.uint64), np.empty(table_size(most), np.int32)
    for i in range(offsets.size - 1):
        p, end = offsets[i], offsets[i + 1]
        for row, joined in ((0, False), (5, True)):
            num = hash_lines(data, p, end, joined, hashes, lengths, starts)
            out[row, i] = num
            out[row + 1, i], out[row + 2, i] = count_marked(data, starts, num, end)
            if not joined:
                out[10, i], out[11, i] = count_weak(data, starts, num, end, flags)
            out[row + 3, i], out[row + 4, i] = copied_pieces(hashes, lengths, num, slots, keys, counts)


@nb.njit(nogil=True, cache=True)
def count_dolma_ngrams(data, offsets, flags, out):
    """Repeated n-grams of the words that white space separates, into out: int64 (15, n).

    Rows 0 to 2, n = 2 to 4: code points of the most frequent n-gram's words (the first of several) times its count. Then two
    rows for each n from 5 to 10: code points summed over every occurrence of n-grams that occur more than once, and over
    all n-grams. Working memory: some 40 bytes for each byte of the longest text.
    """
    most = 1
    for i in range(offsets.size - 1):
        most = max(most, (offsets[i + 1] - offsets[i] + 1) // 2)
    words, grams, ends = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(most + 1, np.int64)
    repeated, candidates, slots = np.empty(most + 1, np.bool_), np.empty(most, np.int32), np.empty(most, np.uint64)
    keys, counts = np.empty(table_size(most), np.uint64), np.empty(table_size(most), np.int32)
    found = np.empty((9, 6), np.int64)
    for i in range(offsets.size - 1):
        num = split_spaced(data, offsets[i], offsets[i + 1], flags, words, ends)
        count_ngrams(words, ends, num, grams, repeated, candidates, slots, keys, counts, found)
        for row in range(3):
            out[row, i] = found[row, TOP] * found[row, FIRST_TOP]
        for row in range(6):
            out[3 + 2 * row, i], out[4 + 2 * row, i] = found[3 + row, REPEATED], found[3 + row, ALL]
