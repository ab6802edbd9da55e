import gzip
import hashlib
import random
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.gather.slices import Range, check_ranges_meet
from curate.readers import Limits
from tests.curate.readers.archives import LIMITS, by_warcio, everything, http, page, reasons, record, response, sha1, zipped


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def texts(documents) -> list[int]:
    """The numbers of the pages that were read, each checked to be whole."""
    numbers = []
    for one in documents:
        number = int(one.text.split("Page number ")[1].split(".")[0])
        assert one.text.rstrip().endswith(f"word{number}x59.")
        numbers.append(number)
    return numbers


@pytest.mark.parametrize("form", ["plain", "by record", "gzip", "gzip in pieces", "zstd", "zstd frames"])
def test_every_form_gives_the_same_documents(tmp_path: Path, form: str) -> None:
    plain = by_warcio(12, compressed=False)
    content = {
        "plain": plain,
        "by record": by_warcio(12, compressed=True),
        "gzip": gzip.compress(plain),
        "gzip in pieces": b"".join(gzip.compress(plain[at : at + 1000]) for at in range(0, len(plain), 1000)),
        "zstd": zstandard.compress(plain),
        "zstd frames": b"".join(zstandard.compress(plain[at : at + 1000]) for at in range(0, len(plain), 1000)),
    }[form]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", content))
    assert texts(documents) == list(range(12))
    assert [one.uri for one in documents] == [f"http://example.org/{number}" for number in range(12)]
    assert all(one.identifier.startswith("<urn:uuid:") for one in documents)
    assert sorted(reasons(refused)) == ["warc_request"] * 12 + ["warc_warcinfo"]


def test_offsets_are_where_records_begin(tmp_path: Path) -> None:
    plain = b"".join(response(number) for number in range(5))
    documents, _, ends = everything("warc", put(tmp_path, "a.warc", plain))
    assert all(plain[one.offset :].startswith(b"WARC/1.0") for one in documents)
    assert ends == (0, len(plain))
    packed = zipped([response(number) for number in range(5)])
    documents, _, ends = everything("warc", put(tmp_path, "b.warc.gz", packed))
    assert [zlib.decompressobj(31).decompress(packed[one.offset :]) for one in documents] == [response(number) for number in range(5)]
    assert ends == (0, len(packed))


@pytest.mark.parametrize("cut", [1, 3, 200, 590])
def test_a_cut_last_record_is_quarantined_as_truncated(tmp_path: Path, cut: int) -> None:
    records = [response(number) for number in range(4)]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", b"".join(records)[:-cut]))
    assert texts(documents) == [0, 1, 2]
    assert reasons(refused) == ["truncated"]
    assert refused[0].offset == sum(map(len, records[:3]))
    assert refused[0].uri == "http://example.org/3"


