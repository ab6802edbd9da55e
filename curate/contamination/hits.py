"""Every document that a benchmark item contaminates: one file for the whole run, behind the per-item table."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate import storage
from curate.contamination.verdict import ContaminationSettings, owners, shares

# One row per (document, item) that contaminates, in the order of parts, then rows, then items. item: row of the certificate; num_matched,
# matched_fraction: n-grams of the form of the item of which the document holds most; covered_fraction: share of an item's weight that stands in
# one place, likewise.
HITS = pa.schema(
    [
        pa.field("part", pa.uint32(), nullable=False),
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("item", pa.uint32(), nullable=False),
        pa.field("num_matched", pa.uint32(), nullable=False),
        pa.field("matched_fraction", pa.float64(), nullable=False),
        pa.field("covered_fraction", pa.float64(), nullable=False),
    ]
)
_ROWS_A_BATCH = 8192


class Place(NamedTuple):
    """A document that an item contaminates."""

    part: int
    row: int


def write_hits(path: Path, items: pa.Table, parts: Iterable[tuple[int, pa.ListArray]], settings: ContaminationSettings) -> storage.Output:
    """Publish the hits that contaminate. items: of the index; parts: (part, its hits), one held at a time.

    Raises DamageError where hits and items do not fit together (see `curate.contamination.verdict.shares`).
    """
    owner = owners(items)
    return storage.write_batches(path, HITS, _even(_hits_of_part(part, hits, items, owner, settings) for part, hits in parts))


def first_documents(path: Path, limit: int) -> dict[int, list[Place]]:
    """The first documents of each contaminated item, at most `limit`, by row of the certificate. Raises DamageError where the file is damaged."""
    found: dict[int, list[Place]] = {}
    for batch in storage.read_batches(path, ["part", "row", "item"]):
        for part, row, item in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if len(places := found.setdefault(item, [])) < limit:
                places.append(Place(part, row))
    return found


def hits_of_item(path: Path, item: int) -> pa.Table:
    """All hits of one item, a row of the certificate. Raises DamageError where the file is damaged."""
    batches = (batch.filter(pc.equal(batch.column("item"), item)) for batch in storage.read_batches(path))
    return pa.Table.from_batches([batch for batch in batches if len(batch)], HITS)


def _hits_of_part(part: int, hits: pa.ListArray, items: pa.Table, owner: NDArray[np.int64], settings: ContaminationSettings) -> pa.Table:
    found = shares(hits, items, settings)
    pairs, inverse = np.unique(np.stack((found.documents, owner[found.rows]), axis=1), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    enough, num_matched = np.zeros(len(pairs), bool), np.zeros(len(pairs), np.int64)
    matched, covered = np.zeros(len(pairs)), np.zeros(len(pairs))
    np.logical_or.at(enough, inverse, found.enough)
    np.maximum.at(num_matched, inverse, found.num_matched)
    np.maximum.at(matched, inverse, found.matched)
    np.maximum.at(covered, inverse, found.covered)
    columns = [np.full(len(pairs), part), pairs[:, 0], pairs[:, 1], num_matched]
    table = [pa.array(column[enough].astype(np.uint32)) for column in columns]
    return pa.table([*table, pa.array(matched[enough]), pa.array(covered[enough])], schema=HITS)


def _even(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Batches of _ROWS_A_BATCH rows, however the parts were cut."""
    waiting = HITS.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while len(waiting) >= _ROWS_A_BATCH:
            yield from waiting.slice(0, _ROWS_A_BATCH).combine_chunks().to_batches()
            waiting = waiting.slice(_ROWS_A_BATCH)
    yield from waiting.combine_chunks().to_batches()
