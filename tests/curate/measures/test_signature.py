from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

import curate
from curate.documents import as_text
from curate.errors import RecipeError
from curate.measures import signature
from curate.storage import read_table, write_table
from tests.corpus import documents
from tests.naive import signatures as naive


def test_the_measure_is_the_signature_and_the_number_of_shingles() -> None:
    texts = [*documents()[::100], "", "too short for one"]
    found = signature.measure(as_text(texts), signature.Settings())
    assert found.schema == signature.SCHEMA
    np.testing.assert_array_equal(np.array(found["signature"].to_pylist(), np.uint32), curate.signatures(texts))
    assert found["num_shingles"].to_pylist() == [len(naive.shingle_hashes(text, 5)) for text in texts]


def test_the_columns_follow_the_settings() -> None:
    settings = signature.Settings(num_perm=24, shingle_words=2, seed=9)
    found = signature.measure(as_text(["one two three"]), settings)
    assert found.schema == signature.schema(settings)
    assert found["signature"].to_pylist() == [naive.signature("one two three", 24, 2, 9)]


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_nothing_and_empty_texts_are_measured(texts: list[str]) -> None:
    found = signature.measure(as_text(texts), signature.Settings())
    assert found.num_rows == len(texts)
    assert found["num_shingles"].to_pylist() == [0] * len(texts)


def test_a_slice_of_a_column_is_measured_as_itself() -> None:
    texts = as_text(list(documents()[:6]))
    whole, sliced = (signature.measure(column, signature.Settings()) for column in (texts, texts.slice(2, 3)))
    assert sliced.equals(whole.slice(2, 3))


def test_a_written_signature_column_is_read_where_it_lies(tmp_path: Path) -> None:
    found = signature.measure(as_text(list(documents()[:20])), signature.Settings())
    write_table(tmp_path / "signature.arrow", found, compression=None, rows_per_batch=8)
    before = pa.total_allocated_bytes()
    read = read_table(tmp_path / "signature.arrow")
    assert read.equals(found)
    assert pa.total_allocated_bytes() - before < found.nbytes / 4


def test_texts_may_come_as_a_list_or_as_an_arrow_column() -> None:
    texts = list(documents()[:5])
    expected = curate.signatures(texts)
    for column in (pa.array(texts), pa.array(texts, pa.large_string()), pa.chunked_array([texts[:2], texts[2:]])):
        np.testing.assert_array_equal(curate.signatures(column), expected)


def test_options_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(RecipeError, match=r"num_perm.*found 0"):
        curate.signatures(["a"], num_perm=0)
    with pytest.raises(RecipeError, match=r"shingle_words.*found 33"):
        curate.shingle_hashes("a", shingle_words=33)
    with pytest.raises(ValidationError):
        signature.Settings(seed=-1)
