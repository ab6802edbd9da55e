import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.gather.slices import Range, check_ranges_meet
from curate.readers import Limits, SourceSettings
from tests.curate.readers.archives import LIMITS, everything, reasons


def source(separator: str | None = None, encoding: str | None = None) -> SourceSettings:
    return SourceSettings(name="s", paths=["*"], separator=separator, encoding=encoding)


def read_bytes(folder: Path, content: bytes, settings: SourceSettings, name: str = "a.txt", limits: Limits = LIMITS):
    path = folder / name
    path.write_bytes(content)
    return everything("text", path, settings=settings, limits=limits)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_is_a_document_in_any_marked_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Zeile — eins\n二行\r\n\U0001f600 e\u0301 \u00e9 \u0000 \ufeff end"
    documents, refused, _ = read_bytes(tmp_path, text.encode(encoding), source())
    assert documents == [(text, 0, None, None, None)]
    assert refused == []


def test_declared_encodings_come_after_utf_8_unless_ascii_means_something_else(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "Ärger".encode("cp1252"), source(encoding="windows-1252"))[0][0].text == "Ärger"
    assert read_bytes(tmp_path, "Ärger".encode(), source(encoding="windows-1252"))[0][0].text == "Ärger"
    assert read_bytes(tmp_path, "日本".encode("iso2022_jp"), source(encoding="iso-2022-jp"))[0][0].text == "日本"
    assert read_bytes(tmp_path, "日本".encode("utf-16-le"), source(encoding="utf-16-le"))[0][0].text == "日本"


@pytest.mark.parametrize(
    ("content", "encoding"), [(b"caf\xe9", None), (b"\xff\xfea", None), (b"\xef\xbb\xbf\xff", None), (b"\x81 \xff", "windows-1252"), (b"+2AA-", "utf-7")]
)
def test_what_cannot_be_decoded_is_quarantined(tmp_path: Path, content: bytes, encoding: str | None) -> None:
    documents, refused, _ = read_bytes(tmp_path, content, source(encoding=encoding))
    assert documents == []
    assert reasons(refused) == ["undecodable"]


def test_sizes_and_emptiness_have_reasons(tmp_path: Path) -> None:
    assert reasons(read_bytes(tmp_path, b"", source())[1]) == ["empty"]
    assert reasons(read_bytes(tmp_path, b" \n\t", source())[1]) == ["empty"]
    assert reasons(read_bytes(tmp_path, b"x" * 101, source(), limits=Limits(max_document_bytes=100))[1]) == ["too_large"]
    assert reasons(read_bytes(tmp_path, gzip.compress(b"text")[:-3], source())[1]) == ["truncated"]
    assert reasons(read_bytes(tmp_path, b"text", source(), name="a.txt.gz")[1]) == ["damaged"]


def test_separator_lines_divide_records(tmp_path: Path) -> None:
    content = b"one\r\nmore\n%\ntwo % not alone\n %\n%%\n%\r\n%\n\n%\nthree\xff\n%\nfour"
    documents, refused, ends = read_bytes(tmp_path, content, source("%"))
    assert [one.text for one in documents] == ["one\r\nmore", "two % not alone\n %\n%%", "four"]
    assert [content[one.offset :].startswith(one.text.encode()) for one in documents] == [True] * 3
    assert reasons(refused) == ["empty", "undecodable"]
    assert ends == (0, len(content))


def test_blank_lines_divide_records(tmp_path: Path) -> None:
    documents, refused, _ = read_bytes(tmp_path, b"\n\n one\ntwo\n \t\n\r\n\nthree\n\n", source(""))
    assert [one.text for one in documents] == [" one\ntwo", "three"]
    assert refused == []


def test_separated_records_in_gzip_and_beyond_limits(tmp_path: Path) -> None:
    content = b"a\n%\n" + b"x" * 50 + b"\n%\n" + b"y\n" * 30 + b"%\nb\n%\nc"
    documents, refused, _ = read_bytes(tmp_path, gzip.compress(content), source("%"), limits=Limits(max_document_bytes=40))
    assert [one.text for one in documents] == ["a", "b", "c"]
    assert reasons(refused) == ["too_large", "too_large"]
    documents, refused, _ = read_bytes(tmp_path, gzip.compress(content)[:-4], source("%"))
    assert reasons(refused) == ["truncated"]
    assert reasons(read_bytes(tmp_path, "a\n%\nb".encode("utf-16"), source("%"))[1]) == ["undecodable"]


@given(st.lists(st.sampled_from([b"%", b"a", b"bb bb", b"", b"%\r", b"c" * 50, b" %"]), max_size=40), st.integers(1, 90), st.sampled_from(["%", ""]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_ranges_give_the_records_of_one_and_meet(tmp_path: Path, lines: list[bytes], size: int, separator: str) -> None:
    documents, refused, _ = read_bytes(tmp_path, b"\n".join(lines), source(separator), limits=Limits(max_document_bytes=60))
    path = tmp_path / "a.txt"
    total = path.stat().st_size
    pieces = []
    for at in range(0, total, size):
        one = Range("a", "text", at, min(at + size, total))
        pieces.append((one, everything("text", path, one.start, one.end, source(separator), Limits(max_document_bytes=60))))
    assert [one for _, piece in pieces for one in piece[0]] == documents
    assert [one for _, piece in pieces for one in piece[1]] == refused
    assert check_ranges_meet([(one, piece[2]) for one, piece in pieces]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoding": "klingon"},
        {"encoding": "rot13"},
        {"encoding": "utf-16", "separator": "%"},
        {"separator": "a\nb"},
        {"name": "A"},
        {"paths": []},
        {"format": "arc"},
        {"txt": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SourceSettings.model_validate({"name": "s", "paths": ["*"], **wrong})
