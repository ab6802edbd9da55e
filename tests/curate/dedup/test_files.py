"""Duplicates in files against `curate.deduplicate` on the same texts."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curate
from curate.dedup import files as module
from curate.dedup.duplicates import Policy
from curate.dedup.files import VERDICTS, Fields, Found, copy_kept, find_in_files
from curate.dedup.near import NearSettings
from curate.errors import AccountingError, InputError
from curate.readers import line_blocks

SETTINGS = NearSettings(num_perm=16, bands=4, rows=4, shingle_words=2)
WORDS = st.sampled_from(["one", "two", "three", "Vier", "fünf", "六", "\U0001f388", "a\nb", "."])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), max_size=30)


def find(folder: Path, paths: list[Path], policy: Policy = "longest", threads: int = 2, fields: Fields | None = None) -> Found:
    scratch = folder / f"scratch-{len(list(folder.glob('scratch-*')))}"
    scratch.mkdir()
    return find_in_files(paths, scratch, SETTINGS, fields or Fields(), policy, threads)


def written(path: Path, texts: list[str]) -> Path:
    path.write_bytes("".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in enumerate(texts)).encode())
    return path


def told(found: Found) -> tuple[list[bool], list[int], list[int], list[int], list[str | None]]:
    ids = [name for names, _ in found.identifiers() for name in names.to_pylist()]
    return found.keep.tolist(), found.duplicates.cluster.tolist(), found.duplicates.representative.tolist(), found.offsets.tolist(), ids


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.sampled_from(["longest", "earliest"]), st.integers(1, 3), st.integers(1, 400), st.integers(0, 30))
def test_files_give_what_their_texts_give_in_memory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, texts: list[str], policy: Policy, threads: int, block: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", block)
    monkeypatch.setattr(module, "ENTRIES_PER_RANGE", block)
    monkeypatch.setattr(module, "DOCUMENTS_PER_LOOK", threads)
    found = find(folder, [written(folder / "a.jsonl", texts[:cut]), written(folder / "b.jsonl", texts[cut:])], policy, threads)
    expected = curate.deduplicate(texts, SETTINGS, representative=policy)
    assert found.keep.tolist() == expected["keep"].to_pylist()
    assert found.duplicates.cluster.tolist() == expected["cluster"].to_pylist()
    assert found.duplicates.representative.tolist() == expected["representative"].to_pylist()
    assert found.refused == []


def test_threads_and_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(f"w{(k * k + j) % 60}" for j in range(20)) for k in range(200)]
    path = written(tmp_path / "a.jsonl", texts)
    expected = told(find(tmp_path, [path]))
    assert not all(expected[0])
    for threads, block in ((1, 1), (4, 500), (3, 20_000)):
        monkeypatch.setattr(line_blocks, "BLOCK_BYTES", block)
        assert told(find(tmp_path, [path], threads=threads)) == expected


def test_bad_lines_are_refused_with_reason_and_offset_and_the_rest_is_kept(tmp_path: Path) -> None:
    lines = [b'{"text": "one"}', b"broken", b"", b'{"text": 5}', b'{"text": "\xff"}', b'{"text": " "}', b'{"text": "two", "text": "three"}', b'{"text": "six"}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    written(tmp_path / "b.jsonl", ["seven"])
    found = find(tmp_path, [tmp_path / "b.jsonl", tmp_path / "a.jsonl"])
    at = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    assert [(file, one.offset, one.reason) for file, one in found.refused] == [
        (1, at[1], "bad_json"),
        (1, at[3], "no_text_field"),
        (1, at[4], "undecodable"),
        (1, at[5], "empty"),
        (1, at[6], "bad_json"),
    ]
    assert found.files.tolist() == [0, 1, 1]
    assert found.offsets.tolist() == [0, 0, at[7]]
    assert found.keep.all()


def test_identifiers_are_texts_integers_or_none_under_the_fields_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    records = [
        {"body": "one", "key": "a"},
        {"body": "two", "key": 12345678901234567890123},
        {"body": "three"},
        {"body": "four", "key": 1.5},
        {"body": "五", "key": -7},
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    assert told(find(tmp_path, [path], fields=Fields("body", "key")))[4] == ["a", "12345678901234567890123", None, None, "-7"]


def test_a_mark_at_the_start_carriage_returns_and_a_missing_line_end_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [b'\xef\xbb\xbf{"text": "one two three", "id": "a"}\r\n', b"\r\n", b'{"text": "one two three", "id": "b"}\r\n', b'{"text": "four five", "id": "c"}']
    path.write_bytes(b"".join(lines))
    found = find(tmp_path, [path])
    assert told(found)[0] == [True, False, True]
    assert b"".join(copy_kept(found)) == lines[0] + lines[3] + b"\n"


def test_kept_lines_are_copied_as_they_stand_from_any_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b' {"x": {"text": 1}, "text" :"one two three"}\n', b'{"text": "one two three", "more": [1, 2]}\n', b'{"text": "\\u00e9 \\n two"}\t\n', b"bad\n"]
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(b"".join(lines))
    packed.write_bytes(gzip.compress(b'{"text": "another text altogether"}\n'))
    for block in (1, 60, 1 << 20):
        monkeypatch.setattr(line_blocks, "BLOCK_BYTES", block)
        assert list(copy_kept(find(tmp_path, [plain, packed]))) == [lines[0], lines[2], b'{"text": "another text altogether"}\n']


def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", ["one two", "three four"])
    found = find(tmp_path, [path])
    path.write_bytes(b"")
    with pytest.raises(AccountingError, match="2 lines were to be kept, 0 were found"):
        list(copy_kept(found))


def test_files_without_documents_give_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.jsonl").write_bytes(b"\n \n")
    found = find(tmp_path, [tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    assert told(found) == ([], [], [], [], [])
    assert list(copy_kept(found)) == []
    assert sum(batch.num_rows for batch in found.verdicts()) == 0


def test_verdicts_name_where_a_document_is_and_what_is_kept_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 1)
    base = " ".join(f"w{k}" for k in range(60))
    paths = [written(tmp_path / "a.jsonl", [base, "other words"]), written(tmp_path / "b.jsonl", ["other words", f"{base} end"])]
    found = find(tmp_path, paths)
    batches = list(found.verdicts())
    assert all(batch.schema == VERDICTS for batch in batches)
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [(row["document"], Path(row["path"]).name, row["id"], row["verdict"], row["representative"]) for row in rows] == [
        (0, "a.jsonl", "0", "near_duplicate", 3),
        (1, "a.jsonl", "1", "kept", 1),
        (2, "b.jsonl", "0", "exact_duplicate", 1),
        (3, "b.jsonl", "1", "kept", 3),
    ]
    assert [row["offset"] for row in rows] == found.offsets.tolist()


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl cannot be read"):
        find(tmp_path, [tmp_path / "none.jsonl"])
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"text": "one"}\n' * 100)[:-12])
    with pytest.raises(InputError, match=r"cut\.jsonl\.gz is damaged \(truncated"):
        find(tmp_path, [cut])
    named = tmp_path / "named.jsonl.gz"
    named.write_bytes(b'{"text": "one"}\n')
    with pytest.raises(InputError, match="is damaged"):
        find(tmp_path, [named])


def test_arrays_have_the_types_promised(tmp_path: Path) -> None:
    found = find(tmp_path, [written(tmp_path / "a.jsonl", ["one", "two"])])
    assert [str(column.dtype) for column in (found.files, found.offsets, found.keep)] == ["uint32", "int64", "bool"]
