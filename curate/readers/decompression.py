"""Streams of gzip and zstd that must reach their end: all members and frames are read, a cut is found, bombs stop.

Memory is constant: never more than about 32 MiB decompressed at once (zstd may turn 1 KiB into that), plus the window a
zstd frame asks for. What was read before damage has been handed on: whoever reads counts one refused record for the rest.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from curate.readers.records import UnusableError
from curate.readers.sources import Limits

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}
_BLOCK_BYTES = 1 << 18
_GUNZIP_BYTES = 1 << 20
_ZSTD_FEED_BYTES = 1 << 10  # zstandard bounds no output, so the input is: at worst 1 : 32,000; feeding 64 KiB is not faster
_RATIO_FROM_BYTES = 1 << 20


class Gauge:
    """Counts what one stream or member took and gave, and stops it beyond the limits."""

    def __init__(self, limits: Limits, max_bytes: int) -> None:
        self.taken = self.given = 0
        self._ratio, self._max_bytes = limits.max_expansion_ratio, max_bytes

    def count(self, taken: int, given: int) -> None:
        """Add to both; raises UnusableError (`decompression_limit`)."""
        self.taken += taken
        self.given += given
        if self.given > self._max_bytes:
            raise UnusableError("decompression_limit", f"more than {self._max_bytes} bytes when decompressed")
        if self.given > _RATIO_FROM_BYTES and self.given > self.taken * self._ratio:
            raise UnusableError("decompression_limit", f"{self.taken} bytes became {self.given}, more than {self._ratio} to 1")


def compression_of(path: Path) -> str:
    """ "gzip", "zstd" or "none", told by the first bytes.

    Raises UnusableError (`damaged`) for a file that its name calls compressed and its first bytes do not.
    """
    with path.open("rb") as file:
        head = file.read(4)
    found = "gzip" if head[:2] == GZIP_MAGIC else "zstd" if head == ZSTD_MAGIC or (head[1:] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F) else "none"
    named = _SUFFIXES.get(path.suffix.lower(), found)
    if head and found == "none" and named != found:
        raise UnusableError("damaged", f"named {path.suffix} but its first bytes are not those of {named}; rename it if it is plain")
    return found


def blocks(file: BinaryIO, start: int = 0) -> Iterator[bytes]:
    """A file's bytes from `start`, in blocks."""
    file.seek(start, os.SEEK_SET)
    while block := file.read(_BLOCK_BYTES):
        yield block


def decompressed(source: Iterator[bytes], compression: str, limits: Limits, max_bytes: int | None = None) -> Iterator[bytes]:
    """The decompressed bytes of a stream, in blocks; "none" passes them on.

    Raises UnusableError: `truncated` (cut inside a member or frame), `damaged` (not that format, a wrong checksum, bytes behind
    the last member that are not zeros), `decompression_limit`.
    """
    gauge = Gauge(limits, limits.max_stream_bytes if max_bytes is None else max_bytes)
    if compression == "none":
        return source
    return _gunzip(source, gauge) if compression == "gzip" else _unzstd(source, gauge, limits.max_window_bytes)


def whole(path: Path, limits: Limits) -> bytes:
    """A file's decompressed bytes, if they are no more than one document may have; else raises UnusableError (`too_large`, …)."""
    compression = compression_of(path)
    parts: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        for block in decompressed(blocks(file), compression, limits):
            parts.append(block)
            size += len(block)
            if size > limits.max_document_bytes:
                raise UnusableError("too_large", f"more than {limits.max_document_bytes} bytes")
    return b"".join(parts)


def _gunzip(source: Iterator[bytes], gauge: Gauge) -> Iterator[bytes]:
    member, done = None, 0
    for block in source:
        data = block
        while data:
            if member is None:
                data = data.lstrip(b"\0") if done else data  # tapes and block devices pad with zeros
                if not data:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                out = member.decompress(data, _GUNZIP_BYTES)
            except zlib.error as error:
                raise UnusableError("damaged", f"gzip member {done + 1}: {error}") from error
            left = member.unused_data if member.eof else member.unconsumed_tail
            gauge.count(len(data) - len(left), len(out))
            data = left
            if out:
                yield out
            if member.eof:
                member, done = None, done + 1
    if member is not None:
        yield from _drain(member, gauge)
        if not member.eof:
            raise UnusableError("truncated", f"the file ends inside gzip member {done + 1}")


def _drain(member: "zlib._Decompress", gauge: Gauge) -> Iterator[bytes]:
    """What zlib still holds because earlier outputs were bounded."""
    while not member.eof and (out := member.decompress(b"", _GUNZIP_BYTES)):
        gauge.count(0, len(out))
        yield out


def _unzstd(source: Iterator[bytes], gauge: Gauge, max_window_bytes: int) -> Iterator[bytes]:
    import zstandard

    frame, done = None, 0
    for block in source:
        for start in range(0, len(block), _ZSTD_FEED_BYTES):
            data = block[start : start + _ZSTD_FEED_BYTES]
            while data:
                if frame is None:
                    frame = zstandard.ZstdDecompressor(max_window_size=max_window_bytes).decompressobj()
                try:
                    out = frame.decompress(data)
                except zstandard.ZstdError as error:
                    raise UnusableError("damaged", f"zstd frame {done + 1}: {error}") from error
                left = frame.unused_data if frame.eof else b""
                gauge.count(len(data) - len(left), len(out))
                data = left
                if out:
                    yield out
                if frame.eof:
                    frame, done = None, done + 1
    if frame is not None:
        raise UnusableError("truncated", f"the file ends inside zstd frame {done + 1}")
