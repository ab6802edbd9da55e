import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import packing
from tests.naive import packing as naive

PAD, BOS, EOS = 0, 1, 2


def packed(documents, context_length, position=0):
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    places = packing.pack(np.diff(offsets) + 1, context_length, position)
    rows = np.full((places[5] + 1 if len(documents) else 0, context_length), PAD, np.uint16)
    flat = np.array([token for d in documents for token in d], np.uint16)
    packing.lay(flat, offsets, *places[:5], BOS, EOS, rows)
    return rows, places


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(4, 60000), max_size=40), max_size=20), st.integers(2, 17))
def test_rows_and_segments_equal_the_plain_ones(documents, context_length):
    rows, places = packed(documents, context_length)
    wanted_rows, wanted_segments = naive.pack(documents, context_length, BOS, EOS, PAD)
    assert rows.tolist() == wanted_rows
    row, _, document, start, length = (a.tolist() for a in places[:5])
    assert list(zip(document, start, length, strict=True)) == [s for segments in wanted_segments for s in segments]
    assert row == [r for r, segments in enumerate(wanted_segments) for _ in segments]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(4, 60000), max_size=40), min_size=1, max_size=20), st.integers(2, 17))
def test_lifting_the_segments_gives_the_sequences_back(documents, context_length):
    rows, places = packed(documents, context_length)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(places[0], minlength=len(rows)))])
    assert packing.lift(rows, bounds, places[4].astype(np.uint32)).tolist() == [t for d in documents for t in [*d, EOS]]


@pytest.mark.parametrize(("taken", "row", "column"), [(0, 0, 0), (3, 0, 3), (6, 0, 6), (7, 1, 0), (8, 1, 0)])
def test_a_row_with_fewer_than_two_places_left_is_closed(taken, row, column):
    rows, columns, *_ = packing.pack(np.array([1], np.int64), 8, taken)
    assert (rows[0], columns[0]) == (row, column)
