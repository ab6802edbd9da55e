"""Shingle hashes and MinHash values in Python integers (the plain twin of curate.kernels.minhash)."""

import numpy as np

from tests.naive.words import hash_word, mix, words

_RADIX = 0x9FB21C651E98DF25


def shingle_hashes(text: str, shingle_words: int) -> list[int]:
    """The upper half of the mixed polynomial of each shingle's word hashes."""
    hashes = [hash_word(word) for word in words(text)]
    windows = [hashes[start : start + shingle_words] for start in range(len(hashes) - shingle_words + 1)]
    return [mix(sum(word * _RADIX ** (shingle_words - 1 - place) for place, word in enumerate(window)) % 2**64) >> 32 for window in windows]


def signature(text: str, num_perm: int, shingle_words: int, seed: int) -> list[int]:
    """The least image of the shingle hashes under each permutation; 2**32 - 1 if there is none."""
    hashes = [_finalise(h) for h in set(shingle_hashes(text, shingle_words))]
    rng = np.random.RandomState(seed)
    a = [2 * int(x) + 1 for x in rng.randint(0, 2**31, num_perm, dtype=np.uint32)]
    b = [int(x) for x in rng.randint(0, 2**32, num_perm, dtype=np.uint32)]
    return [min([(a[k] * h + b[k]) % 2**32 for h in hashes], default=2**32 - 1) for k in range(num_perm)]


def jaccard(first: str, second: str, shingle_words: int) -> float:
    """The similarity of the sets of shingles themselves, not of their hashes."""
    one, other = (_shingles(text, shingle_words) for text in (first, second))
    return len(one & other) / len(one | other)


def _shingles(text: str, shingle_words: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[start : start + shingle_words]) for start in range(len(found) - shingle_words + 1)}


def _finalise(h: int) -> int:
    h = (h ^ (h >> 16)) * 0x85EBCA6B % 2**32
    h = (h ^ (h >> 13)) * 0xC2B2AE35 % 2**32
    return h ^ (h >> 16)
