"""WARC files compressed record by record: gzip members one after another, each a record of its own.

A corrupt member is refused and reading goes on at the next place where a gzip member begins that inflates to `WARC/`.
"""

import os
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from curate.readers.decompression import Gauge
from curate.readers.framing import head_of, length_of
from curate.readers.records import Ends, UnusableError
from curate.readers.sources import Limits

_MAGIC = b"\x1f\x8b\x08"
_FEED_BYTES = 1 << 16
_SCAN_BYTES = 1 << 20
_PROBE_BYTES = 1 << 10
_DETECTION_BYTES = 16 << 20


class Member(NamedTuple):
    """One gzip member: the first bytes it holds (all, unless there are more than were to be kept), how many it holds in all,
    where it ends in the file, and what is wrong with it."""

    offset: int
    end: int
    content: bytes
    num_bytes: int
    why: UnusableError | None


def is_record_compressed(path: Path, limits: Limits) -> bool:
    """Whether a gzip file holds a member for each record: its first one is one record, and another begins with a record.

    The other is looked for in the 16 MiB that follow, so that a damaged member at the beginning changes nothing.
    """
    with path.open("rb") as file:
        if not _begins_record(file.fileno(), 0):
            return False
        first = _inflate(file.fileno(), 0, _DETECTION_BYTES, limits)
        if first.why is not None:
            return _next_member(file.fileno(), 1, _DETECTION_BYTES) is not None
        head = head_of(first.content[: limits.max_header_bytes])
        length = length_of(head) if head else None
        alone = head is not None and length is not None and len(head) + length + 2 <= first.num_bytes <= len(head) + length + 4
        return alone and _next_member(file.fileno(), first.end, first.end + _DETECTION_BYTES) is not None


def members(path: Path, start: int, end: int, keep_bytes: int, limits: Limits) -> Generator[Member, None, Ends]:
    """The members that begin in [start, end). `start` is a member's beginning if it is 0, else it is searched."""
    with path.open("rb") as file:
        handle = file.fileno()
        size = os.fstat(handle).st_size
        position = 0 if start == 0 else _next_member(handle, start, end)
        if position is None:
            return Ends(None, None)
        first = position
        while position < min(end, size):
            member = _inflate(handle, position, keep_bytes, limits)
            if member.why is None and not member.content.startswith(b"WARC/"):
                member = member._replace(why=UnusableError("damaged", "a gzip member that does not begin with a record"))
            if member.why is not None:
                if _only_zeros(handle, position):
                    return Ends(first, size)
                following = _next_member(handle, position + 1)
                if member.why.reason == "truncated" and following is not None:
                    member = member._replace(why=UnusableError("damaged", "a gzip member without an end"))
                member = member._replace(end=size if following is None else following)
            yield member
            position = member.end
        return Ends(first, position)


def _inflate(handle: int, offset: int, keep_bytes: int, limits: Limits) -> Member:
    """Inflate the member at `offset`, keep its beginning, count the rest."""
    inflater = zlib.decompressobj(wbits=31)
    gauge = Gauge(limits, limits.max_member_bytes)
    kept: list[bytes] = []
    held, position, data = 0, offset, b""
    why: UnusableError | None = None
    try:
        while not inflater.eof:
            if not data:
                data = os.pread(handle, _FEED_BYTES, position)
                position += len(data)
            fed = len(data)
            out = inflater.decompress(data, _SCAN_BYTES)
            if not fed and not out and not inflater.eof:
                raise UnusableError("truncated", "the file ends inside this gzip member")
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            gauge.count(fed - len(data), len(out))
            if held < keep_bytes:
                kept.append(out[: keep_bytes - held])
                held += len(kept[-1])
    except zlib.error as error:
        why = UnusableError("damaged", f"gzip: {error}")
        kept = [_salvaged(handle, offset)]
    except UnusableError as found:
        why = found
    return Member(offset, position - len(data), b"".join(kept), gauge.given, why)


def _salvaged(handle: int, offset: int) -> bytes:
    """What inflates of the first bytes of a damaged member, a few at a time: enough to say which record is lost."""
    inflater = zlib.decompressobj(wbits=31)
    data = os.pread(handle, _PROBE_BYTES, offset)
    out = b""
    try:
        for start in range(0, len(data), 16):
            out += inflater.decompress(data[start : start + 16], _FEED_BYTES)
    except zlib.error:
        return out
    return out


def _next_member(handle: int, start: int, end: int | None = None) -> int | None:
    """The first offset in [start, end) where a gzip member begins whose content begins with `WARC/`, or None."""
    position = start
    while end is None or position < end:
        chunk = os.pread(handle, _SCAN_BYTES, position)
        at = chunk.find(_MAGIC)
        while at >= 0:
            if end is not None and position + at >= end:
                return None
            if _begins_record(handle, position + at):
                return position + at
            at = chunk.find(_MAGIC, at + 1)
        if len(chunk) < _SCAN_BYTES:
            return None
        position += len(chunk) - len(_MAGIC) + 1
    return None


def _begins_record(handle: int, offset: int) -> bool:
    try:
        return zlib.decompressobj(wbits=31).decompress(os.pread(handle, _PROBE_BYTES, offset), 5) == b"WARC/"
    except zlib.error:
        return False


def _only_zeros(handle: int, offset: int) -> bool:
    """Whether nothing but padding is left."""
    while chunk := os.pread(handle, _SCAN_BYTES, offset):
        if chunk.strip(b"\0"):
            return False
        offset += len(chunk)
    return True
