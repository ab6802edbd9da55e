"""Bands, buckets and the links inside them.

A *bucket* is the documents that share a key, at least two. Arrays that describe buckets: members (uint32 document
numbers, bucket after bucket) and bounds (int64, buckets + 1): bucket i is members[bounds[i]:bounds[i + 1]].
"""

import numba as nb

from curate.kernels.union_find import find, unite
from curate.kernels.words import u32, u64

_GOLDEN = u64(0x9E3779B97F4A7C15)


@nb.njit(inline="always")
def _stir(state, value):
    """Add a value to a 64-bit hash: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    state = (state ^ u64(value)) + _GOLDEN
    state = (state ^ (state >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> u64(27))) * u64(0x94D049BB133111EB)
    return state ^ (state >> u64(31))


@nb.njit(nogil=True, cache=True)
def band_keys(signatures, documents, num_bands, num_rows, keys):
    """Fill keys (uint64, documents x bands): the hash of band number and the band's values. documents: int64 rows of signatures (uint32)."""
    for i in range(documents.size):
        signature = signatures[documents[i]]
        for band in range(num_bands):
            state = _stir(u64(0), band)
            for k in range(band * num_rows, (band + 1) * num_rows):
                state = _stir(state, signature[k])
            keys[i, band] = state


@nb.njit(nogil=True, cache=True)
def digests(signatures, hashes):
    """Fill hashes (uint64): one for each whole signature."""
    for i in range(signatures.shape[0]):
        state = u64(0)
        for k in range(signatures.shape[1]):
            state = _stir(state, signatures[i, k])
        hashes[i] = state


@nb.njit(nogil=True, cache=True)
def still_apart(parents, members, bounds, apart):
    """Fill apart (bool, a bucket each): whether the bucket's members are in more than one set."""
    for i in range(bounds.size - 1):
        root = find(parents, members[bounds[i]])
        apart[i] = False
        for m in range(bounds[i] + 1, bounds[i + 1]):
            if find(parents, members[m]) != root:
                apart[i] = True
                break


@nb.njit(nogil=True, cache=True)
def link_all(parents, members, bounds):
    """Make each bucket one set; returns how many links that took."""
    num_links = 0
    for i in range(bounds.size - 1):
        for m in range(bounds[i] + 1, bounds[i + 1]):
            num_links += unite(parents, members[bounds[i]], members[m])
    return num_links


@nb.njit(nogil=True, cache=True)
def link_equal(parents, members, signatures, alike, distinct):
    """Link neighbours with equal signatures; clears distinct (bool) for the later one of them.

    alike (bool): whether a member may equal the one before it (same bucket, same digest); the values then decide.
    """
    for m in range(1, members.size):
        if alike[m] and num_equal(signatures[m], signatures[m - 1]) == signatures.shape[1]:
            unite(parents, members[m - 1], members[m])
            distinct[m] = False


@nb.njit(inline="always")
def num_equal(first, second):
    """In how many places two signatures agree."""
    count = u32(0)
    for k in range(first.size):
        count += u32(first[k] == second[k])
    return count


@nb.njit(nogil=True, cache=True)
def link_to_leaders(parents, members, signatures, min_equal, leaders, leader_signatures, num_leaders):
    """Compare each member with every leader of the bucket and link those that agree in at least min_equal places.

    A bucket's first leaders.size members become its leaders, each after it was compared; so all pairs of a bucket that
    is no larger are compared, and a larger one costs leaders.size comparisons a member. Pairs in one set already need
    none. Returns (num_leaders, comparisons made); a bucket may be handed in piece by piece.
    """
    num_comparisons = 0
    for m in range(members.size):
        for k in range(num_leaders):
            if find(parents, members[m]) == find(parents, leaders[k]):
                continue
            num_comparisons += 1
            if num_equal(signatures[m], leader_signatures[k]) >= min_equal:
                unite(parents, members[m], leaders[k])
        if num_leaders < leaders.size:
            leaders[num_leaders] = members[m]
            leader_signatures[num_leaders] = signatures[m]
            num_leaders += 1
    return num_leaders, num_comparisons


@nb.njit(nogil=True, cache=True)
def link_buckets(parents, members, bounds, signatures, min_equal, leaders, leader_signatures):
    """`link_to_leaders` for many buckets whose signatures (uint32, members x num_perm) are at hand; returns the number of comparisons."""
    num_comparisons = 0
    for i in range(bounds.size - 1):
        piece = slice(bounds[i], bounds[i + 1])
        num_comparisons += link_to_leaders(parents, members[piece], signatures[piece], min_equal, leaders, leader_signatures, 0)[1]
    return num_comparisons
