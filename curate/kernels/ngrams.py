"""Runs of words (n-grams) of documents, looked up in a table of many known ones, all lengths in one pass.

An n-gram's hash is a polynomial over the hashes of its words (`curate.kernels.words.hash_words`) and its length, mixed. A
position of a document is tried only if its first `SHORTEST` words are the start of a known n-gram: one bit of a map small
enough for the second-level cache, fed by a rolling hash. The few positions that pass are looked up at every length. Two
different n-grams share a 64-bit hash with probability 2^-64, so a trillion words tried at six lengths against a million
known n-grams meet one false match or none.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.words import mix

u8, u64 = np.uint8, np.uint64

SHORTEST = 8
LONGEST = 13
_BASE = u64(0x9FB21C651E98DF25)
_BASE_TO_SHORTEST = u64(pow(0x9FB21C651E98DF25, SHORTEST, 1 << 64))


class NgramTable(NamedTuple):
    """Known n-grams, ready to be looked up.

    bitmap: uint8 (2^b / 8,), bit `prefix >> bitmap_shift` is set for every known n-gram's first words; lengths: int64,
    the lengths that occur, ascending; keys: uint64 (k,), sorted distinct n-gram hashes; directory: int64 (2^d + 1,), the keys whose
    top d bits are t are keys[directory[t]:directory[t + 1]], with directory_shift = 64 - d; starts: int64 (k + 1,) and
    items: uint32: key j belongs to items[starts[j]:starts[j + 1]]; num_items: how many items there are.
    """

    bitmap: NDArray[np.uint8]
    bitmap_shift: np.uint64
    lengths: NDArray[np.int64]
    keys: NDArray[np.uint64]
    directory: NDArray[np.int64]
    directory_shift: np.uint64
    starts: NDArray[np.int64]
    items: NDArray[np.uint32]
    num_items: int


@nb.njit(inline="always")
def ngram_hash(words, start, n):
    """The hash of words[start:start + n]; its length is part of it."""
    h = u64(n)
    for k in range(n):
        h = h * _BASE + words[start + k]
    return mix(h)


@nb.njit(inline="always")
def find_key(table, key):
    """The index of a key among the table's, or −1."""
    slot = key >> table.directory_shift
    for j in range(table.directory[slot], table.directory[slot + u64(1)]):
        if table.keys[j] == key:
            return j
    return -1


@nb.njit(nogil=True, cache=True)
def hash_ngrams(words, bounds, lengths):
    """Every n-gram of every text, each text at its own length.

    words: uint64, the word hashes; bounds: int64 (t + 1,); lengths: int64 (t,), at least SHORTEST, or 0 for a text to be
    passed over. Returns (ngrams uint64, prefixes uint64, texts uint32): hash, hash of its first SHORTEST words, text.
    """
    total = 0
    for t in range(lengths.size):
        if lengths[t] > 0:
            total += max(0, bounds[t + 1] - bounds[t] - lengths[t] + 1)
    ngrams, prefixes, texts = np.empty(total, np.uint64), np.empty(total, np.uint64), np.empty(total, np.uint32)
    count = 0
    for t in range(lengths.size):
        n = lengths[t]
        if n == 0:
            continue
        for start in range(bounds[t], bounds[t + 1] - n + 1):
            h = u64(0)
            for k in range(SHORTEST):
                h = h * _BASE + words[start + k]
            prefixes[count] = mix(h)
            ngrams[count] = ngram_hash(words, start, n)
            texts[count] = t
            count += 1
    return ngrams, prefixes, texts


@nb.njit(nogil=True, cache=True)
def fill_bitmap(prefixes, shift, bitmap):
    """Set the bit of every prefix."""
    for prefix in prefixes:
        bit = prefix >> shift
        bitmap[bit >> u64(3)] |= u8(1) << u8(bit & u64(7))


