"""Reading shards: rows as arrays over mapped memory, nothing copied until rows are gathered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import DamageError
from curate.pretext.rows import Rows, Segments, join_rows
from curate.shards.writer import METADATA_KEY, ROWS_PER_BATCH


@dataclass(frozen=True)
class Shard:
    """A mapped shard: its batches as `Rows` whose arrays are views of the file."""

    path: Path
    metadata: dict[str, Any]
    batches: list[Rows]

    @property
    def num_rows(self) -> int:
        """Rows in the shard."""
        return sum(len(rows.input_ids) for rows in self.batches)

    @property
    def context_length(self) -> int:
        """Positions in a row."""
        return int(self.metadata["context_length"])


def open_shard(path: Path) -> Shard:
    """Map a shard; costs a few system calls, whatever its size.

    Raises DamageError where the file is missing, cut or not a shard.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        metadata = json.loads(reader.schema.metadata[METADATA_KEY])
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise DamageError(
            f"{path} is missing, cut or not a shard ({error!r}); `corpuscle verify` lists what else is, and running again makes it anew"
        ) from error
    shard = Shard(path, metadata, [_rows(batch) for batch in batches])
    if any(len(rows.input_ids) != ROWS_PER_BATCH for rows in shard.batches[:-1]) or shard.num_rows != metadata["num_rows"]:
        message = f"{path} has {shard.num_rows} rows in {len(batches)} batches and claims {metadata['num_rows']}"
        raise DamageError(f"{message}; a shard holds {ROWS_PER_BATCH} a batch, so this one was not written by Corpuscle")
    return shard


def _rows(batch: pa.RecordBatch) -> Rows:
    segments = batch.column("segments")
    members = segments.values
    bounds = segments.offsets.to_numpy(zero_copy_only=True)
    columns = Segments(*(members.field(i).to_numpy(zero_copy_only=True) for i in range(members.type.num_fields)))
    labels = _matrix(batch.column("labels")) if "labels" in batch.schema.names else None
    return Rows(_matrix(batch.column("input_ids")), labels, bounds, columns)


def _matrix(column: pa.FixedSizeListArray) -> NDArray[Any]:
    return np.asarray(column.values.to_numpy(zero_copy_only=True)).reshape(-1, column.type.list_size)


def gather_rows(shard: Shard, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Rows:
    """Copies of some rows, in the order asked for."""
    asked = np.asarray(indices, np.int64)
    if asked.size and (asked.min() < 0 or asked.max() >= shard.num_rows):
        raise IndexError(f"rows {asked.min()} to {asked.max()} were asked for, but {shard.path} has {shard.num_rows}")
    which, row = np.divmod(asked, ROWS_PER_BATCH)
    places = list(zip(which.tolist(), row.tolist(), strict=True))
    input_ids = np.empty((len(places), shard.context_length), shard.batches[0].input_ids.dtype if shard.batches else np.uint16)
    labelled = bool(shard.batches) and shard.batches[0].labels is not None
    labels = np.empty((len(places), shard.context_length), np.int32) if labelled else None
    spans = []
    for i, (batch, r) in enumerate(places):
        rows = shard.batches[batch]
        input_ids[i] = rows.input_ids[r]
        if labels is not None and rows.labels is not None:
            labels[i] = rows.labels[r]
        spans.append((rows.segments, int(rows.bounds[r]), int(rows.bounds[r + 1])))
    bounds = np.concatenate([[0], np.cumsum([last - first for _, first, last in spans], dtype=np.int64)]).astype(np.int64)
    none = [np.zeros(0, np.uint32)]
    segments = Segments(*(np.concatenate(none + [s[c][first:last] for s, first, last in spans]) for c in range(len(Segments._fields))))
    return Rows(input_ids, labels, bounds, segments)


def all_rows(shard: Shard) -> Rows:
    """Every row of a shard, copied into one; for tests, restoring and small shards. Raises DamageError on an empty shard."""
    if not shard.batches:
        raise DamageError(f"{shard.path} holds no rows")
    return join_rows(shard.batches)
