"""Repeated substrings: exactly those of the definition, whatever the layout; every planted repeat found."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.places import merge, repeats_of, repeats_table, sorted_run
from curate.dedup.repeats import repeats_of_parts
from curate.dedup.substrings import SubstringSettings, fingerprints, repeated_substrings, token_spans, tokens_from, tokens_of, tokens_table
from curate.documents import as_text
from curate.seeds import generator
from tests.corpus import TEXTS
from tests.naive.repeats import first_runs, repeated_positions, token_list

# Few different words, in several scripts, and separators that differ, so that runs repeat, overlap and nearly repeat.
TOKENS = st.sampled_from(["a ", "b ", "A ", "b, ", "ж\n", "漢", "字", "é ", "🙂 "])
SMALL = st.lists(TOKENS, max_size=24).map("".join)
Covered = list[list[bool]]


def covered(parts: Sequence[Sequence[str]], chosen: SubstringSettings, num_ranges: int = 1) -> Covered:
    """Which tokens of every text are cut, part after part; asserts that every span equals its first occurrence, token by token."""
    columns = {7 * (len(parts) - number): as_text(list(part)) for number, part in enumerate(parts)}  # ids against the order
    found = repeats_of_parts(columns, chosen, num_ranges)
    told = {part: [token_list(text, chosen.equality)[0] for text in column.to_pylist()] for part, column in columns.items()}
    order = {place: number for number, place in enumerate((part, row) for part, column in columns.items() for row in range(len(column)))}
    first = first_runs([tokens for texts in told.values() for tokens in texts], chosen.min_tokens)
    result: Covered = []
    for part, texts in told.items():
        marks = [[False] * len(tokens) for tokens in texts]
        for row, place, length, first_part, first_row, first_place in zip(
            *(found[part][name].tolist() for name in ("row", "place", "length", "first_part", "first_row", "first_place")), strict=True
        ):
            run = texts[row][place : place + length]
            assert len(run) == length >= chosen.min_tokens
            assert told[first_part][first_row][first_place : first_place + length] == run
            assert first[tuple(run[: chosen.min_tokens])] == (order[first_part, first_row], first_place)
            marks[row][place : place + length] = [True] * length
        result += marks
    return result


def expected(parts: Sequence[Sequence[str]], chosen: SubstringSettings) -> Covered:
    return repeated_positions([token_list(text, chosen.equality)[0] for part in parts for text in part], chosen.min_tokens)


@settings(max_examples=250, deadline=None)
@given(
    parts=st.lists(st.lists(st.one_of(SMALL, TEXTS), max_size=4), max_size=3),
    min_tokens=st.integers(4, 9),
    equality=st.sampled_from(["bytes", "words"]),
    num_ranges=st.integers(1, 4),
)
def test_exactly_the_tokens_of_repeats_are_found(parts: list[list[str]], min_tokens: int, equality: str, num_ranges: int) -> None:
    chosen = SubstringSettings(min_tokens=min_tokens, equality=equality)  # type: ignore[arg-type]
    assert covered(parts, chosen, num_ranges) == expected(parts, chosen)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(SMALL, max_size=6), cuts=st.lists(st.integers(0, 6), max_size=3).map(sorted), num_ranges=st.integers(1, 4))
def test_the_layout_of_parts_and_ranges_changes_nothing(texts: list[str], cuts: list[int], num_ranges: int) -> None:
    chosen = SubstringSettings(min_tokens=4)
    parts = [texts[start:end] for start, end in zip([0, *cuts], [*cuts, len(texts)], strict=True)]
    assert covered(parts, chosen, num_ranges) == covered([texts], chosen)


@pytest.mark.parametrize("equality", ["bytes", "words"])
def test_every_planted_repeat_of_the_least_length_or_more_is_found_at_any_place(equality: str) -> None:
    """Lengths 50 to 120, one of 49 that is not cut, in every script of the corpus, at random places of two documents."""
    chosen = SubstringSettings(equality=equality)  # type: ignore[arg-type]
    rng = generator(1, "tests/planted")
    scripts = [("latin", 0x61, " "), ("cyrillic", 0x430, " "), ("arabic", 0x627, " "), ("han", 0x4E00, ""), ("thai", 0xE01, ""), ("hangul", 0xAC00, ", ")]
    for _, start, joint in scripts:
        letters = [chr(start + step) for step in range(20)]
        text = joint.join("".join(rng.choice(letters, rng.integers(1, 6))) for _ in range(300)) + " "
        tokens, starts = token_list(text, "bytes")
        for length in [49, *range(50, 60), *rng.integers(60, 121, 6).tolist()]:
            at = int(rng.integers(0, len(tokens) - length - 1))
            run = text[starts[at] : starts[at + length]]
            rest = [f"x{place} " for place in rng.integers(0, 10**9, 260).tolist()]
            first, second = (int(place) for place in rng.integers(0, 130, 2))
            one = "".join(rest[:first]) + run + "q1 " + "".join(rest[first:130])
            other = "".join(rest[130 : 130 + second]) + run + "q2 " + "".join(rest[130 + second :])
            marks = covered([[one], [other]], chosen)
            assert not any(marks[0])
            assert sum(marks[1]) == (length if length >= 50 else 0)
            assert all(marks[1][second : second + length]) == (length >= 50)


def test_a_text_that_repeats_itself_keeps_its_first_run_and_overlaps_are_no_repeats() -> None:
    chosen = SubstringSettings(min_tokens=10)
    assert not any(covered([["a " * 19]], chosen)[0])
    assert covered([["a " * 20]], chosen)[0] == [False] * 10 + [True] * 10
    assert covered([["a " * 57]], chosen)[0] == [False] * 10 + [True] * 47
    assert covered([["a b " * 12]], chosen)[0] == [False] * 10 + [True] * 14


def test_case_and_separators_count_only_where_bytes_do() -> None:
    first, second = "One two, three four five six. ", "one TWO three\nfour - five six "
    for equality, found in (("bytes", 0), ("words", 6)):
        assert sum(covered([[first, second]], SubstringSettings(min_tokens=6, equality=equality))[1]) == found  # type: ignore[arg-type]


def test_runs_gone_through_in_many_passes_are_the_same() -> None:
    chosen = SubstringSettings(min_tokens=5)
    texts = as_text(["a b c d e f g h " * 3, "c d e f g h i j k", "x " * 40])
    tokens = tokens_of(texts, chosen)
    entries = merge([sorted_run(*fingerprints(tokens, chosen))], 0, 1)
    whole, several = (
        repeats_of([repeats_table(found, [3]) for found in repeated_substrings(entries, lambda rank: tokens, chosen, at_once)], 3) for at_once in (1 << 20, 7)
    )
    assert len(whole["row"])
    assert {name: column.tolist() for name, column in whole.items()} == {name: column.tolist() for name, column in several.items()}


def test_tokens_survive_a_trip_through_their_table() -> None:
    tokens = tokens_of(as_text(["a b", "", "c"]), SubstringSettings())
    back = tokens_from(tokens_table(tokens))
    assert (back.values.tolist(), back.bounds.tolist()) == (tokens.values.tolist(), tokens.bounds.tolist())


def test_what_only_a_collision_calls_equal_is_not_cut() -> None:
    chosen = SubstringSettings(min_tokens=4)
    tokens = tokens_of(as_text(["a b c d e f", "a b c d x f", "a b c q e f"]), chosen)
    claimed = {"row": [1, 2], "place": [0, 0], "length": [3, 3], "part": [5, 5], "first_part": [5, 5], "first_row": [0, 0], "first_place": [0, 0]}
    spans = token_spans({name: np.array(column, np.uint32) for name, column in claimed.items()}, tokens, lambda part: tokens, chosen)
    assert (spans["row"].tolist(), spans["length"].tolist()) == ([1], [4])


def test_no_texts_and_short_texts_hold_no_repeats() -> None:
    for texts in ([], [""], ["a", "a", "a"]):
        found = repeats_of_parts({1: pa.array(texts, pa.large_string())}, SubstringSettings())
        assert all(len(column) == 0 for column in found[1].values())


@pytest.mark.parametrize("min_tokens", [3, 513])
def test_lengths_that_mean_nothing_or_can_be_fooled_are_refused(min_tokens: int) -> None:
    with pytest.raises(ValidationError):
        SubstringSettings(min_tokens=min_tokens)
