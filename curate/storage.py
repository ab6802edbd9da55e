"""The only way bytes are written: whole files, checked, then renamed into place.

A file appears under its final name complete or not at all: it is written beside it under an attempt name, its footer is
read back, it is synced, renamed, and the folder is synced. Who wrote it then tells the parent process, which alone
appends to the journal (see `pipelines.journal`).
"""

import errno
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import xxhash

from curate.errors import DamageError, EnvironmentProblem

ATTEMPT_SUFFIX = ".attempt"
_REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file-size limit was reached",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.EROFS: "the file system is read-only",
}


@dataclass(frozen=True)
class Output:
    """A file as it was written: where, how long, and the xxh3-128 of its bytes (32 hex digits)."""

    path: Path
    num_bytes: int
    checksum: str


def refusal(error: OSError) -> str | None:
    """Why the machine refused, in words, or None if this error is of another kind."""
    return _REFUSALS.get(error.errno or 0)


def checksum(path: Path) -> str:
    """xxh3-128 of a file's bytes, 32 hex digits; constant memory."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames and creations inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(path: Path, write: Callable[[Path], None]) -> Output:
    """Let `write` fill an attempt file, then make it durable under `path`.

    Raises EnvironmentProblem where the machine refuses (no space, no permission); the attempt is removed and whatever
    was at `path` before is untouched.
    """
    attempt = path.with_name(f"{path.name}.{os.getpid()}{ATTEMPT_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(attempt)
        output = Output(path, attempt.stat().st_size, checksum(attempt))
        with attempt.open("rb") as file:
            os.fsync(file.fileno())
        attempt.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        attempt.unlink(missing_ok=True)
        if why := refusal(error):
            raise EnvironmentProblem(
                f"{path} could not be written: {why}. What was committed before is safe; make room or give access, then run again to resume."
            ) from error
        raise
    except BaseException:
        attempt.unlink(missing_ok=True)
        raise
    return output


def write_bytes(path: Path, content: bytes) -> Output:
    """Publish a small file from memory."""
    return publish(path, lambda attempt: _write_all(attempt, content))


def write_table(path: Path, table: pa.Table, *, compression: str | None = "zstd", rows_per_batch: int = 8192) -> Output:
    """Publish a table as an Arrow IPC file (never a stream: a stream cut at a batch boundary reads as complete)."""
    return write_batches(path, table.schema, table.to_batches(max_chunksize=rows_per_batch), compression=compression)


def write_scratch(path: Path, table: pa.Table) -> None:
    """Write a table for this process alone, into a folder that it removes: uncompressed, one batch, not made durable."""
    with path.open("wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def map_scratch(path: Path) -> tuple[pa.Table, mmap.mmap]:
    """The table of `write_scratch` where it lies, and the mapping behind it, whose pages `release` gives back."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapping))).read_all(), mapping


def release(mappings: Iterable[mmap.mmap]) -> None:
    """Let go of the pages read so far, which would else count as this process's memory until the system wants them; they are read again on use."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapping in mappings:
            mapping.madvise(mmap.MADV_DONTNEED)


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, compression: str | None = "zstd") -> Output:
    """Publish record batches as an Arrow IPC file, one at a time, and read the footer back before the rename."""

    def write(attempt: Path) -> None:
        rows = 0
        options = pa.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True)
        with attempt.open("wb") as file, pa.ipc.new_file(file, schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        with pa.memory_map(str(attempt)) as source:
            found = pa.ipc.open_file(source).count_rows()
        if found != rows:
            raise DamageError(f"{path}: {rows} rows were written but its footer counts {found}; nothing was published")

    return publish(path, write)


def read_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The record batches of an Arrow IPC file one at a time, or only some of their columns; the others' bytes are not decompressed.

    Raises DamageError where the file is missing or not whole.
    """
    try:
        with pa.memory_map(str(path)) as source:
            file = pa.ipc.open_file(source)
            if columns is not None:
                chosen = [file.schema.names.index(column) for column in columns]
                file = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=chosen))
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                yield batch if columns is None else batch.select(list(columns))
    except FileNotFoundError as error:
        raise DamageError(f"{path} is missing; `corpuscle verify` lists what else is, and running again makes it anew") from error
    except (pa.ArrowInvalid, ValueError) as error:
        raise DamageError(f"{path} is not a whole Arrow file ({error}); `corpuscle verify` lists what else is damaged") from error


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read an Arrow IPC file whole, or only some of its columns (see `read_batches`).

    An uncompressed file read whole is memory-mapped; with `columns` given it is copied, since the columns are picked while reading.
    """
    schema = read_schema(path)
    if columns is not None:
        schema = pa.schema([schema.field(column) for column in columns], schema.metadata)
    return pa.Table.from_batches(read_batches(path, columns), schema)


def count_rows(path: Path) -> int:
    """The rows of an Arrow IPC file; reads its batches' headers, no column. Raises DamageError where it is not whole."""
    try:
        with pa.memory_map(str(path)) as source:
            return int(pa.ipc.open_file(source).count_rows())
    except FileNotFoundError as error:
        raise DamageError(f"{path} is missing") from error
    except pa.ArrowInvalid as error:
        raise DamageError(f"{path} is not a whole Arrow file ({error})") from error


def read_schema(path: Path) -> pa.Schema:
    """The schema of an Arrow IPC file, with its metadata; reads the footer only."""
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).schema
    except FileNotFoundError as error:
        raise DamageError(f"{path} is missing") from error
    except pa.ArrowInvalid as error:
        raise DamageError(f"{path} is not a whole Arrow file ({error})") from error


def _write_all(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
