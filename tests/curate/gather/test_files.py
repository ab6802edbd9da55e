import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import InputError
from curate.gather.files import count_matches, find_files
from curate.readers import Limits, SourceSettings
from tests.curate.readers.archives import by_warcio, response

LIMITS = Limits()


def source(*paths: str, **more: object) -> SourceSettings:
    return SourceSettings.model_validate({"name": "s", "paths": list(paths), **more})


def put(root: Path, path: str, content: bytes = b"x") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)


def test_files_are_found_once_sorted_and_only_regular_ones(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "sub/deep/c.txt", ".hidden.txt", "d.jsonl"):
        put(tmp_path, name)
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.txt")
    found = find_files(source("*.txt", "a.*", "./sub/../**/*.txt"), tmp_path, LIMITS)
    assert [one.path for one in found] == ["a.txt", "b.txt", "sub/deep/c.txt"]
    assert [one.path for one in find_files(source(str(tmp_path / "a*")), Path("/"), LIMITS)] == [str(tmp_path / "a.txt")]


def test_globs_are_told_with_the_number_of_files_they_match(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    assert count_matches(source("*.txt", "*.warc", "x/**"), tmp_path) == [("*.txt", 1), ("*.warc", 0), ("x/**", 0)]


@pytest.mark.parametrize(
    ("name", "content", "expected", "cut"),
    [
        ("a.warc", response(0), "warc", "bytes"),
        ("a.warc.gz", by_warcio(2, True), "warc", "bytes"),
        ("a.warc.gz", gzip.compress(by_warcio(2, False)), "warc", "whole"),
        ("a.warc.wet.gz", by_warcio(2, True), "warc", "bytes"),
        ("a.WARC", response(0), "warc", "bytes"),
        ("a.bin", response(0), "warc", "bytes"),
        ("noname", response(0), "warc", "bytes"),
        ("a.html", b"<p>", "html", "whole"),
        ("a.jsonl", b"{}", "jsonl", "bytes"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0), "jsonl", "whole"),
        ("a.jsonl.zst", b"no zstd", "jsonl", "whole"),
        ("a.jsonl", b"", "jsonl", "bytes"),
        ("a.txt", b"text", "text", "whole"),
        ("a.tar.md", b"text", "text", "whole"),
    ],
)
def test_formats_are_told_by_name_then_by_first_bytes(tmp_path: Path, name: str, content: bytes, expected: str, cut: str) -> None:
    put(tmp_path, name, content)
    [found] = find_files(source("*"), tmp_path, LIMITS)
    assert (found.format, found.cut, found.num_bytes) == (expected, cut, len(content))


def test_separated_text_may_be_cut(tmp_path: Path) -> None:
    put(tmp_path, "fortunes", b"a\n%\nb")
    [found] = find_files(source("*", format="text", separator="%"), tmp_path, LIMITS)
    assert found.cut == "bytes"


def test_unknown_formats_and_missing_columns_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    put(tmp_path, "fortunes", b"a\n%\nb")
    with pytest.raises(InputError, match=r"fortunes.*Set the source's format"):
        find_files(source("*"), tmp_path, LIMITS)
    pq.write_table(pa.table({"body": ["a", "b"]}), tmp_path / "t.parquet", row_group_size=1)
    with pytest.raises(InputError, match="no column 'text'"):
        find_files(source("*.parquet"), tmp_path, LIMITS)
    [found] = find_files(source("*.parquet", text_field="body"), tmp_path, LIMITS)
    assert (found.cut, len(found.row_groups)) == ("row_groups", 2)
    put(tmp_path, "t.parquet", b"PAR1 damaged")
    [found] = find_files(source("*.parquet"), tmp_path, LIMITS)
    assert (found.cut, found.row_groups) == ("whole", ())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files_are_errors_that_name_them(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    (tmp_path / "a.txt").chmod(0)
    with pytest.raises(InputError, match=r"a\.txt cannot be read"):
        find_files(source("*"), tmp_path, LIMITS)


def test_names_that_are_not_utf_8_are_errors(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    with pytest.raises(InputError, match="not UTF-8"):
        find_files(source("*"), tmp_path, LIMITS)
