"""Repetition as Dolma and DCLM count it, where every copy of what repeats counts, the first one too.

Equality is equality of 64-bit hashes, as in `curate.kernels.repetition`. All functions work on one text at a time; the
kernels of the two projects (`curate.kernels.dolma`, `curate.kernels.dclm`) differ in what a line and a word is.
"""

import numba as nb
import numpy as np

from curate.kernels.words import mix

u64 = np.uint64

FIRST, LAST = 2, 10  # n of the n-grams
TOP, FIRST_TOP, LONGEST_TOP, REPEATED, COVERED, ALL = range(6)  # columns of count_ngrams' answer
_STEP = u64(0x9FB21C651E98DF25)


@nb.njit
def table_size(entries):
    """Slots of a hash table: the power of two that leaves it at most half full."""
    size = 2
    while size < 2 * entries:
        size *= 2
    return size


@nb.njit
def tally(hashes, num, slots, keys, counts):
    """Count equal hashes (none 0): hashes[k] occurs counts[slots[k]] times. keys, counts: working memory of table_size(num)."""
    size = table_size(num)
    keys[:size], counts[:size] = u64(0), 0
    mask = u64(size - 1)
    for k in range(num):
        key = hashes[k]
        slot = key & mask
        while keys[slot] != u64(0) and keys[slot] != key:
            slot = (slot + u64(1)) & mask
        keys[slot] = key
        counts[slot] += 1
        slots[k] = slot


@nb.njit
def copied_pieces(hashes, lengths, num, slots, keys, counts):
    """(pieces that occur more than once, code points in them), every copy counted."""
    tally(hashes, num, slots, keys, counts)
    pieces, characters = 0, 0
    for k in range(num):
        if counts[slots[k]] > 1:
            pieces += 1
            characters += lengths[k]
    return pieces, characters


@nb.njit
def most_frequent(n, ends, candidates, num, slots, counts, out):
    """Of the n-grams at `candidates`: the greatest count, the code points of the first n-gram that has it and of the longest."""
    top, first, longest = 1, ends[n] - ends[0], 0
    for k in range(num):
        i, copies = candidates[k], counts[slots[k]]
        length = ends[i + n] - ends[i]
        if copies > top:
            top, first, longest = copies, length, length
        elif copies == top:
            longest = max(longest, length)
    out[TOP], out[FIRST_TOP], out[LONGEST_TOP] = top, first, longest


@nb.njit
def count_ngrams(words, ends, num_words, grams, repeated, candidates, slots, keys, counts, out):
    """Repeated n-grams of one text, into out: int64 (9, 6), a row for each n from 2 to 10.

    words: uint64 hashes; ends[i]: code points of words before word i. Columns: the greatest count of an n-gram; the code
    points of the first n-gram with that count; of the longest one; code points summed over every occurrence of n-grams that
    occur more than once; code points of the words that lie in one of those (each word once); code points summed over
    every n-gram. Where none repeats the greatest count is 1. The other arguments are working memory.

    An n-gram can only repeat where both (n − 1)-grams in it do, which leaves few to look at beyond n = 3.
    """
    out[:] = 0
    grams[:num_words] = words[:num_words]
    repeated[:num_words], repeated[num_words] = True, False
    left = num_words
    for k in range(num_words):
        candidates[k] = k
    for n in range(FIRST, LAST + 1):
        if num_words < n:
            return
        row = out[n - FIRST]
        kept = 0
        for k in range(left):
            i = candidates[k]
            if i + n <= num_words and repeated[i] and repeated[i + 1]:
                grams[kept] = max(mix(grams[k] * _STEP + words[i + n - 1]), u64(1))
                candidates[kept] = i
                kept += 1
        left = kept
        tally(grams, left, slots, keys, counts)
        most_frequent(n, ends, candidates, left, slots, counts, row)
        repeated[: num_words + 1] = False
        covered_to = 0
        for k in range(left):
            if counts[slots[k]] > 1:
                i = candidates[k]
                repeated[i] = True
                row[REPEATED] += ends[i + n] - ends[i]
                row[COVERED] += ends[i + n] - ends[max(i, covered_to)]
                covered_to = i + n
        for i in range(num_words - n + 1):
            row[ALL] += ends[i + n] - ends[i]
