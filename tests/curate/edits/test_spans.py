import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.edits.span_column import SPANS, span_column, spans_of_column
from curate.edits.spans import Spans, apply_spans, merge_spans, no_spans, then_spans
from curate.errors import DamageError
from tests.naive import edits as naive

PIECES = ("", "<EMAIL>", "é")
words = st.lists(st.text("ab é日😀\n", max_size=12), max_size=6)


def as_spans(rows: list[list[naive.Span]], name: str = "x") -> Spans:
    flat = [(row, *span) for row, spans in enumerate(rows) for span in sorted(spans)]
    columns = [np.array([one[k] for one in flat], np.int64) for k in range(3)]
    return Spans(*columns, np.array([PIECES.index(one[3]) for one in flat], np.int32), tuple(f"{name}{k}" for k in range(len(PIECES))), PIECES)


def as_rows(spans: Spans, num_rows: int) -> list[list[naive.Span]]:
    rows: list[list[naive.Span]] = [[] for _ in range(num_rows)]
    for row, start, end, edit in zip(*(column.tolist() for column in spans[:4]), strict=True):
        rows[row].append((start, end, spans.replacements[edit]))
    return rows


@st.composite
def spans_of(draw: st.DrawFn, text: str, pieces: tuple[str, ...] = PIECES) -> list[naive.Span]:
    borders = [len(text[:k].encode()) for k in range(len(text) + 1)]
    chosen = sorted(draw(st.sets(st.sampled_from(borders), max_size=6)))
    return [(start, end, draw(st.sampled_from(pieces))) for start, end in zip(chosen[::2], chosen[1::2], strict=False)]


def array(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@settings(deadline=None)
@given(st.data(), words)
def test_cuts_and_replacements_agree_with_plain_slicing(data: st.DataObject, texts: list[str]) -> None:
    rows = [data.draw(spans_of(text)) for text in texts]
    expected = [naive.apply(text, spans) for text, spans in zip(texts, rows, strict=True)]
    assert apply_spans(array(texts), as_spans(rows)).to_pylist() == expected
    sliced = array(["before", *texts, "after"])[1 : len(texts) + 1]
    assert apply_spans(sliced, as_spans(rows)).to_pylist() == expected


def test_a_column_that_nothing_is_cut_from_is_returned_itself() -> None:
    texts = array(["one", "two"])
    assert apply_spans(texts, no_spans()) is texts


@settings(deadline=None)
@given(st.data(), words)
def test_merging_leaves_the_earlier_spans_whole_and_of_the_later_ones_the_rest(data: st.DataObject, texts: list[str]) -> None:
    first, second, third = ([data.draw(spans_of(text)) for text in texts] for _ in range(3))
    merged = merge_spans(as_spans(first, "a"), as_spans(second, "b"), as_spans(third, "c"))
    expected = []
    for text, *spans in zip(texts, first, second, third, strict=True):
        length = len(text.encode())
        expected.append(naive.merge(length, naive.merge(length, spans[0], spans[1]), spans[2]))
    assert as_rows(merged, len(texts)) == expected


@settings(deadline=None)
@given(st.data(), words)
def test_one_list_does_what_two_edits_one_after_the_other_do(data: st.DataObject, texts: list[str]) -> None:
    first = as_spans([data.draw(spans_of(text, ("",))) for text in texts])
    between = apply_spans(array(texts), first)
    second = as_spans([data.draw(spans_of(text)) for text in between.to_pylist()])
    assert apply_spans(array(texts), then_spans(array(texts), first, second)).equals(apply_spans(between, second))


def test_replacements_cannot_come_before_other_spans() -> None:
    spans = as_spans([[(0, 1, "é")]])
    with pytest.raises(ValueError, match="replacements come last"):
        then_spans(array(["ab"]), spans, spans)


@settings(deadline=None)
@given(st.data(), words)
def test_spans_survive_the_trip_through_their_column(data: st.DataObject, texts: list[str]) -> None:
    spans = as_spans([data.draw(spans_of(text)) for text in texts])
    column = span_column(spans, len(texts))
    assert column.type == SPANS
    assert len(column) == len(texts)
    chunks = pa.chunked_array([column[:1], column[1:]])
    for given_column in (column, chunks):
        back = spans_of_column(given_column, dict(zip(spans.names, spans.replacements, strict=True)))
        assert as_rows(back, len(texts)) == as_rows(spans, len(texts))
        assert apply_spans(array(texts), back).equals(apply_spans(array(texts), spans))


def test_a_column_is_not_applied_with_another_replacement_than_was_written() -> None:
    column = span_column(as_spans([[(0, 2, "<EMAIL>")]]), 1)
    assert column[0].as_py() == [{"start": 0, "end": 2, "edit": "x1", "replacement_bytes": 7}]
    with pytest.raises(DamageError, match="7 bytes stand in its place"):
        spans_of_column(column, {"x1": "<IP>"})
