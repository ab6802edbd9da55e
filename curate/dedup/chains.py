"""How a cluster hangs together: a chain of near-duplicates links documents that are nothing alike.

A cluster is a connected component of links, so its ends may be far apart. Its *diameter* is the most links on a shortest
path between two members, 1 where every pair is linked; its least similarity is that of the two members least alike.
"""

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


def chain(signatures: NDArray[np.uint32], settings: NearSettings) -> Chain:
    """The links among members, given by their signatures (members, num_perm), at most MAX_EXAMINED of them.

    Members connected only through others that are not given have no path here, and do not count for the diameter.
    """
    linked = np.empty((len(signatures), len(signatures)), np.bool_)
    least = kernel.links(signatures, settings.bands, settings.rows, settings.min_equal or 0, linked)
    return Chain(len(signatures), int(kernel.longest_path(linked)), int(least) / settings.num_perm)
