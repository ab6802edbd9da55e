"""What a row is, whatever the pretext task: segments of documents behind begin tokens, then padding.

A task turns a document's tokens into what the model sees and, if that is not the answer itself, labels. Packing is the same
for all. Examples depend on the document and the seed; only packing depends on which documents stand next to each other.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import DamageError
from curate.fit.tokenizer import SpecialIds, Vocabulary

UNLABELLED = -100  # what every loss in this field ignores
SEGMENT = pa.struct([pa.field(name, pa.uint32(), nullable=False) for name in ("part", "document", "start", "length")])


class Tokens(NamedTuple):
    """Documents as a task takes them."""

    ids: NDArray[Any]  # (tokens,) text only, no begin or end
    offsets: NDArray[np.int64]  # (documents + 1,)
    word_starts: NDArray[np.bool_] | None  # (tokens,), for tasks that choose words
    content: NDArray[np.uint64]  # (documents, 2) content ids


class Examples(NamedTuple):
    """Documents as a task makes them: aligned with the tokens they came from."""

    input_ids: NDArray[Any]
    labels: NDArray[np.int32] | None  # the token where it was hidden, else UNLABELLED


class Packed(NamedTuple):
    """Examples with what packing needs beside them."""

    examples: Examples
    offsets: NDArray[np.int64]  # (documents + 1,)
    part: NDArray[np.uint32]  # (documents,)
    document: NDArray[np.uint32]  # (documents,) row in the part


class Segments(NamedTuple):
    """Flat columns, one entry a segment; `start` and `length` count tokens of D (the document and its end token)."""

    part: NDArray[np.uint32]
    document: NDArray[np.uint32]
    start: NDArray[np.uint32]
    length: NDArray[np.uint32]


class Rows(NamedTuple):
    """Rows as arrays; the segments of row r are bounds[r] : bounds[r + 1]."""

    input_ids: NDArray[Any]  # (rows, context_length)
    labels: NDArray[np.int32] | None  # (rows, context_length)
    bounds: NDArray[np.int64]  # (rows + 1,)
    segments: Segments


class Restored(NamedTuple):
    """Documents taken out of rows again."""

    part: NDArray[np.uint32]
    document: NDArray[np.uint32]
    ids: NDArray[Any]
    offsets: NDArray[np.int64]


def row_schema(context_length: int, vocabulary: Vocabulary, labelled: bool) -> pa.Schema:
    """The columns of a shard."""
    fields = [pa.field("input_ids", pa.list_(pa.field("item", pa.from_numpy_dtype(vocabulary.dtype), nullable=False), context_length), nullable=False)]
    if labelled:
        fields.append(pa.field("labels", pa.list_(pa.field("item", pa.int32(), nullable=False), context_length), nullable=False))
    return pa.schema([*fields, pa.field("segments", pa.list_(pa.field("item", SEGMENT, nullable=False)), nullable=False)])


def pack_rows(blocks: Iterable[Packed], context_length: int, special: SpecialIds) -> Iterator[Rows]:
    """Pack documents in order; rows come as they fill, the last one padded. The blocks' borders leave no trace."""
    open_row: Rows | None = None
    taken = 0
    for block in blocks:
        rows, taken = _pack_block(block, open_row, taken, context_length, special)
        full = len(rows.input_ids) if taken == 0 else len(rows.input_ids) - 1
        if full:
            yield slice_rows(rows, 0, full)
        open_row = slice_rows(rows, full, len(rows.input_ids), copy=True) if taken else None
    if open_row is not None:
        yield open_row


