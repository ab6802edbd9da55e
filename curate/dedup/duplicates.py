"""Which documents are duplicates, of what, and which one of a cluster stays.

The representative is, by the stated policy, the longest (most code points, the first of equals) or the earliest member of
its cluster; first means by number: the recipe's order of sources, then part, then row.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.exact import link_exact
from curate.dedup.near import Linked, NearSettings, link_near
from curate.dedup.numbering import Numbering
from curate.dedup.representative import Policy as Policy
from curate.dedup.representative import Representative, preferences
from curate.dedup.shingles import Shingles
from curate.dedup.signatures import Signatures
from curate.kernels import union_find


class Indexes(NamedTuple):
    """Bucket tables of the exact and the near index, each iterated once, and the signatures behind the latter, with the shingles where
    those verify."""

    exact: Iterable[pa.Table]
    near: Iterable[pa.Table]
    signatures: Signatures
    shingles: Shingles | None = None


class Duplicates(NamedTuple):
    """One value a document. cluster: uint32, its cluster's smallest document, itself when alone; representative: uint32,
    the member that stays; exact_duplicate, near_duplicate: bool, why it goes (never both). linked: what near linking did."""

    cluster: NDArray[np.uint32]
    representative: NDArray[np.uint32]
    exact_duplicate: NDArray[np.bool_]
    near_duplicate: NDArray[np.bool_]
    linked: Linked


def find_duplicates(
    indexes: Indexes,
    numbering: Numbering,
    included: NDArray[np.bool_],
    num_characters: NDArray[np.int64],
    settings: NearSettings,
    policy: Policy = "longest",
    held_out: NDArray[np.bool_] | None = None,
) -> Duplicates:
    """Exact duplicates among included documents, then near-duplicates among those that are left.

    included, held_out: bool (documents,); num_characters: int64 (documents,). An included held-out document is linked
    like any other, but is nobody's representative and no duplicate: `cluster[held_out]` names the clusters that hold one.
    Documents that are not included are alone and represent themselves.
    """
    eligible = included if held_out is None else included & ~held_out
    parents = union_find.singletons(numbering.num_documents)
    link_exact(indexes.exact, numbering, included, parents)
    exact_duplicate = eligible & (representatives(parents, eligible, num_characters, policy) != np.arange(len(parents), dtype=np.uint32))
    linked = link_near(indexes.near, numbering, indexes.signatures, included & ~exact_duplicate, settings, parents, indexes.shingles)
    representative = representatives(parents, eligible, num_characters, policy)
    near_duplicate = eligible & ~exact_duplicate & (representative != np.arange(len(parents), dtype=np.uint32))
    return Duplicates(parents, representative, exact_duplicate, near_duplicate, linked)


def representatives(parents: NDArray[np.uint32], eligible: NDArray[np.bool_], num_characters: NDArray[np.int64], policy: Policy) -> NDArray[np.uint32]:
    """The representative of every document: uint32. Flattens `parents`, in place. A cluster without an eligible member has each represent itself."""
    union_find.flatten(parents)
    chosen = np.empty_like(parents)
    union_find.choose(parents, eligible, preferences(Representative(then=policy), num_characters), chosen)
    return chosen
