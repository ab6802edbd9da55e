from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import curate
from curate.kernels import jaccard as kernel
from curate.kernels.union_find import flatten, singletons
from tests.corpus import TEXTS
from tests.naive import clusters, jaccard

# Few values, so that documents share some; and values that fall on the same slot of a table of any size, or on the last one.
HASHES = st.lists(st.one_of(st.integers(0, 12), st.sampled_from([k << 20 for k in range(12)]), st.sampled_from([2**32 - 1, 2**31, 2**32 - 2])), max_size=30)


def flattened(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    flat = np.array([h for document in documents for h in document], np.uint32)
    return flat, np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype(np.int64)


def all_pairs(num: int) -> np.ndarray:
    return np.array([*combinations(range(num), 2), (0, 0)], np.int64)


def counted(documents: list[list[int]], pairs: np.ndarray) -> list[tuple[int, int]]:
    shared, together = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    kernel.count_shared(*flattened(documents), pairs, shared, together)
    return list(zip(shared.tolist(), together.tolist(), strict=True))


@settings(deadline=None, max_examples=300)
@given(st.lists(HASHES, min_size=1, max_size=7))
def test_counts_are_those_of_sets(documents: list[list[int]]) -> None:
    pairs = all_pairs(len(documents))
    assert counted(documents, pairs) == [jaccard.shared(documents[i], documents[j]) for i, j in pairs]


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=5))
def test_counts_of_texts_are_those_of_their_shingles(texts: list[str]) -> None:
    documents = [curate.shingle_hashes(text, 2).tolist() for text in texts]
    pairs = all_pairs(len(texts))
    assert counted(documents, pairs) == [jaccard.shared(documents[i], documents[j]) for i, j in pairs]


def test_a_long_document_beside_short_ones_leaves_nothing_behind_in_the_table() -> None:
    rng = np.random.default_rng(4)
    documents = [rng.integers(0, 2000, size).tolist() for size in (5000, 3, 700, 1, 0, 4000, 20)]
    pairs = np.array([(i, j) for i in range(7) for j in range(7)], np.int64)
    assert counted(documents, pairs) == [jaccard.shared(documents[i], documents[j]) for i, j in pairs]


@settings(deadline=None, max_examples=200)
@given(st.lists(HASHES.filter(bool), min_size=2, max_size=7), st.sampled_from(["0.7", "0.5", "1.0", "0.3", "0.999999999", "0.05"]))
def test_the_pairs_of_enough_similarity_are_linked_and_no_others(documents: list[list[int]], written: str) -> None:
    least, pairs = Fraction(written), all_pairs(len(documents))
    parents = singletons(len(documents))
    first, second = pairs.astype(np.uint32).T.copy()
    num_counted = kernel.link_similar(parents, first, second, pairs, *flattened(documents), least.numerator, least.denominator)
    flatten(parents)
    passing = [(i, j) for i, j in pairs.tolist() if jaccard.similar(documents[i], documents[j], least)]
    assert parents.tolist() == clusters.components(len(documents), passing)
    assert num_counted <= len(pairs) - 1


def test_a_similarity_of_exactly_the_limit_counts() -> None:
    documents = [list(range(7)), list(range(10)), list(range(100, 107)), list(range(100, 111))]
    parents, pairs = singletons(4), np.array([(0, 1), (2, 3)], np.int64)
    assert kernel.link_similar(parents, *pairs.astype(np.uint32).T.copy(), pairs, *flattened(documents), 7, 10) == 2
    assert parents.tolist() == [0, 0, 2, 3]


def test_pairs_of_one_set_are_told_from_others() -> None:
    found = np.empty(3, bool)
    kernel.apart(np.array([0, 0, 2, 2], np.uint32), np.array([0, 1, 2], np.uint32), np.array([1, 2, 3], np.uint32), found)
    assert found.tolist() == [False, True, False]
