"""Documents on their way into a part: collected until a batch is full. Where batches end depends on the documents alone, not on
whether a reader gives them one by one or as columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import DOCUMENTS
from curate.readers.json_blocks import Rows
from curate.readers.records import Document

_MAX_BATCH_DOCUMENTS = 1024
_MAX_BATCH_CHARACTERS = 4 << 20  # mostly 4 to 8 MB


class Batching:
    """Batches hold _MAX_BATCH_DOCUMENTS documents, or fewer that have _MAX_BATCH_CHARACTERS characters together."""

    def __init__(self, paths: list[str]) -> None:
        """paths: every path of the part. All its batches share this dictionary: an IPC file cannot replace one."""
        self._paths = pa.array(paths, pa.string())
        self._single: list[tuple[int, Document]] = []
        self._pieces: list[pa.RecordBatch] = []
        self._num_documents = self._num_characters = 0

    def add(self, path: int, document: Document) -> pa.RecordBatch | None:
        """Take a document of the path of this number; the batch it fills, if it does."""
        self._single.append((path, document))
        self._num_documents += 1
        self._num_characters += len(document.text)
        full = self._num_documents >= _MAX_BATCH_DOCUMENTS or self._num_characters >= _MAX_BATCH_CHARACTERS
        return self.rest() if full else None

    def add_rows(self, path: int, rows: Rows) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Take many; yields each batch that they fill with the number of these documents taken until then."""
        self._gather_single()
        characters = np.cumsum(pc.utf8_length(rows.texts).to_numpy()) if len(rows.texts) else np.zeros(0, np.int64)
        start, before = 0, 0
        while start < len(characters):
            fits = int(np.searchsorted(characters, before + _MAX_BATCH_CHARACTERS - self._num_characters)) + 1
            end = min(start + _MAX_BATCH_DOCUMENTS - self._num_documents, fits)
            filled = end <= len(characters)
            end = min(end, len(characters))
            self._pieces.append(_batch(path, Rows(*(column[start:end] for column in rows)), self._paths))
            self._num_documents += end - start
            self._num_characters += int(characters[end - 1]) - before
            start, before = end, int(characters[end - 1])
            if filled and (batch := self.rest()) is not None:
                yield end, batch

    def rest(self) -> pa.RecordBatch | None:
        """What has been taken since the last batch, if anything."""
        self._gather_single()
        pieces, self._pieces = self._pieces, []
        self._num_documents = self._num_characters = 0
        # With an empty one beside, even a single piece is copied: a slice would take some bytes of its neighbour into the file.
        return pa.concat_batches([*pieces, pieces[0].slice(0, 0)]) if pieces else None

    def _gather_single(self) -> None:
        if self._single:
            self._pieces.append(_batch_of_documents(self._single, self._paths))
            self._single = []


def _batch(path: int, rows: Rows, paths: pa.StringArray) -> pa.RecordBatch:
    count = len(rows.texts)
    numbers = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(np.full(count, path, np.int32))])
    offsets = pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(np.ascontiguousarray(rows.offsets))])
    columns = [rows.texts, pa.DictionaryArray.from_arrays(numbers, paths), offsets, pa.nulls(count, pa.int32()), rows.uris, rows.identifiers]
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)


def _batch_of_documents(documents: list[tuple[int, Document]], paths: pa.StringArray) -> pa.RecordBatch:
    records = [record for _, record in documents]
    columns: list[Any] = [
        pa.array([record.text for record in records], pa.large_string()),
        pa.DictionaryArray.from_arrays(pa.array([number for number, _ in documents], pa.int32()), paths),
        pa.array([record.offset for record in records], pa.int64()),
        pa.array([record.row_group for record in records], pa.int32()),
        pa.array([record.uri for record in records], pa.string()),
        pa.array([record.identifier for record in records], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)
