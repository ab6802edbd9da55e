"""Rows of shards in memory-mapped files, fetched in any order without a Python step per row.

A shard is an uncompressed Arrow file, so a row's ids lie somewhere in it as plain integers. Their places are computed
and all rows of a batch copied by one NumPy call a shard.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import DamageError, InputError, RecipeError

ROWS_PER_BATCH = 1024
METADATA_KEY = b"corpuscle"
NOT_A_TARGET = -100


@dataclass(frozen=True)
class ShardInfo:
    """What a shard says of itself; see the manifest of shards for each field."""

    task: str
    part: str
    source: str
    split: str
    context_length: int
    vocabulary_size: int
    pad: int
    bos: int
    eos: int
    mask: int | None
    num_rows: int
    num_documents: int
    num_tokens: int
    num_bytes: int


@dataclass(frozen=True)
class Rows:
    """Rows copied out of shards, n of them. `labels` is None where the task takes them from the input.

    segment_ids count 0, 1, 2 … along a row and are −1 on padding; position_ids restart at 0 with each segment.
    """

    input_ids: NDArray[np.int64]  # (n, context)
    labels: NDArray[np.int64] | None  # (n, context), −100 where nothing is to be predicted
    segment_ids: NDArray[np.int64]  # (n, context)
    position_ids: NDArray[np.int64]  # (n, context)


class Shard:
    """One memory-mapped shard. Record batches are looked up when one of their rows is first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._bytes: Any = pa.memory_map(str(path)).read_buffer()
            self._reader: Any = pa.ipc.open_file(pa.BufferReader(self._bytes))
        except FileNotFoundError as error:
            raise DamageError(f"{path} is missing; training would be on less than the recipe asks for. `corpuscle verify` lists what else is") from error
        except pa.ArrowInvalid as error:
            raise DamageError(f"{path} is not a whole Arrow file ({error}); `corpuscle verify` lists what else is damaged") from error
        schema = self._reader.schema
        self.info = _info(path, schema)
        width = schema.field("input_ids").type.value_type.bit_width // 8
        self._ids = np.frombuffer(self._bytes, f"<u{width}", self._bytes.size // width)
        self._words = np.frombuffer(self._bytes, "<i4", self._bytes.size // 4)
        self._has_labels = "labels" in schema.names
        shape = (self._reader.num_record_batches, 4)
        self._places = np.full(shape, -1, np.int64)  # per batch: first element of input_ids, labels, segment offsets, segment lengths
        if -(-self.info.num_rows // ROWS_PER_BATCH) != shape[0]:
            raise DamageError(f"{path}: {self.info.num_rows} rows should fill {-(-self.info.num_rows // ROWS_PER_BATCH)} record batches, found {shape[0]}")

    def fetch(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[np.int64], NDArray[np.int64]]:
        """input_ids (n, context), labels or None, and per row the first element and the number of its segment lengths (see `lengths`)."""
        batches, places = np.divmod(rows, ROWS_PER_BATCH)
        for batch in np.unique(batches[self._places[batches, 0] < 0]):
            self._look_up(int(batch))
        base = self._places[batches]
        context = self.info.context_length
        ids = np.lib.stride_tricks.sliding_window_view(self._ids, context)[base[:, 0] + places * context]
        labels = np.lib.stride_tricks.sliding_window_view(self._words, context)[base[:, 1] + places * context] if self._has_labels else None
        first = self._words[base[:, 2] + places].astype(np.int64)
        counts = self._words[base[:, 2] + places + 1] - first
        return ids, labels, base[:, 3] + first, counts

    def lengths(self, elements: NDArray[np.int64]) -> NDArray[np.int64]:
        """Segment lengths (without BOS) at the elements that `fetch` named."""
        return self._words[elements].astype(np.int64)

    def _look_up(self, batch: int) -> None:
        rows = self._reader.get_batch(batch)
        expected = min(ROWS_PER_BATCH, self.info.num_rows - batch * ROWS_PER_BATCH)
        if rows.num_rows != expected:
            raise DamageError(f"{self.path}: record batch {batch} has {rows.num_rows} rows, expected {expected}; its metadata and its rows disagree")
        segments = rows.column("segments")
        columns = [rows.column("input_ids").values, rows.column("labels").values if self._has_labels else None, None, segments.values.field("length")]
        for column, array in enumerate(columns):
            if array is not None:
                self._places[batch, column] = self._element(array.buffers()[1], self._ids.itemsize if column == 0 else 4)
        self._places[batch, 2] = self._element(segments.buffers()[1], 4)

    def _element(self, buffer: Any, width: int) -> int:
        """Where in the file a column's buffer begins, in elements of `width` bytes. 0 for the buffer of an empty column."""
        if buffer is None or buffer.size == 0:
            return 0
        offset = int(buffer.address) - int(self._bytes.address)
        if not 0 <= offset < self._bytes.size or offset % width:
            raise DamageError(f"{self.path} is compressed; shards are written uncompressed so that rows can be read in place. Run manufacture again")
        return offset // width


class SourceRows:
    """All rows of one source: its shards one after another, in the order of their part names."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = sorted(shards, key=lambda shard: shard.info.part)
        self.name = self.shards[0].info.source
        self.starts = np.cumsum([0, *(shard.info.num_rows for shard in self.shards)])
        self.num_rows = int(self.starts[-1])
        self.num_tokens = sum(shard.info.num_tokens for shard in self.shards)
        self.num_bytes = sum(shard.info.num_bytes for shard in self.shards)

    def locate(self, row: int) -> tuple[Path, int]:
        """The shard that holds a row, and the row's number in it."""
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        return self.shards[number].path, row - int(self.starts[number])


def open_sources(paths: Sequence[Path], task: str) -> list[SourceRows]:
    """Shards of one task grouped by source, sources in the order of their names.

    Raises InputError or RecipeError where there are none, or where they are not of one task, context and vocabulary.
    """
    if not paths:
        raise InputError(f"no shards of the task {task!r} were given; manufacture makes them")
    shards = [Shard(path) for path in paths]
    first = shards[0].info
    for shard in shards:
        info = shard.info
        if info.task != task:
            raise RecipeError(f"{shard.path} holds rows of the task {info.task!r}, not {task!r}; train each task on its own shards")
        same = ("context_length", "vocabulary_size", "pad", "bos", "eos", "mask")
        if different := [name for name in same if getattr(info, name) != getattr(first, name)]:
            raise RecipeError(f"{shard.path} and {shards[0].path} differ in {', '.join(different)}; one model cannot be trained on both. Make them with one recipe")
    by_source: dict[str, list[Shard]] = {}
    for shard in shards:
        by_source.setdefault(shard.info.source, []).append(shard)
    return [SourceRows(by_source[name]) for name in sorted(by_source)]


def fetch(sources: Sequence[SourceRows], owners: NDArray[np.int32], rows: NDArray[np.int64]) -> Rows:
    """Copy rows out of their shards: the i-th is row rows[i] of source owners[i]."""
    info = sources[0].shards[0].info
    input_ids = np.empty((len(rows), info.context_length), np.int64)
    labels = np.empty_like(input_ids) if sources[0].shards[0].info.task == "masked" else None
    counts, lengths_of = np.zeros(len(rows), np.int64), []
    for owner in np.unique(owners):
        source = sources[int(owner)]
        places = np.flatnonzero(owners == owner)
        numbers = np.searchsorted(source.starts, rows[places], "right") - 1
        for number in np.unique(numbers):
            shard, wanted = source.shards[int(number)], places[numbers == number]
            ids, given, firsts, sizes = shard.fetch(rows[wanted] - source.starts[number])
            input_ids[wanted] = ids
            if labels is not None:
                labels[wanted] = given
            counts[wanted] = sizes
            lengths_of.append((wanted, shard.lengths(_ranges(firsts, sizes)), sizes))
    lengths = np.empty(int(counts.sum()), np.int64)
    starts = np.cumsum(counts) - counts
    for wanted, values, sizes in lengths_of:
        lengths[_ranges(starts[wanted], sizes)] = values
    segment_ids, position_ids = layout(counts, lengths, info.context_length)
    return Rows(input_ids, labels, segment_ids, position_ids)


def layout(counts: NDArray[np.int64], lengths: NDArray[np.int64], context_length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Segment and position of every place in rows, from the number of segments a row has and the segments' lengths (BOS not counted).

    Both are (rows, context). Padding has segment −1 and position 0.
    """
    totals = np.bincount(np.repeat(np.arange(len(counts)), counts), lengths + 1, minlength=len(counts)).astype(np.int64)
    if len(totals) and int(totals.max()) > context_length:
        raise DamageError(f"a row's segments take {int(totals.max())} places but rows are {context_length} long; the shard's segments and rows disagree")
    # One run of places a segment, and one for each row's padding behind its segments.
    ends = np.cumsum(counts + 1)
    is_padding = np.zeros(len(lengths) + len(counts), bool)
    is_padding[ends - 1] = True
    sizes = np.empty(len(is_padding), np.int64)
    sizes[is_padding], sizes[~is_padding] = context_length - totals, lengths + 1
    numbers = np.arange(len(sizes)) - np.repeat(ends - (counts + 1), counts + 1)
    numbers[is_padding] = -1
    segment_ids = np.repeat(numbers, sizes)
    position_ids = np.arange(len(segment_ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    position_ids[segment_ids < 0] = 0
    return segment_ids.reshape(-1, context_length), position_ids.reshape(-1, context_length)


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """starts[0], starts[0] + 1, … for sizes[0] numbers, then the same for each following pair."""
    ends = np.cumsum(sizes)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - sizes), sizes)


def _info(path: Path, schema: Any) -> ShardInfo:
    content = (schema.metadata or {}).get(METADATA_KEY)
    if content is None:
        raise InputError(f"{path} is an Arrow file without Corpuscle's metadata; shards are written by manufacture")
    values = json.loads(content)
    if missing := [name for name in ShardInfo.__dataclass_fields__ if name not in values]:
        raise DamageError(f"{path}: its metadata lacks {', '.join(missing)}; run manufacture again")
    return ShardInfo(**{name: values[name] for name in ShardInfo.__dataclass_fields__})
