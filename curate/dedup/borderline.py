"""Pairs whose signatures leave open whether they are near-duplicates, decided by the Jaccard similarity of their shingle hashes.

They are collected while buckets are compared and settled when there are many: a pair that several bands made a candidate is
counted once, one whose documents meanwhile are in one set not at all. A link depends on its pair alone, so the sets do not
depend on when pairs are settled; nor does memory on their number.
"""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curate.dedup.shingles import Shingles
from curate.kernels import jaccard as kernel

MAX_PAIRS = 1 << 17  # collected before they are settled: 1 MB, and 6 while they are
BATCH_SHINGLES = 1 << 21  # hashes gathered at once: 8 MB, unless one pair has more


class Borderline:
    """The pairs of candidates that agree in at least min_equal values, but not in enough to be linked for it.

    pairs: uint32 (room, 2), of which whoever compares fills the first num_pairs; num_counted: pairs whose shingles were counted so far.
    """

    def __init__(self, shingles: Shingles, min_similarity: Fraction, min_equal: int, max_pairs: int = MAX_PAIRS, batch_shingles: int = BATCH_SHINGLES) -> None:
        self.min_equal = min_equal
        self.pairs = np.empty((max_pairs, 2), np.uint32)
        self.num_pairs = self.num_counted = 0
        self._shingles, self._min_similarity, self._batch_shingles = shingles, min_similarity, batch_shingles

    def make_room(self, parents: NDArray[np.uint32], num_pairs: int) -> None:
        """Let `pairs` hold at least so many."""
        if len(self.pairs) < num_pairs:
            self.settle(parents)
            self.pairs = np.empty((num_pairs, 2), np.uint32)

    def settle(self, parents: NDArray[np.uint32]) -> None:
        """Link those of the collected pairs that are similar enough, in `parents`, and have none."""
        ordered = np.sort(self.pairs[: self.num_pairs], axis=1).astype(np.uint64)
        distinct = np.unique(ordered[:, 0] << np.uint64(32) | ordered[:, 1])
        first, second = (distinct >> np.uint64(32)).astype(np.uint32), distinct.astype(np.uint32)
        still = _apart(parents, first, second)
        first, second = first[still], second[still]
        for start, end in pairwise(self._cuts(first, second)):
            self._link(parents, first[start:end], second[start:end])
        self.num_pairs = 0

    def _cuts(self, first: NDArray[np.uint32], second: NDArray[np.uint32]) -> list[int]:
        """Where pairs, ordered by their first document, are cut into batches of some batch_shingles hashes."""
        if not len(first):
            return [0]
        starts = np.concatenate([[True], first[1:] != first[:-1]])
        gathered = np.cumsum(self._shingles.lengths(second) + np.where(starts, self._shingles.lengths(first), 0))
        batch = gathered // self._batch_shingles
        return [0, *(np.flatnonzero(batch[1:] != batch[:-1]) + 1).tolist(), len(first)]

    def _link(self, parents: NDArray[np.uint32], first: NDArray[np.uint32], second: NDArray[np.uint32]) -> None:
        still = _apart(parents, first, second)
        first, second = first[still], second[still]
        documents, places = np.unique(np.stack([first, second], axis=1), return_inverse=True)
        flat, bounds = self._shingles.gather(documents)
        pairs = places.reshape(-1, 2).astype(np.int64)
        least = self._min_similarity
        self.num_counted += kernel.link_similar(parents, first, second, pairs, flat, bounds, least.numerator, least.denominator)


def _apart(parents: NDArray[np.uint32], first: NDArray[np.uint32], second: NDArray[np.uint32]) -> NDArray[np.bool_]:
    found = np.empty(len(first), bool)
    kernel.apart(parents, first, second, found)
    return found
