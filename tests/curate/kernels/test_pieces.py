import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text, text_buffers
from curate.kernels.pieces import LINE, PARAGRAPH, hash_pieces, piece_starts, piece_table
from curate.kernels.words import word_tables
from tests.corpus import TEXTS
from tests.naive.repeats import normal_form, num_words, piece_list

BROKEN = st.lists(st.one_of(st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n", "\r", " "]), TEXTS), max_size=8).map("".join)


@pytest.mark.parametrize("separator", [LINE, PARAGRAPH])
@settings(max_examples=150, deadline=None)
@given(texts=st.lists(BROKEN, max_size=4))
def test_pieces_start_where_the_plain_twin_says_and_together_are_the_text(separator: int, texts: list[str]) -> None:
    starts, bounds = piece_starts(*text_buffers(as_text(texts)), separator)
    for number, text in enumerate(texts):
        lengths = [len((content + gap).encode()) for content, gap in piece_list(text, separator == PARAGRAPH)]
        assert starts[bounds[number] : bounds[number + 1]].tolist() == np.cumsum([0, *lengths])[:-1].tolist()
        assert sum(lengths) == len(text.encode())


@pytest.mark.parametrize("separator", [LINE, PARAGRAPH])
@pytest.mark.parametrize("normalised", [True, False])
@settings(max_examples=100, deadline=None)
@given(texts=st.lists(BROKEN, max_size=5), min_characters=st.integers(0, 5), min_words=st.integers(0, 2))
def test_long_enough_pieces_have_equal_hashes_just_where_their_forms_are_equal(
    separator: int, normalised: bool, texts: list[str], min_characters: int, min_words: int
) -> None:
    found = hash_pieces(*text_buffers(as_text(texts)), separator, piece_table(normalised), word_tables().kind, min_characters, min_words)
    expected = []
    for number, text in enumerate(texts):
        for place, (content, _) in enumerate(piece_list(text, separator == PARAGRAPH)):
            form = normal_form(content) if normalised else content.replace("\r\n", "\n")
            if len(form) >= min_characters and num_words(content) >= min_words:
                expected.append((form, number, place))
    keys, rows, numbers = (column.tolist() for column in found)
    assert list(zip(rows, numbers, strict=True)) == [entry[1:] for entry in expected]
    pairs = {(key, entry[0]) for key, entry in zip(keys, expected, strict=True)}
    assert len(pairs) == len({key for key, _ in pairs}) == len({form for _, form in pairs})


def test_the_normal_form_is_that_of_ccnet() -> None:
    texts = as_text(["Read more… (12 Comments)!\n", "read  MORE 34 comments", "“Read” more 99 comments\r\n", "read more comments"])
    keys, _, _ = hash_pieces(*text_buffers(texts), LINE, piece_table(True), word_tables().kind, 1, 1)
    assert keys[0] == keys[1] == keys[2] != keys[3]
