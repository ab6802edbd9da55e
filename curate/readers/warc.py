"""WARC and WET archives: plain, compressed record by record, or wholly compressed (gzip, zstd).

Web pages and plain text of `response` (HTTP status 200), `resource` and `conversion` records become documents; other
records are dropped with a reason, damaged ones quarantined. Digests of what becomes a document are verified. A page that its
crawler cut on purpose (WARC-Truncated) is whole as a record and is kept. Offsets: where the record begins, in the
decompressed stream if the file is wholly compressed; in a file compressed by records, where its gzip member begins.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from curate.readers import framing
from curate.readers.decoding import decode, decode_page, web_encoding
from curate.readers.decompression import blocks, compression_of, decompressed
from curate.readers.framing import FileBytes, Framed, MemoryBytes, Misframed, StreamBytes, frames
from curate.readers.html import page_text
from curate.readers.http import Entity, charset, dechunk, decode_content, media_type, parse_message
from curate.readers.members import Member, is_record_compressed, members
from curate.readers.records import DROPPED, Document, Ends, Records, Refused, UnusableError, require_text
from curate.readers.sources import Limits, SourceSettings

PAGES = ("text/html", "application/xhtml+xml")
_TEXTS = ("text/plain",)
_DROPPED_TYPES = ("warcinfo", "request", "metadata", "revisit", "continuation")
_READ = ("response", "resource", "conversion")
_ALGORITHMS = {"sha1": "sha1", "sha-1": "sha1", "sha256": "sha256", "sha-256": "sha256", "sha512": "sha512", "md5": "md5"}
_SLACK_BYTES = 1 << 20  # HTTP headers beside the largest document
_Found = TypeVar("_Found")


class _Head(NamedTuple):
    """The named fields of a record that matter here, empty if missing."""

    type: str
    uri: str
    identifier: str
    content_type: str
    identified: str
    block_digest: str
    payload_digest: str


_FIELDS = ("WARC-Type", "WARC-Target-URI", "WARC-Record-ID", "Content-Type", "WARC-Identified-Payload-Type", "WARC-Block-Digest", "WARC-Payload-Digest")
_FIELD = re.compile(rb"^([A-Za-z-]+)[ \t]*:[ \t]*([^\r\n]*)", re.MULTILINE)


def read(path: Path, start: int, end: int, settings: SourceSettings, limits: Limits) -> Records:
    """The records that begin in [start, end) of a plain or record-compressed file; all of a wholly compressed one."""
    keep = limits.max_document_bytes + _SLACK_BYTES
    try:
        compression = compression_of(path)
    except UnusableError as why:
        yield why.refused(0)
        return Ends(start, end)
    if compression == "gzip" and is_record_compressed(path, limits):
        return (yield from _each(members(path, start, end, keep, limits), lambda member: _of_member(member, keep, limits)))
    if compression == "none":
        with closing(FileBytes(path)) as plain:
            return (yield from _each(frames(plain, start, end, limits), lambda frame: _of_frame(plain, frame, frame.offset, keep, limits)))
    with path.open("rb") as file:
        stream = StreamBytes(lambda: decompressed(blocks(file), compression, limits), keep + 2 * _SLACK_BYTES)
        yield from _each(frames(stream, 0, 1 << 62, limits), lambda frame: _of_frame(stream, frame, frame.offset, keep, limits))
    return Ends(start, end)


def _each(found: Generator[_Found, None, Ends], records: Callable[[_Found], Iterator[Document | Refused]]) -> Records:
    """The records of everything found; returns what `found` returns."""
    while True:
        try:
            one = next(found)
        except StopIteration as stop:
            ends: Ends = stop.value
            return ends
        yield from records(one)


def _of_member(member: Member, keep: int, limits: Limits) -> Iterator[Document | Refused]:
    """The record of a gzip member (or records, all with its offset)."""
    if member.why is not None:
        yield member.why.refused(member.offset, _head(member.content[: limits.max_header_bytes]).uri or None)
        return
    source = MemoryBytes(member.content)
    if member.num_bytes > len(member.content):
        yield from _of_frame(source, _long_frame(member, limits), member.offset, keep, limits)
        return
    for frame in frames(source, 0, len(member.content), limits):
        if isinstance(frame, Misframed) and frame.why.reason == "truncated":  # its checksum says nothing was cut
            frame = frame._replace(why=UnusableError("length_mismatch", frame.why.detail))
        yield from _of_frame(source, frame, member.offset, keep, limits)


def _long_frame(member: Member, limits: Limits) -> Framed | Misframed:
    """The one record of a member that holds more than was kept of it."""
    head = framing.head_of(member.content[: limits.max_header_bytes])
    length = framing.length_of(head) if head else None
    if head is None or length is None:
        return Misframed(0, head or b"", UnusableError("damaged", "no whole header block with a valid Content-Length"))
    if len(head) + length + 4 != member.num_bytes:
        return Misframed(0, head, UnusableError("length_mismatch", f"Content-Length {length} in a gzip member of {member.num_bytes} bytes"))
    return Framed(0, head, member.content[len(head) : limits.max_header_bytes], len(head), length)


def _of_frame(source: framing.Bytes, frame: Framed | Misframed, offset: int, keep: int, limits: Limits) -> Iterator[Document | Refused]:
    head = _head(frame.head)
    if isinstance(frame, Misframed):
        yield frame.why.refused(offset, head.uri or None)
        return
    try:
        if head.type not in _READ:
            raise UnusableError(f"warc_{head.type}" if head.type in _DROPPED_TYPES else "warc_unknown", head.type, DROPPED)
        long = frame.length > keep
        body = frame.beginning if long else source.read_at(frame.body, frame.length)
        entity = _entity(head, body)
        if long or len(entity.raw) > limits.max_document_bytes:
            raise UnusableError("too_large", f"a record of {frame.length} bytes; documents have at most {limits.max_document_bytes}")
        yield Document(require_text(_text(head, entity, body, limits)), offset, None, head.uri or None, head.identifier or None)
    except UnusableError as why:
        yield why.refused(offset, head.uri or None)


def _head(block: bytes) -> _Head:
    """The fields of a header block; bytes that are not UTF-8 become replacement characters (labels, not text).

    Not read by FastWARC: 2.0.1 reserves as much memory as Content-Length claims and ends the process (measured at 10^11).
    """
    found = {name.lower(): value for name, value in reversed(_FIELD.findall(block))}
    values = [found.get(field.lower().encode(), b"").strip().decode(errors="replace") for field in _FIELDS]
    return _Head(values[0].lower(), values[1].strip("<> "), *values[2:])


def _entity(head: _Head, body: bytes) -> Entity:
    """What a record holds, if its type is one we read. Raises UnusableError (`unsupported_type`, `http_status`, …)."""
    if head.type == "response":
        if media_type(head.content_type) != "application/http":
            raise UnusableError("unsupported_type", head.content_type[:100], DROPPED)
        entity = parse_message(body)
    else:
        entity = Entity(body, media_type(head.content_type), charset(head.content_type), "", ())
    if not entity.media_type:
        entity = entity._replace(media_type=media_type(head.identified) or _detected_type(entity.raw))
    if entity.media_type not in PAGES + _TEXTS:
        raise UnusableError("unsupported_type", entity.media_type[:100], DROPPED)
    return entity


def _detected_type(raw: bytes) -> str:
    from resiliparse.parse.encoding import detect_mime

    return str(detect_mime(raw[:4096]))


def _text(head: _Head, entity: Entity, block: bytes, limits: Limits) -> str:
    """The text of a page or plain text, once its digests are verified."""
    _verify(head.block_digest, [block], "WARC-Block-Digest")
    unchunked = dechunk(entity)
    content = decode_content(unchunked, entity.codings, limits)
    _verify(head.payload_digest, [entity.raw, unchunked, content], "WARC-Payload-Digest")  # writers differ in which they hash
    if entity.media_type in PAGES:
        return page_text(decode_page(content, entity.charset), limits)
    encoding = web_encoding(entity.charset)
    return decode(content, [encoding] if encoding else [])


def _verify(digest: str, candidates: list[bytes], field: str) -> None:
    """Raises UnusableError (`digest_mismatch`) if a digest by a known algorithm, in base 32 or hex, is that of no candidate."""
    label, _, value = digest.strip().partition(":")
    algorithm = _ALGORITHMS.get(label.strip().lower())
    if algorithm is None:
        return
    for candidate in candidates:
        found = hashlib.new(algorithm, candidate, usedforsecurity=False)
        if value.strip().upper().rstrip("=") == base64.b32encode(found.digest()).decode().rstrip("=") or value.strip().lower() == found.hexdigest():
            return
    raise UnusableError("digest_mismatch", f"{field} is {digest[:80]!a}")
