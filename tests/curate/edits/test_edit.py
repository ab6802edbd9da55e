import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import content_ids
from curate.edits.c4 import find_c4
from curate.edits.edit import EDITS, LINE_EDITS, edit_texts
from curate.edits.line_noise import find_dclm, find_refinedweb
from curate.edits.personal_data import PersonalDataSettings
from curate.edits.settings import C4EditSettings, DclmEditSettings, EditSettings, RefinedWebEditSettings
from curate.edits.span_column import spans_of_column
from curate.edits.spans import apply_spans, merge_spans
from tests.curate.edits import pieces
from tests.naive.quality import split_words
from tests.samples import sample_texts

ALL = EditSettings(c4=C4EditSettings(), refinedweb=RefinedWebEditSettings(), dclm=DclmEditSettings())
MAIL = EditSettings(c4=C4EditSettings(), personal_data=PersonalDataSettings())
PAGE = "Home\nWrite to [1] anna@example.org about it.\n3 likes\nIt is a fine day here."


def array(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@settings(deadline=None)
@given(st.lists(pieces.texts, max_size=4))
def test_the_counts_beside_a_text_say_what_was_cut_from_it(texts: list[str]) -> None:
    edited = edit_texts(array(texts), ALL)
    assert edited.columns.schema.equals(EDITS)
    assert edited.columns.column("original_id").equals(content_ids(array(texts)))
    for before, after, row in zip(texts, edited.texts.to_pylist(), edited.columns.to_pylist(), strict=True):
        sizes = [[len(text.encode()), len(text.splitlines()), len(split_words(text))] for text in (before, after)]
        units = ("bytes", "lines", "words")
        assert [row[f"num_{unit}_before"] for unit in units] == sizes[0]
        assert [row[f"num_cut_{unit}"] for unit in units] == [a - b for a, b in zip(*sizes, strict=True)]
        for unit in units:
            assert sum(row[f"num_{name}_cut_{unit}"] for name in LINE_EDITS) == row[f"num_cut_{unit}"]
            assert min(row[f"num_{name}_cut_{unit}"] for name in LINE_EDITS) >= 0
        assert sum(span["end"] - span["start"] for span in row["spans"]) == row["num_cut_bytes"]


@settings(deadline=None)
@given(st.lists(pieces.texts, max_size=3))
def test_the_order_of_line_edits_decides_who_is_named_but_not_what_is_left(texts: list[str]) -> None:
    column = array(texts)
    found = [find_c4(column, ALL.c4), find_refinedweb(column, ALL.refinedweb), find_dclm(column, ALL.dclm)]
    left = {tuple(apply_spans(column, merge_spans(*order)).to_pylist()) for order in itertools.permutations(found)}
    assert left == {tuple(edit_texts(column, ALL).texts.to_pylist())}


@settings(deadline=None)
@given(st.lists(st.sampled_from([PAGE, "", "Call +1 415 555 2671 now, please.\nMenu", "No end", "日本語。\nanna@example.org"]), max_size=6))
def test_the_spans_turn_the_text_before_into_the_text_after(texts: list[str]) -> None:
    edited = edit_texts(array(texts), MAIL)
    names = dict(zip(edited.spans.names, edited.spans.replacements, strict=True))
    written = {f"personal_data.{kind}": word for kind, word in MAIL.personal_data.replacements.items()} | {name: "" for name in names if name.startswith("c4")}
    assert apply_spans(array(texts), spans_of_column(edited.columns.column("spans"), written)).equals(edited.texts)


def test_personal_data_is_looked_for_in_what_line_edits_left() -> None:
    edited = edit_texts(array([PAGE]), MAIL)
    assert edited.texts.to_pylist() == ["Write to  <EMAIL> about it.\nIt is a fine day here."]
    row = edited.columns.to_pylist()[0]
    assert [(span["edit"], PAGE[span["start"] : span["end"]]) for span in row["spans"]] == [
        ("c4.unended_lines", "Home\n"),
        ("c4.citation_marks", "[1]"),
        ("personal_data.email", "anna@example.org"),
        ("c4.unended_lines", "3 likes\n"),
    ]
    assert (row["num_personal_data"], row["num_cut_lines"], row["num_cut_words"]) == (1, 2, 4)


def test_real_pages_are_edited_alike_one_by_one_and_together() -> None:
    pages = list(sample_texts())[:120]
    together = edit_texts(array(pages), ALL)
    alone = [edit_texts(array([page]), ALL) for page in pages]
    assert together.texts.to_pylist() == [text for one in alone for text in one.texts.to_pylist()]
    assert together.columns.to_pylist() == [row for one in alone for row in one.columns.to_pylist()]


def test_texts_that_are_to_stay_unedited_are_left_as_they_are() -> None:
    pages = [PAGE, PAGE, PAGE]
    edited = edit_texts(array(pages), MAIL, unedited=np.array([False, True, False]))
    assert edited.texts.to_pylist()[1] == PAGE
    assert edited.texts.to_pylist()[0] == edited.texts.to_pylist()[2] != PAGE
    row = edited.columns.to_pylist()[1]
    assert (row["spans"], row["num_cut_words"], row["num_personal_data"]) == ([], 0, 0)
    assert row["original_id"] == edited.columns.to_pylist()[0]["original_id"]


def test_a_column_in_which_nothing_is_found_is_handed_on_itself() -> None:
    texts = array(["A line like any other."])
    assert edit_texts(texts, ALL).texts is texts
    assert edit_texts(texts, EditSettings()).texts is texts


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_and_empty_texts_give_rows_of_nothing(texts: list[str]) -> None:
    edited = edit_texts(array(texts), ALL)
    assert edited.texts.to_pylist() == texts
    assert edited.columns.num_rows == len(texts)