@nb.njit(nogil=True, cache=True)
def _find_in_document(words, first, last, table, seen, mark, found):
    """Distinct known n-grams of one document: their key indices go to `found`, their number is returned."""
    count = 0
    h = u64(0)
    for p in range(first, last):
        h = h * _BASE + words[p]
        if p - first >= SHORTEST:
            h -= words[p - SHORTEST] * _BASE_TO_SHORTEST
        start = p - SHORTEST + 1
        if start < first:
            continue
        bit = mix(h) >> table.bitmap_shift
        if not (table.bitmap[bit >> u64(3)] >> u8(bit & u64(7))) & u8(1):
            continue
        for n in table.lengths:
            if start + n > last:
                break
            j = find_key(table, ngram_hash(words, start, n))
            if j >= 0 and seen[j] != mark:
                seen[j] = mark
                found[count] = j
                count += 1
    return count


@nb.njit(nogil=True, cache=True)
def match_items(words, bounds, table):
    """Which items' n-grams each document holds, and how many distinct ones of each.

    words, bounds: the word hashes of d documents (at most 2^32 − 2 a call). Returns (offsets int64 (d + 1,), items uint32,
    num_matched uint32): document i's hits are items[offsets[i]:offsets[i + 1]], ascending.
    """
    num_documents = bounds.size - 1
    seen, found = np.zeros(table.keys.size, np.uint32), np.empty(table.keys.size, np.int64)
    counts, touched = np.zeros(table.num_items, np.uint32), np.empty(table.num_items, np.uint32)
    offsets = np.zeros(num_documents + 1, np.int64)
    items, num_matched = np.empty(1024, np.uint32), np.empty(1024, np.uint32)
    size = 0
    for d in range(num_documents):
        num_touched = 0
        for f in range(_find_in_document(words, bounds[d], bounds[d + 1], table, seen, np.uint32(d + 1), found)):
            for q in range(table.starts[found[f]], table.starts[found[f] + 1]):
                item = table.items[q]
                if counts[item] == 0:
                    touched[num_touched] = item
                    num_touched += 1
                counts[item] += np.uint32(1)
        if size + num_touched > items.size:
            room = max(2 * items.size, size + num_touched)
            items, num_matched = _grown(items, size, room), _grown(num_matched, size, room)
        touched[:num_touched].sort()
        for item in touched[:num_touched]:
            items[size], num_matched[size] = item, counts[item]
            counts[item] = 0
            size += 1
        offsets[d + 1] = size
    return offsets, items[:size].copy(), num_matched[:size].copy()


@nb.njit(nogil=True, cache=True)
def count_texts(words, bounds, table):
    """In how many of the texts each known n-gram occurs: int64 (k,), in the order of the table's keys."""
    seen, found = np.zeros(table.keys.size, np.uint32), np.empty(table.keys.size, np.int64)
    counts = np.zeros(table.keys.size, np.int64)
    for t in range(bounds.size - 1):
        for f in range(_find_in_document(words, bounds[t], bounds[t + 1], table, seen, np.uint32(t + 1), found)):
            counts[found[f]] += 1
    return counts


@nb.njit(nogil=True, cache=True)
def _grown(array, size, room):
    larger = np.empty(room, array.dtype)
    larger[:size] = array[:size]
    return larger


def ngram_table(ngrams: NDArray[np.uint64], prefixes: NDArray[np.uint64], items: NDArray[np.uint32], lengths: NDArray[np.int64], num_items: int) -> NgramTable:
    """Arrange (n-gram hash, prefix hash, item) triples, no pair (n-gram, item) twice, for look-up.

    The map has 32 to 64 bits a prefix, so that about 2–3% of foreign positions pass it; the directory has about one key
    a slot.
    """
    order = np.lexsort((items, ngrams))
    keys, starts = np.unique(ngrams[order], return_index=True)
    bitmap_bits = max(16, int(32 * max(1, prefixes.size) - 1).bit_length())
    bitmap = np.zeros(1 << (bitmap_bits - 3), np.uint8)
    fill_bitmap(prefixes, u64(64 - bitmap_bits), bitmap)
    directory_bits = max(1, int(keys.size).bit_length())
    slots = (keys >> u64(64 - directory_bits)).astype(np.int64)
    directory = np.searchsorted(slots, np.arange((1 << directory_bits) + 1)).astype(np.int64)
    return NgramTable(
        bitmap,
        u64(64 - bitmap_bits),
        np.unique(lengths[lengths > 0]).astype(np.int64),
        keys,
        directory,
        u64(64 - directory_bits),
        np.append(starts, ngrams.size).astype(np.int64),
        items[order],
        num_items,
    )
