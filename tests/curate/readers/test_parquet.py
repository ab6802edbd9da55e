from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import InputError
from curate.readers import Limits, SourceSettings
from curate.readers.parquet import row_group_bytes
from tests.curate.readers.archives import everything, reasons


def put(folder: Path, table: pa.Table, rows_per_group: int = 4, **options) -> Path:
    path = folder / "a.parquet"
    pq.write_table(table, path, row_group_size=rows_per_group, **options)
    return path


def bad_utf8(values: list[bytes]) -> pa.Array:
    """A string array whose bytes were never checked."""
    binary = pa.array(values, pa.binary())
    return pa.StringArray.from_buffers(len(values), binary.buffers()[1], binary.buffers()[2])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_rows_become_documents_with_their_group_and_row(tmp_path: Path, kind: pa.DataType) -> None:
    texts = [f"text {number} — 日本 {number}" for number in range(10)]
    table = pa.table({"x": range(10), "text": pa.array(texts).cast(kind), "id": range(100, 110), "url": [None, *(f"u{number}" for number in range(9))]})
    documents, refused, ends = everything("parquet", put(tmp_path, table), 0, 3)
    assert [(one.text, one.row_group, one.offset) for one in documents] == [(texts[number], number // 4, number % 4) for number in range(10)]
    assert documents[0].uri is None
    assert documents[9].uri == "u8"
    assert documents[9].identifier == "109"
    assert refused == []
    assert ends == (0, 3)


def test_ranges_of_row_groups_give_the_documents_of_one(tmp_path: Path) -> None:
    path = put(tmp_path, pa.table({"text": [f"t{number}" for number in range(11)]}))
    assert len(row_group_bytes(path)) == 3
    assert everything("parquet", path, 0, 1)[0] + everything("parquet", path, 1, 3)[0] == everything("parquet", path, 0, 3)[0]


def test_rows_without_text_have_their_reasons_and_cost_no_other(tmp_path: Path) -> None:
    texts = bad_utf8([b"good", b"bad \xff", b"", b" \n", b"x" * 50, b"last"])
    table = pa.table({"text": pa.chunked_array([texts, pa.array([None, "after"], pa.string())])})
    documents, refused, _ = everything("parquet", put(tmp_path, table, 100), 0, 1, limits=Limits(max_document_bytes=40))
    assert [one.text for one in documents] == ["good", "last", "after"]
    assert [(one.offset, one.reason) for one in refused] == [(1, "undecodable"), (2, "empty"), (3, "empty"), (4, "too_large"), (6, "no_text_field")]


def test_a_missing_or_wrong_text_column_is_an_error_that_names_the_columns(tmp_path: Path) -> None:
    path = put(tmp_path, pa.table({"body": ["a"], "n": [1], "raw": [b"x"]}))
    with pytest.raises(InputError, match=r"no column 'text'.*body, n, raw.*text_field"):
        everything("parquet", path, 0, 1)
    for field in ("n", "raw"):
        with pytest.raises(InputError, match=f"column '{field}' holds"):
            everything("parquet", path, 0, 1, SourceSettings(name="s", paths=["*"], text_field=field))
    assert everything("parquet", path, 0, 1, SourceSettings(name="s", paths=["*"], text_field="body"))[0][0].text == "a"


def test_damaged_footers_and_cut_files_are_one_refused_record(tmp_path: Path) -> None:
    path = put(tmp_path, pa.table({"text": ["a" * 100] * 20}))
    content = path.read_bytes()
    for damaged in (content[:-1], content[:-30], content[: len(content) // 2], b"PAR1", b"x"):
        path.write_bytes(damaged)
        documents, refused, _ = everything("parquet", path, 0, 5)
        assert (documents, reasons(refused)) == ([], ["damaged"])
    path.write_bytes(b"")
    assert everything("parquet", path, 0, 1)[:2] == ([], [])


def test_a_damaged_row_group_costs_no_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    texts = [rng.bytes(400).hex() for _ in range(30)]
    path = put(tmp_path, pa.table({"text": texts}), 10, compression="zstd", use_dictionary=False, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    middle = pq.read_metadata(path).row_group(1).column(0)
    at = middle.data_page_offset + middle.total_compressed_size - 100
    content[at : at + 60] = bytes(60)
    path.write_bytes(bytes(content))
    documents, refused, _ = everything("parquet", path, 0, 3)
    assert [one.text for one in documents if one.row_group != 1] == texts[:10] + texts[20:]
    assert reasons(refused) == ["damaged"]
    assert refused[0].row_group == 1


def test_mutated_files_never_raise(tmp_path: Path) -> None:
    content = put(tmp_path, pa.table({"text": [f"text {number}" * 20 for number in range(60)], "id": [str(number) for number in range(60)]}), 20).read_bytes()
    rng = np.random.default_rng(7)
    path = tmp_path / "b.parquet"
    outcomes = set()
    for _ in range(150):
        broken = bytearray(content)
        for at in rng.integers(4, len(content) - 400, 4):
            broken[at] = rng.integers(256)
        path.write_bytes(bytes(broken))
        documents, refused, _ = everything("parquet", path, 0, 3)
        assert all(one.text.encode() for one in documents)
        assert len(documents) + len(refused) >= 1
        outcomes.update(reasons(refused))
    assert "damaged" in outcomes


def test_zero_rows_and_no_row_groups_are_nothing(tmp_path: Path) -> None:
    path = put(tmp_path, pa.table({"text": pa.array([], pa.string())}))
    assert everything("parquet", path, 0, 1)[:2] == ([], [])
