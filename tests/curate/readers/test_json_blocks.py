"""The block reader against the line reader, which says what every line is."""

import gzip
import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.kernels.byte_masks import PADDING
from curate.readers import Document, Ends, Limits, Refused, SourceSettings, decompression, json_blocks, jsonl, line_blocks
from curate.readers.line_blocks import LineBlock

SOURCE = SourceSettings(name="s", paths=["*"])
EVERY_TIME = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


def by_lines(path: Path, start: int, end: int, source: SourceSettings, limits: Limits) -> tuple[list[Document | Refused], Ends]:
    found, reading = [], jsonl.read(path, start, end, source, limits)
    while True:
        try:
            found.append(next(reading))
        except StopIteration as stop:
            return found, stop.value


def by_blocks(path: Path, start: int, end: int, source: SourceSettings, limits: Limits) -> tuple[list[Document | Refused], Ends]:
    found: list[Document | Refused] = []
    reading = json_blocks.read(path, start, end, source, limits)
    while True:
        try:
            rows, refused, _ = next(reading)
        except StopIteration as stop:
            return found, stop.value
        for column in (rows.texts, rows.uris, rows.identifiers):
            column.validate(full=True)
        columns = (rows.texts.to_pylist(), rows.offsets.tolist(), rows.uris.to_pylist(), rows.identifiers.to_pylist())
        documents = [Document(text, offset, None, uri, identifier) for text, offset, uri, identifier in zip(*columns, strict=True)]
        assert [one.offset for one in documents] == sorted(one.offset for one in documents)
        found += sorted([*documents, *refused], key=lambda one: one.offset)


def agree(path: Path, content: bytes, source: SourceSettings = SOURCE, limits: Limits | None = None, cuts: tuple[int, ...] = ()) -> list[Document | Refused]:
    """Both readers find the same in a file, whole and in ranges; what they find in the whole."""
    path.write_bytes(content)
    bounds = [0, *sorted(cuts), len(content)]
    for start, end in [(0, len(content)), *pairwise(bounds)]:
        expected = by_lines(path, start, end, source, limits or Limits())
        assert by_blocks(path, start, end, source, limits or Limits()) == expected
    return by_lines(path, 0, len(content), source, limits or Limits())[0]


