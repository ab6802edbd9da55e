"""The file of hits holds every pair that contaminates, and nothing else."""

from pathlib import Path

import pyarrow as pa
import pytest

from curate.contamination import hits as hits_file
from curate.contamination.hits import HITS, Place, first_documents, hits_of_item, write_hits
from curate.contamination.index import Index
from curate.contamination.verdict import ContaminationSettings, item_table
from curate.documents import as_text
from curate.measures.benchmarks import find_hits
from curate.storage import read_table
from tests.curate.contamination.items import ARITHMETIC, CODE, SHORT, TOO_SHORT, index_of

_QUOTE = " ".join(ARITHMETIC[0].split()[:14])
_PARTS = [["clean", _QUOTE], [], [ARITHMETIC[0], SHORT[0], f"{CODE[0]} {ARITHMETIC[0].upper()}"], [ARITHMETIC[0].replace("'", ""), "clean"]]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return index_of(tmp_path, [ARITHMETIC[0], TOO_SHORT[0], CODE[0], SHORT[0]])


def _measured(index: Index) -> list[tuple[int, pa.ListArray]]:
    return [(10 - number, find_hits(as_text(pages), index)["hits"].combine_chunks()) for number, pages in enumerate(_PARTS)]


def test_every_pair_is_listed_once_in_the_order_of_parts_rows_and_items(tmp_path: Path, index: Index) -> None:
    write_hits(tmp_path / "hits.arrow", index.items, _measured(index), ContaminationSettings())
    table = read_table(tmp_path / "hits.arrow")
    assert table.schema == HITS
    pairs = list(zip(*(table[name].to_pylist() for name in ("part", "row", "item")), strict=True))
    assert pairs == [(8, 0, 0), (8, 1, 3), (8, 2, 0), (8, 2, 2), (7, 0, 0)]
    assert table["matched_fraction"].to_pylist()[:4] == [1.0] * 4
    assert 0.7 < table["matched_fraction"][4].as_py() < 0.8  # Marta's without its apostrophe is two runs of n-grams fewer
    assert table["covered_fraction"].to_pylist()[:4] == [1.0] * 4
    assert table["num_matched"][1].as_py() == 1


def test_hits_and_certificate_count_alike(tmp_path: Path, index: Index) -> None:
    settings = ContaminationSettings(min_matched_fraction=0)
    write_hits(tmp_path / "hits.arrow", index.items, _measured(index), settings)
    certificate = item_table(index.items, _measured(index), settings)
    for item, count in enumerate(certificate["num_documents"].to_pylist()):
        assert len(hits_of_item(tmp_path / "hits.arrow", item)) == count
    assert certificate["num_documents"].to_pylist() == [4, 0, 1, 1]  # the quote too, since any share is enough here


def test_the_first_documents_of_each_item(tmp_path: Path, index: Index) -> None:
    write_hits(tmp_path / "hits.arrow", index.items, _measured(index), ContaminationSettings())
    assert first_documents(tmp_path / "hits.arrow", 2) == {0: [Place(8, 0), Place(8, 2)], 2: [Place(8, 2)], 3: [Place(8, 1)]}
    assert first_documents(tmp_path / "hits.arrow", 9)[0] == [Place(8, 0), Place(8, 2), Place(7, 0)]


def test_bytes_do_not_depend_on_how_documents_are_divided(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts differ in size; the batches of the file do not."""
    monkeypatch.setattr(hits_file, "_ROWS_A_BATCH", 2)
    whole = write_hits(tmp_path / "hits.arrow", index.items, _measured(index), ContaminationSettings())
    with pa.memory_map(str(whole.path)) as source:
        file = pa.ipc.open_file(source)
        assert [file.get_batch(number).num_rows for number in range(file.num_record_batches)] == [2, 2, 1]


def test_no_hits_make_an_empty_file(tmp_path: Path, index: Index) -> None:
    write_hits(tmp_path / "hits.arrow", index.items, [], ContaminationSettings())
    assert read_table(tmp_path / "hits.arrow").num_rows == 0
    assert first_documents(tmp_path / "hits.arrow", 3) == {}
    assert hits_of_item(tmp_path / "hits.arrow", 0).num_rows == 0
