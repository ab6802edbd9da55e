"""Candidates checked before anything is linked: two documents of a bucket are linked if enough of their signatures' values agree.

Within a bucket, documents with equal signatures are linked first, in linear time; then each distinct signature is compared
with the first `max_bucket` distinct ones, its *leaders*. That is every pair in a bucket of up to `max_bucket` distinct
signatures, so that the clusters are exactly the components of the candidate pairs that pass. In a larger bucket, a *giant*,
it is linear work and no more than max_bucket comparisons a document: what fails against all leaders stays unlinked there,
though another band may still link it. No bucket ever links a pair that does not pass.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.dedup.signatures import Signatures
from curate.kernels import buckets as kernel

BATCH_MEMBERS = 1 << 17  # their signatures are gathered at once: 59 MB at 112 values


class Check(NamedTuple):
    """When a pair passes (at least min_equal equal values), how many leaders a bucket has, and how many members'
    signatures are in memory at once (which changes no link)."""

    min_equal: int
    max_bucket: int
    batch_members: int = BATCH_MEMBERS


class Checked(NamedTuple):
    """num_comparisons of signatures; num_giant_buckets, those with more than max_bucket distinct signatures."""

    num_comparisons: int
    num_giant_buckets: int


def link_checked(
    parents: NDArray[np.uint32],
    members: NDArray[np.uint32],
    bounds: NDArray[np.int64],
    signatures: Signatures,
    check: Check,
) -> Checked:
    """Link the pairs of buckets that pass, in `parents`. Buckets whose members are in one set already are left alone, unread."""
    num_comparisons = num_giant_buckets = 0
    for start, end in _batches(bounds, check.batch_members):
        apart = np.empty(end - start, bool)
        kernel.still_apart(parents, members, bounds[start : end + 1], apart)
        sizes = np.diff(bounds[start : end + 1])[apart]
        if not len(sizes):
            continue
        chosen = members[bounds[start] : bounds[end]][np.repeat(apart, np.diff(bounds[start : end + 1]))]
        link = _link_large if len(chosen) > check.batch_members else _link_batch
        found = link(parents, chosen, sizes, signatures, check)
        num_comparisons += found.num_comparisons
        num_giant_buckets += found.num_giant_buckets
    return Checked(num_comparisons, num_giant_buckets)


def _batches(bounds: NDArray[np.int64], batch_members: int) -> list[tuple[int, int]]:
    """Consecutive buckets, cut so that a batch has at most batch_members, unless it is one bucket larger than that."""
    cuts = [0]
    while cuts[-1] < len(bounds) - 1:
        fitting = int(np.searchsorted(bounds, bounds[cuts[-1]] + batch_members, "right")) - 1
        cuts.append(max(cuts[-1] + 1, fitting))
    return list(pairwise(cuts))


def _link_batch(parents: NDArray[np.uint32], members: NDArray[np.uint32], sizes: NDArray[np.int64], signatures: Signatures, check: Check) -> Checked:
    """Buckets whose signatures fit in memory together."""
    gathered = signatures.gather(members)
    digests = np.empty(len(members), np.uint64)
    kernel.digests(gathered, digests)
    bucket = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((digests, bucket))
    alike = _alike(bucket[order]) & _alike(digests[order])
    distinct = np.ones(len(members), bool)
    kernel.link_equal(parents, members[order], gathered[order], alike, distinct)
    distinct[order] = distinct.copy()
    sizes = np.bincount(bucket[distinct], minlength=len(sizes))
    leaders, leader_signatures = _leaders(min(check.max_bucket, int(sizes.max())), signatures.num_perm)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    compared = kernel.link_buckets(parents, members[distinct], bounds, gathered[distinct], check.min_equal, leaders, leader_signatures)
    return Checked(compared, int((sizes > check.max_bucket).sum()))


def _link_large(parents: NDArray[np.uint32], members: NDArray[np.uint32], sizes: NDArray[np.int64], signatures: Signatures, check: Check) -> Checked:
    """One bucket of more members than a batch, piece by piece: 8 bytes a member and one batch of signatures in memory."""
    digests, step = np.empty(len(members), np.uint64), check.batch_members
    for start in range(0, len(members), step):
        kernel.digests(signatures.gather(members[start : start + step]), digests[start : start + step])
    order = np.argsort(digests, kind="stable")
    alike = _alike(digests[order])
    distinct = np.ones(len(members), bool)
    for start in range(0, len(members), step):
        piece = slice(max(0, start - 1), start + step)  # one back, to compare across the cut
        kernel.link_equal(parents, members[order[piece]], signatures.gather(members[order[piece]]), alike[piece], distinct[piece])
    distinct[order] = distinct.copy()
    left = members[distinct]
    leaders, leader_signatures = _leaders(min(check.max_bucket, len(left)), signatures.num_perm)
    num_leaders = compared = 0
    for start in range(0, len(left), step):
        some = left[start : start + step]
        num_leaders, more = kernel.link_to_leaders(parents, some, signatures.gather(some), check.min_equal, leaders, leader_signatures, num_leaders)
        compared += more
    return Checked(compared, int(len(left) > check.max_bucket))


def _alike(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether each value equals the one before it."""
    return np.concatenate([[False], values[1:] == values[:-1]])


def _leaders(most: int, num_perm: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    return np.empty(most, np.uint32), np.empty((most, num_perm), np.uint32)