# What JSON is made of, and what it is not, so that most lines have one thing wrong or strange at most.
STRINGS = [
    *(
        '""',
        '"a"',
        '" "',
        '"\\u0041"',
        '"\\n\\t\\"\\\\\\/\\b\\f\\r"',
        '"\\ud83d\\ude00"',
        '"\\ud83d"',
        '"\\ude00"',
        '"\\ud83dx"',
        '"\\ud83d\\u0041"',
        '"\\x41"',
    ),
    *('"\\u12"', '"\\u+123"', '"\\u00e9\\u0905\\u4e00"', '"\\u0000"', '"日本語"', '"é"', '"\u3000"', '"\u3042"', '"\u2003\u00a0"', '"\u1680"', '"🎈"', '"\t"'),
    *('"\x7f"', '"\\u0020"', '"' + "x" * 200 + '"', '"' + "x" * 63 + '\\n"', '"' + "y" * 62 + '\\u00e9z"', '"\\', '"', "'a'"),
]
NUMBERS = [
    "0",
    "-0",
    "7",
    "-12",
    "01",
    "1.5",
    "-0.0",
    "1.",
    ".5",
    "1e5",
    "1E-5",
    "1e",
    "+1",
    "--1",
    "-",
    "1" * 599,
    "1" * 700,
    "1" * 5000,
    "123456789012345678901234567890",
]
OTHERS = [
    "true",
    "false",
    "null",
    "nul",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "",
    "[]",
    "{}",
    "[1,]",
    "{,}",
    '{"text": "in"}',
    '{"a": [1, {"b": null}], "c": {}}',
]
OTHERS += [
    "[" * 10 + "]" * 10,
    "[" * 70 + "]" * 70,
    "[" * 300 + "]" * 300,
    "[}",
    '{"a" 1}',
    '{"a": 1,}',
    "[1 2]",
    '["]", "}"]',
    "[ ]",
    "{ }",
    '{"a":1 , "b" : [ ] }',
    "[[],{}]",
]
values = st.one_of(
    st.sampled_from(STRINGS),
    st.sampled_from(NUMBERS),
    st.sampled_from(OTHERS),
    st.text(max_size=20).map(json.dumps),
    st.text(max_size=90).map(lambda s: json.dumps(s, ensure_ascii=False)),
)
keys = st.sampled_from(['"text"', '"text"', '"text"', '"id"', '"url"', '"x"', '""', '"te\\u0078t"', '"Text"', '"text "', "text", '"é"'])
spaces = st.sampled_from(["", "", "", " ", "\t", "\r", "  ", "\x0b", "\u00a0"])
pairs = st.tuples(spaces, keys, spaces, st.sampled_from([":", ":", ":", ":", "", "="]), spaces, values, spaces).map("".join)
objects = st.tuples(
    spaces,
    st.sampled_from(["{", "{", "{", "{", "[", ""]),
    st.lists(pairs, max_size=4).map(",".join),
    st.sampled_from(["}", "}", "}", "}", ",}", "]", ""]),
    spaces,
).map("".join)
whole = st.fixed_dictionaries(
    {"text": st.text(max_size=200)}, optional={"id": st.one_of(st.text(max_size=5), st.integers(), st.none(), st.floats()), "url": st.text(max_size=9)}
)
lines = st.one_of(
    objects.map(lambda line: line.encode("utf-8", "surrogatepass")),
    whole.map(lambda record: json.dumps(record).encode()),
    whole.map(lambda record: json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.binary(max_size=12).map(lambda raw: b'{"text": "a' + raw.replace(b"\n", b"") + b'"}'),
    st.sampled_from([b"", b" ", b"\r", b"\x0c", b"\xef\xbb\xbf", b'\xef\xbb\xbf{"text": "marked"}']),
)


@EVERY_TIME
@given(st.lists(lines, max_size=8), st.booleans(), st.integers(1, 300), st.integers(1, 60), st.lists(st.integers(0, 400), max_size=3))
def test_both_readers_find_the_same_records_whatever_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[bytes], ended: bool, block: int, piece: int, cuts: list[int]
) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", block)
    monkeypatch.setattr(decompression, "_BLOCK_BYTES", piece)
    content = b"\n".join(found) + (b"\n" if ended else b"")
    agree(tmp_path / "a.jsonl", content, cuts=tuple(min(cut, len(content)) for cut in cuts))


