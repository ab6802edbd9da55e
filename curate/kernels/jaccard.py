"""Exact Jaccard similarity of documents by their shingle hashes: shared and all distinct ones, counted in a small hash table.

Documents lie one after another in `flat` (uint32 hashes, in any order, repeats allowed): document i is
flat[bounds[i]:bounds[i + 1]]. Every pair uses the same table; its entries carry the pair's stamp in their upper half, so
that nothing is cleared between pairs, and a pair looks only at as much of the table as twice its own hashes.
"""

import numba as nb
import numpy as np

from curate.kernels.union_find import find, unite
from curate.kernels.words import u64

_UPPER = u64(32)


@nb.njit(nogil=True, cache=True)
def copy_documents(values, offsets, rows, places, bounds, flat):
    """Copy documents rows[i] (int64) of a list column (values uint32, offsets int64) to flat[bounds[places[i]]:]; places: int64."""
    for i in range(rows.size):
        start, end = offsets[rows[i]], offsets[rows[i] + 1]
        at = bounds[places[i]]
        flat[at : at + end - start] = values[start:end]


@nb.njit(inline="always")
def _table_for(flat, bounds, pairs):
    """An empty table: twice the hashes of the longest pair, rounded up to a power of two."""
    longest = 0
    for i in range(pairs.shape[0]):
        first, second = pairs[i]
        longest = max(longest, bounds[first + 1] - bounds[first] + bounds[second + 1] - bounds[second])
    size = 2
    while size < 2 * longest:
        size *= 2
    return np.zeros(size, np.uint64)


@nb.njit(nogil=True, cache=True)
def _count(first, second, table, stamp):
    """(shared, all) distinct hashes of two documents. stamp: uint64 above all in the table; this pair uses it and the one after it."""
    size = 2
    while size < 2 * (first.size + second.size):
        size *= 2
    mask = u64(size - 1)
    num_all, num_shared = 0, 0
    for h in first:
        slot = u64(h) & mask
        while True:
            entry = table[slot]
            if entry >> _UPPER < stamp:
                table[slot] = stamp << _UPPER | u64(h)
                num_all += 1
                break
            if np.uint32(entry) == h:
                break
            slot = (slot + u64(1)) & mask
    seen = stamp + u64(1)
    for h in second:
        slot = u64(h) & mask
        while True:
            entry = table[slot]
            if entry >> _UPPER < stamp:
                table[slot] = seen << _UPPER | u64(h)
                num_all += 1
                break
            if np.uint32(entry) == h:
                if entry >> _UPPER == stamp:
                    table[slot] = seen << _UPPER | u64(h)
                    num_shared += 1
                break
            slot = (slot + u64(1)) & mask
    return num_shared, num_all


@nb.njit(nogil=True, cache=True)
def count_shared(flat, bounds, pairs, shared, together):
    """Fill shared and together (int64, a pair each): how many distinct hashes two documents share, and have together.

    pairs: int64 (pairs, 2), places of documents, fewer than 2**31 pairs.
    """
    table = _table_for(flat, bounds, pairs)
    for i in range(pairs.shape[0]):
        first, second = pairs[i]
        stamp = u64(2 * i + 1)
        shared[i], together[i] = _count(flat[bounds[first] : bounds[first + 1]], flat[bounds[second] : bounds[second + 1]], table, stamp)


@nb.njit(nogil=True, cache=True)
def apart(parents, first, second, found):
    """Fill found (bool): which of the pairs of documents first[i], second[i] (uint32) are in two sets."""
    for i in range(first.size):
        found[i] = find(parents, first[i]) != find(parents, second[i])


@nb.njit(nogil=True, cache=True)
def link_similar(parents, first, second, pairs, flat, bounds, numerator, denominator):
    """Link the documents first[i], second[i] (uint32) whose Jaccard similarity is at least numerator / denominator, compared as integers.

    pairs: int64 (pairs, 2), their places in `flat`. A pair in one set already is passed over. The larger of the two numbers times the
    hashes of a pair must stay below 2**63. Returns how many pairs were counted.
    """
    table = _table_for(flat, bounds, pairs)
    num_counted = 0
    for i in range(first.size):
        if find(parents, first[i]) == find(parents, second[i]):
            continue
        num_counted += 1
        one, other = pairs[i]
        stamp = u64(2 * i + 1)
        shared, together = _count(flat[bounds[one] : bounds[one + 1]], flat[bounds[other] : bounds[other + 1]], table, stamp)
        if shared * denominator >= numerator * together:
            unite(parents, first[i], second[i])
    return num_counted
