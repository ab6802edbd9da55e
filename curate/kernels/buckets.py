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


# Places in `progress`, the state of `link_buckets` between calls (int64): the bucket under way and the member in it (by its place in members),
# leaders of that bucket so far, pairs that are collected, comparisons made.
BUCKET, MEMBER, NUM_LEADERS, NUM_PAIRS, NUM_COMPARISONS = range(5)


@nb.njit(nogil=True, cache=True)
def link_buckets(parents, members, bounds, signatures, min_checked, min_equal, leaders, leader_signatures, pairs, progress):
    """Compare each member with every leader of its bucket, link those that agree in at least min_equal places, and collect the pairs
    that agree in at least min_checked in pairs (uint32, room x 2).

    signatures: uint32 (members, num_perm). A bucket's first leaders.size members become its leaders, each after it was
    compared; so all pairs of a bucket that is no larger are compared, and a larger one costs leaders.size comparisons a
    member. Pairs in one set already need none. Returns True when all is done, False where pairs might not hold another
    member's: empty it, set progress[NUM_PAIRS] to 0 and call again. It needs room for leaders.size pairs at least where min_checked is
    less than min_equal, and none otherwise. The leaders of the last bucket stay, so that a bucket can be handed in piece by piece.
    """
    bucket, m, num_leaders, num_pairs, num_comparisons = progress[0], progress[1], progress[2], progress[3], progress[4]
    done = True
    while done and bucket < bounds.size - 1:
        while m < bounds[bucket + 1]:
            if min_checked < min_equal and num_pairs + num_leaders > pairs.shape[0]:
                done = False
                break
            for k in range(num_leaders):
                if find(parents, members[m]) == find(parents, leaders[k]):
                    continue
                num_comparisons += 1
                equal = num_equal(signatures[m], leader_signatures[k])
                if equal >= min_equal:
                    unite(parents, members[m], leaders[k])
                elif equal >= min_checked:
                    pairs[num_pairs, 0], pairs[num_pairs, 1] = leaders[k], members[m]
                    num_pairs += 1
            if num_leaders < leaders.size:
                leaders[num_leaders] = members[m]
                leader_signatures[num_leaders] = signatures[m]
                num_leaders += 1
            m += 1
        if done:
            bucket += 1
            num_leaders = 0 if bucket < bounds.size - 1 else num_leaders
    progress[0], progress[1], progress[2], progress[3], progress[4] = bucket, m, num_leaders, num_pairs, num_comparisons
    return done