def _pack_block(block: Packed, open_row: Rows | None, taken: int, context_length: int, special: SpecialIds) -> tuple[Rows, int]:
    """All rows that a block touches, the open one first, and how much of the last is taken (0: it is full)."""
    from curate.kernels import packing

    row, column, document, start, length, last, taken = packing.pack(np.diff(block.offsets) + 1, context_length, taken)
    if context_length - taken < 2:
        taken = 0
    count = last + 1 if len(row) or open_row is not None else 0
    places = (row, column, document, start, length)
    input_ids = np.full((count, context_length), special.pad, block.examples.input_ids.dtype)
    labels = None if block.examples.labels is None else np.full((count, context_length), UNLABELLED, np.int32)
    segments = Segments(block.part[document], block.document[document], start.astype(np.uint32), length.astype(np.uint32))
    per_row = np.bincount(row, minlength=count)
    if open_row is not None:
        input_ids[0] = open_row.input_ids[0]
        segments = Segments(*map(np.concatenate, zip(open_row.segments, segments, strict=True)))
        per_row[0] += len(open_row.segments.part)
    packing.lay(block.examples.input_ids, block.offsets, *places, special.bos, special.eos, input_ids)
    if labels is not None and block.examples.labels is not None:
        if open_row is not None and open_row.labels is not None:
            labels[0] = open_row.labels[0]
        packing.lay(block.examples.labels, block.offsets, *places, UNLABELLED, UNLABELLED, labels)
    return Rows(input_ids, labels, np.concatenate([[0], np.cumsum(per_row)]), segments), taken


def slice_rows(rows: Rows, start: int, end: int, *, copy: bool = False) -> Rows:
    """Rows start to end, as views unless `copy`."""
    first, last = int(rows.bounds[start]), int(rows.bounds[end])
    segments = Segments(*(column[first:last] for column in rows.segments))
    out = Rows(rows.input_ids[start:end], None if rows.labels is None else rows.labels[start:end], rows.bounds[start : end + 1] - first, segments)
    return Rows(out.input_ids.copy(), None if out.labels is None else out.labels.copy(), out.bounds, Segments(*(c.copy() for c in segments))) if copy else out


def join_rows(several: list[Rows]) -> Rows:
    """Rows one after another as one."""
    labels = [rows.labels for rows in several if rows.labels is not None]
    per_row = np.concatenate([np.diff(rows.bounds) for rows in several])
    segments = Segments(*(np.concatenate(columns) for columns in zip(*(rows.segments for rows in several), strict=True)))
    bounds = np.concatenate([[0], np.cumsum(per_row)])
    return Rows(np.concatenate([rows.input_ids for rows in several]), np.concatenate(labels) if labels else None, bounds, segments)


def restore_rows(rows: Rows, special: SpecialIds) -> Restored:
    """Undo masking and packing: each document's own tokens, in the order of the rows.

    Raises DamageError where a document does not begin at its start, go on where it stopped and end with an end token, so
    hand in whole shards.
    """
    from curate.kernels import packing

    original = rows.input_ids if rows.labels is None else np.where(rows.labels == UNLABELLED, rows.input_ids, rows.labels.astype(rows.input_ids.dtype))
    flat = packing.lift(np.ascontiguousarray(original), rows.bounds, rows.segments.length)
    ends = np.cumsum(rows.segments.length, dtype=np.int64)
    begins = rows.segments.start == 0
    follows = (rows.segments.start[1:] == rows.segments.start[:-1] + rows.segments.length[:-1]) & (rows.segments.document[1:] == rows.segments.document[:-1])
    if len(begins) and not (begins[0] and (begins[1:] | follows).all()):
        raise DamageError("the segments of these rows are not whole documents in order; restore takes all rows of a shard")
    last = np.append(begins[1:], True)[: len(begins)]
    if not (flat[ends[last] - 1] == special.eos).all():
        raise DamageError("a document in these rows does not end with the end token")
    keep = np.ones(len(flat), np.bool_)
    keep[ends[last] - 1] = False
    bounds = np.concatenate([[0], ends[last] - np.arange(1, int(last.sum()) + 1)])
    return Restored(rows.segments.part[begins], rows.segments.document[begins], flat[keep], bounds)
