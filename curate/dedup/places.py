"""Where in which documents something occurs: sorted runs a part, merged by key range, and the places that repeat.

A *run* lists one part's keys with row and place in the document (a piece's number or a token's), sorted by key; it is
written once, uncompressed, and read where it lies. Keys are hashes, so equal ranges of their space hold about equally many;
one range is in memory at a time, whatever the corpus holds. Parts are handed in in the stated order (sources as in the
recipe, then part id), which is what *first* means everywhere here: then rows, then places.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.storage import Output, write_table

# counts: of how many places in a row, from `place` on, the key tells (see `curate.kernels.winnow.winnow`); 1 for pieces.
RUN = pa.schema([pa.field(name, kind(), nullable=False) for name, kind in (("key", pa.uint64), ("row", pa.uint32), ("place", pa.uint32), ("count", pa.uint16))])
# `length` places from `place` on are to be cut, since they repeat what begins at the first place.
REPEATS = pa.schema([pa.field(name, pa.uint32(), nullable=False) for name in ("part", "row", "place", "length", "first_part", "first_row", "first_place")])
ENTRIES_PER_RANGE = 1 << 22  # about 0.25 GB while they are merged


class Entries(NamedTuple):
    """Entries of several runs, sorted by key, then in the stated order. keys uint64, ranks uint32 (of the part in that order), rows and places
    uint32, counts uint16."""

    keys: NDArray[np.uint64]
    ranks: NDArray[np.uint32]
    rows: NDArray[np.uint32]
    places: NDArray[np.uint32]
    counts: NDArray[np.uint16]


class Repeats(NamedTuple):
    """Places that repeat earlier ones, all uint32: rank, row and place, and those of the first occurrence."""

    ranks: NDArray[np.uint32]
    rows: NDArray[np.uint32]
    places: NDArray[np.uint32]
    first_ranks: NDArray[np.uint32]
    first_rows: NDArray[np.uint32]
    first_places: NDArray[np.uint32]


def num_ranges(num_entries: int) -> int:
    """Into how many ranges so many entries are cut; a function of nothing else."""
    return max(1, -(-num_entries // ENTRIES_PER_RANGE))


def sorted_run(keys: NDArray[np.uint64], rows: NDArray[np.uint32], places: NDArray[np.uint32], counts: NDArray[np.uint16] | None = None) -> pa.Table:
    """A run from entries in the order of their rows and places; counts: 1 each where None."""
    order = np.argsort(keys, kind="stable")
    counted = np.ones(len(keys), np.uint16) if counts is None else counts
    return pa.table([column[order] for column in (keys, rows, places, counted)], schema=RUN)


def write_places(path: Path, table: pa.Table) -> Output:
    """Publish a run or repeats uncompressed and as one batch, so that a range of it can be read where it lies."""
    return write_table(path, table, compression=None, rows_per_batch=max(1, len(table)))


def merge(runs: Sequence[pa.Table], index: int, total_ranges: int) -> Entries:
    """Range `index` of `total_ranges` of the runs of parts, given in the stated order; only entries whose key another entry shares."""
    pieces = [_range_of(run, index, total_ranges) for run in runs]
    keys = _joined([piece[0] for piece in pieces], np.uint64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.ones(len(keys), bool)
    starts[1:] = keys[1:] != keys[:-1]
    shared = ~(starts & np.append(starts[1:], True))
    order = order[shared]
    ranks = _joined([np.full(len(piece[0]), rank, np.uint32) for rank, piece in enumerate(pieces)], np.uint32)[order]
    rows, places = (_joined([piece[k] for piece in pieces], np.uint32)[order] for k in (1, 2))
    return Entries(keys[shared], ranks, rows, places, _joined([piece[3] for piece in pieces], np.uint16)[order])


def repeats_table(found: Repeats, parts: Sequence[int]) -> pa.Table:
    """Repeats as REPEATS, by part id, row and place. parts: their ids in the stated order."""
    ids = np.array(parts, np.uint32)
    named = {"part": ids[found.ranks] if len(ids) else found.ranks, "row": found.rows, "place": found.places, "length": np.ones(len(found.rows), np.uint32)}
    named |= {"first_part": ids[found.first_ranks] if len(ids) else found.first_ranks, "first_row": found.first_rows, "first_place": found.first_places}
    return pa.table(_neighbours_joined(named), schema=REPEATS)


def joined_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """Several tables of REPEATS as one, in order."""
    return pa.table(_neighbours_joined({name: _joined([values(table, name) for table in tables], np.uint32) for name in REPEATS.names}), schema=REPEATS)


def repeats_of(tables: Sequence[pa.Table], part: int) -> dict[str, NDArray[np.uint32]]:
    """The repeats in one part, from the tables of all ranges: REPEATS' columns, by row and place. They do not depend on how keys were cut into ranges."""
    pieces = []
    for table in tables:
        found = values(table, "part")
        start, end = (int(np.searchsorted(found, np.uint32(part), side)) for side in ("left", "right"))
        pieces.append({name: values(table, name)[start:end] for name in REPEATS.names})
    return _neighbours_joined({name: _joined([piece[name] for piece in pieces], np.uint32) for name in REPEATS.names})


def _neighbours_joined(columns: dict[str, NDArray[np.uint32]]) -> dict[str, NDArray[np.uint32]]:
    """Repeats by part, row and place, where those that go on where the one before ends, here and at the first occurrence, are one."""
    order = np.lexsort((columns["place"], columns["row"], columns["part"]))
    columns = {name: column[order] for name, column in columns.items()}
    starts = np.ones(len(order), bool)
    lengths = columns["length"]
    unlike = [columns[name][1:] != columns[name][:-1] for name in ("part", "row", "first_part", "first_row")]
    unlike += [columns[name][1:] != columns[name][:-1] + lengths[:-1] for name in ("place", "first_place")]
    starts[1:] = np.any(unlike, axis=0)
    firsts = np.flatnonzero(starts)
    summed = np.add.reduceat(lengths, firsts).astype(np.uint32) if len(firsts) else lengths
    return {name: column[starts] for name, column in columns.items()} | {"length": summed}


def values(table: pa.Table, name: str) -> NDArray[Any]:
    """A column as one array; no copy where it is one batch."""
    column: NDArray[Any] = table[name].combine_chunks().to_numpy(zero_copy_only=True)
    return column


def _range_of(run: pa.Table, index: int, total_ranges: int) -> list[NDArray[Any]]:
    """The columns of a run's entries whose key lies in a range, as views."""
    keys = values(run, "key")
    bounds = [-((-which << 64) // total_ranges) for which in (index, index + 1)]
    start, end = (len(keys) if bound >= 1 << 64 else int(np.searchsorted(keys, np.uint64(bound))) for bound in bounds)
    return [values(run, name)[start:end] for name in RUN.names]


def _joined(pieces: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(pieces) if pieces else np.empty(0, dtype)