@pytest.mark.parametrize("name", ["by record", "gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 8, 60])
def test_a_cut_compressed_archive_is_noticed_however_little_is_missing(tmp_path: Path, name: str, cut: int) -> None:
    records = [response(number) for number in range(4)]
    content = {"by record": zipped(records), "gzip": gzip.compress(b"".join(records)), "zstd": zstandard.compress(b"".join(records))}[name]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc.x", content[:-cut]))
    assert reasons(refused) == ["truncated"]
    assert texts(documents) == list(range(len(documents)))
    if name == "by record":
        assert len(documents) == 3


@pytest.mark.parametrize("wrong", [-300, -1, 1, 4, 300, 5000, 10**9, 10**17])
def test_a_wrong_length_costs_that_record_only(tmp_path: Path, wrong: int) -> None:
    block = http(page(1).encode())
    records = [response(0), record(block, length=len(block) + wrong), *(response(number) for number in range(2, 6))]
    for name, content in (("a.warc", b"".join(records)), ("a.warc.gz", zipped(records)), ("b.warc.gz", gzip.compress(b"".join(records)))):
        documents, refused, _ = everything("warc", put(tmp_path, name, content))
        assert texts(documents) == [0, 2, 3, 4, 5], name
        assert reasons(refused) == ["length_mismatch"]


def test_a_wrong_length_is_survived_in_a_stream_far_beyond_the_window(tmp_path: Path) -> None:
    block = http(page(1).encode())
    rng = random.Random(1)
    filler = record(rng.randbytes(8 << 20), kind="metadata", content_type="x/y")
    records = [response(0), record(block, length=10**9), *(response(number) for number in range(2, 4)), filler, response(4)]
    limits = Limits(max_document_bytes=1 << 16)
    documents, refused, _ = everything("warc", put(tmp_path, "b.warc.gz", gzip.compress(b"".join(records), 1)), limits=limits)
    assert texts(documents) == [0, 2, 3, 4]
    assert reasons(refused) == ["length_mismatch", "warc_metadata"]


def test_a_wrong_length_is_survived_in_a_stream_that_is_cut_as_well(tmp_path: Path) -> None:
    filler = record(random.Random(1).randbytes(8 << 20), kind="metadata", content_type="x/y")
    records = [response(0), record(http(page(1).encode()), length=10**9), response(2), filler, response(3)]
    limits = Limits(max_document_bytes=1 << 16)
    documents, refused, _ = everything("warc", put(tmp_path, "b.warc.gz", gzip.compress(b"".join(records), 1)[:-9]), limits=limits)
    assert texts(documents) == [0, 2, 3]
    assert reasons(refused) == ["length_mismatch", "warc_metadata", "truncated"]


def test_a_member_that_swallows_the_rest_of_the_file_does_not_lose_it(tmp_path: Path) -> None:
    packer = zlib.compressobj(0, wbits=31)  # one stored block whose length promises more than is left of it
    stored = packer.compress(record(http(page(1, 3000).encode()))) + packer.flush()
    content = zipped([response(0)]) + stored[:500] + zipped([response(2), response(3)])
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc.gz", content))
    assert texts(documents) == [0, 2, 3]
    assert reasons(refused) == ["damaged"]


def test_missing_and_contradictory_lengths_are_damage(tmp_path: Path) -> None:
    without = response(1).replace(b"\r\nContent-Length:", b"\r\nX-Length:", 1)
    twice = response(2).replace(b"\r\nContent-Length:", b"\r\nContent-Length: 7\r\nContent-Length:", 1)
    negative = response(3).replace(b"\r\nContent-Length: ", b"\r\nContent-Length: -", 1)
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", response(0) + without + twice + negative + response(4)))
    assert texts(documents) == [0, 4]
    assert reasons(refused) == ["damaged"] * 3


def test_a_corrupt_member_costs_that_record_only(tmp_path: Path) -> None:
    members = [gzip.compress(response(number, 60), mtime=0) for number in range(6)]
    for damaged in range(6):
        broken = bytearray(members[damaged])
        broken[len(broken) // 2 : len(broken) // 2 + 60] = bytes(60)
        content = b"".join([*members[:damaged], bytes(broken), *members[damaged + 1 :]])
        documents, refused, _ = everything("warc", put(tmp_path, "a.warc.gz", content))
        assert texts(documents) == [number for number in range(6) if number != damaged]
        assert reasons(refused) == ["damaged"]
        assert refused[0].offset == sum(map(len, members[:damaged]))
        assert refused[0].uri == f"http://example.org/{damaged}"


def test_a_destroyed_member_header_and_junk_between_members_are_counted(tmp_path: Path) -> None:
    members = [gzip.compress(response(number), mtime=0) for number in range(4)]
    content = members[0] + b"\xff" * 3 + members[1][3:] + b"junk" * 50 + members[2] + members[3] + bytes(512)
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc.gz", content))
    assert texts(documents) == [0, 2, 3]
    assert reasons(refused) == ["damaged"]


def test_digests_are_verified(tmp_path: Path) -> None:
    payload = page(0).encode()
    block = http(payload)
    records = [
        record(block, WARC_Block_Digest=sha1(block), WARC_Payload_Digest=sha1(payload)),
        record(block, WARC_Block_Digest="sha1:" + hashlib.sha1(block, usedforsecurity=False).hexdigest()),
        record(block, WARC_Block_Digest="crc:1"),
        record(block, WARC_Block_Digest="sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        record(block, WARC_Block_Digest=sha1(block), WARC_Payload_Digest=sha1(b"x")),
    ]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", b"".join(records)))
    assert len(documents) == 3
    assert reasons(refused) == ["digest_mismatch", "digest_mismatch"]
    assert "Block" in refused[0].detail
    assert "Payload" in refused[1].detail


def test_other_record_types_and_answers_are_dropped_with_their_reason(tmp_path: Path) -> None:
    kinds = ("warcinfo", "request", "metadata", "revisit", "continuation", "novelty")
    records = [record(b"x: y\r\n", kind=kind, content_type="application/warc-fields") for kind in kinds]
    records += [record(http(b"<p>gone", status="404 Not Found")), record(http(b"%PDF", content_type="application/pdf"))]
    records += [record(b"1 2 3", content_type="text/dns"), record(http(b"<html><body></body></html>")), response(1)]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", b"".join(records)))
    assert texts(documents) == [1]
    by_type = ["warc_warcinfo", "warc_request", "warc_metadata", "warc_revisit", "warc_continuation", "warc_unknown"]
    assert reasons(refused) == [*by_type, "http_status", "unsupported_type", "unsupported_type", "empty"]
    assert {one.fate for one in refused} == {"dropped"}


def test_a_bad_status_line_is_quarantined(tmp_path: Path) -> None:
    records = [record(b"not http at all\r\n\r\n<p>x"), record(b""), record(b"HTTP/1.1 abc\r\n\r\n<p>x"), response(1)]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", b"".join(records)))
    assert texts(documents) == [1]
    assert reasons(refused) == ["damaged"] * 3


def chunked(payload: bytes, size: int = 100) -> bytes:
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def brotlied(payload: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(payload))


@pytest.mark.parametrize(
    ("transform", "headers"),
    [
        (chunked, {"Transfer_Encoding": "chunked"}),
        (lambda payload: payload, {"Transfer_Encoding": "chunked"}),
        (gzip.compress, {"Content_Encoding": "gzip"}),
        (lambda payload: payload, {"Content_Encoding": "gzip"}),
        (lambda payload: chunked(gzip.compress(payload)), {"Content_Encoding": "x-gzip", "Transfer_Encoding": "chunked"}),
        (zlib.compress, {"Content_Encoding": "deflate"}),
        (lambda payload: zlib.compress(payload)[2:-4], {"Content_Encoding": "deflate"}),
        (zstandard.compress, {"Content_Encoding": "zstd"}),
        (brotlied, {"Content_Encoding": "br"}),
        (lambda payload: payload, {"Content_Encoding": "br"}),
        (lambda payload: gzip.compress(brotlied(payload)), {"Content_Encoding": "br, gzip"}),
    ],
)
def test_transfer_and_content_encodings_are_undone(tmp_path: Path, transform, headers) -> None:
    payload = page(7).encode()
    sent = transform(payload)  # once: gzip writes the second it was made in
    for digest in (sha1(payload), sha1(sent)):
        documents, refused, _ = everything("warc", put(tmp_path, "a.warc", record(http(sent, **headers), WARC_Payload_Digest=digest)))
        assert texts(documents) == [7]
        assert refused == []


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (chunked(page(1).encode())[:-40], {"Transfer_Encoding": "chunked"}, "truncated"),
        (chunked(page(1).encode()).replace(b"\r\n64\r\n", b"\r\nzz\r\n", 1), {"Transfer_Encoding": "chunked"}, "damaged"),
        (gzip.compress(page(1).encode())[:-30], {"Content_Encoding": "gzip"}, "truncated"),
        (brotlied(page(1).encode())[:-9], {"Content_Encoding": "br"}, "truncated"),
        (b"\xff\xff\xff", {"Content_Encoding": "br"}, "damaged"),
        (b"abc", {"Content_Encoding": "compress"}, "unsupported_encoding"),
        (gzip.compress(b"<p>" + b"a" * (40 << 20)), {"Content_Encoding": "gzip"}, "decompression_limit"),
        (brotlied(b"<p>" + b"a" * (40 << 20)), {"Content_Encoding": "br"}, "too_large"),
        (zlib.compress(b"<p>" + b"a" * (40 << 20)), {"Content_Encoding": "deflate"}, "too_large"),
    ],
)
def test_broken_and_exploding_bodies_are_quarantined(tmp_path: Path, body: bytes, headers, reason: str) -> None:
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", record(http(body, **headers)) + response(2)))
    assert texts(documents) == [2]
    assert reasons(refused) == [reason]
    assert refused[0].fate == "quarantined"


UMLAUTS = "Füße und Übermut und Äpfel"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (f"<p>{UMLAUTS}".encode(), "text/html"),
        (f"<p>{UMLAUTS}".encode(), "text/html; charset=iso-8859-1"),
        (f"<p>{UMLAUTS}".encode("latin-1"), "text/html; charset=iso-8859-1"),
        (f"<meta charset='windows-1252'><p>{UMLAUTS}".encode("latin-1"), "text/html"),
        (f"<meta charset='utf-16'><p>{UMLAUTS}".encode(), "text/html; charset=utf-16"),
        (f"<p>{UMLAUTS}".encode("utf-16"), "text/html"),
        (f"<!doctype html><html><body><p>{UMLAUTS}".encode(), None),
        (UMLAUTS.encode("latin-1"), "text/plain; charset=latin1"),
    ],
)
def test_charsets_are_found_and_decoded_strictly(tmp_path: Path, body: bytes, content_type: str | None) -> None:
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", record(http(body, content_type=content_type))))
    assert [one.text.strip() for one in documents] == [UMLAUTS], refused


