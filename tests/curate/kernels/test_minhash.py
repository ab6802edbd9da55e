import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

import curate
from tests.corpus import TEXTS, documents, edited
from tests.naive import signatures as naive
from tests.naive.words import words


def datasketch_signature(hashes: np.ndarray, num_perm: int, seed: int) -> np.ndarray:
    sketch = MinHash(num_perm=num_perm, seed=seed, scheme="affine32", hashfunc=int)
    sketch.update_batch(hashes.tolist())
    return sketch.hashvalues


def test_signatures_of_a_thousand_documents_in_many_scripts_are_those_of_datasketch() -> None:
    texts = documents()
    assert len(texts) >= 1000
    found = curate.signatures(texts)
    assert found.shape == (len(texts), 112)
    assert found.dtype == np.uint32
    expected = np.stack([datasketch_signature(curate.shingle_hashes(text), 112, 1) for text in texts])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("num_perm", "shingle_words", "seed"), [(1, 1, 0), (16, 3, 7), (129, 13, 2**32 - 1), (256, 32, 12345)])
def test_signatures_follow_datasketch_for_other_settings_too(num_perm: int, shingle_words: int, seed: int) -> None:
    texts = documents()[::40]
    expected = [datasketch_signature(curate.shingle_hashes(text, shingle_words), num_perm, seed) for text in texts]
    np.testing.assert_array_equal(curate.signatures(texts, num_perm, shingle_words, seed), np.stack(expected))


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=4), st.integers(1, 6), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_hashes_and_signatures_are_those_of_the_plain_definition(texts: list[str], shingle_words: int, num_perm: int, seed: int) -> None:
    assert [curate.shingle_hashes(text, shingle_words).tolist() for text in texts] == [naive.shingle_hashes(text, shingle_words) for text in texts]
    expected = [naive.signature(text, num_perm, shingle_words, seed) for text in texts]
    assert curate.signatures(texts, num_perm, shingle_words, seed).tolist() == expected


@pytest.mark.parametrize("num_shingles", [1, 2, 63, 64, 65, 511, 512, 513, 2000])
def test_no_shingle_is_lost_where_the_minimum_loop_is_cut(num_shingles: int) -> None:
    text = " ".join(f"w{i}" for i in range(num_shingles + 4))
    assert curate.signatures([text])[0].tolist() == naive.signature(text, 112, 5, 1)


def test_a_text_shorter_than_a_shingle_has_no_value_in_any_place() -> None:
    assert (curate.signatures(["", "one two three four", "中文中文"]) == 0xFFFFFFFF).all()
    assert [len(curate.shingle_hashes(text)) for text in ("", "one two three four", "one two three four five", "中文中文字")] == [0, 0, 1, 1]


def test_shingles_are_counted_with_repeats_and_in_order() -> None:
    hashes = curate.shingle_hashes("a b a b a b", 2)
    assert len(hashes) == 5
    assert hashes[0] == hashes[2] == hashes[4] != hashes[1] == hashes[3]


def test_distinct_shingles_of_a_corpus_collide_at_the_birthday_rate() -> None:
    """Shingles that differ by words drawn from a small vocabulary: the structure in which weak mixing shows."""
    distinct: dict[tuple[str, ...], None] = {}
    for text in documents():
        found = words(text)
        distinct.update(dict.fromkeys(tuple(found[i : i + 5]) for i in range(len(found) - 4)))
    shingles = [*distinct, *(tuple(f"{value:05x}") for value in range(250_000)), *(("n", "o", "p", "q", str(value)) for value in range(250_000))]
    shingles = list(dict.fromkeys(shingles))
    hashes = curate.shingle_hashes(" ".join(word for shingle in shingles for word in shingle))[::5]
    assert len(hashes) == len(shingles)
    collisions = len(hashes) - len(np.unique(hashes))
    expected = len(hashes) ** 2 / 2**33
    assert expected > 40
    assert abs(collisions - expected) < 5 * expected**0.5


def test_every_bit_of_the_shingle_hash_is_even_and_changes_with_one_letter() -> None:
    hashes = np.unique(np.concatenate([curate.shingle_hashes(text) for text in documents()]))
    ones = np.array([(hashes >> np.uint32(bit) & np.uint32(1)).mean() for bit in range(32)])
    assert np.abs(ones - 0.5).max() < 5 * 0.5 / len(hashes) ** 0.5
    first = curate.shingle_hashes(" ".join(f"a{i} b c d e" for i in range(4000)))[::5]
    second = curate.shingle_hashes(" ".join(f"a{i} b c d f" for i in range(4000)))[::5]
    changed = np.array([((first ^ second) >> np.uint32(bit) & np.uint32(1)).mean() for bit in range(32)])
    assert np.abs(changed - 0.5).max() < 5 * 0.5 / 4000**0.5


def test_similarity_estimates_err_as_theory_says() -> None:
    """The share of equal places has mean s and variance s (1 - s) / num_perm."""
    pairs = [(text, edited(text, seed, 1 + seed % 25)) for seed, text in enumerate(documents()) if len(text.split(" ")) > 60]
    assert len(pairs) > 300
    first, second = (curate.signatures(list(side)) for side in zip(*pairs, strict=True))
    similarities = np.array([naive.jaccard(one, other, 5) for one, other in pairs])
    errors = (first == second).mean(axis=1) - similarities
    spread = np.sqrt(similarities * (1 - similarities) / 112)
    uncertain = spread > 0
    standardised = errors[uncertain] / spread[uncertain]
    assert np.abs(errors[~uncertain]).max(initial=0) == 0
    assert abs(standardised.mean()) < 0.25  # documents share the 112 permutations, so the mean errs more than 1 / sqrt(pairs)
    assert 0.8 < standardised.std() < 1.2
