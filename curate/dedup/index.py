"""Runs and buckets: sorted files that say which documents share a key.

A *run* lists one part's keys with their rows, sorted; it is written once and merged with any others. A key is one or more
uint64 columns. Keys are hashes, so cutting their space into equal ranges cuts the entries evenly; a range is merged by
itself, and memory is bounded by its entries, not by the index. Only keys with two entries or more are kept.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.numbering import Numbering
from curate.storage import Output, read_table, write_table

NEAR_RUN = pa.schema([pa.field("key", pa.uint64(), nullable=False), pa.field("row", pa.uint32(), nullable=False)])
EXACT_RUN = pa.schema([pa.field("high", pa.uint64(), nullable=False), pa.field("low", pa.uint64(), nullable=False), NEAR_RUN.field("row")])

ENTRIES_PER_RANGE = 1 << 23  # about 0.5 GB while it is merged


def num_ranges(num_entries: int) -> int:
    """Into how many ranges an index of so many entries is cut: a function of nothing else, so that bucket files do not depend on workers."""
    return max(1, -(-num_entries // ENTRIES_PER_RANGE))


def sorted_run(keys: NDArray[np.uint64], rows: NDArray[np.uint32], schema: pa.Schema) -> pa.Table:
    """A run from unsorted entries. keys: uint64 (entries, key columns); rows: uint32 (entries,), ascending for equal keys."""
    order = np.lexsort(keys.T[::-1])
    return pa.table([*(pa.array(column[order]) for column in keys.T), pa.array(rows[order])], schema=schema)


def write_run(path: Path, run: pa.Table) -> Output:
    """Publish a run uncompressed and as one batch, so that it can be searched where it lies."""
    return write_table(path, run, compression=None, rows_per_batch=max(1, len(run)))


def merge(schema: pa.Schema, runs: Mapping[int, pa.Table], index: int, total_ranges: int) -> pa.Table:
    """Range `index` of `total_ranges` of several parts' runs (all of one run schema): key columns, part, row, sorted so; only shared keys."""
    names = _key_names(schema)
    pieces = [(part, _range_of(runs[part], names, index, total_ranges)) for part in sorted(runs)]
    keys = [_joined([piece[name] for _, piece in pieces], np.uint64) for name in names]
    parts = _joined([np.full(len(piece["row"]), part, np.uint32) for part, piece in pieces], np.uint32)
    rows = _joined([piece["row"] for _, piece in pieces], np.uint32)
    order = np.lexsort(keys[::-1])  # stable, and the pieces are in order of part and row
    keys = [key[order] for key in keys]
    shared = _shared(keys)
    placed = [*map(schema.field, names), pa.field("part", pa.uint32(), nullable=False), schema.field("row")]
    order = order[shared]
    return pa.table([*(pa.array(key[shared]) for key in keys), pa.array(parts[order]), pa.array(rows[order])], schema=pa.schema(placed))


def write_buckets(path: Path, schema: pa.Schema, runs: Mapping[int, Path], index: int, total_ranges: int) -> Output:
    """Merge one range of the runs of parts (by part id), memory-mapped, into a bucket file."""
    return write_table(path, merge(schema, {part: read_table(run) for part, run in runs.items()}, index, total_ranges), compression=None)


def bucket_members(buckets: pa.Table, numbering: Numbering, included: NDArray[np.bool_]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The buckets of a table among included documents, as (members uint32, bounds int64); those left with one member are gone,
    and those with documents of earlier runs only, which were decided there."""
    documents = numbering.documents(_values(buckets, "part"), _values(buckets, "row"))
    here = included[documents]
    documents = documents[here]
    keys = [_values(buckets, name)[here] for name in _key_names(buckets.schema)]
    shared = _shared(keys)
    if numbering.num_earlier:
        shared &= _beside_new(keys, documents >= numbering.num_earlier)
    keys = [key[shared] for key in keys]
    return documents[shared], np.append(np.flatnonzero(_starts(keys)), int(shared.sum())).astype(np.int64)


def _key_names(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name not in ("part", "row")]


def _range_of(run: pa.Table, names: list[str], index: int, total_ranges: int) -> dict[str, NDArray[Any]]:
    """The entries of a run whose first key column lies in a range, as views."""
    first = _values(run, names[0])
    bounds = [-((-which << 64) // total_ranges) for which in (index, index + 1)]
    start, end = (len(first) if bound >= 1 << 64 else int(np.searchsorted(first, np.uint64(bound))) for bound in bounds)
    return {name: _values(run, name)[start:end] for name in [*names, "row"]}


def _starts(keys: list[NDArray[np.uint64]]) -> NDArray[np.bool_]:
    """Where a sorted entry's key differs from the one before."""
    starts = np.ones(len(keys[0]), bool)
    starts[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return starts


def _shared(keys: list[NDArray[np.uint64]]) -> NDArray[np.bool_]:
    """Which sorted entries have a neighbour of the same key."""
    starts = _starts(keys)
    return ~(starts & np.append(starts[1:], True))


def _beside_new(keys: list[NDArray[np.uint64]], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which sorted entries share their key with a new one, or are new."""
    bucket = np.cumsum(_starts(keys)) - 1
    return np.bincount(bucket, weights=new).astype(bool)[bucket] if len(new) else new


def _joined(pieces: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(pieces) if pieces else np.empty(0, dtype)


def _values(table: pa.Table, name: str) -> NDArray[Any]:
    """A column as one array; no copy where it is one batch."""
    values: NDArray[Any] = table[name].combine_chunks().to_numpy(zero_copy_only=True)
    return values