def test_undecodable_text_is_quarantined_and_never_replaced(tmp_path: Path) -> None:
    bad_page = record(http("<meta charset=utf-8><p>日本語のテキスト".encode() + b"\xff\xfe\x81", content_type="text/html; charset=utf-8"))
    bad_text = record(http(b"a\x80\xff", content_type="text/plain; charset=utf-8"))
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc", bad_page + bad_text))
    assert documents == []
    assert reasons(refused) == ["undecodable", "undecodable"]


def test_wet_text_is_taken_as_it_stands(tmp_path: Path) -> None:
    text = "Ｅin Text — e\u0301 \u00e9\nzweite Zeile\n"
    records = [record(body, kind="conversion", content_type="text/plain") for body in (text.encode(), b"\xff")]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc.wet", b"".join(records)))
    assert [one.text for one in documents] == [text]
    assert reasons(refused) == ["undecodable"]


def test_a_long_record_is_refused_without_keeping_it(tmp_path: Path) -> None:
    limits = Limits(max_document_bytes=2000)
    long_page = record(http(b"<p>" + random.Random(0).randbytes(3 << 20).hex().encode()))
    long_image = record(http(random.Random(0).randbytes(3 << 20), content_type="image/png"))
    records = [response(0), long_page, long_image, response(1)]
    for name, content in (("a.warc", b"".join(records)), ("a.warc.gz", zipped(records)), ("b.warc.gz", gzip.compress(b"".join(records)))):
        documents, refused, _ = everything("warc", put(tmp_path, name, content), limits=limits)
        assert texts(documents) == [0, 1]
        assert reasons(refused) == ["too_large", "unsupported_type"]


