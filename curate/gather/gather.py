"""One slice gathered: its records streamed into a document part and a quarantine part, and counted."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from curate.documents import DOCUMENTS, REFUSED
from curate.edits.edit import EDITS
from curate.edits.gathered import EMPTY_AFTER_EDITS, EditCounts, Editing, edit_batch
from curate.errors import AccountingError, DamageError, InputError
from curate.gather.batching import Batching
from curate.gather.slices import Range, Slice
from curate.readers import Document, Ends, Limits, Refused, SourceSettings, json_blocks, read
from curate.readers.json_blocks import Read
from curate.readers.records import DROPPED, MAX_DETAIL_CHARACTERS
from curate.storage import Output, publish, write_batches

_MAX_BATCH_REFUSED = 8192
WriteBatch = Callable[[pa.RecordBatch], None]


@dataclass(frozen=True)
class GatherCounts:
    """What became of a slice's records: records == documents + dropped + quarantined. `ends`: of each range in turn. `edits`: what
    was cut, None where no edit is on; then `outputs` has a third file."""

    records: int
    documents: int
    dropped: dict[str, int]
    quarantined: dict[str, int]
    ends: list[tuple[Range, Ends]]
    outputs: tuple[Output, ...]
    edits: EditCounts | None = None


@dataclass
class _Tally:
    """Counts and half-filled batches while a slice is read."""

    records: int = 0
    documents: int = 0  # rows written
    num_refused: int = 0  # rows written
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: list[tuple[Range, Ends]] = field(default_factory=list)
    edits: EditCounts = field(default_factory=EditCounts)


@dataclass(frozen=True)
class _Making:
    """Where documents and, with edits, the rows beside them go."""

    write_documents: WriteBatch
    write_edits: WriteBatch | None
    editing: Editing | None


@dataclass(frozen=True)
class Beside:
    """Edits to make, and the file of their family that is written beside the documents."""

    editing: Editing
    path: Path


def gather(
    slice_: Slice,
    settings: SourceSettings,
    limits: Limits,
    root: Path,
    documents_path: Path,
    quarantine_path: Path,
    beside: Beside | None = None,
) -> GatherCounts:
    """Read a slice's ranges in order and write both parts, and with `beside` edited texts and what was cut from them; memory does
    not grow with the slice.

    Raises InputError where a file is missing or unreadable, EnvironmentProblem where the machine refuses to write,
    AccountingError if the sums do not agree with the rows written.
    """
    tally = _Tally()
    outputs: list[Output] = []
    paths = list(dict.fromkeys(one.path for one in slice_.ranges))

    def fill(write_documents: WriteBatch, write_edits: WriteBatch | None) -> None:
        made = _Making(write_documents, write_edits, beside.editing if beside else None)
        outputs.append(write_batches(quarantine_path, REFUSED, _sorted_out(slice_, settings, limits, root, tally, paths, made)))

    def write(attempt: Path) -> None:
        with _writer(attempt, DOCUMENTS) as documents:
            if beside is None:
                fill(documents.write_batch, None)
            else:
                outputs.append(publish(beside.path, lambda edits_attempt: write_beside(edits_attempt, documents.write_batch)))
        _check_rows(attempt, tally.documents, documents_path)

    def write_beside(attempt: Path, write_documents: WriteBatch) -> None:
        with _writer(attempt, EDITS) as edits:
            fill(write_documents, edits.write_batch)
        _check_rows(attempt, tally.documents, documents_path)

    documents_output = publish(documents_path, write)
    dropped = {reason: count for (fate, reason), count in sorted(tally.refused.items()) if fate == DROPPED}
    quarantined = {reason: count for (fate, reason), count in sorted(tally.refused.items()) if fate != DROPPED}
    return GatherCounts(tally.records, tally.documents, dropped, quarantined, tally.ends, (documents_output, *outputs), tally.edits if beside else None)


@contextmanager
def _writer(attempt: Path, schema: pa.Schema) -> Iterator[pa.ipc.RecordBatchFileWriter]:
    with attempt.open("wb") as file, pa.ipc.new_file(file, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        yield writer


def _sorted_out(
    slice_: Slice, settings: SourceSettings, limits: Limits, root: Path, tally: _Tally, paths: list[str], made: _Making
) -> Iterator[pa.RecordBatch]:
    """Batches of the refused records; batches of documents are written on the way."""
    batching = Batching(paths)
    refused: list[tuple[str, Refused]] = []
    for number, found in _records(slice_, settings, limits, root, tally, paths):
        tally.records += len(found.rows.texts) + len(found.refused) if isinstance(found, Read) else 1
        for one in _in_order(batching, number, found):
            if isinstance(one, Refused):
                tally.refused[one.fate, one.reason] += 1
                refused.append((paths[number], one))
            else:
                refused += _write_documents(one, tally, made)
            if len(refused) >= _MAX_BATCH_REFUSED:
                yield _refused_batch(refused, tally)
    if (last := batching.rest()) is not None:
        refused += _write_documents(last, tally, made)
    if refused:
        yield _refused_batch(refused, tally)
    if tally.records != tally.documents + tally.num_refused or tally.num_refused != tally.refused.total():
        raise AccountingError(
            f"part {slice_.part:08x}: {tally.records} records were read, but {tally.documents} documents and {tally.num_refused} refused records written"
            f" ({tally.refused.total()} by reason). Nothing built on such sums can be trusted; please report this."
        )


def _in_order(batching: Batching, number: int, found: Document | Refused | Read) -> Iterator[Refused | pa.RecordBatch]:
    """Refused records and batches that became full, as a reader that goes record by record would have met them."""
    if isinstance(found, Refused):
        yield found
    elif isinstance(found, Document):
        if (full := batching.add(number, found)) is not None:
            yield full
    else:
        waiting = deque(found.refused)
        for taken, full in batching.add_rows(number, found.rows):
            while waiting and waiting[0].offset < found.rows.offsets[taken - 1]:
                yield waiting.popleft()
            yield full
        yield from waiting


def _records(
    slice_: Slice, settings: SourceSettings, limits: Limits, root: Path, tally: _Tally, paths: list[str]
) -> Iterator[tuple[int, Document | Refused | Read]]:
    """All records of all ranges, one by one or a block at a time, each with its path's number."""
    numbers = {path: number for number, path in enumerate(paths)}
    for one in slice_.ranges:
        where = (root / one.path, one.start, one.end)
        found = json_blocks.read(*where, settings, limits) if one.format == "jsonl" else read(one.format, *where, settings, limits)
        while True:
            try:
                record = next(found)
            except StopIteration as stop:
                tally.ends.append((one, stop.value))
                break
            except OSError as error:  # of reading; left alone it would be taken for one of writing
                why = error.strerror or error
                raise InputError(f"{root / one.path} cannot be read ({why}); nothing of its slice was published. Give access, then run again.") from error
            yield numbers[one.path], record


