import gzip
import json
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.gather.slices import Range, check_ranges_meet
from curate.readers import Limits, SourceSettings
from tests.curate.readers.archives import LIMITS, everything, reasons


def put(folder: Path, content: bytes, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_fields_become_text_uri_and_identifier(tmp_path: Path) -> None:
    lines = [
        {"text": "one", "id": "a", "url": "http://x"},
        {"text": "two", "id": 7},
        {"text": "three", "id": True, "url": 5},
        {"text": "四\n\u0000é", "id": None},
    ]
    path = put(tmp_path, "\n".join(map(json.dumps, lines)).encode())
    documents, refused, ends = everything("jsonl", path)
    assert [(one.text, one.identifier, one.uri) for one in documents] == [
        ("one", "a", "http://x"),
        ("two", "7", None),
        ("three", None, None),
        ("四\n\u0000é", None, None),
    ]
    assert refused == []
    assert ends == (0, path.stat().st_size)
    content = path.read_bytes()
    assert all(json.loads(content[one.offset :].split(b"\n")[0])["text"] == one.text for one in documents)


def test_field_names_are_settings(tmp_path: Path) -> None:
    source = SourceSettings(name="s", paths=["*"], text_field="body", id_field="key", uri_field=None)
    documents, _, _ = everything("jsonl", put(tmp_path, b'{"body": "b", "key": "k", "url": "u"}'), settings=source)
    assert documents == [("b", 0, None, None, "k")]


ZOO = [
    (b'{"text": "broken', "bad_json"),
    (b'{"text": "a"} {"text": "b"}', "bad_json"),
    (b'["text", "a"]', "bad_json"),
    (b'"text"', "bad_json"),
    (b"nothing", "bad_json"),
    (b'{"text": "a", "x": NaN}', "bad_json"),
    (b'{"text": "a", "x": -Infinity}', "bad_json"),
    (b'{"text": "a", "text": "b"}', "bad_json"),
    (b'{"text": "a", "x": ' + b"1" * 5000 + b"}", "bad_json"),
    (b'{"text": "a", "x": ' + b"[" * 300 + b"]" * 300 + b"}", "bad_json"),
    (b'{"text": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_json"),
    (b"[" * 100_000, "bad_json"),
    (b'{"text": "tab\there"}', "bad_json"),
    (b'\xef\xbb\xbf{"text": "a mark in the middle"}', "bad_json"),
    (b'{"text": "\\ud800"}', "undecodable"),
    (b'{"text": "a", "id": "\\udfff"}', "undecodable"),
    (b'{"text": "\xff"}', "undecodable"),
    (b'{"text": "\xc0\xaf overlong"}', "undecodable"),
    (b'{"text": "\xed\xa0\x80 surrogate"}', "undecodable"),
    (b'{"text": null}', "no_text_field"),
    (b'{"text": 5}', "no_text_field"),
    (b'{"Text": "a"}', "no_text_field"),
    (b"{}", "no_text_field"),
    (b'{"text": ""}', "empty"),
    (b'{"text": " \\n\\u00a0\\t "}', "empty"),
    (b'{"text": "' + b"x" * 300_000 + b'"}', "too_large"),
    (b'{"text": "' + b"x" * 120_000 + b'"}', "too_large"),
]


@pytest.mark.parametrize(("line", "reason"), ZOO, ids=range(len(ZOO)))
def test_a_bad_line_has_its_reason_and_costs_no_other(tmp_path: Path, line: bytes, reason: str) -> None:
    limits = Limits(max_line_bytes=250_000, max_document_bytes=100_000)
    documents, refused, _ = everything("jsonl", put(tmp_path, b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n'), limits=limits)
    assert [one.text for one in documents] == ["before", "after"]
    assert reasons(refused) == [reason]
    assert refused[0].offset == 19
    assert (refused[0].fate == "dropped") == (reason == "empty")


def test_marks_line_ends_and_blank_lines_are_taken_as_they_come(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"text": "a"}\r\n\r\n\n  \n{"text": "b", "x": {"text": "inner"}}\r\n{"text": "c", "y": "' + b"[" * 400 + b'"}'
    documents, refused, ends = everything("jsonl", put(tmp_path, content))
    assert [one.text for one in documents] == ["a", "b", "c"]
    assert refused == []
    assert ends == (0, len(content))


def test_reasons_never_quote_the_text(tmp_path: Path) -> None:
    _, refused, _ = everything("jsonl", put(tmp_path, b"\n".join(line.replace(b"a", b"canary") for line, _ in ZOO)))
    assert not any("canary" in (one.detail or "") for one in refused)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, lambda data: gzip.compress(data[:30]) + gzip.compress(data[30:])])
def test_compressed_files_give_the_same_and_a_cut_keeps_whole_lines(tmp_path: Path, pack) -> None:
    rng = random.Random(1)
    content = b"".join(b'{"text": "%d"}\n' % rng.getrandbits(200) for _ in range(3000))
    plain = everything("jsonl", put(tmp_path, content))[0]
    packed = pack(content)
    assert everything("jsonl", put(tmp_path, packed, "b.jsonl.x"))[0] == plain
    documents, refused, _ = everything("jsonl", put(tmp_path, packed[:-2000], "c.jsonl.x"))
    assert 0 < len(documents) < 3000
    assert documents == plain[: len(documents)]
    assert reasons(refused) == ["truncated"]
    assert refused[0].offset == (documents[-1].offset + len(documents[-1].text) + 13)


def test_bombs_are_stopped(tmp_path: Path) -> None:
    documents, refused, _ = everything("jsonl", put(tmp_path, gzip.compress(b'{"text": "a"}\n' + bytes(30 << 20)), "a.jsonl.gz"))
    assert len(documents) == 1
    assert reasons(refused) == ["decompression_limit"]


@given(
    st.lists(st.sampled_from([b'{"text": "a"}', b"", b"bad", b'{"text": "' + b"x" * 90 + b'"}', b"y" * 300, b'{"text": "z"}\r']), max_size=30),
    st.integers(1, 400),
    st.booleans(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_ranges_give_the_records_of_one_and_meet(tmp_path: Path, lines: list[bytes], size: int, ends_with_newline: bool) -> None:
    path = put(tmp_path, b"\n".join(lines) + b"\n" * ends_with_newline)
    limits = Limits(max_line_bytes=200)
    total = path.stat().st_size
    pieces = [
        (Range("a", "jsonl", at, min(at + size, total)), everything("jsonl", path, at, min(at + size, total), limits=limits)) for at in range(0, total, size)
    ]
    documents, refused, _ = everything("jsonl", path, limits=limits)
    assert [one for _, piece in pieces for one in piece[0]] == documents
    assert [one for _, piece in pieces for one in piece[1]] == refused
    assert check_ranges_meet([(one, piece[2]) for one, piece in pieces]) == []


@given(st.integers(0, 10**9), st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_raises_and_every_line_counts(tmp_path: Path, seed: int, compressed: bool) -> None:
    rng = random.Random(seed)
    content = bytearray(b"".join(line + b"\n" for line, _ in ZOO if len(line) < 1000) + b'{"text": "a", "id": 5}\n')
    if compressed:
        content = bytearray(gzip.compress(bytes(content)))
    for _ in range(rng.randrange(1, 30)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    documents, refused, _ = everything("jsonl", put(tmp_path, bytes(content)), limits=LIMITS)
    if not compressed:
        assert len(documents) + len(refused) == sum(bool(line.strip()) for line in bytes(content).split(b"\n"))
    assert all(one.text.encode() for one in documents)