@EVERY_TIME
@given(st.lists(lines, max_size=6), st.integers(1, 80), st.integers(1, 60), st.integers(1, 4), st.integers(1, 40))
def test_both_readers_keep_the_same_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[bytes], line: int, document: int, depth: int, piece: int
) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 50)
    monkeypatch.setattr(decompression, "_BLOCK_BYTES", piece)
    content = b"\n".join(found)
    agree(tmp_path / "a.jsonl", content, limits=Limits(max_line_bytes=line, max_document_bytes=document, max_json_depth=depth), cuts=(len(content) // 2,))


@EVERY_TIME
@given(st.lists(st.one_of(st.sampled_from(STRINGS), values), min_size=1, max_size=40))
def test_both_readers_read_the_same_values(tmp_path: Path, found: list[str]) -> None:
    records = [f'{{"id": {value}, "text": {text}, "url": {value}, "x": {text}}}' for value, text in zip(found, reversed(found), strict=True)]
    agree(tmp_path / "a.jsonl", "\n".join(records).encode("utf-8", "surrogatepass"))


def test_every_single_damaged_byte_has_the_same_outcome(tmp_path: Path) -> None:
    line = '{"id": -12, "a": [1.5e3, {"b": "\\u00e9"}], "text": "one\\n\\ud83d\\ude00 two é", "url": "u", "c": true}'.encode()
    draw = random.Random(1)
    spoiled = [line[:at] + bytes([draw.choice(b'"\\{}[],:0 \x01\xffue')]) + line[at + 1 :] for at in range(len(line)) for _ in range(6)]
    spoiled += [line[:at] for at in range(len(line))]
    found = agree(tmp_path / "a.jsonl", b"\n".join([line, *spoiled, line]))
    for one in spoiled:  # each by itself, too: a line that is not UTF-8 sends its whole block to the line reader
        agree(tmp_path / "a.jsonl", one)
    reasons = {one.reason for one in found if isinstance(one, Refused)}
    assert reasons == {"bad_json", "undecodable", "no_text_field"}


def test_ordinary_lines_are_all_taken_by_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        {"text": "one\ttwo\n", "id": 7, "meta": {"list": [1, -2.5e-3, True, None, {"deep": "\\"}], "empty": {}, "none": []}},
        {"id": "a", "url": "http://x/é", "text": "日本語 \U0001f388 é"},
        {"text": "三", "id": None},
    ]
    monkeypatch.setattr(json_blocks, "line_document", lambda *_: pytest.fail("left to the line reader"))
    for ensure_ascii in (True, False):
        path = tmp_path / "a.jsonl"
        path.write_bytes("\r\n".join(json.dumps(record, ensure_ascii=ensure_ascii) for record in records).encode())
        found, _ = by_blocks(path, 0, path.stat().st_size, SOURCE, Limits())
        assert [(one.text, one.identifier, one.uri) for one in found if isinstance(one, Document)] == [
            ("one\ttwo\n", "7", None),
            ("日本語 \U0001f388 é", "a", "http://x/é"),
            ("三", None, None),
        ]


def test_two_fields_of_one_key_are_read_as_the_line_reader_does(tmp_path: Path) -> None:
    content = b'{"text": "a", "id": "b"}\n{"id": 5}'
    for source in (SOURCE.model_copy(update={"id_field": "text"}), SOURCE.model_copy(update={"id_field": None, "uri_field": "text"})):
        assert agree(tmp_path / "a.jsonl", content, source)
    bare = SOURCE.model_copy(update={"id_field": None, "uri_field": None, "text_field": "é"})
    assert agree(tmp_path / "a.jsonl", '{"é": "one", "id": 1}\n{"\\u00e9": "two"}'.encode(), bare) == [Document("one", 0), Document("two", 23)]


@pytest.mark.parametrize("kept", [1.0, 0.9, 0.5, 0.01])
def test_a_compressed_stream_that_breaks_keeps_its_whole_lines(tmp_path: Path, kept: float) -> None:
    draw = random.Random(3)
    content = gzip.compress(b"".join(json.dumps({"text": draw.randbytes(30).hex()}).encode() + b"\n" for _ in range(400)))
    found = agree(tmp_path / "a.jsonl.gz", content[: int(len(content) * kept)])
    assert isinstance(found[-1], Document) == (kept == 1.0)


def test_a_file_that_is_not_what_its_name_says_is_refused_as_a_whole(tmp_path: Path) -> None:
    [found] = agree(tmp_path / "a.jsonl.gz", b'{"text": "plain"}')
    assert isinstance(found, Refused)
    assert found.reason == "damaged"


def test_a_line_beyond_the_limit_is_counted_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 30)
    source = [b"one\ntwo\n", *[b"x" * 25] * 10, b"x\nthree\nfo", b"ur"]
    assert list(line_blocks.line_blocks(iter(source), 100, 40)) == [
        LineBlock(100, 108, b"one\ntwo\n" + b"\n" * PADDING),
        LineBlock(108, 360, None),
        LineBlock(360, 370, b"three\nfour" + b"\n" * PADDING),
    ]


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert agree(tmp_path / "a.jsonl", b"") == []
    assert agree(tmp_path / "a.jsonl", b"\n\n\r\n") == []


def test_offsets_stay_apart_from_what_is_in_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\nbroken\n{"text": "b", "x": ' + b"1" * 620 + b"}\n")
    [found] = list(json_blocks.read(path, 0, 1000, SOURCE, Limits()))
    assert found.rows.offsets.dtype == np.int64
    assert found.rows.offsets.tolist() == [0, 21]
    assert [(one.offset, one.reason) for one in found.refused] == [(14, "bad_json")]
