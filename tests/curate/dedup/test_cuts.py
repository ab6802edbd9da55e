"""Spans of all kinds together: apart, trimmed, applied, and read back beside the documents."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.cuts import CUTS, KINDS, Cuts, byte_spans, cut_texts, cuts_batch, disjoint, kept_texts
from curate.dedup.pieces import LineSettings, ParagraphSettings
from curate.dedup.repeats import cuts_of_parts, remove_repeats
from curate.dedup.substrings import SubstringSettings
from curate.documents import DOCUMENTS, as_text
from curate.errors import DamageError
from curate.storage import write_batches, write_table
from tests.naive.words import words

ALL: dict[str, Any] = {"lines": LineSettings(min_words=2), "paragraphs": ParagraphSettings(min_words=2), "substrings": SubstringSettings(min_tokens=5)}
TEXT = st.lists(st.sampled_from(["a b ", "c d e f ", "g, ", "漢字 ", "\n", "\n\n", "🙂"]), max_size=25).map("".join)
SPANS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 12), st.integers(0, 2), st.integers(0, 1)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(SPANS)
def test_overlaps_are_given_to_the_span_that_starts_first(given_spans: list[tuple[int, int, int, int, int]]) -> None:
    listed = [(row, start, start + length, kind, first) for row, start, length, kind, first in given_spans]
    columns: list[Any] = [np.array(column, np.int64) for column in zip(*listed, strict=True)] if listed else [np.empty(0, np.int64)] * 5
    first = columns[4].astype(np.uint32)
    found = disjoint([Cuts(columns[0], columns[1], columns[2], columns[3], first, first)])
    owner: dict[tuple[int, int], tuple[int, int]] = {}
    for row, start, end, kind, first in sorted(listed, key=lambda span: (span[0], span[1], span[3], -span[2])):
        for byte in range(start, end):
            owner.setdefault((row, byte), (kind, first))
    spans = list(zip(*(column.tolist() for column in found), strict=True))
    assert {(row, byte): (kind, first) for row, start, end, kind, first, _ in spans for byte in range(start, end)} == owner
    assert sum(end - start for _, start, end, *_ in spans) == len(owner)
    assert spans == sorted(spans)
    for one, other in pairwise(spans):
        assert (one[0], one[2], *one[3:]) != (other[0], other[1], *other[3:])  # what belongs together is one span


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, max_size=5), st.integers(0, 5), st.integers(1, 3))
def test_all_kinds_together_cut_what_the_spans_say_and_count_what_is_left(texts: list[str], first_part: int, num_ranges: int) -> None:
    column = as_text(texts)
    parts = {3: column[:first_part], 1: column[first_part:]}
    cuts = cuts_of_parts(parts, ALL, num_ranges)
    rows = [row for part, mine in parts.items() for row in cuts_batch(mine, cuts[part]).to_pylist()]
    whole = remove_repeats(column, **ALL)
    assert [[(span["start"], span["end"], span["kind"]) for span in row["spans"]] for row in rows] == [
        [(span["start"], span["end"], span["kind"]) for span in row["spans"]] for row in whole.to_pylist()
    ]
    left = cut_texts(column, whole["spans"].combine_chunks()).to_pylist()
    for text, after, row in zip(texts, left, rows, strict=True):
        kept, at = b"", 0
        for span in row["spans"]:
            assert at <= span["start"] < span["end"] <= len(text.encode())
            kept, at = kept + text.encode()[at : span["start"]], span["end"]
        assert (kept + text.encode()[at:]).decode() == after
        assert row["num_words"] == (len(words(after)) if row["spans"] else None)
        if row["spans"] and row["spans"][-1]["end"] == len(text.encode()):
            assert after == after.rstrip(" \n")


def test_every_span_names_the_document_with_the_first_occurrence() -> None:
    run = "one two three four five six seven "
    parts = {7: as_text(["x " + run]), 2: as_text(["y", run + "z"])}
    (span,) = cuts_batch(parts[2], cuts_of_parts(parts, {"substrings": SubstringSettings(min_tokens=5)})[2]).to_pylist()[1]["spans"]
    assert span == {"start": 0, "end": len(run), "kind": "substrings", "first_part": 7, "first_row": 0}


def test_places_past_the_end_of_a_text_are_an_error() -> None:
    repeats = {name: np.array([value], np.uint32) for name, value in {"row": 0, "place": 1, "length": 9, "first_part": 1, "first_row": 0}.items()}
    for kind, chosen in ALL.items():
        with pytest.raises(DamageError, match=f"repeated {kind} are named past the end of the text in row 0"):
            byte_spans(as_text(["a b\n\nc"]), repeats, kind, chosen)


def written(folder: Path, texts: list[str]) -> tuple[Path, Path]:
    """A DOCUMENTS file in several batches, and its cuts."""
    fields = {"text": texts, "path": ["p"] * len(texts), "offset": list(range(len(texts)))}
    columns = [pa.array(fields.get(field.name, [None] * len(texts)), field.type) for field in DOCUMENTS]
    write_table(folder / "documents.arrow", pa.table(columns, schema=DOCUMENTS), rows_per_batch=2)
    write_batches(folder / "cuts.arrow", CUTS, remove_repeats(texts, **ALL).to_batches())
    return folder / "documents.arrow", folder / "cuts.arrow"


def test_kept_texts_are_read_cut_and_in_the_order_of_their_rows(tmp_path: Path) -> None:
    line = "this line is everywhere"
    texts = [f"{line}\nzero", f"{line}\none", "two", f"three\n{line}", line]
    documents, cuts = written(tmp_path, texts)
    keep = np.array([True, True, False, True, True])
    read = list(kept_texts(documents, keep, cuts))
    assert [text for column, _ in read for text in column.to_pylist()] == [texts[0], "one", "three", ""]
    assert np.concatenate([mine for _, mine in read]).tolist() == keep.tolist()
    assert [text for column, _ in kept_texts(documents, keep) for text in column.to_pylist()] == [texts[0], texts[1], texts[3], texts[4]]


def test_files_of_different_parts_are_told_apart(tmp_path: Path) -> None:
    documents, cuts = written(tmp_path, ["a", "b", "c"])
    write_batches(tmp_path / "other.arrow", CUTS, remove_repeats(["a"], **ALL).to_batches())
    for keep, beside in ((np.ones(2, bool), cuts), (np.ones(4, bool), cuts), (np.ones(3, bool), tmp_path / "other.arrow"), (np.ones(4, bool), None)):
        with pytest.raises(DamageError, match="one of them is from another run"):
            list(kept_texts(documents, keep, beside))


def test_the_kinds_are_named_in_the_order_of_their_right() -> None:
    text = "one two three four five six"
    found = remove_repeats([text, text], **ALL)
    assert [span["kind"] for span in found["spans"][1].as_py()] == [KINDS[0]] == ["paragraphs"]
