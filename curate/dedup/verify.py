"""Candidates checked before anything is linked: two documents of a bucket are linked if enough of their signatures' values agree.

Within a bucket, documents with equal signatures are linked first, in linear time; then each distinct signature is compared
with the first `max_bucket` distinct ones, its *leaders*. That is every pair in a bucket of up to `max_bucket` distinct
signatures, so that the clusters are exactly the components of the candidate pairs that pass. In a larger bucket, a *giant*,
it is linear work and no more than max_bucket comparisons a document: what fails against all leaders stays unlinked there,
though another band may still link it. No bucket ever links a pair that does not pass.

What so few values leave open can be settled by the shingles themselves: see `curate.dedup.borderline`.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.dedup.borderline import Borderline
from curate.dedup.signatures import Signatures
from curate.kernels import buckets as kernel

BATCH_MEMBERS = 1 << 15  # their signatures are gathered at once: 15 MB at 112 values
_NO_PAIRS = np.empty((0, 2), np.uint32)


class Check(NamedTuple):
    """When a pair passes (at least min_equal equal values), how many leaders a bucket has, how many members'
    signatures are in memory at once (which changes no link), and what settles pairs below min_equal that are not too far below."""

    min_equal: int
    max_bucket: int
    batch_members: int = BATCH_MEMBERS
    borderline: Borderline | None = None


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
    """Link the pairs of buckets that pass, in `parents`. Buckets whose members are in one set already are left alone, unread.

    Borderline pairs are linked when they are settled, of which the last may be left to the caller.
    """
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
    if check.min_equal <= signatures.num_perm:
        digests = np.empty(len(members), np.uint64)
        kernel.digests(gathered, digests)
        bucket = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((digests, bucket))
        alike = _alike(bucket[order]) & _alike(digests[order])
        distinct = np.ones(len(members), bool)
        kernel.link_equal(parents, members[order], gathered[order], alike, distinct)
        distinct[order] = distinct.copy()
        distinct |= _compared_whole(sizes, check)[bucket]
        members, gathered, sizes = members[distinct], gathered[distinct], np.bincount(bucket[distinct], minlength=len(sizes))
    leaders = _leaders(min(check.max_bucket, int(sizes.max())), signatures.num_perm)
    _compare(parents, members, np.concatenate([[0], np.cumsum(sizes)]), gathered, check, leaders)
    return Checked(int(leaders.progress[kernel.NUM_COMPARISONS]), int((sizes > check.max_bucket).sum()))


def _link_large(parents: NDArray[np.uint32], members: NDArray[np.uint32], sizes: NDArray[np.int64], signatures: Signatures, check: Check) -> Checked:
    """One bucket of more members than a batch, piece by piece: 8 bytes a member and one batch of signatures in memory."""
    step = check.batch_members
    left = members
    if check.min_equal <= signatures.num_perm:
        distinct = _link_equals(parents, members, signatures, step)
        left = members[distinct | _compared_whole(sizes, check)]
    leaders = _leaders(min(check.max_bucket, len(left)), signatures.num_perm)
    for start in range(0, len(left), step):
        some = left[start : start + step]
        _compare(parents, some, np.array([0, len(some)]), signatures.gather(some), check, leaders)
    return Checked(int(leaders.progress[kernel.NUM_COMPARISONS]), int(len(left) > check.max_bucket))


def _link_equals(parents: NDArray[np.uint32], members: NDArray[np.uint32], signatures: Signatures, step: int) -> NDArray[np.bool_]:
    """Link the members of one bucket whose signatures are equal, `step` in memory at a time: which members are the first with theirs."""
    digests = np.empty(len(members), np.uint64)
    for start in range(0, len(members), step):
        kernel.digests(signatures.gather(members[start : start + step]), digests[start : start + step])
    order = np.argsort(digests, kind="stable")
    alike = _alike(digests[order])
    distinct = np.ones(len(members), bool)
    for start in range(0, len(members), step):
        piece = slice(max(0, start - 1), start + step)  # one back, to compare across the cut
        kernel.link_equal(parents, members[order[piece]], signatures.gather(members[order[piece]]), alike[piece], distinct[piece])
    distinct[order] = distinct.copy()
    return distinct


def _compared_whole(sizes: NDArray[np.int64], check: Check) -> NDArray[np.bool_]:
    """Buckets in which documents of equal signatures are compared one by one: their shingles may differ, where those decide."""
    return (sizes <= check.max_bucket) & (check.borderline is not None)


class _Leaders(NamedTuple):
    """Leaders of the bucket under way: documents uint32, signatures uint32 (leaders, num_perm), and the kernel's progress."""

    documents: NDArray[np.uint32]
    signatures: NDArray[np.uint32]
    progress: NDArray[np.int64]


def _leaders(most: int, num_perm: int) -> _Leaders:
    return _Leaders(np.empty(most, np.uint32), np.empty((most, num_perm), np.uint32), np.zeros(5, np.int64))


def _compare(
    parents: NDArray[np.uint32], members: NDArray[np.uint32], bounds: NDArray[np.int64], signatures: NDArray[np.uint32], check: Check, leaders: _Leaders
) -> None:
    """Compare the members of buckets, or of the next piece of one, with their leaders; borderline pairs are settled whenever no more fit."""
    borderline, progress = check.borderline, leaders.progress
    progress[[kernel.BUCKET, kernel.MEMBER]] = 0
    if borderline is None:
        kernel.link_buckets(parents, members, bounds, signatures, check.min_equal, check.min_equal, *leaders[:2], _NO_PAIRS, progress)
        return
    borderline.make_room(parents, len(leaders.documents))
    done = False
    while not done:
        progress[kernel.NUM_PAIRS] = borderline.num_pairs
        done = kernel.link_buckets(parents, members, bounds, signatures, borderline.min_equal, check.min_equal, *leaders[:2], borderline.pairs, progress)
        borderline.num_pairs = int(progress[kernel.NUM_PAIRS])
        if not done:
            borderline.settle(parents)


def _alike(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether each value equals the one before it."""
    return np.concatenate([[False], values[1:] == values[:-1]])
