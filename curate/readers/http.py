"""What a WARC response record holds: an HTTP message, its body freed of transfer and content encodings, under limits.

Crawlers often store a body already decoded and keep the header that says it is encoded. So a body declared chunked that does
not begin with a chunk, one declared gzip without gzip's first bytes, and one declared br that begins with `<` and is no
brotli stream are taken as they stand.
"""

import re
import zlib
from typing import Any, NamedTuple

from curate.readers.decompression import GZIP_MAGIC, ZSTD_MAGIC, decompressed
from curate.readers.records import DROPPED, UnusableError
from curate.readers.sources import Limits

_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", re.IGNORECASE)
_MAX_CODINGS = 3
_READ_BYTES = 1 << 20


class Entity(NamedTuple):
    """A message's body as transferred (`raw`), what it says it is, and how it is encoded."""

    raw: bytes
    media_type: str
    charset: str | None
    transfer: str
    codings: tuple[str, ...]


def parse_message(block: bytes) -> Entity:
    """Split an HTTP response into what matters here.

    Raises UnusableError: dropped as `http_status` unless the status is 200, quarantined as `damaged` without a status line.
    """
    from fastwarc.warc import WarcRecord

    record = WarcRecord.from_bytes(b"WARC/1.1\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n" % len(block) + block)
    try:
        record.parse_http(auto_decode="none", quirks_mode=True)
    except OSError as error:
        raise UnusableError("damaged", f"HTTP header: {str(error)[:100]}") from error
    headers: Any = record.http_headers
    if headers is None or headers.status_code is None or not block[:5].upper() == b"HTTP/":
        raise UnusableError("damaged", "no valid HTTP status line")
    if headers.status_code != 200:
        raise UnusableError("http_status", str(headers.status_code), DROPPED)
    content_type = headers.get("Content-Type") or ""
    codings = tuple(coding for coding in re.split(r"[,\s]+", (headers.get("Content-Encoding") or "").lower()) if coding not in ("", "identity", "none"))
    transfer = (headers.get("Transfer-Encoding") or "").strip().lower()
    return Entity(record.reader.read(), media_type(content_type), charset(content_type), transfer, codings)


def media_type(content_type: str) -> str:
    """`text/html` of `Text/HTML; charset=x`; empty if there is none."""
    return content_type.split(";")[0].split(",")[0].strip().lower()


def charset(content_type: str) -> str | None:
    """The charset label of a Content-Type, if any."""
    found = _CHARSET.search(content_type)
    return found[1] if found else None


def dechunk(entity: Entity) -> bytes:
    """The body without its chunk frames. Raises UnusableError (`damaged`) if they break off."""
    raw = entity.raw
    if entity.transfer != "chunked" or not _CHUNK.match(raw):
        return raw
    parts: list[bytes] = []
    at = 0
    while True:
        head = _CHUNK.match(raw, at)
        if head is None:
            raise UnusableError("damaged", f"chunked body: no chunk begins at byte {at}")
        size = int(head[1], 16)
        if size == 0:
            return b"".join(parts)
        at = head.end() + size
        if at > len(raw):
            raise UnusableError("truncated", f"chunked body: {len(raw) - head.end()} of {size} bytes of its last chunk are there")
        parts.append(raw[head.end() : at])
        at += 2 if raw[at : at + 2] == b"\r\n" else 1


def decode_content(body: bytes, codings: tuple[str, ...], limits: Limits) -> bytes:
    """The body without its content encodings, outermost last. Raises UnusableError (`unsupported_encoding`, `too_large`, `damaged` …)."""
    if len(codings) > _MAX_CODINGS:
        raise UnusableError("unsupported_encoding", f"{len(codings)} content encodings, one in another")
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip"):
            body = _joined(body, "gzip", limits) if body[:2] == GZIP_MAGIC else body
        elif coding == "zstd":
            body = _joined(body, "zstd", limits) if body[:4] == ZSTD_MAGIC else body
        elif coding == "br":
            body = _unbrotli(body, limits)
        elif coding == "deflate":
            body = _undeflate(body, limits)
        else:
            raise UnusableError("unsupported_encoding", f"content encoding {coding[:40]!a}")
    return body


def _joined(body: bytes, compression: str, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    for block in decompressed(iter([body]), compression, limits):
        parts.append(block)
        size += len(block)
        _check_size(size, limits)
    return b"".join(parts)


def _unbrotli(body: bytes, limits: Limits) -> bytes:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.BufferReader(body), "brotli")
    parts: list[bytes] = []
    size = 0
    try:
        while block := stream.read(_READ_BYTES):
            parts.append(block)
            size += len(block)
            _check_size(size, limits)
    except OSError as error:
        if body.lstrip()[:1] == b"<":
            return body
        cut = "truncated" if "Truncated" in str(error) else "damaged"
        raise UnusableError(cut, f"brotli: {str(error)[:100]}") from error
    return b"".join(parts)


def _undeflate(body: bytes, limits: Limits) -> bytes:
    """zlib or raw deflate: servers send both under this name."""
    for wbits in (15, -15):
        stream = zlib.decompressobj(wbits)
        try:
            text = stream.decompress(body, limits.max_document_bytes + 1)
        except zlib.error:
            continue
        _check_size(len(text), limits)
        if not stream.eof:
            raise UnusableError("truncated", "the deflated body ends too early")
        return text
    if body.lstrip()[:1] == b"<":
        return body
    raise UnusableError("damaged", "the body is no deflate stream")


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.max_document_bytes:
        raise UnusableError("too_large", f"more than {limits.max_document_bytes} bytes when decoded")
