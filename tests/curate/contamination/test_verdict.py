"""The certificate counts what the hits say."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from curate.contamination.verdict import CERTIFICATE, ContaminationSettings, contaminated, item_table
from curate.documents import as_text
from curate.errors import DamageError
from curate.measures.benchmarks import SCHEMA, find_hits
from tests.curate.contamination.items import ARITHMETIC, CODE, SHORT, TOO_SHORT, index_of

_TEXTS = [ARITHMETIC[0], TOO_SHORT[0], CODE[0], SHORT[0]]


def _hits(rows: list[list[tuple[int, int]]]) -> pa.ListArray:
    """Hits of so many n-grams and no words in one place."""
    told = [[{"item": item, "num_matched": matched, "covered_weight": 0, "covered_numbers": 0} for item, matched in row] for row in rows]
    return pa.array(told, SCHEMA.field("hits").type)


def test_every_item_is_clean_contaminated_or_untestable(tmp_path: Path) -> None:
    index = index_of(tmp_path, _TEXTS)
    quote = " ".join(ARITHMETIC[0].split()[:14])
    parts = [["clean", quote], ["clean", ARITHMETIC[0], ARITHMETIC[0].upper()], [quote, TOO_SHORT[0], SHORT[0]]]
    hits = [(part + 7, find_hits(as_text(pages), index)["hits"].combine_chunks()) for part, pages in enumerate(parts)]
    table = item_table(index.items, hits, ContaminationSettings())
    assert table.schema == CERTIFICATE
    assert table["item_id"].to_pylist() == ["quiz/0", "quiz/1", "quiz/2", "quiz/3"]
    assert table["status"].to_pylist() == ["contaminated", "untestable", "clean", "contaminated"]
    assert table["untestable"].to_pylist() == [None, "fewer than 8 words", None, None]
    assert table["untested_fields"].to_pylist() == [None, "question: fewer than 8 words", None, None]
    assert table["num_documents"].to_pylist() == [2, 0, 0, 1]
    assert table["num_touched"].to_pylist() == [4, 0, 0, 1]
    assert table["max_matched_fraction"].to_pylist() == [1, 0, 0, 1]
    assert list(zip(table["first_part"].to_pylist(), table["first_row"].to_pylist(), strict=True)) == [(8, 1), (None, None), (None, None), (9, 2)]


def test_the_two_forms_of_an_item_count_a_document_once(tmp_path: Path) -> None:
    index = index_of(tmp_path, [ARITHMETIC[0]])
    assert index.items["form"].to_pylist() == ["written", "joined"]
    both = f"{ARITHMETIC[0]} {ARITHMETIC[0].replace(chr(39), '').replace('.', '').replace('$', '')}"
    hits = find_hits(as_text([both]), index)["hits"].combine_chunks()
    assert len(hits[0]) == 2
    assert item_table(index.items, [(0, hits)], ContaminationSettings())["num_documents"].to_pylist() == [1]


def test_an_empty_index_and_no_parts_make_an_empty_or_clean_table(tmp_path: Path) -> None:
    index = index_of(tmp_path, _TEXTS)
    assert item_table(index.items.slice(0, 0), [], ContaminationSettings()).num_rows == 0
    assert item_table(index.items, [], ContaminationSettings())["status"].to_pylist() == ["clean", "untestable", "clean", "clean"]
    assert item_table(index.items, [(1, _hits([[], []]))], ContaminationSettings())["num_touched"].to_pylist() == [0] * 4


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_a_share_exactly_at_the_limit_is_enough(tmp_path: Path, fraction: float) -> None:
    index = index_of(tmp_path, [" ".join(map(str, range(16)))])  # four n-grams
    hits = _hits([[(0, matched)] for matched in (1, 2, 3, 4)])
    settings = ContaminationSettings(min_matched_fraction=fraction)
    assert contaminated(hits, index.items, settings).tolist() == [matched / 4 >= fraction for matched in (1, 2, 3, 4)]


def test_words_in_one_place_are_enough_from_their_share_on_and_short_items_need_more(tmp_path: Path) -> None:
    index = index_of(tmp_path, [" ".join(f"w{number}x{letter}" for number in range(size)) for size, letter in ((10, "a"), (20, "b"))])
    weights, numbers = index.items["weight"].to_pylist(), index.items["num_numbers"].to_pylist()
    assert numbers == [10, 20]  # every word has a digit

    def told(shares: list[float], held_numbers: float = 1.0) -> list[bool]:
        rows = [
            [{"item": item, "num_matched": 0, "covered_weight": math.ceil(share * weight), "covered_numbers": int(held_numbers * count)}]
            for share in shares
            for item, weight, count in zip((0, 1), weights, numbers, strict=True)
        ]
        return list(map(bool, contaminated(pa.array(rows, SCHEMA.field("hits").type), index.items, ContaminationSettings())))

    assert told([0.7, 0.75, 0.8, 0.85, 1.0]) == [False, False, False, True, False, True, True, True, True, True]
    assert told([1.0], 0.5) == [True, True]
    assert told([1.0], 0.4) == [False, False]  # the same words around other numbers


def test_slices_of_a_hit_column_are_read_where_they_lie(tmp_path: Path) -> None:
    index = index_of(tmp_path, _TEXTS)
    hits = find_hits(as_text(["clean", *_TEXTS]), index)["hits"].combine_chunks()
    whole = contaminated(hits, index.items, ContaminationSettings()).tolist()
    assert whole == [False, True, False, True, True]
    assert contaminated(hits.slice(2, 2), index.items, ContaminationSettings()).tolist() == whole[2:4]


def test_hits_of_another_index_are_refused(tmp_path: Path) -> None:
    index = index_of(tmp_path, [SHORT[0]])
    heavy = pa.array([[{"item": 0, "num_matched": 0, "covered_weight": 10_000, "covered_numbers": 0}]], SCHEMA.field("hits").type)
    for wrong in (_hits([[(5, 1)]]), _hits([[(0, 2)]]), heavy):
        with pytest.raises(DamageError, match="measure again"):
            contaminated(wrong, index.items, ContaminationSettings())
