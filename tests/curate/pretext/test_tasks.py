import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate import pretext
from curate.errors import DamageError
from curate.fit.tokenizer import SpecialIds
from curate.pretext.masked import MaskedSettings
from curate.pretext.rows import Examples, Packed, join_rows, pack_rows, restore_rows, slice_rows
from tests import conformance
from tests.naive import packing as naive

SPECIAL = SpecialIds(0, 1, 2, 3)


@pytest.mark.parametrize("check", conformance.CHECKS)
@pytest.mark.parametrize("task", pretext.TASKS)
def test_the_task(task, check):
    conformance.CHECKS[check](task)


def blocks_of(documents, cuts, labelled):
    number = 0
    for first, last in zip([0, *cuts], [*cuts, len(documents)], strict=True):
        some = documents[first:last]
        ids = np.array([token for d in some for token in d], np.uint16)
        offsets = np.concatenate([[0], np.cumsum([len(d) for d in some], dtype=np.int64)]).astype(np.int64)
        labels = np.where(ids % 2 == 0, ids.astype(np.int32), -100).astype(np.int32) if labelled else None
        yield Packed(Examples(ids, labels), offsets, np.full(len(some), 9, np.uint32), np.arange(number, number + len(some), dtype=np.uint32))
        number += len(some)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(st.lists(st.integers(4, 99), max_size=30), min_size=1, max_size=15), st.integers(8, 20), st.booleans())
def test_rows_do_not_show_where_the_documents_were_batched(data, documents, context_length, labelled):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(documents)), max_size=4)))
    rows = join_rows(list(pack_rows(blocks_of(documents, cuts, labelled), context_length, SPECIAL)))
    wanted_rows, wanted_segments = naive.pack(documents, context_length, 1, 2, 0)
    assert rows.input_ids.tolist() == wanted_rows
    assert np.diff(rows.bounds).tolist() == [len(segments) for segments in wanted_segments]
    found = list(zip(*(column.tolist() for column in rows.segments), strict=True))
    assert found == [(9, *segment) for segments in wanted_segments for segment in segments]
    if labelled:
        assert rows.labels.tolist() == [[t if t > 3 and t % 2 == 0 else -100 for t in row] for row in wanted_rows]


def test_restoring_part_of_a_shard_is_refused_where_a_document_is_cut():
    rows = join_rows(list(pack_rows(blocks_of([list(range(4, 40))], [], False), 8, SPECIAL)))
    with pytest.raises(DamageError, match="whole documents"):
        restore_rows(slice_rows(rows, 1, len(rows.input_ids)), SPECIAL)
    with pytest.raises(DamageError, match="end token"):
        restore_rows(slice_rows(rows, 0, 2), SPECIAL)


def test_shares_over_one_are_refused():
    with pytest.raises(ValidationError, match="exceed 1 together"):
        MaskedSettings(mask_fraction=0.8, random_fraction=0.3)


def test_an_unknown_task_is_named_with_those_there_are():
    with pytest.raises(KeyError, match="causal, masked"):
        pretext.task("permuted")
