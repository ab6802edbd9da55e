"""The coverage kernel finds what the plain definition finds, and leaves out no n-gram."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.kernels.coverage import RUN_WORDS, SEED_WORDS, KnownTexts, SeedTable, find_covered, hash_runs, seed_table
from curate.kernels.ngrams import LONGEST
from tests.naive import coverage as naive
from tests.naive import ngrams

_WORD = np.uint64(0x9E3779B97F4A7C15)
# Few different words, so that runs repeat, overlap and contain one another.
_words = st.lists(st.integers(0, 4), max_size=30)


def _packed(texts: Sequence[Sequence[int]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    flat = (np.array([word for text in texts for word in text], np.uint64) + np.uint64(1)) * _WORD
    return flat, np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.int64)


def _known(texts: Sequence[naive.Text], heads: Sequence[Sequence[int]] = ()) -> tuple[SeedTable, KnownTexts]:
    pieces = [piece for text in texts for piece in text.pieces]
    owner = np.array([number for number, text in enumerate(texts) for _ in text.pieces], np.int64)
    flat, bounds = _packed(pieces)
    sizes = np.minimum(np.diff(bounds), RUN_WORDS)
    runs, starts, spans = hash_runs(flat, bounds, sizes)
    text_bounds = np.concatenate(([0], np.cumsum([sum(map(len, text.pieces)) for text in texts]))).astype(np.int64)
    seeds, _, owners = hash_runs(flat, text_bounds, np.full(len(texts), SEED_WORDS))
    pairs = np.unique(np.stack((seeds, owners.astype(np.uint64)), axis=1), axis=0)
    counts = np.bincount(owner[spans], minlength=len(texts)) if len(spans) else np.zeros(len(texts), np.int64)
    shortest = [min([RUN_WORDS, *(min(RUN_WORDS, len(piece)) for piece in text.pieces if piece)]) for text in texts]
    before = [np.concatenate(([0], np.cumsum([value for text in texts for value in column(text)]))).astype(np.int64) for column in (_weights, _numbers)]
    known = KnownTexts(
        text_bounds, before[0], before[1], np.ones(len(texts), np.int64), np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        runs, starts, sizes[spans].astype(np.uint8), np.array(shortest, np.uint8),
    )  # fmt: skip
    return seed_table(pairs[:, 0].copy(), pairs[:, 1].astype(np.uint32), hash_runs(*_packed(heads), np.full(len(heads), SEED_WORDS))[0]), known


def _weights(text: naive.Text) -> Sequence[int]:
    return text.weights


def _numbers(text: naive.Text) -> Sequence[bool]:
    return text.numbers


def _text(pieces: Sequence[Sequence[int]], weight: int = 1) -> naive.Text:
    words = [word for piece in pieces for word in piece]
    return naive.Text(pieces, [weight + word for word in words], [word == 0 for word in words])


def _found(documents: Sequence[Sequence[int]], texts: Sequence[naive.Text]) -> list[list[tuple[int, int, int]]]:
    offsets, found, _, _ = find_covered(*_packed(documents), *_known(texts))
    return [[tuple(row) for row in found[start:end].tolist()] for start, end in pairwise(offsets)]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(_words, max_size=4), min_size=1, max_size=4), st.lists(_words, max_size=4), st.lists(st.integers(0, 4), min_size=60, max_size=90))
def test_the_best_window_agrees_with_the_plain_definition(pieces: list[list[list[int]]], documents: list[list[int]], page: list[int]) -> None:
    texts = [_text(each) for each in pieces]
    wholes = [[word for piece in each for word in piece] for each in pieces]
    documents = [*documents, page, *wholes, [*page, *wholes[0], *page], [word for piece in reversed(pieces[0]) for word in piece]]
    expected = [[(number, *naive.best_window(text, document)) for number, text in enumerate(texts)] for document in documents]
    assert _found(documents, texts) == [[found for found in row if found[1]] for row in expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=8, max_size=20), min_size=1, max_size=4), st.lists(st.integers(0, 2), max_size=120))
def test_no_ngram_that_begins_with_a_known_head_is_missing_near_it(items: list[list[int]], document: list[int]) -> None:
    documents = [document, [], [*document[:7], *items[0], *document]]
    offsets, found, near, bounds = find_covered(*_packed(documents), *_known([], items))
    assert len(found) == 0
    assert offsets.tolist() == [0] * 4
    for number, words in enumerate(documents):
        flat = _packed([words])[0].tolist()
        stretches = near[bounds[number] : bounds[number + 1]].tolist()
        for item in items:
            n = min(len(item), LONGEST)
            known = ngrams.ngrams(_packed([item])[0].tolist(), n)
            assert ngrams.ngrams(flat, n) & known == ngrams.ngrams(stretches, n) & known


def test_options_in_another_order_with_labels_are_covered_whole() -> None:
    question, options = list(range(100, 110)), [list(range(200, 204)), [300, 301], [400], list(range(500, 506))]
    text = _text([question, *options], weight=0)
    labelled = [word for option in (options[2], options[0], options[3], options[1]) for word in (7, *option)]
    assert _found([[1, 2, *question, *labelled, 3]], [text]) == [[(0, sum(text.weights), 0)]]


def test_a_changed_word_costs_its_weight_alone_inside_a_run_of_seven() -> None:
    words = list(range(100, 120))
    changed = [*words[:9], 1, *words[10:]]
    assert _found([changed], [_text([words], weight=0)]) == [[(0, sum(words) - 109, 0)]]


def test_words_far_apart_do_not_add_up() -> None:
    words = list(range(100, 120))
    apart = [*words[:10], *[1] * 200, *words[10:]]
    assert _found([apart], [_text([words], weight=0)]) == [[(0, sum(words[10:]), 0)]]


def test_more_hits_than_the_first_buffer_holds_are_all_reported() -> None:
    texts = [_text([list(range(number, number + 8))], weight=1) for number in range(1500)]
    (found, again) = _found([list(range(1510))] * 2, texts)
    assert [row[0] for row in found] == list(range(1500))
    assert all(weight == sum(texts[number].weights) for number, weight, _ in found)
    assert found == again


def test_hashes_of_runs_are_those_of_the_ngram_kernel_and_what_they_were() -> None:
    """Golden values: an index written by one release is read by the next."""
    flat, bounds = _packed([[1, 2, 3, 4, 5, 6], [7, 8]])
    runs, starts, spans = hash_runs(flat, bounds, np.array([5, 2]))
    assert (starts.tolist(), spans.tolist()) == ([0, 1, 6], [0, 0, 1])
    expected = []
    for words in ([1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [7, 8]):
        value = len(words)
        for word in words:
            value = (value * 0x9FB21C651E98DF25 + (word + 1) * int(_WORD)) % 2**64
        value = (value ^ value >> 32) * 0xD6E8FEB86659FD93 % 2**64
        expected.append(value ^ value >> 32)
    assert runs.tolist() == expected
