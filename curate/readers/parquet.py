"""Parquet: one document a row, read by row groups, every batch fully validated before a value is touched.

Changed bytes are noticed where they break a page or its checksum; few writers store checksums, and without them changed
text may decode to other text.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curate.errors import InputError
from curate.readers.jsonl import identifier_of
from curate.readers.records import Document, Ends, Records, Refused, UnusableError, require_text
from curate.readers.sources import Limits, SourceSettings

_BATCH_BYTES = 4 << 20
_MAX_BATCH_ROWS = 1024


def read(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    """The rows of row groups [start, end). A row group that cannot be decoded is one refused record (`damaged`).

    Raises InputError if the text column is missing or is not text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:  # the machine's refusal, not the file's damage
            raise
        if path.stat().st_size:
            yield UnusableError("damaged", f"not a whole Parquet file: {_first_line(error)}").refused(0)
        return Ends(start, end)
    with file:
        columns = check_columns(path, file.schema_arrow, settings)
        for group in range(start, min(end, file.num_row_groups)):
            yield from _read_group(file, group, columns, settings, limits)
    return Ends(start, end)


def check_columns(path: Path, schema: Any, settings: SourceSettings) -> list[str]:
    """The columns to read. Raises InputError if there is no text column."""
    import pyarrow as pa

    index = schema.get_field_index(settings.text_field)
    if index < 0:
        raise InputError(f"{path}: there is no column {settings.text_field!r} for the text; the file has {', '.join(schema.names)}. Set text_field.")
    found = schema.field(index).type
    inner = found.value_type if pa.types.is_dictionary(found) else found
    if not (pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)):
        raise InputError(f"{path}: column {settings.text_field!r} holds {found}, not text; set text_field to a text column or convert it.")
    wanted = (settings.text_field, settings.id_field, settings.uri_field)
    return list(dict.fromkeys(name for name in wanted if name and schema.get_field_index(name) >= 0))


def row_group_bytes(path: Path) -> list[int] | None:
    """The bytes of each row group as stored, or None if the footer cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
        groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
        return [sum(group.column(column).total_compressed_size for column in range(group.num_columns)) for group in groups]
    except (pa.ArrowException, OSError, ValueError):
        return None


def _read_group(file: Any, group: int, columns: list[str], settings: SourceSettings, limits: Limits) -> Iterator[Document | Refused]:
    import pyarrow as pa

    row = 0
    try:
        metadata = file.metadata.row_group(group)
        total, rows = metadata.total_byte_size, metadata.num_rows
        batch_rows = max(1, min(_MAX_BATCH_ROWS, rows * _BATCH_BYTES // max(total, 1)))
        for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group], columns=columns, use_threads=False):
            values = {name: _values(batch.column(name)) for name in columns}
            nothing = [None] * batch.num_rows
            uris = values.get(settings.uri_field or "", nothing)
            identifiers = values.get(settings.id_field or "", nothing)
            for text, uri, identifier in zip(values[settings.text_field], uris, identifiers, strict=True):
                try:
                    yield _document(text, row, group, uri, identifier, limits)
                except UnusableError as why:
                    yield why.refused(row, None, group)
                row += 1
        if row != rows:
            raise pa.ArrowInvalid(f"{row} rows where its footer promises {rows}")
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:  # the machine's refusal, not the file's damage
            raise
        yield UnusableError("damaged", f"row group {group} cannot be read from row {row} on: {_first_line(error)}").refused(row, None, group)


def _values(array: Any) -> list[Any]:
    """The values of a column, text as undecoded bytes; raises ArrowInvalid if its buffers are not sound."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array.validate(full=True)
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = array.view(pa.binary() if pa.types.is_string(array.type) else pa.large_binary())  # so that bad UTF-8 costs one row, not all
    array.validate(full=True)
    values: list[Any] = array.to_pylist()
    return values


def _document(text: bytes | None, row: int, group: int, uri: object, identifier: object, limits: Limits) -> Document:
    if text is None:
        raise UnusableError("no_text_field", "the text is null")
    if len(text) > limits.max_document_bytes:
        raise UnusableError("too_large", f"{len(text)} bytes, more than {limits.max_document_bytes}")
    try:
        decoded = require_text(text.decode())
        uri = uri.decode() if isinstance(uri, bytes) else None
        identifier = identifier.decode() if isinstance(identifier, bytes) else identifier
    except UnicodeDecodeError as error:
        raise UnusableError("undecodable", f"utf-8: {error.reason} at byte {error.start}") from error
    return Document(decoded, row, group, uri, identifier_of(identifier))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
