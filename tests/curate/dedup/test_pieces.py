"""Repeated lines and paragraphs by document frequency, against the plain twin and by example."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.cuts import cut_texts
from curate.dedup.pieces import LineSettings, ParagraphSettings, PieceSettings
from curate.dedup.repeats import remove_repeats, repeats_of_parts
from curate.documents import as_text
from tests.corpus import TEXTS
from tests.naive.repeats import repeated_pieces

PIECE = st.sampled_from(["One two.", "one TWO", "three 1 four", "Three 2 four!", "漢字。", "漢字", "é\u0301", "🙂", "", " ", "…"])
GAP = st.sampled_from(["\n", "\r\n", "\n\n", "\n\n\n", "\r\n\r\n"])
TEXT = st.one_of(st.lists(st.tuples(PIECE, GAP).map("".join), max_size=6).map("".join), TEXTS)


def cut(texts: list[str], **chosen: PieceSettings) -> list[str]:
    column = as_text(texts)
    found = remove_repeats(column, **chosen)  # type: ignore[arg-type]
    return list(cut_texts(column, found["spans"].combine_chunks()).to_pylist())


@pytest.mark.parametrize("kind", [LineSettings, ParagraphSettings])
@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.lists(TEXT, max_size=3), max_size=3),
    max_documents=st.integers(1, 3),
    keep_first=st.booleans(),
    normalised=st.booleans(),
    min_characters=st.integers(1, 4),
    min_words=st.integers(0, 2),
    num_ranges=st.integers(1, 4),
)
def test_the_pieces_of_the_plain_twin_are_cut_whatever_the_layout(
    kind: type[PieceSettings],
    parts: list[list[str]],
    max_documents: int,
    keep_first: bool,
    normalised: bool,
    min_characters: int,
    min_words: int,
    num_ranges: int,
) -> None:
    plain: dict[str, Any] = {
        "max_documents": max_documents,
        "keep_first": keep_first,
        "normalised": normalised,
        "min_characters": min_characters,
        "min_words": min_words,
    }
    columns = {9 - number: as_text(part) for number, part in enumerate(parts)}  # ids against the order
    found = repeats_of_parts(columns, kind(**plain), num_ranges)
    cuts = []
    for part, column in columns.items():
        mine: list[set[int]] = [set() for _ in range(len(column))]
        for row, place, length in zip(*(found[part][name].tolist() for name in ("row", "place", "length")), strict=True):
            assert not mine[row] & set(range(place, place + length))
            mine[row] |= set(range(place, place + length))
        cuts += mine
    assert cuts == repeated_pieces([text for part in parts for text in part], paragraphs=kind is ParagraphSettings, **plain)


def test_a_line_goes_with_its_newline_and_the_first_one_stays() -> None:
    line = "Sign up for our weekly letter now"
    texts = [f"one\n{line}\n\ntwo", f"{line}!\nthree", f"four\n{line.upper()} ", line]
    assert cut(texts, lines=LineSettings()) == [texts[0], "three", "four", ""]
    assert cut(texts, lines=LineSettings(keep_first=False, max_documents=3)) == ["one\n\ntwo", "three", "four", ""]
    assert cut(texts, lines=LineSettings(max_documents=4)) == texts
    assert cut(texts, lines=LineSettings(normalised=False)) == [*texts[:3], ""]
    assert cut(texts, lines=LineSettings(min_words=8)) == texts


def test_a_paragraph_goes_with_the_gap_behind_it() -> None:
    paragraph = "This paragraph stands in\ntwo documents, word for word."
    texts = [f"{paragraph}\n\nfirst", f"before\n\n{paragraph}\r\n\r\n\nafter", f"before\n\n{paragraph}"]
    assert cut(texts, paragraphs=ParagraphSettings(min_words=5)) == [texts[0], "before\n\nafter", "before"]


def test_repetition_inside_one_document_is_no_repeat() -> None:
    line = "Five words stand in here"
    assert cut([f"{line}\n{line}\n{line}"], lines=LineSettings()) == [f"{line}\n{line}\n{line}"]
    assert cut([f"{line}\n{line}", f"{line}\n{line}\nend"], lines=LineSettings()) == [line, "end"]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_a_second_pass_finds_nothing_where_the_first_occurrence_was_kept(texts: list[str]) -> None:
    several: list[dict[str, PieceSettings]] = [{"lines": LineSettings(min_words=1)}, {"paragraphs": ParagraphSettings(min_words=1)}]
    for chosen in several:
        once = cut(texts, **chosen)
        assert cut(once, **chosen) == once


def test_nulls_are_refused_and_no_texts_give_no_rows() -> None:
    with pytest.raises(ValueError, match="null"):
        remove_repeats(pa.array(["a", None]))
    assert remove_repeats([], lines=LineSettings()).num_rows == 0