def test_a_bomb_in_a_member_is_stopped_and_the_next_record_is_read(tmp_path: Path) -> None:
    records = [response(0), record(http(b"<p>" + bytes(30 << 20))), response(1)]
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc.gz", zipped(records)))
    assert texts(documents) == [0, 1]
    assert reasons(refused) == ["decompression_limit"]


def test_plain_bytes_named_gz_and_empty_files(tmp_path: Path) -> None:
    documents, refused, _ = everything("warc", put(tmp_path, "a.warc.gz", response(0)))
    assert documents == []
    assert reasons(refused) == ["damaged"]
    assert "named .gz" in refused[0].detail
    assert everything("warc", put(tmp_path, "b.warc.gz", b""))[:2] == ([], [])
    assert everything("warc", put(tmp_path, "b.warc", b""))[:2] == ([], [])


def in_ranges(path: Path, size: int):
    """(documents, refused, paths whose ranges do not meet) of a file read in many ranges."""
    total = path.stat().st_size
    cuts = [Range(str(path), "warc", start, min(start + size, total)) for start in range(0, total, size)]
    pieces = [everything("warc", path, one.start, one.end) for one in cuts]
    apart = check_ranges_meet([(one, piece[2]) for one, piece in zip(cuts, pieces, strict=True)])
    return [one for piece in pieces for one in piece[0]], [one for piece in pieces for one in piece[1]], apart


