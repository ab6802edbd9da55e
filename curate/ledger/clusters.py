"""The largest clusters of duplicates: where a chain or a boilerplate page swallowed too much, it shows here first."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.numbering import Numbering
from curate.ledger.verdicts import NONE, Verdicts

_PLACE = pa.struct([pa.field("part", pa.uint32(), nullable=False), pa.field("row", pa.uint32(), nullable=False)])
# size: documents, the kept one included; num_texts: different ones among them; representative: null where the whole cluster was dropped,
# for the reason in `dropped`; members: the first of them.
LARGEST = pa.schema(
    [
        pa.field("cluster", _PLACE, nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("num_texts", pa.int64(), nullable=False),
        pa.field("representative", _PLACE),
        pa.field("dropped", pa.string()),
        pa.field("members", pa.list_(_PLACE), nullable=False),
    ]
)


def largest_clusters(verdicts: Verdicts, exact: NDArray[np.uint32], numbering: Numbering, max_clusters: int = 20, max_members: int = 10) -> pa.Table:
    """The largest clusters of two or more, by size, then by first member. exact: as `decide` was given it."""
    sizes = np.bincount(verdicts.clusters)
    several = np.flatnonzero(sizes > 1)
    roots = several[np.lexsort((several, -sizes[several]))][:max_clusters]
    rank = np.full(len(sizes) or 1, -1, np.int64)
    rank[roots] = np.arange(len(roots))
    members = np.flatnonzero(rank[verdicts.clusters] >= 0) if len(verdicts.clusters) else np.zeros(0, np.int64)
    members = members[np.argsort(rank[verdicts.clusters[members]], kind="stable")]
    starts = np.concatenate(([0], np.cumsum(sizes[roots]))).astype(np.int64)
    rows = []
    for number, root in enumerate(roots.tolist()):
        mine = members[starts[number] : starts[number + 1]]
        kept = int(verdicts.representatives[root])
        rows.append(
            {
                "cluster": _places(np.array([root]), numbering)[0],
                "size": len(mine),
                "num_texts": int((exact[mine] == mine).sum()),
                "representative": None if kept == NONE else _places(np.array([kept]), numbering)[0],
                "dropped": _dropped(verdicts, mine) if kept == NONE else None,
                "members": _places(mine[:max_members], numbering),
            }
        )
    return pa.Table.from_pylist(rows, schema=LARGEST)


def _dropped(verdicts: Verdicts, members: NDArray[np.int64]) -> str:
    """The reason of a cluster dropped whole; its held-out documents have their own."""
    found = {verdicts.names[code] for code in np.unique(verdicts.reasons[members]).tolist()}
    return min(found - {"held_out"}, default="held_out")


def _places(documents: NDArray[np.int64], numbering: Numbering) -> list[dict[str, int]]:
    parts, rows = numbering.places(documents.astype(np.uint32))
    return [{"part": part, "row": row} for part, row in zip(parts.tolist(), rows.tolist(), strict=True)]
