"""The files of a source: found by globs, told apart by name and first bytes, in an order no file system decides."""

import glob
import os
import stat
from pathlib import Path
from typing import Literal, NamedTuple

from curate.errors import InputError
from curate.readers.decompression import compression_of
from curate.readers.members import is_record_compressed
from curate.readers.parquet import check_columns, row_group_bytes
from curate.readers.records import UnusableError
from curate.readers.sources import Format, Limits, SourceSettings

Cut = Literal["whole", "bytes", "row_groups"]

_EXTENSIONS: dict[str, Format] = {
    ".warc": "warc",
    ".wet": "warc",
    ".wat": "warc",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".rst": "text",
}
_BEGINNINGS: tuple[tuple[bytes, Format], ...] = ((b"WARC/", "warc"), (b"PAR1", "parquet"))


class SourceFile(NamedTuple):
    """One file. `path` is relative to the recipe's folder (absolute if its glob was). `cut`: what it may be divided by;
    `row_groups`: the stored bytes of each, Parquet only."""

    source: str
    path: str
    num_bytes: int
    format: Format
    cut: Cut
    row_groups: tuple[int, ...] = ()


def find_files(source: SourceSettings, root: Path, limits: Limits) -> list[SourceFile]:
    """The regular files its globs match, sorted by path, each once; files that begin with a dot only where a glob says so.

    Raises InputError for a file that cannot be read, whose format cannot be told, or (Parquet) without the text column.
    """
    return [_look_at(source, path, root, limits) for path in sorted({path for pattern in source.paths for path in _matches(pattern, root)})]


def count_matches(source: SourceSettings, root: Path) -> list[tuple[str, int]]:
    """Each of its globs with the number of regular files it matches; opens none of them."""
    return [(pattern, len(set(_matches(pattern, root)))) for pattern in source.paths]


def _matches(pattern: str, root: Path) -> list[str]:
    matches = glob.iglob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
    found = (Path(os.path.normpath(match)).as_posix() for match in matches)
    return [path for path in found if _is_regular(root / path)]


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a dangling link is no file
        return False


def _look_at(source: SourceSettings, path: str, root: Path, limits: Limits) -> SourceFile:
    full = root / path
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"source {source.name!r}: the file name {path!a} is not UTF-8, so no table could name it. Rename the file.") from error
    try:
        size = full.stat().st_size
        with full.open("rb") as file:
            head = file.read(8)
        file_format = source.format if source.format != "auto" else _format_of(source, full, head)
        row_groups = _row_groups(full, source) if file_format == "parquet" else ()
        return SourceFile(source.name, path, size, file_format, _cut_of(full, file_format, row_groups, source, limits), row_groups)
    except OSError as error:
        raise _unreadable(full, error) from error


def _format_of(source: SourceSettings, path: Path, head: bytes) -> Format:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    found = _EXTENSIONS.get(suffixes[-1]) if suffixes else None
    found = found or next((known for beginning, known in _BEGINNINGS if head.startswith(beginning)), None)
    if found is None:
        raise InputError(
            f"source {source.name!r}: {path} has a name and first bytes that tell no format. "
            f"Set the source's format to warc, html, jsonl, parquet or text, or narrow its paths."
        )
    return found


def _row_groups(path: Path, source: SourceSettings) -> tuple[int, ...]:
    """Raises InputError for a missing text column; a footer that cannot be read is the reader's to quarantine."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_columns(path, pq.read_schema(path), source)
    except (pa.ArrowException, ValueError):
        return ()
    except OSError as error:
        if error.errno:
            raise
        return ()
    return tuple(row_group_bytes(path) or ())


def _cut_of(path: Path, file_format: Format, row_groups: tuple[int, ...], source: SourceSettings, limits: Limits) -> Cut:
    if file_format == "parquet":
        return "row_groups" if row_groups else "whole"
    if file_format == "html" or (file_format == "text" and source.separator is None):
        return "whole"
    try:
        compression = compression_of(path)
    except UnusableError:
        return "whole"  # read as one piece it gives one quarantined record
    if compression == "none" or (compression == "gzip" and file_format == "warc" and is_record_compressed(path, limits)):
        return "bytes"
    return "whole"


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read ({error.strerror or error}); it is part of a source, so the run would be incomplete. Give access or narrow the source's paths."
    )
