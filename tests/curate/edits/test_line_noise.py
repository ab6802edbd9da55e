import pyarrow as pa
import pytest
from hypothesis import given, settings

from curate.edits.line_noise import find_dclm, find_refinedweb
from curate.edits.settings import DclmEditSettings, RefinedWebEditSettings
from curate.edits.spans import Spans, apply_spans
from tests.curate.edits.pieces import texts
from tests.naive import edits as naive
from tests.samples import sample_texts


def refinedweb(given_texts: list[str], **chosen: object) -> list[str]:
    array = pa.array(given_texts, pa.large_string())
    return apply_spans(array, find_refinedweb(array, RefinedWebEditSettings.model_validate(chosen))).to_pylist()


def dclm(given_texts: list[str], **chosen: object) -> list[str]:
    array = pa.array(given_texts, pa.large_string())
    return apply_spans(array, find_dclm(array, DclmEditSettings.model_validate(chosen))).to_pylist()


def named(text: str, spans: Spans) -> list[tuple[str, str]]:
    data = text.encode()
    return [(spans.names[k].partition(".")[2], data[a:b].decode()) for a, b, k in zip(spans.starts, spans.ends, spans.edits, strict=True)]


@settings(deadline=None)
@given(texts)
def test_refinedweb_agrees_with_its_plain_twin(text: str) -> None:
    assert refinedweb([text]) == [naive.edit_refinedweb(text)]


@settings(deadline=None)
@given(texts)
def test_dclm_agrees_with_its_plain_twin(text: str) -> None:
    assert dclm([text]) == [naive.edit_dclm(text)]


def test_real_pages_agree_with_both_twins() -> None:
    pages = list(sample_texts())[:300]
    assert refinedweb(pages) == list(map(naive.edit_refinedweb, pages))
    assert dclm(pages) == list(map(naive.edit_dclm, pages))
    assert refinedweb(pages) != pages


def test_each_cut_names_its_reason() -> None:
    text = "ALL CAPITALS HERE\n20240131\n3 likes\nMenu\nYou have 2 items in cart now\nThe story so far. Read more...\n"
    text += "Sign-in to see the rest\nA plain line stays.\nRead more..."
    spans = find_refinedweb(pa.array([text], pa.large_string()), RefinedWebEditSettings())
    assert named(text, spans) == [
        ("upper_case_lines", "ALL CAPITALS HERE\n"),
        ("numeric_lines", "20240131\n"),
        ("counter_lines", "3 likes\n"),
        ("short_lines", "Menu\n"),
        ("anywhere_phrases", " items in cart"),
        ("end_phrases", " Read more..."),
        ("start_phrases", "Sign-in "),
        ("end_phrases", "\nRead more..."),
    ]
    assert refinedweb([text]) == ["You have 2 now\nThe story so far.\nto see the rest\nA plain line stays."]


@pytest.mark.parametrize("line", ["3 likes", "1,204 Views", "· 12.5K followers ·", "7m shares!", "(0 comments)", "٣ likes"])
def test_counters_are_found_with_marks_around_them(line: str) -> None:
    assert refinedweb([f"A plain line.\n{line}"]) == ["A plain line."]


@pytest.mark.parametrize("line", ["3 people like it", "likes 3", "3likes", "about 3 likes", "3 likes today", "3kk likes"])
def test_prose_with_numbers_is_no_counter(line: str) -> None:
    assert refinedweb([line], min_words=None) == [line]


def test_phrases_are_left_in_lines_of_more_words_than_the_limit() -> None:
    ten, eleven = "items in cart " + "w " * 6 + "w", "items in cart " + "w " * 7 + "w"
    assert refinedweb([ten, eleven]) == [" " + "w " * 6 + "w", eleven]
    assert refinedweb([ten, eleven], max_phrase_line_words=11) == [" " + "w " * 6 + "w", " " + "w " * 7 + "w"]
    assert refinedweb([ten], max_phrase_line_words=None) == [ten]


def test_a_share_on_the_limit_stays_and_one_above_goes() -> None:
    assert refinedweb(["AB cd e", "ABC d e"]) == ["AB cd e", "ABC d e"]
    assert refinedweb(["ABC D", "AB C d"]) == ["", "AB C d"]
    assert refinedweb(["ABC D"], max_upper_case_fraction=None) == ["ABC D"]


def test_dclm_reads_full_stops_as_any_character_and_lines_as_they_stand() -> None:
    assert dclm(["Go on, read more >>"]) == ["Go on,"]
    assert refinedweb(["Go on, read more >>"]) == ["Go on, read more >>"]
    assert dclm(["It is fine.\n    AB cd\nIt is fine."]) == ["It is fine.\n    AB cd\nIt is fine."]
    assert dclm(["It is fine.\n \t\nIt is fine.\n\nIt is fine."]) == ["It is fine.\nIt is fine.\n\nIt is fine."]  # blank goes, empty stays
    assert refinedweb(["It is fine.\n \t\nIt is fine."]) == ["It is fine.\n \t\nIt is fine."]


def test_phrases_that_would_never_match_are_refused() -> None:
    for phrase in ("Sign-in", "", " sign-in", "a\0b"):
        with pytest.raises(ValueError, match="never be found"):
            RefinedWebEditSettings(start_phrases=(phrase,))


@settings(deadline=None)
@given(texts)
def test_what_was_edited_once_is_not_edited_again_where_no_phrase_was_cut(text: str) -> None:
    once = refinedweb([text], max_phrase_line_words=None)
    assert refinedweb(once, max_phrase_line_words=None) == once
