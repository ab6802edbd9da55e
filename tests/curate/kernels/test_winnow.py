import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text, text_buffers
from curate.kernels.winnow import count_equal, hash_runs, hash_tokens, token_starts, winnow
from curate.kernels.words import hash_words, word_tables
from tests.corpus import TEXTS
from tests.naive.repeats import fingerprint_places, token_list

WORDS = st.lists(st.lists(st.integers(0, 2), max_size=30), max_size=4)  # few different ones, so that ties and repeats are the rule


def columns(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([value for text in texts for value in text], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return values, np.cumsum([0, *map(len, texts)]).astype(np.int64)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=5))
def test_tokens_and_where_they_start_are_those_of_the_plain_twin(texts: list[str]) -> None:
    buffers = text_buffers(as_text(texts))
    hashes, bounds = hash_tokens(*buffers, word_tables())
    starts, same_bounds = token_starts(*buffers, word_tables())
    words, word_bounds = hash_words(*buffers, word_tables())
    told = [token_list(text, "bytes") for text in texts]
    assert np.diff(bounds).tolist() == np.diff(same_bounds).tolist() == np.diff(word_bounds).tolist() == [len(tokens) for tokens, _ in told]
    assert starts.tolist() == [len(text[:start].encode()) for text, (_, places) in zip(texts, told, strict=True) for start in places]
    flat = [token for tokens, _ in told for token in tokens]
    assert [len(set(group)) for group in (flat, zip(flat, hashes.tolist(), strict=True))] == [len(set(hashes.tolist()))] * 2
    folded = [word for text in texts for word in token_list(text, "words")[0]]
    assert len(set(zip(folded, words.tolist(), strict=True))) == len(set(folded)) == len(set(words.tolist()))


@settings(max_examples=200, deadline=None)
@given(WORDS, st.integers(1, 6), st.integers(1, 6))
def test_fingerprints_are_the_last_least_hash_of_every_window(texts: list[list[int]], k: int, width: int) -> None:
    values, bounds = columns(texts)
    n = k + width - 1
    keys, rows, places, counts = winnow(values, bounds, n, k)
    expected = []
    for number, text in enumerate(texts):
        mine, grams = columns([text])
        hashes, _, _ = hash_runs(mine, grams, *one_run_each(len(text), k), k, np.uint64(0), np.uint64(2**64 - 1))
        expected += [(number, start, int(hashes[chosen]), chosen) for start, chosen in enumerate(fingerprint_places(hashes.tolist(), width))]
    found = [
        (row, place + step, key)
        for key, row, place, count in zip(keys.tolist(), rows.tolist(), places.tolist(), counts.tolist(), strict=True)
        for step in range(count)
    ]
    assert found == [entry[:3] for entry in expected]
    assert len(keys) == len({(row, chosen) for row, _, _, chosen in expected})


def one_run_each(length: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = np.arange(max(0, length - n + 1), dtype=np.uint32)
    return np.zeros(len(places), np.uint32), places, np.ones(len(places), np.uint16)


@settings(max_examples=150, deadline=None)
@given(WORDS, st.integers(1, 8))
def test_runs_have_equal_hashes_just_where_they_are_equal(texts: list[list[int]], n: int) -> None:
    values, bounds = columns(texts)
    _, rows, places, counts = winnow(values, bounds, n, max(1, n // 2))
    halves = [hash_runs(values, bounds, rows, places, counts, n, np.uint64(low), np.uint64(high)) for low, high in ((0, 2**63 - 1), (2**63, 2**64 - 1))]
    found = sorted((row, place, key) for half in halves for key, row, place in zip(*(column.tolist() for column in half), strict=True))
    runs = [(number, start, tuple(text[start : start + n])) for number, text in enumerate(texts) for start in range(len(text) - n + 1)]
    assert [entry[:2] for entry in found] == [entry[:2] for entry in runs]
    pairs = {(key, run) for (_, _, key), (_, _, run) in zip(found, runs, strict=True)}
    assert len(pairs) == len({key for key, _ in pairs}) == len({run for _, run in pairs})


def test_equal_tokens_are_counted_up_to_the_first_that_differs() -> None:
    mine, theirs = (np.array(values, np.uint64) for values in ([1, 2, 3, 4, 5], [9, 2, 3, 7, 5]))
    equal = np.full(3, -1, np.int64)
    count_equal(mine, np.array([1, 1, 0]), theirs, np.array([1, 1, 0]), np.array([3, 1, 5]), equal)
    assert equal.tolist() == [2, 1, 0]
