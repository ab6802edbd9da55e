"""Plain text: a file is a document, or its records are divided by separator lines.

Records between separators: a record is a run of lines with at least one line; empty ones between two separators are none.
It belongs to the range in which the separator line before it starts (the first one: in which the file starts).
"""

from collections.abc import Iterator
from pathlib import Path

from curate.readers.decoding import decode
from curate.readers.decompression import GZIP_MAGIC, ZSTD_MAGIC, whole
from curate.readers.lines import BrokenLinesError, Line, lines_of
from curate.readers.records import Document, Ends, Records, Refused, UnusableError, require_text
from curate.readers.sources import Limits, SourceSettings

_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def read(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    """A whole file, or the separated records of a range of it (see `lines_of` for compressed files)."""
    if settings.separator is not None:
        return (yield from _read_separated(path, start, end, settings, limits))
    try:
        yield Document(require_text(decode(whole(path, limits), _declared(settings))), 0)
    except UnusableError as why:
        yield why.refused(0)
    return Ends(start, end)


def _declared(settings: SourceSettings) -> list[str]:
    return [settings.encoding] if settings.encoding else []


def _read_separated(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_WIDE_MARKS):
        if start == 0:
            yield UnusableError("undecodable", "separated text must be UTF-8 or another encoding over ASCII; this file has a UTF-16 or UTF-32 mark").refused(0)
        return Ends(start, end)
    file_end = end
    if head.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
        end = 1 << 62  # offsets are those of the decompressed stream
    separator = (settings.separator or "").encode(settings.encoding or "utf-8")
    record = _Record()
    first: int | None = None
    last = 0
    try:
        # The next range's first separator ends this range's last record, so lines are read beyond `end`.
        for line in lines_of(path, start, 1 << 62, limits, limits.max_document_bytes):
            divides = line.content is not None and (line.content.strip() == b"" if not separator else line.content.rstrip(b"\r") == separator)
            if first is None:
                if not divides and line.offset > 0:
                    if line.offset >= end:
                        break
                    continue  # the rest of a record of the range before
                if line.offset >= end:
                    break
                first = line.offset
            if divides:
                yield from record.finished(settings, limits)
                last = line.offset
                if line.offset >= end:
                    return Ends(first, last)
            else:
                record.add(line, limits)
            last = line.end
        yield from record.finished(settings, limits)
    except BrokenLinesError as broken:
        yield from record.broken(broken)
        last = end
    return Ends(None, None) if first is None else Ends(first, min(last, file_end) if file_end != end else last)


class _Record:
    """The lines of the record being read, bounded in memory."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.offset, self._size = -1, 0
        self._lines.clear()

    def add(self, line: Line, limits: Limits) -> None:
        if self.offset < 0:
            self.offset = line.offset
        self._size += line.end - line.offset
        if line.content is None or self._size > limits.max_document_bytes:
            self._lines.clear()
        else:
            self._lines.append(line.content)

    def finished(self, settings: SourceSettings, limits: Limits) -> Iterator[Document | Refused]:
        """The record, if it has a line; then begin anew."""
        if self.offset < 0:
            return
        try:
            if self._size > limits.max_document_bytes:
                raise UnusableError("too_large", f"{self._size} bytes, more than {limits.max_document_bytes}")
            yield Document(require_text(decode(b"\n".join(self._lines), _declared(settings))), self.offset)
        except UnusableError as why:
            yield why.refused(self.offset)
        self._begin_anew()

    def broken(self, broken: BrokenLinesError) -> Iterator[Refused]:
        """The stream ended inside this record (or inside the next one)."""
        yield broken.why.refused(self.offset if self.offset >= 0 else broken.offset)
