"""Words of padded texts, against the plain definition."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.byte_masks import PADDING
from curate.kernels.quality import character_flags
from curate.kernels.word_split import split_padded
from curate.kernels.words import word_tables
from tests.corpus import TEXTS
from tests.naive.quality import is_alphabetic, split_words

# Words that fold to one from different bytes (kelvin sign, long s), of eight letters and more, beside marks and own words.
PIECES = ["kelvin", "\u212aELVIN", "Kelvin", "\u017fea", "sea", "a\u017f", "As", "größe", "GRÖSSE", "e\u0301", "12", "7a", "中", "ก", "\u0e31"]
PIECES += ["ы", "Ы", "x" * 7, "abcdefgh", "ABCDEFGH", "abcdefghi", "abcdefgh\u017f", "abcdefghs", "y" * 70]
PIECES += [" ", " ", "\n", "“", "_", ".", "👩", "\x00", "𐐀𐐨"]
MIXED = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def split(text: str) -> tuple[list[int], list[int], int]:
    """Hashes, code points of each word, and how many words have a letter."""
    encoded = text.encode()
    padded = np.frombuffer(encoded + b" " * PADDING, np.uint8).copy()
    hashes, ends = np.zeros(len(encoded) + 1, np.uint64), np.zeros(len(encoded) + 2, np.int64)
    count, alphabetic = split_padded(padded, len(encoded), word_tables(), character_flags(), hashes, ends)
    return hashes[:count].tolist(), [int(end - start) for start, end in pairwise(ends[: count + 1])], alphabetic


def check(text: str) -> None:
    words = split_words(text)
    hashes, lengths, alphabetic = split(text)
    assert lengths == list(map(len, words))
    assert alphabetic == sum(map(is_alphabetic, words)) or "\u0345" in text  # a mark that folds to a letter, and is none
    assert len(set(zip(words, hashes, strict=True))) == len(set(words)) == len(set(hashes))


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(MIXED)
def test_equal_words_and_no_others_have_equal_hashes(text: str) -> None:
    check(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_words_of_any_text_are_those_of_the_plain_definition(text: str) -> None:
    check(text)


def test_words_may_lie_across_the_border_of_a_block_in_any_way() -> None:
    for before in range(56, 68):
        for word in ("b", "two words", "é", "aéb", "12345678", "123456789", "中文", "\u212aelvin kelvin", "ends."):
            check(" " * before + word)
            check("a" * before + word + " next")
            check("." * (before - 1) + "é" + word)
