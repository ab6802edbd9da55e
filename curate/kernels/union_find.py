"""Disjoint sets of documents: 4 bytes a document, the smallest number of a set is its root.

`parents` is uint32 (documents,), parents[d] <= d always. Which pairs are united decides the sets; their order does not.
"""

import numba as nb
import numpy as np
from numpy.typing import NDArray


def singletons(num_documents: int) -> NDArray[np.uint32]:
    """Every document a set of its own."""
    return np.arange(num_documents, dtype=np.uint32)


@nb.njit(inline="always")
def find(parents, document):
    """The root of a document's set, halving the path on the way (Tarjan and van Leeuwen 1984)."""
    while parents[document] != document:
        parents[document] = parents[parents[document]]
        document = parents[document]
    return document


@nb.njit(inline="always")
def unite(parents, first, second):
    """Make one set of two; True if they were two."""
    first, second = find(parents, first), find(parents, second)
    if first == second:
        return False
    if first < second:
        parents[second] = first
    else:
        parents[first] = second
    return True


@nb.njit(nogil=True, cache=True)
def flatten(parents):
    """Point every document straight at its root, in place: one pass, since parents come before children."""
    for document in range(parents.size):
        parents[document] = parents[parents[document]]


@nb.njit(nogil=True, cache=True)
def choose(clusters, eligible, preferences, chosen):
    """The representative of every document's set, into chosen (uint32): the eligible member with the largest preference, the first of equals.

    clusters: uint32 roots (flattened); eligible: bool; preferences: int64 (keys, documents), compared key by key. A
    document whose set has no eligible member represents itself.
    """
    none = np.uint32(0xFFFFFFFF)
    best = np.full(clusters.size, none, np.uint32)
    for document in range(clusters.size):
        if eligible[document]:
            held = best[clusters[document]]
            if held == none or _preferred(preferences, document, held):
                best[clusters[document]] = document
    for document in range(clusters.size):
        held = best[clusters[document]]
        chosen[document] = held if held != none else document


@nb.njit(inline="always")
def _preferred(preferences, document, held):
    for key in range(preferences.shape[0]):
        if preferences[key, document] != preferences[key, held]:
            return preferences[key, document] > preferences[key, held]
    return False
