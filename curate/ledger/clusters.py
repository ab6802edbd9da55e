"""The largest clusters of duplicates: where a chain or a boilerplate page swallowed too much, it shows here first."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.chains import MAX_EXAMINED, Chain, chain
from curate.dedup.near import NearSettings
from curate.dedup.numbering import OWN, Numbering
from curate.dedup.shingles import Shingles, similar
from curate.dedup.signatures import Signatures
from curate.ledger.verdicts import NONE, Verdicts

_PLACE = pa.struct(
    [
        pa.field("part", pa.uint32(), nullable=False),
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("run", pa.uint16()),  # which earlier run the document is of; null: this one
    ]
)
# size: documents of this run, the kept one included; num_texts: different ones among them; representative: null where the whole cluster
# was dropped, for the reason in `dropped`; members: the first of them. num_examined, diameter, min_similarity: see
# `curate.dedup.chains`, of different texts; null where near-duplicates are not looked for.
LARGEST = pa.schema(
    [
        pa.field("cluster", _PLACE, nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("num_texts", pa.int64(), nullable=False),
        pa.field("representative", _PLACE),
        pa.field("dropped", pa.string()),
        pa.field("members", pa.list_(_PLACE), nullable=False),
        pa.field("num_examined", pa.int64()),
        pa.field("diameter", pa.int64()),
        pa.field("min_similarity", pa.float64()),
    ]
)


class Near(NamedTuple):
    """What chains are found from: signatures by number, how they are banded and checked, and the shingles where those verify."""

    signatures: Signatures
    settings: NearSettings
    shingles: Shingles | None = None


def largest_clusters(
    verdicts: Verdicts, exact: NDArray[np.uint32], numbering: Numbering, near: Near | None = None, *, max_clusters: int = 20, max_members: int = 10
) -> pa.Table:
    """The largest clusters of two or more, by size, then by first member. exact: as `decide` was given it."""
    clusters = verdicts.clusters[numbering.num_earlier :]
    sizes = np.bincount(clusters)
    several = np.flatnonzero(sizes > 1)
    roots = several[np.lexsort((several, -sizes[several]))][:max_clusters]
    rank = np.full(len(sizes) or 1, -1, np.int64)
    rank[roots] = np.arange(len(roots))
    members = np.flatnonzero(rank[clusters] >= 0) if len(clusters) else np.zeros(0, np.int64)
    members = members[np.argsort(rank[clusters[members]], kind="stable")] + numbering.num_earlier
    starts = np.concatenate(([0], np.cumsum(sizes[roots]))).astype(np.int64)
    rows = []
    for number, root in enumerate(roots.tolist()):
        mine = members[starts[number] : starts[number + 1]]
        kept = int(verdicts.representatives[root])
        texts = np.unique(exact[mine])
        rows.append(
            {
                "cluster": _places(np.array([root]), numbering)[0],
                "size": len(mine),
                "num_texts": len(texts),
                "representative": None if kept == NONE else _places(np.array([kept]), numbering)[0],
                "dropped": _dropped(verdicts, mine) if kept == NONE else None,
                "members": _places(mine[:max_members], numbering),
                **(_chain(texts, near)._asdict() if near is not None else {}),
            }
        )
    return pa.Table.from_pylist(rows, schema=LARGEST)


def _chain(texts: NDArray[np.uint32], near: Near) -> Chain:
    examined = texts[:MAX_EXAMINED].astype(np.uint32)
    shingles, least = near.shingles, near.settings.least
    return chain(
        near.signatures.gather(examined),
        near.settings,
        None if shingles is None else lambda pairs: similar(shingles, examined[pairs], least),
    )


def _dropped(verdicts: Verdicts, members: NDArray[np.int64]) -> str:
    """The reason of a cluster dropped whole; its held-out documents have their own."""
    found = {verdicts.names[code] for code in np.unique(verdicts.reasons[members]).tolist()}
    return min(found - {"held_out"}, default="held_out")


def _places(documents: NDArray[np.int64], numbering: Numbering) -> list[dict[str, Any]]:
    origins = numbering.origins(documents.astype(np.uint32))
    triples = zip(*(column.tolist() for column in (origins.parts, origins.rows, origins.runs)), strict=True)
    return [{"part": part, "row": row, "run": None if run == OWN else run} for part, row, run in triples]
