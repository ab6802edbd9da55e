"""Where WARC records begin and end in a stretch of bytes, verified, and how to go on after a damaged one.

Both WARC libraries deliver a cut record without an error, so this module checks what they do not: that Content-Length
bytes are there, that the blank line that ends a record follows them, and that the next record begins behind it.
"""

import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from curate.readers.records import Ends, UnusableError
from curate.readers.sources import Limits

_BEGIN = re.compile(rb"\n\r?\n(?=WARC/1\.[01]\r?\n)")
_BEGIN_BYTES = 16  # longer than what the expression looks at
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([0-9]{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_SCAN_BYTES = 1 << 20
_MAX_REOPENINGS = 8


class Bytes(Protocol):
    """Something whose bytes can be read by offset; `broken` says why its end came too early, if it did."""

    broken: UnusableError | None

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        ...


class Framed(NamedTuple):
    """A whole record: its header block, what was read behind that at once, and where its body is."""

    offset: int
    head: bytes
    beginning: bytes
    body: int
    length: int


class Misframed(NamedTuple):
    """A stretch of bytes that is no whole record."""

    offset: int
    head: bytes
    why: UnusableError


class FileBytes:
    """A plain file, read in blocks."""

    def __init__(self, path: Path) -> None:
        self.broken: UnusableError | None = None
        self._file = path.open("rb")
        self._start, self._block = 0, b""

    def read_at(self, offset: int, size: int) -> bytes:
        """As `Bytes.read_at`; a second file read only where the last block does not hold all of it."""
        at = offset - self._start
        if at < 0 or at + size > len(self._block):
            self._start, self._block, at = offset, os.pread(self._file.fileno(), max(size, _SCAN_BYTES), offset), 0
        return self._block[at : at + size]

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


class MemoryBytes:
    """Bytes that are in memory anyway."""

    def __init__(self, data: bytes) -> None:
        self.broken: UnusableError | None = None
        self._data = data

    def read_at(self, offset: int, size: int) -> bytes:
        """As `Bytes.read_at`."""
        return self._data[offset : offset + size]


class StreamBytes:
    """A decompressed stream: forward reading with a window behind; going back beyond it opens the stream again."""

    def __init__(self, reopen: Callable[[], Iterator[bytes]], window: int) -> None:
        self.broken: UnusableError | None = None
        self._reopen, self._window = reopen, window
        self._stream, self._start, self._held, self._openings = reopen(), 0, bytearray(), 1

    def read_at(self, offset: int, size: int) -> bytes:
        """As `Bytes.read_at`. After too many openings (each reads the file anew) the stream counts as broken."""
        if offset < self._start:
            if self._openings > _MAX_REOPENINGS:
                self.broken = UnusableError("damaged", f"more than {_MAX_REOPENINGS} long records of wrong length in a compressed stream; the rest is unread")
                return b""
            self._stream, self._start, self._held, self._openings = self._reopen(), 0, bytearray(), self._openings + 1
            self.broken = None
        while self._start + len(self._held) < offset + size and self.broken is None:
            try:
                block = next(self._stream, b"")
            except UnusableError as why:
                self.broken = why
                break
            if not block:
                break
            self._held += block
            if len(self._held) > 2 * self._window:
                surplus = max(min(len(self._held) - self._window, offset - self._start), 0)
                del self._held[:surplus]
                self._start += surplus
        at = offset - self._start
        return bytes(self._held[at : at + size])


def frames(source: Bytes, start: int, end: int, limits: Limits) -> Generator[Framed | Misframed, None, Ends]:
    """The records that begin in [start, end), in order; `start` is a record's beginning if it is 0, else it is searched."""
    position = 0 if start == 0 else next_begin(source, start, end)
    if position is None:
        return Ends(None, None)
    first = position
    told = False
    while position < end:
        if not (chunk := source.read_at(position, limits.max_header_bytes)):
            if source.broken is not None and not told:
                yield Misframed(position, b"", source.broken)
            break
        frame, position = _frame(source, position, chunk, limits)
        told = told or (isinstance(frame, Misframed) and frame.why is source.broken)
        yield frame
    return Ends(first, position)


def next_begin(source: Bytes, start: int, end: int | None = None) -> int | None:
    """The first offset in [start, end) where a record begins behind a blank line, or None."""
    position = max(start - 4, 0)
    while end is None or position < end:
        chunk = source.read_at(position, _SCAN_BYTES)
        for match in _BEGIN.finditer(chunk):
            found = position + match.end()
            if end is not None and found >= end:
                return None
            if found >= start:
                return found
        if len(chunk) < _SCAN_BYTES:
            return None
        position += len(chunk) - _BEGIN_BYTES
    return None


def head_of(chunk: bytes) -> bytes | None:
    """The header block with its blank line at the beginning of `chunk`, or None if none ends in it."""
    match = _HEAD_END.search(chunk)
    return chunk[: match.end()] if match else None


def length_of(head: bytes) -> int | None:
    """The Content-Length of a header block, or None if it is missing, no number, or stands twice and differs."""
    lengths = {int(length) for length in _LENGTH.findall(head)}
    return lengths.pop() if len(lengths) == 1 else None


def behind(source: Bytes, body_end: int) -> int | None:
    """Where the next record must begin (or the file ends) if one ends at `body_end`; None if none can end there."""
    tail = source.read_at(body_end, 4)
    if tail != b"\r\n\r\n" and tail[:2] != b"\n\n":
        return None
    position = body_end + (4 if tail == b"\r\n\r\n" else 2)
    while (more := source.read_at(position, 64)) and not more.strip(b"\r\n"):
        position += len(more)
    position += len(more) - len(more.lstrip(b"\r\n"))
    return position if b"WARC/".startswith(source.read_at(position, 5)) else None


def _frame(source: Bytes, position: int, chunk: bytes, limits: Limits) -> tuple[Framed | Misframed, int]:
    """The record at `position` and where to go on."""
    if not chunk.startswith(b"WARC/"):
        return _damaged(source, position, b"", position + 1, UnusableError("damaged", "no WARC record begins here"))
    head = head_of(chunk)
    if head is None:
        cut = len(chunk) < limits.max_header_bytes
        return _damaged(source, position, b"", position + 1, UnusableError("truncated" if cut else "damaged", "its header block does not end"))
    body = position + len(head)
    length = length_of(head)
    if length is None:
        return _damaged(source, position, head, body, UnusableError("damaged", "no valid Content-Length"))
    following = behind(source, body + length)
    if following is None:
        return _damaged(source, position, head, body, UnusableError("length_mismatch", f"Content-Length {length} does not lead to the end of a record"))
    return Framed(position, head, chunk[len(head) : len(head) + length], body, length), following


def _damaged(source: Bytes, position: int, head: bytes, search_from: int, why: UnusableError) -> tuple[Misframed, int]:
    """Refuse what begins at `position` and find the next record behind it, or the end."""
    following = next_begin(source, search_from)
    if following is not None:
        return Misframed(position, head, why), following
    end = search_from
    while chunk := source.read_at(end, _SCAN_BYTES):
        end += len(chunk)
    length = length_of(head)
    if source.broken is not None:
        why = source.broken
    elif length is not None and end < position + len(head) + length + 4:
        why = UnusableError("truncated", f"{end - position - len(head)} bytes follow where {length} and an empty line should")
    return Misframed(position, head, why), end
