import numpy as np
import pytest

from curate.dedup.numbering import OWN, EarlierRows, number_parts
from curate.errors import DamageError, RecipeError


def test_documents_are_numbered_in_the_order_of_the_parts() -> None:
    numbering = number_parts([(7, 3), (2, 0), (5, 2)])
    assert numbering.num_documents == 5
    assert [numbering.of_part(part) for part in (7, 2, 5)] == [slice(0, 3), slice(3, 3), slice(3, 5)]
    documents = numbering.documents(np.array([5, 7, 7, 5], np.uint32), np.array([1, 0, 2, 0], np.uint32))
    assert documents.dtype == np.uint32
    assert documents.tolist() == [4, 0, 2, 3]
    parts, rows = numbering.places(documents)
    assert (parts.tolist(), rows.tolist()) == ([5, 7, 7, 5], [1, 0, 2, 0])


def test_documents_of_earlier_runs_come_first_and_are_told_by_their_own_parts() -> None:
    numbering = number_parts([(7, 2)], [EarlierRows(900, 3, 0, 7), EarlierRows(901, 1, 1, 7)])
    assert (numbering.num_earlier, numbering.num_documents) == (4, 6)
    assert numbering.of_part(7) == slice(4, 6)
    assert numbering.documents(np.array([901, 7], np.uint32), np.array([0, 1], np.uint32)).tolist() == [3, 5]
    runs, parts, rows = numbering.origins(np.arange(6, dtype=np.uint32))
    assert (runs.tolist(), parts.tolist(), rows.tolist()) == ([0, 0, 0, 1, OWN, OWN], [7] * 6, [0, 1, 2, 0, 0, 1])


def test_no_parts_number_no_documents() -> None:
    numbering = number_parts([])
    assert numbering.num_documents == 0
    assert numbering.documents(np.empty(0, np.uint32), np.empty(0, np.uint32)).tolist() == []


def test_an_index_of_other_documents_is_noticed() -> None:
    numbering = number_parts([(7, 3), (2, 1)])
    with pytest.raises(DamageError, match="part 00000003, which is not among the 2"):
        numbering.documents(np.array([3], np.uint32), np.array([0], np.uint32))
    with pytest.raises(DamageError, match="row 3 of part 00000007"):
        numbering.documents(np.array([7], np.uint32), np.array([3], np.uint32))
    with pytest.raises(DamageError, match="not among the 0"):
        number_parts([]).documents(np.array([3], np.uint32), np.array([0], np.uint32))


def test_what_cannot_be_numbered_is_refused() -> None:
    with pytest.raises(RecipeError, match="listed twice"):
        number_parts([(1, 3), (1, 3)])
    with pytest.raises(RecipeError, match="4294967296 documents"):
        number_parts([(1, 2**31), (2, 2**31)])
