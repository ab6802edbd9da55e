import pyarrow as pa
import pytest

from curate.errors import DamageError
from curate.ledger.after_cuts import TOO_SHORT, after_cuts, too_short
from curate.ledger.files import LEDGER


def ledger() -> pa.Table:
    """Kept alone, a near-duplicate of the next, that one, a held-out document."""
    reasons = pa.array([None, "near_duplicate", None, "held_out"]).dictionary_encode()
    columns = {
        "keep": [True, False, True, False],
        "reason": pa.DictionaryArray.from_arrays(reasons.indices.cast(pa.int16()), reasons.dictionary),
        "cluster_part": [1, 1, 1, 1],
        "cluster_row": [0, 1, 1, 3],
        "representative_part": [1, 1, 1, None],
        "representative_row": [0, 2, 2, None],
        "copies": [1, 0, 3, 0],
    }
    return pa.table([columns.get(name, [None] * 4) for name in LEDGER.names], schema=LEDGER)


def test_only_kept_documents_that_lost_something_are_judged() -> None:
    for words, found in (([None, 1, 5, 1], [False, False, True, False]), ([0, None, 10, 0], [True, False, False, False]), ([None] * 4, [False] * 4)):
        assert too_short(ledger(), pa.chunked_array([pa.array(words, pa.int64())]), 10).tolist() == found


def test_a_dropped_document_names_the_reason_and_stands_for_its_cluster_no_longer() -> None:
    before = ledger()
    after = after_cuts(before, too_short(before, pa.chunked_array([pa.array([None, None, 5, None], pa.int64())]), 10))
    assert after.schema == LEDGER
    rows, same = after.to_pylist(), before.to_pylist()
    assert [rows[number] for number in (0, 1, 3)] == [same[number] for number in (0, 1, 3)]
    changed = {"keep": False, "reason": TOO_SHORT, "representative_part": None, "representative_row": None, "copies": 0}
    assert rows[2] == same[2] | changed
    assert after["reason"].combine_chunks().dictionary.to_pylist() == ["held_out", "near_duplicate", TOO_SHORT]
    assert after_cuts(before, too_short(before, pa.chunked_array([pa.nulls(4, pa.int64())]), 10)).to_pylist() == same


def test_cuts_of_another_part_are_an_error() -> None:
    with pytest.raises(DamageError, match="a ledger has 4 documents, the cuts beside it 3"):
        too_short(ledger(), pa.chunked_array([pa.nulls(3, pa.int64())]), 10)