def nasty(rng: random.Random) -> list[bytes]:
    block = http(page(1).encode())
    kinds = [
        lambda number: response(number),
        lambda number: response(number),
        lambda number: record(b"x" * rng.randrange(300), kind="request"),
        lambda number: record(block, length=len(block) + rng.choice([-9, 5, 700, 10**8])),
        lambda number: response(number)[: rng.randrange(20, 400)] + b"\r\n\r\n",
        lambda number: record(http(b"<p>" + b"long " * 600)),
    ]
    return [response(0)] + [rng.choice(kinds)(number) for number in range(12)]


@given(st.integers(0, 10**6), st.integers(40, 5000), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_ranges_give_the_documents_of_one(tmp_path: Path, seed: int, size: int, compressed: bool) -> None:
    rng = random.Random(seed)
    records = nasty(rng)
    content = zipped(records) if compressed else b"".join(records)
    if compressed:
        broken = bytearray(content)
        at = rng.randrange(len(gzip.compress(records[0], mtime=0)), len(content))
        broken[at : at + 20] = rng.randbytes(min(20, len(content) - at))
        content = bytes(broken)
    path = put(tmp_path, "a.warc.gz" if compressed else "a.warc", content)
    documents, refused, _ = everything("warc", path)
    cut_documents, cut_refused, apart = in_ranges(path, size)
    if not apart:
        assert cut_documents == documents
        assert cut_refused == refused


@given(st.integers(40, 4000), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ranges_of_whole_archives_always_meet(tmp_path: Path, size: int, compressed: bool) -> None:
    path = put(tmp_path, "a.warc", by_warcio(8, compressed))
    documents, refused, _ = everything("warc", path)
    assert in_ranges(path, size) == (documents, refused, [])


def test_an_archive_inside_a_record_is_noticed_by_the_ranges(tmp_path: Path) -> None:
    inner = b"\r\n\r\n" + b"".join(response(number) for number in range(10))
    members = b"".join(gzip.compress(response(number), mtime=0) for number in range(10))
    plain = response(0) + record(inner, kind="metadata") + response(1)
    stored = zlib.compressobj(0, wbits=31)  # a member whose bytes stand in the file as they are
    packed = zipped([response(0)]) + stored.compress(record(members, kind="metadata")) + stored.flush() + zipped([response(1)])
    for name, content in (("a.warc", plain), ("a.warc.gz", packed)):
        path = put(tmp_path, name, content)
        assert texts(everything("warc", path)[0]) == [0, 1]
        documents, _, apart = in_ranges(path, 700)
        assert len(documents) > 2
        assert apart == [str(path)]


@given(st.integers(0, 10**9), st.sampled_from(["plain", "by record", "gzip", "zstd"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_raises_and_offsets_never_go_back(tmp_path: Path, seed: int, form: str) -> None:
    rng = random.Random(seed)
    records = [response(0), record(chunked(page(1).encode())), record(http(gzip.compress(page(2).encode()), Content_Encoding="gzip")), *nasty(rng)[:4]]
    whole = b"".join(records)
    content = bytearray({"plain": whole, "by record": zipped(records), "gzip": gzip.compress(whole), "zstd": zstandard.compress(whole)}[form])
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(content))
        match rng.randrange(4):
            case 0:
                content[at] = rng.randrange(256)
            case 1:
                del content[at : at + rng.randrange(1, 200)]
            case 2:
                content[at:at] = rng.choice([b"\r\n\r\n", b"WARC/1.0\r\n", b"\x1f\x8b\x08", b"Content-Length: 5\r\n", b"\0" * 30])
            case 3:
                content[at : at + 30] = content[: min(30, len(content) - at)]
        content = content or bytearray(b"x")
    path = put(tmp_path, "a.warc", bytes(content))
    documents, refused, ends = everything("warc", path, limits=LIMITS)
    assert all(one.text and one.text.encode() for one in documents)
    assert all(one.reason and one.fate in ("dropped", "quarantined") and len(one.detail or "") <= 200 for one in refused)
    assert documents or refused
    assert ends.end is not None
    assert ends.end <= len(content)
    offsets = [one.offset for one in documents]
    assert offsets == sorted(offsets)
