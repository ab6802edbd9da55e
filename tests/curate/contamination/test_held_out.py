"""Held-out documents are chosen by content and frozen in order, each text once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import storage
from curate.contamination.held_out import HELD_OUT, HeldOutPart, HeldOutSettings, read_held_out, select_held_out, write_held_out
from curate.documents import DOCUMENTS, as_text, content_ids
from curate.errors import AccountingError, DamageError


def _write_part(path: Path, texts: list[str], *, rows_per_batch: int = 3) -> Path:
    count = len(texts)
    columns = [as_text(texts), pa.array([f"{path.stem}-{row // 2}.txt" for row in range(count)]).dictionary_encode(), pa.array(range(count), pa.int64())]
    columns += [pa.nulls(count, pa.int32()), pa.array([f"urn:{row}" for row in range(count)]), pa.nulls(count, pa.string())]
    storage.write_table(path, pa.table(columns, schema=DOCUMENTS), rows_per_batch=rows_per_batch)
    return path


def _part(number: int, path: Path, texts: list[str], rows: list[int]) -> HeldOutPart:
    ids = content_ids(as_text(texts)).take(pa.array(rows, pa.int64()))
    return HeldOutPart(number, path, np.array(rows, np.uint32), ids, np.array([row % 2 == 0 for row in rows], bool))


def test_the_share_held_out_is_the_fraction_and_larger_fractions_hold_out_more() -> None:
    ids = content_ids(as_text([f"document {number}" for number in range(20_000)]))
    one, five = (select_held_out(ids, "web", HeldOutSettings(fraction=fraction)) for fraction in (0.01, 0.05))
    assert 140 <= one.sum() <= 260
    assert 870 <= five.sum() <= 1130
    assert not (one & ~five).any()


@given(st.lists(st.text(max_size=5), max_size=30), st.integers(0, 5))
def test_copies_share_their_fate_in_any_order_and_source(texts: list[str], seed: int) -> None:
    settings = HeldOutSettings(fraction=0.5, seed=seed)
    fate = dict(zip(texts, select_held_out(content_ids(as_text(texts)), "a", settings), strict=True))
    backwards = select_held_out(content_ids(as_text(texts[::-1])), "b", settings)
    assert [fate[text] for text in texts[::-1]] == backwards.tolist()


def test_sources_may_have_other_fractions_and_seeds_choose_others() -> None:
    ids = content_ids(as_text([f"document {number}" for number in range(2000)]))
    settings = HeldOutSettings(fraction=0.2, source_fractions={"books": 0.0, "mail": 0.9})
    shares = [select_held_out(ids, source, settings).mean() for source in ("web", "books", "mail")]
    assert shares[1] == 0 < 0.15 < shares[0] < 0.25 < 0.85 < shares[2]
    assert (select_held_out(ids, "web", settings) != select_held_out(ids, "web", HeldOutSettings(fraction=0.2, seed=1))).any()


def test_fractions_outside_zero_to_one_are_refused() -> None:
    for wrong in ({"fraction": 1.0}, {"source_fractions": {"web": 1.5}}, {"source_fractions": {"web": -0.1}}):
        with pytest.raises(ValueError):
            HeldOutSettings.model_validate(wrong)


def test_frozen_documents_have_their_text_place_and_mark_in_order(tmp_path: Path) -> None:
    texts = [[f"part {part} row {row} é漢" for row in range(11)] for part in (0, 1)]
    paths = [_write_part(tmp_path / f"{part}.arrow", texts[part]) for part in (0, 1)]
    write_held_out(tmp_path / "web.arrow", [_part(9, paths[1], texts[1], [0, 2, 3, 10]), _part(4, paths[0], texts[0], [5])])
    table = read_held_out(tmp_path / "web.arrow")
    assert table.schema == HELD_OUT
    assert table["text"].to_pylist() == [texts[1][0], texts[1][2], texts[1][3], texts[1][10], texts[0][5]]
    assert table["part"].to_pylist() == [9, 9, 9, 9, 4]
    assert table["row"].to_pylist() == [0, 2, 3, 10, 5]
    assert table["passed"].to_pylist() == [True, True, False, True, False]
    assert table["path"].to_pylist() == ["1-0.txt", "1-1.txt", "1-1.txt", "1-5.txt", "0-2.txt"]
    assert table["uri"].to_pylist() == ["urn:0", "urn:2", "urn:3", "urn:10", "urn:5"]
    assert table["content_id"].combine_chunks().equals(content_ids(table["text"].combine_chunks()))
    assert read_held_out(tmp_path / "web.arrow", ["row", "part"]).column_names == ["row", "part"]


def test_a_text_met_again_is_frozen_once(tmp_path: Path) -> None:
    first, second = ["x", "y", "x", "z"], ["y", "w", "z"]
    parts = [_part(1, _write_part(tmp_path / "1.arrow", first), first, [0, 2, 3]), _part(2, _write_part(tmp_path / "2.arrow", second), second, [0, 1, 2])]
    write_held_out(tmp_path / "web.arrow", parts)
    table = read_held_out(tmp_path / "web.arrow", ["text", "part", "row"])
    assert table.to_pylist() == [{"text": t, "part": p, "row": r} for t, p, r in [("x", 1, 0), ("z", 1, 3), ("y", 2, 0), ("w", 2, 1)]]


def test_parts_without_held_out_rows_are_never_opened(tmp_path: Path) -> None:
    texts = ["x"]
    parts = [_part(1, tmp_path / "missing.arrow", texts, []), _part(2, _write_part(tmp_path / "2.arrow", texts), texts, [0])]
    parts.append(_part(3, tmp_path / "missing too.arrow", texts, [0]))  # a copy of what is frozen already
    write_held_out(tmp_path / "web.arrow", parts)
    assert read_held_out(tmp_path / "web.arrow")["part"].to_pylist() == [2]


def test_nothing_held_out_is_an_empty_file(tmp_path: Path) -> None:
    write_held_out(tmp_path / "web.arrow", [])
    assert read_held_out(tmp_path / "web.arrow").num_rows == 0


def test_the_bytes_do_not_depend_on_the_batches_of_the_documents_file(tmp_path: Path) -> None:
    texts = [f"text {row}" for row in range(3000)]
    rows = [row for row in range(3000) if row % 7]
    for folder, size in (("a", 90), ("b", 3000)):
        _write_part(tmp_path / folder / "1.arrow", texts, rows_per_batch=size)
        write_held_out(tmp_path / folder / "web.arrow", [_part(1, tmp_path / folder / "1.arrow", texts, rows)])
    tables = [read_held_out(tmp_path / folder / "web.arrow") for folder in "ab"]
    assert tables[0].equals(tables[1])
    assert storage.checksum(tmp_path / "a" / "web.arrow") == storage.checksum(tmp_path / "b" / "web.arrow")


def test_files_that_do_not_fit_are_errors_and_leave_nothing(tmp_path: Path) -> None:
    texts = ["x", "y"]
    path = _write_part(tmp_path / "1.arrow", texts)
    good = _part(1, path, texts, [0, 1])
    with pytest.raises(AccountingError, match="part 00000001"):
        write_held_out(tmp_path / "web.arrow", [good._replace(rows=good.rows[::-1])])
    with pytest.raises(DamageError, match="2 documents, but row 5"):
        write_held_out(tmp_path / "web.arrow", [good._replace(rows=np.array([0, 5], np.uint32))])
    with pytest.raises(DamageError, match="is missing"):
        write_held_out(tmp_path / "web.arrow", [good._replace(documents=tmp_path / "2.arrow")])
    storage.write_table(tmp_path / "other.arrow", pa.table({"offset": [1]}))
    with pytest.raises(DamageError, match="lacks the column"):
        write_held_out(tmp_path / "web.arrow", [good._replace(documents=tmp_path / "other.arrow")])
    assert not (tmp_path / "web.arrow").exists()
    with pytest.raises(DamageError, match="no file of held-out documents"):
        read_held_out(path)
