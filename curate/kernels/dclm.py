"""Lines, paragraphs and n-grams as DCLM's repetition filters count them: stripped, blank ones left out, every copy counted."""

import numba as nb
import numpy as np

from curate.kernels.every_copy import COVERED, LONGEST_TOP, TOP, copied_pieces, count_ngrams, table_size
from curate.kernels.repetition import split_words
from curate.kernels.spaced_words import SPACE
from curate.kernels.words import decode, extend, mix

u32, u64 = np.uint32, np.uint64

_SEED = u64(0x243F6A8885A308D3)  # not 0, from which leading NUL bytes would be invisible


@nb.njit
def strip(data, p, end, flags):
    """The bounds of bytes p to end without white space at either side."""
    while p < end:
        cp, size = decode(data, p)
        if not flags[cp] & SPACE:
            break
        p += size
    while end > p:
        q = end - 1
        while data[q] & 0xC0 == 0x80:
            q -= 1
        cp, _ = decode(data, q)
        if not flags[cp] & SPACE:
            break
        end = q
    return p, end


@nb.njit
def next_separator(data, p, end, newlines):
    """Where the next one or two newlines stand, `end` where none do."""
    while p < end:
        if data[p] == 10 and (newlines == 1 or (p + 1 < end and data[p + 1] == 10)):
            return p
        p += 1
    return end


@nb.njit
def starts_with_bullet(data, p, end):
    """Whether a line starts with one of U+25CF, U+2022, "*" and "-"."""
    if data[p] == 42 or data[p] == 45:
        return True
    if end - p < 3 or data[p] != 0xE2:
        return False
    return (data[p + 1] == 0x97 and data[p + 2] == 0x8F) or (data[p + 1] == 0x80 and data[p + 2] == 0xA2)


@nb.njit
def ends_with_ellipsis(data, p, end):
    """Whether a line ends with three full stops, with or without spaces between, or with U+2026."""
    if end - p < 3:
        return False
    if data[end - 1] == 46 and data[end - 2] == 46 and data[end - 3] == 46:
        return True
    if data[end - 1] == 0xA6 and data[end - 2] == 0x80 and data[end - 3] == 0xE2:
        return True
    return end - p >= 5 and data[end - 1] == 46 and data[end - 2] == 32 and data[end - 3] == 46 and data[end - 4] == 32 and data[end - 5] == 46


@nb.njit
def hash_pieces(data, p, end, newlines, flags, hashes, lengths):
    """Hash and code points of the pieces between every `newlines` newlines that are not blank, stripped.

    Returns (pieces; those that start with a bullet; those that end with an ellipsis).
    """
    count, bullets, ellipses = 0, 0, 0
    while p <= end:
        stop = next_separator(data, p, end, newlines)
        first, last = strip(data, p, stop, flags)
        if first < last:
            h, length = _SEED, 0
            for q in range(first, last):
                h = extend(h, u32(data[q]))
                length += (data[q] & 0xC0) != 0x80
            hashes[count], lengths[count] = max(mix(h), u64(1)), length
            count += 1
            bullets += starts_with_bullet(data, first, last)
            ellipses += ends_with_ellipsis(data, first, last)
        p = stop + newlines
    return count, bullets, ellipses


@nb.njit(nogil=True, cache=True)
def count_dclm_pieces(data, offsets, flags, out):
    """Counts over lines and paragraphs of every text, into out: int64 (10, n).

    Rows: lines; starting with a bullet; ending with an ellipsis; lines that occur more than once, every copy; code points in
    those; code points in all lines. Then paragraphs (between two newlines); those that occur more than once; code points
    in those; code points in all paragraphs.
    """
    most = 1
    for i in range(offsets.size - 1):
        lines = 1
        for p in range(offsets[i], offsets[i + 1]):
            lines += data[p] == 10
        most = max(most, lines)
    hashes, lengths = np.empty(most, np.uint64), np.empty(most, np.int64)
    slots, keys, counts = np.empty(most, np.uint64), np.empty(table_size(most), np.uint64), np.empty(table_size(most), np.int32)
    for i in range(offsets.size - 1):
        p, end = offsets[i], offsets[i + 1]
        num, out[1, i], out[2, i] = hash_pieces(data, p, end, 1, flags, hashes, lengths)
        out[0, i], out[5, i] = num, lengths[:num].sum()
        out[3, i], out[4, i] = copied_pieces(hashes, lengths, num, slots, keys, counts)
        num, _, _ = hash_pieces(data, p, end, 2, flags, hashes, lengths)
        out[6, i], out[9, i] = num, lengths[:num].sum()
        out[7, i], out[8, i] = copied_pieces(hashes, lengths, num, slots, keys, counts)


@nb.njit(nogil=True, cache=True)
def count_dclm_ngrams(data, offsets, tables, out):
    """Repeated n-grams of words (`curate.kernels.words`) of every text, into out: int64 (9, n).

    Rows 0 to 2, n = 2 to 4: code points of the longest among the most frequent n-grams times their count, 0 where none
    repeats. Rows 3 to 8, n = 5 to 10: code points of the words that lie in an n-gram that occurs more than once, each word
    once. Working memory: some 40 bytes for each byte of the longest text.
    """
    most = 1
    for i in range(offsets.size - 1):
        most = max(most, (offsets[i + 1] - offsets[i] + 1) // 2)
    words, grams, ends = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(most + 1, np.int64)
    repeated, candidates, slots = np.empty(most + 1, np.bool_), np.empty(most, np.int32), np.empty(most, np.uint64)
    keys, counts = np.empty(table_size(most), np.uint64), np.empty(table_size(most), np.int32)
    found = np.empty((9, 6), np.int64)
    for i in range(offsets.size - 1):
        num = split_words(data, offsets[i], offsets[i + 1], tables, words, ends)
        count_ngrams(words, ends, num, grams, repeated, candidates, slots, keys, counts, found)
        for row in range(9):
            n_top = found[row, TOP] * found[row, LONGEST_TOP] if found[row, TOP] > 1 else 0
            out[row, i] = n_top if row < 3 else found[row, COVERED]
