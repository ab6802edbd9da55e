"""Stop words and signs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text, text_buffers
from curate.kernels.quality import character_flags
from curate.kernels.word_counts import count_words, stop_words
from curate.kernels.words import word_tables
from tests.naive.quality import split_words

LISTED = ("the", "größe", "it's"[:2], "internationalisation", "и", "k", *(f"w{number}" for number in range(40)))


def counted(texts: list[str], listed: tuple[str, ...]) -> list[list[int]]:
    data, offsets = text_buffers(as_text(texts))
    out = np.full((7, len(texts)), -1, np.int64)
    count_words(data, offsets, word_tables(), character_flags(), stop_words(listed), out)
    return out.T.tolist()  # type: ignore[no-any-return]


@settings(max_examples=100, deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from([*LISTED, "\u212a", "THE", "GRÖßE", "И", "other", "w41", "thee", "."]), max_size=40).map(" ".join))
def test_listed_words_are_counted_in_any_case_and_script(text: str) -> None:
    [row] = counted([text], LISTED)
    stops = [word for word in split_words(text) if word in LISTED]
    assert (row[5], row[6]) == (len(stops), len(set(stops)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([".", "..", "...", "…", "#", "a", "\n", "⁦", "\u2025", "€¦"]), max_size=150).map("".join))
def test_hash_signs_and_ellipses_are_those_python_counts(text: str) -> None:
    [row] = counted([text], LISTED)
    assert (row[3], row[4]) == (text.count("#"), text.count("...") + text.count("…"))


def test_sixty_four_words_can_be_told_apart_and_no_more() -> None:
    many = tuple(f"word{number}" for number in range(64))
    assert counted([" ".join(many)], many)[0][5:] == [64, 64]
    with pytest.raises(ValueError, match="65 stop words, of which one number can mark 64"):
        stop_words((*many, "one"))
