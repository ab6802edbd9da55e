"""The n-gram kernels find what the plain definitions find."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.documents import as_text, text_buffers
from curate.kernels.ngrams import LONGEST, SHORTEST, NgramTable, count_texts, hash_ngrams, match_items, ngram_table
from curate.kernels.words import hash_words, word_tables
from tests.naive import ngrams as naive

# Few different words, so that runs repeat, overlap and contain one another.
_words = st.lists(st.integers(0, 3), max_size=40)


def _packed(texts: Sequence[Sequence[int]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    flat = np.array([word for text in texts for word in text], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return flat, np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.int64)


def _lengths(texts: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.array([0 if len(text) < SHORTEST else min(len(text), LONGEST) for text in texts], np.int64)


def _table(items: Sequence[Sequence[int]]) -> NgramTable:
    words, bounds = _packed(items)
    lengths = _lengths(items)
    grams, prefixes, owners = hash_ngrams(words, bounds, lengths)
    pairs = dict(zip(zip(grams.tolist(), owners.tolist(), strict=True), prefixes.tolist(), strict=True))
    keys = np.array([gram for gram, _ in pairs], np.uint64)
    return ngram_table(keys, np.array(list(pairs.values()), np.uint64), np.array([owner for _, owner in pairs], np.uint32), lengths, len(items))


def _hits(documents: Sequence[Sequence[int]], table: NgramTable) -> list[list[tuple[int, int]]]:
    offsets, items, matched = match_items(*_packed(documents), table)
    pairs = list(zip(items.tolist(), matched.tolist(), strict=True))
    return [pairs[start:end] for start, end in pairwise(offsets)]


@settings(max_examples=150, deadline=None)
@given(st.lists(_words, max_size=6), st.lists(_words, max_size=6))
def test_hits_agree_with_the_plain_definition(items: list[list[int]], documents: list[list[int]]) -> None:
    known = [naive.ngrams(item, int(n)) for item, n in zip(items, _lengths(items), strict=True)]
    documents = [*documents, *items, [word for item in items for word in item]]
    assert _hits(documents, _table(items)) == [naive.match_items(document, known) for document in documents]


@settings(max_examples=60, deadline=None)
@given(st.lists(_words, min_size=1, max_size=6))
def test_text_counts_agree_with_the_plain_definition(items: list[list[int]]) -> None:
    lengths = _lengths(items)
    table = _table(items)
    words, bounds = _packed(items)
    by_hash = {}
    for number, item in enumerate(items):
        n = int(lengths[number])
        for start in range(len(item) - n + 1 if n else 0):
            gram, _, _ = hash_ngrams(*_packed([item[start : start + n]]), np.array([n]))
            by_hash[int(gram[0])] = tuple(item[start : start + n])
    expected = [naive.count_texts(by_hash[int(key)], items) for key in table.keys]
    assert count_texts(words, bounds, table).tolist() == expected


def test_an_empty_table_finds_nothing() -> None:
    assert _hits([list(range(50)), []], _table([])) == [[], []]


def test_more_hits_than_the_first_buffer_holds_are_all_reported() -> None:
    items = [[*range(number, number + 20)] for number in range(700)]
    hits = _hits([list(range(800)), list(range(800)), [1, 2]], _table(items))
    assert hits[0] == [(number, 8) for number in range(700)]
    assert hits[1] == hits[0]
    assert hits[2] == []


def test_a_repeated_ngram_counts_once() -> None:
    item = list(range(100, 110))
    assert _hits([item * 3], _table([item])) == [[(0, 1)]]


def test_every_length_from_eight_to_thirteen_is_found_in_one_pass() -> None:
    items = [[1000 * n + k for k in range(n)] for n in range(SHORTEST, LONGEST + 1)]
    page = [word for item in items for word in [7, *item, 8]]
    assert _hits([page], _table(items)) == [[(number, 1) for number in range(len(items))]]


@pytest.mark.parametrize("missing", ["first", "last"])
@pytest.mark.parametrize("n", range(SHORTEST, LONGEST + 1))
def test_all_but_one_word_of_an_item_is_no_hit(n: int, missing: str) -> None:
    item = list(range(50, 50 + n))
    page = [9, *(item[1:] if missing == "first" else item[:-1]), 9]
    assert _hits([page], _table([item])) == [[]]


def _plain_mix(value: int) -> int:
    value = (value ^ value >> 32) * 0xD6E8FEB86659FD93 % 2**64
    return value ^ value >> 32


@pytest.mark.parametrize("n", range(SHORTEST, LONGEST + 1))
def test_no_ngram_reaches_from_one_document_into_the_next(n: int) -> None:
    item = list(range(50, 50 + n))
    longer = list(range(50, 50 + LONGEST + 5))
    documents = [document for cut in range(1, n) for document in (item[:cut], item[cut:])]
    assert _hits(documents, _table([item, longer])) == [[]] * len(documents)


def test_hashes_of_ngrams_are_what_they_were() -> None:
    """Golden values: an index written by one release is read by the next."""
    data, offsets = text_buffers(as_text(["one two three four five six seven eight nine"]))
    words, bounds = hash_words(data, offsets, word_tables())
    grams, prefixes, texts = hash_ngrams(words, bounds, np.array([9]))
    assert [hex(grams[0]), hex(prefixes[0]), texts.tolist()] == ["0xb87cff2a4ca32f39", "0xb99fa8c3a113c50e", [0]]
    gram, prefix = 9, 0
    for word in words.tolist():
        gram = (gram * 0x9FB21C651E98DF25 + word) % 2**64
    for word in words[:SHORTEST].tolist():
        prefix = (prefix * 0x9FB21C651E98DF25 + word) % 2**64
    assert [int(grams[0]), int(prefixes[0])] == [_plain_mix(gram), _plain_mix(prefix)]
