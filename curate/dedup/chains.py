"""How a cluster hangs together: a chain of near-duplicates links documents that are nothing alike.

A cluster is a connected component of links, so its ends may be far apart. Its *diameter* is the most links on a shortest
path between two members, 1 where every pair is linked; its least similarity is that of the two members least alike.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.dedup.near import NearSettings
from curate.kernels import chains as kernel

MAX_EXAMINED = 500  # members of a cluster: 125,000 pairs; of a larger one the first are looked at, and the report says so


class Chain(NamedTuple):
    """What was found among the examined members of a cluster. min_similarity: the least share of equal values between two."""

    num_examined: int
    diameter: int
    min_similarity: float


def chain(signatures: NDArray[np.uint32], settings: NearSettings, similar: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None) -> Chain:
    """The links among members, given by their signatures (members, num_perm), at most MAX_EXAMINED of them.

    similar: with `verify: shingles`, tells which pairs of members (int64 (pairs, 2)) count, of those that the signatures leave open.
    Members connected only through others that are not given have no path here, and do not count for the diameter.
    """
    linked = np.empty((len(signatures), len(signatures)), np.bool_)
    lowest, min_equal = settings.limits
    least = kernel.links(signatures, settings.bands, settings.rows, min_equal, linked)
    if similar is not None:
        candidates = np.empty_like(linked)
        kernel.links(signatures, settings.bands, settings.rows, lowest, candidates)
        still_open = np.argwhere(np.tril(candidates & ~linked))
        if len(still_open):
            first, second = still_open[similar(still_open)].T
            linked[first, second] = linked[second, first] = True
    return Chain(len(signatures), int(kernel.longest_path(linked)), int(least) / settings.num_perm)
