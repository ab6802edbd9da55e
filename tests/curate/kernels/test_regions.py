"""Regions around at signs, digits and phrases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text, text_buffers
from curate.kernels.regions import copy_regions, find_regions, region_tables
from tests.naive import personal_data as naive

ALONE, ASSIGNED, TO_THE_END = ["key_", "abc"], ["pwd", "token"], ["the end"]
TABLES = region_tables(ALONE, ASSIGNED, TO_THE_END)
_WORDS = "at AT dot [at] key_ KEY_ abc xabc pwd Token 12 3.4 12:34:56"
PIECES = st.sampled_from([*"@[](): \n\x00.=7éß中👩", *_WORDS.split(), "( dot )", "the end", "x" * 40, "word " * 45])
TEXTS = st.lists(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=30), min_size=1, max_size=4)


def regions(texts: list[str]) -> list[list[tuple[int, int, int]]]:
    data, offsets = text_buffers(as_text(texts))
    found: list[list[tuple[int, int, int]]] = [[] for _ in texts]
    for start, end, holds in zip(*(column.tolist() for column in find_regions(data, offsets, TABLES)), strict=True):
        row = int(np.searchsorted(offsets, start, side="right")) - 1
        found[row].append((start - int(offsets[row]), end - int(offsets[row]), holds))
    return found


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(TEXTS)
def test_agrees_with_the_plain_twin_on_any_text(texts: list[str]) -> None:
    assert regions(texts) == [naive.regions(text.encode(), ALONE, ASSIGNED, TO_THE_END) for text in texts]


def test_ordinary_words_and_years_make_no_region() -> None:
    assert regions(["In 2021 there were 12 of them (at last), said the keeper.", ""]) == [[], []]


def test_a_trigger_at_a_border_keeps_to_its_document() -> None:
    assert regions(["a@", "@b"]) == [[(0, 2, 1)], [(0, 2, 1)]]
    assert regions(["1234", "5678"]) == [[], []]


def test_regions_are_copied_between_zero_bytes() -> None:
    data = np.frombuffer(b"abcdefgh", np.uint8)
    copied, places = copy_regions(data, np.array([1, 5]), np.array([3, 8]))
    assert copied.tobytes() == b"\0bc\0fgh\0"
    assert places.tolist() == [1, 4]


def test_a_phrase_that_ends_another_is_refused() -> None:
    with pytest.raises(ValueError, match="ends with"):
        region_tables(["oken"], ["token"], [])
