"""Lines of a file or of one byte range of it, with their offsets, none loaded whole beyond a limit.

A line belongs to the range in which its first byte lies; lines end with LF (a CR before it stays with the line).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from curate.readers.decompression import blocks, compression_of, decompressed
from curate.readers.records import UnusableError
from curate.readers.sources import Limits


class Line(NamedTuple):
    """`content` without its LF, or None if it has more bytes than allowed. `end` is the offset behind its LF."""

    offset: int
    end: int
    content: bytes | None


class BrokenLinesError(Exception):
    """The stream broke inside the line that begins at `offset`."""

    def __init__(self, offset: int, why: UnusableError) -> None:
        super().__init__(str(why))
        self.offset = offset
        self.why = why


def lines_of(path: Path, start: int, end: int, limits: Limits, max_line_bytes: int) -> Iterator[Line]:
    """Lines that start in [start, end) of a plain file; all lines of a compressed one, with decompressed offsets.

    Raises BrokenLinesError when a compressed stream is damaged, cut or beyond a limit, after all whole lines before.
    """
    try:
        compression = compression_of(path)
    except UnusableError as why:
        raise BrokenLinesError(0, why) from why
    with path.open("rb") as file:
        if compression != "none":
            yield from split_lines(decompressed(blocks(file), compression, limits), 0, max_line_bytes)
            return
        # One byte earlier: if it is an LF, a line starts exactly at `start`; otherwise what comes first is another range's.
        earlier = max(start - 1, 0)
        for line in split_lines(blocks(file, earlier), earlier, max_line_bytes):
            if line.offset >= end:
                return
            if line.offset >= start:
                yield line


def split_lines(source: Iterator[bytes], offset: int, max_line_bytes: int) -> Iterator[Line]:
    """Cut a stream that begins at `offset` into lines; the last one may lack its LF."""
    held: list[bytes] = []  # pieces of the line that begins at `offset`
    size = 0
    try:
        for block in source:
            pieces = block.split(b"\n")
            for piece in pieces[:-1]:
                size += len(piece)
                content = None if size > max_line_bytes else b"".join([*held, piece]) if held else piece
                yield Line(offset, offset + size + 1, content)
                offset, size = offset + size + 1, 0
                held.clear()
            size += len(pieces[-1])
            if size > max_line_bytes:
                held.clear()
            elif pieces[-1]:
                held.append(pieces[-1])
    except UnusableError as why:
        raise BrokenLinesError(offset, why) from why
    if size:
        yield Line(offset, offset + size, b"".join(held) if size <= max_line_bytes else None)