def _write_documents(batch: pa.RecordBatch, tally: _Tally, made: _Making) -> list[tuple[str, Refused]]:
    """Write a batch into the parts, edited if need be; documents that edits left blank come back as refused records."""
    blank: list[tuple[int, str]] = []
    written = batch
    if made.editing is not None and made.write_edits is not None:
        written, edits, blank = edit_batch(batch, made.editing, tally.edits)
        made.write_edits(edits)
    made.write_documents(written)
    tally.documents += written.num_rows
    if blank:
        tally.refused[DROPPED, EMPTY_AFTER_EDITS] += len(blank)
    return [_left_blank(batch, row, told) for row, told in blank]


def _left_blank(batch: pa.RecordBatch, row: int, told: str) -> tuple[str, Refused]:
    path, offset, row_group, uri = (batch.column(name)[row].as_py() for name in ("path", "offset", "row_group", "uri"))
    return path, Refused(offset, DROPPED, EMPTY_AFTER_EDITS, told[:MAX_DETAIL_CHARACTERS], row_group, uri)


def _refused_batch(refused: list[tuple[str, Refused]], tally: _Tally) -> pa.RecordBatch:
    """Empty the list into a batch."""
    batch = pa.RecordBatch.from_pylist([{"path": path, **record._asdict()} for path, record in refused], schema=REFUSED)
    tally.num_refused += batch.num_rows
    refused.clear()
    return batch


def _check_rows(attempt: Path, written: int, path: Path) -> None:
    with pa.memory_map(str(attempt)) as source:
        found = pa.ipc.open_file(source).count_rows()
    if found != written:
        raise DamageError(f"{path}: {written} documents were written but its footer counts {found}; nothing was published")
