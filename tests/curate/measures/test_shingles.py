import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curate
from curate.documents import as_text
from curate.measures import shingles, signature
from tests.corpus import TEXTS, documents
from tests.naive import signatures as naive


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4), st.integers(1, 6))
def test_hashes_are_those_of_the_plain_definition(texts: list[str], shingle_words: int) -> None:
    found = shingles.measure(as_text(texts), shingles.Settings(shingle_words=shingle_words))
    assert found.schema == shingles.SCHEMA
    assert found["shingles"].to_pylist() == [naive.shingle_hashes(text, shingle_words) for text in texts]


@pytest.mark.parametrize("part", [slice(0, None), slice(3, 40), slice(5, 5)])
def test_one_pass_gives_what_two_measures_give(part: slice) -> None:
    texts = as_text(["", "a", *documents()[:100], "中文中文字字", "end"])
    texts = texts.slice(part.start, None if part.stop is None else part.stop - part.start)
    chosen = signature.Settings(num_perm=24, shingle_words=3, seed=8)
    signed, kept = shingles.measure_with_signatures(texts, chosen)
    assert signed.equals(signature.measure(texts, chosen))
    assert kept.equals(shingles.measure(texts, shingles.Settings(shingle_words=3)))
    assert kept.num_rows == len(texts)


def test_a_column_holds_every_shingle_of_a_corpus_in_order() -> None:
    texts = list(documents()[::10])
    found = shingles.measure(as_text(texts), shingles.Settings())["shingles"].combine_chunks()
    np.testing.assert_array_equal(found.flatten().to_numpy(), np.concatenate([curate.shingle_hashes(text) for text in texts]))


def test_all_families_leave_it_out_unless_it_is_named() -> None:
    assert "shingles" not in curate.measure(["one two three"]).column_names
    assert len(curate.measure(["one two three four five six"], ["shingles"])["shingles"][0]) == 2
