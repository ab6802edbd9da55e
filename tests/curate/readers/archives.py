"""Archives made for the tests: WARC records byte by byte, and whole files written by warcio."""

import base64
import gzip
import hashlib
import io
from pathlib import Path

from curate.readers import Document, Ends, Limits, Refused, SourceSettings, read

SETTINGS = SourceSettings(name="test", paths=["*"])
LIMITS = Limits()


def everything(file_format: str, path: Path, start: int = 0, end: int | None = None, settings: SourceSettings = SETTINGS, limits: Limits = LIMITS):
    """(documents, refused, ends) of a range of a file; all of it by default."""
    found = read(file_format, path, start, path.stat().st_size if end is None else end, settings, limits)
    records: list[Document | Refused] = []
    while True:
        try:
            records.append(next(found))
        except StopIteration as stop:
            ends: Ends = stop.value
            return [one for one in records if isinstance(one, Document)], [one for one in records if isinstance(one, Refused)], ends


def reasons(refused: list[Refused]) -> list[str]:
    return [one.reason for one in refused]


def sha1(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def page(number: int, words: int = 60) -> str:
    body = " ".join(f"word{number}x{word}" for word in range(words))
    return f"<html><head><title>t</title></head><body><article><p>Page number {number}. {body}.</p></article></body></html>"


def fields(headers: dict[str, str]) -> list[str]:
    return [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]


def http(payload: bytes, status: str = "200 OK", content_type: str | None = "text/html; charset=utf-8", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else []), *fields(headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def record(
    block: bytes,
    kind: str = "response",
    content_type: str = "application/http; msgtype=response",
    length: int | None = None,
    uri: str = "http://example.org/a",
    **headers: str,
) -> bytes:
    lines = ["WARC/1.0", f"WARC-Type: {kind}", "WARC-Record-ID: <urn:uuid:0>", f"WARC-Target-URI: {uri}", *fields(headers)]
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(block) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def response(number: int, words: int = 60) -> bytes:
    return record(http(page(number, words).encode()), uri=f"http://example.org/{number}")


def by_warcio(num_pages: int, compressed: bool) -> bytes:
    """warcinfo, then request and response (with digests) for every page, as warcio writes them."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    out = io.BytesIO()
    writer = WARCWriter(out, gzip=compressed)
    writer.write_record(writer.create_warcinfo_record("test.warc", {"software": "test"}))
    for number in range(num_pages):
        uri = f"http://example.org/{number}"
        request = StatusAndHeaders("GET / HTTP/1.1", [("Host", "example.org")], is_http_request=True)
        writer.write_record(writer.create_warc_record(uri, "request", http_headers=request))
        headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(uri, "response", payload=io.BytesIO(page(number).encode()), http_headers=headers))
    return out.getvalue()


def zipped(records: list[bytes]) -> bytes:
    return b"".join(gzip.compress(one, mtime=0) for one in records)
