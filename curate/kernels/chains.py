"""Who is linked with whom inside one cluster, and how long its longest chain is."""

import numba as nb
import numpy as np

from curate.kernels.buckets import num_equal


@nb.njit(nogil=True, cache=True)
def links(signatures, num_bands, num_rows, min_equal, linked):
    """Fill linked (bool, documents x documents): which pairs agree in all values of some band and in at least min_equal places.

    signatures: uint32 (documents, num_perm). Returns in how many places the pair that agrees least does, num_perm for a lone document.
    """
    least = signatures.shape[1]
    for i in range(signatures.shape[0]):
        linked[i, i] = False
        for j in range(i):
            equal = np.int64(num_equal(signatures[i], signatures[j]))
            least = min(least, equal)
            passes = equal >= min_equal and _share_a_band(signatures[i], signatures[j], num_bands, num_rows)
            linked[i, j] = passes
            linked[j, i] = passes
    return least


@nb.njit(inline="always")
def _share_a_band(first, second, num_bands, num_rows):
    for band in range(num_bands):
        same = True
        for k in range(band * num_rows, (band + 1) * num_rows):
            if first[k] != second[k]:
                same = False
                break
        if same:
            return True
    return False


@nb.njit(nogil=True, cache=True)
def longest_path(linked):
    """The diameter: the most links on a shortest path between two documents that a path connects. linked: bool, symmetric.

    Breadth first from every document, looking only at those not met yet: n**2 steps where all are linked, at most n**3 / 2.
    """
    size = linked.shape[0]
    waiting, apart, distances = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    longest = 0
    for start in range(size):
        num_apart = 0
        for other in range(size):
            if other != start:
                apart[num_apart] = other
                num_apart += 1
        waiting[0], distances[start], met, taken = start, 0, 1, 0
        while taken < met and num_apart:
            document = waiting[taken]
            taken += 1
            left = 0
            for k in range(num_apart):
                other = apart[k]
                if linked[document, other]:
                    distances[other] = distances[document] + 1
                    waiting[met] = other
                    met += 1
                else:
                    apart[left] = other
                    left += 1
            num_apart = left
        longest = max(longest, distances[waiting[met - 1]])
    return longest
