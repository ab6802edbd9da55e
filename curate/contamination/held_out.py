"""The held-out documents: which they are, and the frozen file of each source."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate import seeds, storage
from curate.documents import DOCUMENTS, content_words
from curate.errors import AccountingError, DamageError

# The documents as they were when frozen. passed: kept by the rules in force then.
HELD_OUT = pa.schema(
    [
        *DOCUMENTS,
        pa.field("content_id", pa.binary(16), nullable=False),
        pa.field("part", pa.uint32(), nullable=False),
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("passed", pa.bool_(), nullable=False),
    ]
)
_ROWS_A_BATCH = 1024


class HeldOutSettings(BaseModel):
    """How many documents are kept from training, to measure with. The seed is not the run's: another run with the same
    settings holds out the same documents."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fraction: float = Field(default=0.01, ge=0, lt=1, description="share of a source's different documents")
    source_fractions: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default_factory=dict, description="other shares for sources by name, each 0 to under 1"
    )
    seed: int = Field(default=0, ge=0, description="draws which documents")
    reuse: str | None = Field(
        default=None, description="a folder of frozen files (held_out/ of another run) to measure with; nothing of this run's own is then held out"
    )


class HeldOutPart(NamedTuple):
    """What `write_held_out` needs of one part. rows: ascending row numbers; content_ids, passed: aligned with rows."""

    part: int
    documents: Path
    rows: NDArray[np.uint32]
    content_ids: pa.FixedSizeBinaryArray
    passed: NDArray[np.bool_]


def select_held_out(content_ids: pa.FixedSizeBinaryArray, source: str, settings: HeldOutSettings) -> NDArray[np.bool_]:
    """Which documents of a source are held out, one bool each.

    Decided by the content id alone: copies share their fate, no rule or other document has a say, and what a smaller
    fraction holds out a larger one holds out too.
    """
    if not len(content_ids) or settings.reuse is not None:
        return np.zeros(len(content_ids), bool)
    fraction = settings.source_fractions.get(source, settings.fraction)
    return seeds.fractions(settings.seed, "held_out", content_words(content_ids)) < fraction


def write_held_out(path: Path, parts: Sequence[HeldOutPart]) -> storage.Output:
    """Freeze the held-out documents of one source: `HELD_OUT` columns, in the order of parts, then rows.

    A content id met again, in the same or a later part, is left out, so each text stands once. A part's text is read only where
    rows of it are asked for, one batch of its file at a time; content ids and paths of held-out documents are held besides.
    Raises AccountingError where rows and columns of a part do not fit together, DamageError where a file ends before the
    last row asked for or is damaged.
    """
    chosen = _first_copies(parts)
    paths = pa.array(dict.fromkeys(name for part in chosen for name in _paths(part)), pa.string())
    return storage.write_batches(path, HELD_OUT, _even(batch for part in chosen for batch in _frozen(part, paths)))


def read_held_out(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The frozen documents of a source, or some of their columns. Raises DamageError where the file is another one."""
    if storage.read_schema(path).names != HELD_OUT.names:
        raise DamageError(f"{path} is no file of held-out documents: it has the columns {', '.join(storage.read_schema(path).names)}")
    return storage.read_table(path, columns)


def _first_copies(parts: Sequence[HeldOutPart]) -> list[HeldOutPart]:
    """The parts that have some, with the first row of each content id only."""
    met: set[bytes] = set()
    chosen = []
    for part in parts:
        if not len(part.rows) == len(part.content_ids) == len(part.passed) or bool((part.rows[1:] <= part.rows[:-1]).any()):
            raise AccountingError(
                f"held-out rows of part {part.part:08x} do not fit together: {len(part.rows)} rows, {len(part.content_ids)} content ids,"
                f" {len(part.passed)} marks, or rows not ascending; nothing was frozen"
            )
        new = np.zeros(len(part.rows), bool)
        for number, content_id in enumerate(part.content_ids.to_pylist()):
            new[number] = content_id not in met
            met.add(content_id)
        if new.any():
            chosen.append(HeldOutPart(part.part, part.documents, part.rows[new], part.content_ids.filter(pa.array(new)), part.passed[new]))
    return chosen


def _paths(part: HeldOutPart) -> list[str]:
    """The different values of `path` among the part's rows. Arrow files have one dictionary a column, so they are gathered first."""
    return [name for batch, _, _ in _pieces(part, ["path"]) for name in batch.column(0).unique().to_pylist()]


def _frozen(part: HeldOutPart, paths: pa.StringArray) -> Iterator[pa.RecordBatch]:
    for documents, start, end in _pieces(part, DOCUMENTS.names):
        names = documents.column("path").cast(pa.string())
        coded = pa.DictionaryArray.from_arrays(pc.index_in(names, paths), paths)
        columns = [coded if name == "path" else documents.column(name) for name in DOCUMENTS.names]
        own = [np.full(end - start, part.part, np.uint32), part.rows[start:end], part.passed[start:end]]
        yield pa.record_batch([*columns, part.content_ids[start:end], *map(pa.array, own)], schema=HELD_OUT)


def _even(pieces: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of _ROWS_A_BATCH rows, so that the file's bytes do not tell how the documents files were cut."""
    waiting = HELD_OUT.empty_table()
    for piece in pieces:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([piece])]) if len(waiting) else pa.Table.from_batches([piece])
        while len(waiting) >= _ROWS_A_BATCH:
            yield _one_batch(waiting.slice(0, _ROWS_A_BATCH))
            waiting = waiting.slice(_ROWS_A_BATCH)
    if len(waiting):
        yield _one_batch(waiting)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.combine_chunks().to_batches()
    return batch


def _pieces(part: HeldOutPart, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, int, int]]:
    """The part's rows of its documents file, as (rows, start, end) of part.rows; batches without any are not decompressed."""
    rows = part.rows.astype(np.int64)
    offset, start = 0, 0
    lengths, read = _reader(part.documents, ["offset"]), _reader(part.documents, columns)
    for number in range(lengths.num_record_batches):
        num_rows = _batch(lengths, number, part.documents).num_rows
        end = int(np.searchsorted(rows, offset + num_rows))
        if end > start:
            batch = _batch(read, number, part.documents).select(list(columns))
        for first in range(start, end, _ROWS_A_BATCH):
            last = min(first + _ROWS_A_BATCH, end)
            yield batch.take(pa.array(rows[first:last] - offset)), first, last
        offset, start = offset + num_rows, end
    if start < len(rows):
        raise DamageError(f"{part.documents} has {offset} documents, but row {int(rows[-1])} is to be held out; the measures belong to another file")


def _reader(path: Path, columns: Sequence[str]) -> pa.ipc.RecordBatchFileReader:
    names = storage.read_schema(path).names
    if missing := [column for column in columns if column not in names]:
        raise DamageError(f"{path} is no file of documents: it lacks the column {missing[0]!r}")
    options = pa.ipc.IpcReadOptions(included_fields=[names.index(column) for column in columns])
    return pa.ipc.open_file(pa.memory_map(str(path)), options=options)


def _batch(reader: pa.ipc.RecordBatchFileReader, number: int, path: Path) -> pa.RecordBatch:
    try:
        return reader.get_batch(number)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamageError(f"{path} is damaged in batch {number} ({error}); `corpuscle verify` lists what else is, and running again makes it anew") from error
