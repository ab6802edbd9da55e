from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.shingles import Shingles, num_shared, similar
from curate.errors import DamageError
from curate.measures.shingles import SCHEMA
from tests.naive import jaccard


def made(num: int) -> list[list[int]]:
    rng = np.random.default_rng(6)
    return [rng.integers(0, 40, int(rng.integers(0, 30))).tolist() for _ in range(num)]


def tables(documents: list[list[int]]) -> list[pa.Table]:
    """Three parts, one of them empty, in batches of seven."""
    table = pa.table([pa.array(documents, SCHEMA.field(0).type)], schema=SCHEMA)
    cuts = [(0, 11), (11, 11), (11, len(documents))]
    return [pa.Table.from_batches(table.slice(start, end - start).to_batches(max_chunksize=7), SCHEMA) for start, end in cuts]


@pytest.mark.parametrize("wanted", [[], [4], [0, 5, 11, 39], [39, 3, 3, 12, 0]])
def test_documents_are_gathered_in_the_order_asked(wanted: list[int]) -> None:
    documents = made(40)
    read = Shingles(tables(documents))
    flat, bounds = read.gather(np.array(wanted, np.uint32))
    assert [flat[start:end].tolist() for start, end in pairwise(bounds)] == [documents[one] for one in wanted]
    assert read.lengths(np.array(wanted, np.uint32)).tolist() == [len(documents[one]) for one in wanted]


def test_tables_that_were_read_are_let_go_of() -> None:
    told: list[int] = []
    read = Shingles(tables(made(40)), told.append)
    read.gather(np.array([2, 39, 12], np.uint32))
    assert set(told) == {0, 2}


def test_similarities_are_exact() -> None:
    documents = [[*one, 100] for one in made(40)]
    pairs = np.array([(i, j) for i in range(40) for j in range(0, 40, 3)], np.uint32)
    expected = [jaccard.shared(documents[i], documents[j]) for i, j in pairs]
    assert list(zip(*(column.tolist() for column in num_shared(Shingles(tables(documents)), pairs)), strict=True)) == expected
    least = Fraction("0.3")
    found = similar(Shingles(tables(documents)), pairs, least).tolist()
    assert found == [jaccard.similar(documents[i], documents[j], least) for i, j in pairs]
    assert 40 < sum(found) < 400


def test_a_file_of_another_measure_is_refused() -> None:
    with pytest.raises(DamageError, match="belongs to another measure"):
        Shingles([pa.table({"signature": [1]})])
