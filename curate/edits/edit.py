"""A column of texts edited: the texts as they are written, and what stands beside them (the family `edits`)."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.documents import content_ids, text_buffers
from curate.edits.settings import EditSettings
from curate.edits.span_column import SPANS, span_column
from curate.edits.spans import Spans, apply_spans, merge_spans, no_spans, then_spans
from curate.kernels.quality import character_flags
from curate.kernels.whole_texts import count_splitlines
from curate.kernels.words import hash_words, word_tables

VERSION = 1  # raised whenever an edit cuts something else
LINE_EDITS = ("c4", "refinedweb", "dclm")
_WORDS_A_BATCH = 4 << 20  # bytes of text; counting words takes four times as much memory

_BEFORE = ("num_bytes_before", "num_lines_before", "num_words_before")
_CUT = tuple(f"num_cut_{unit}" for unit in ("bytes", "lines", "words"))  # by all line edits together
_BY_SET = tuple(f"num_{name}_cut_{unit}" for name in LINE_EDITS for unit in ("bytes", "lines", "words"))  # that no earlier set had cut
COUNTS = (*_BEFORE, *_CUT, *_BY_SET, "num_personal_data")  # the last: pieces of personal data that were replaced
EDITS = pa.schema(
    [
        pa.field("original_id", pa.binary(16), nullable=False),  # content id of the text before edits
        *(pa.field(name, pa.int64(), nullable=False) for name in COUNTS),
        pa.field("spans", SPANS, nullable=False),
    ]
)


class Edited(NamedTuple):
    """n texts after their edits, the columns of EDITS for them, and all that was cut."""

    texts: pa.LargeStringArray
    columns: pa.RecordBatch
    spans: Spans


def edit_texts(
    texts: pa.LargeStringArray, settings: EditSettings, *, ids: pa.FixedSizeBinaryArray | None = None, unedited: NDArray[np.bool_] | None = None
) -> Edited:
    """Make the edits that are on. ids: the texts' content ids, if they are at hand; unedited: texts to leave as they are (held-out
    documents), one bool each.

    Line edits look at the lines of the texts as they came; each has what earlier ones left. Personal data is looked for in
    what is left of all of them.
    """
    before = _sizes(texts)
    spans, counts = _line_edits(texts, settings, unedited, before)
    edited, num_personal = apply_spans(texts, spans), np.zeros(len(texts), np.int64)
    if settings.personal_data is not None:
        from curate.edits.personal_data import find_personal_data

        found = without_rows(find_personal_data(edited, settings.personal_data), unedited)
        num_personal = np.bincount(found.rows, minlength=len(texts))
        spans, edited = then_spans(texts, spans, found), apply_spans(edited, found)
    cut = counts.reshape(len(LINE_EDITS), 3, len(texts)).sum(axis=0)
    numbers = [pa.array(row) for row in (*before, *cut, *counts, num_personal)]
    columns = pa.RecordBatch.from_arrays([content_ids(texts) if ids is None else ids, *numbers, span_column(spans, len(texts))], schema=EDITS)
    return Edited(edited, columns, spans)


def without_rows(spans: Spans, rows: NDArray[np.bool_] | None) -> Spans:
    """The spans of the other rows. rows: one bool a text."""
    if rows is None or not rows.any() or not spans.rows.size:
        return spans
    stay = ~rows[spans.rows]
    return spans._replace(rows=spans.rows[stay], starts=spans.starts[stay], ends=spans.ends[stay], edits=spans.edits[stay])


def _line_edits(
    texts: pa.LargeStringArray, settings: EditSettings, unedited: NDArray[np.bool_] | None, before: NDArray[np.int64]
) -> tuple[Spans, NDArray[np.int64]]:
    """The spans of all line edits, and by set the bytes, lines and words it took from what earlier ones had left: int64 (9, n)."""
    spans, left, counts = no_spans(), before, np.zeros((3 * len(LINE_EDITS), len(texts)), np.int64)
    for number, name in enumerate(LINE_EDITS):
        if getattr(settings, name) is None:
            continue
        found = without_rows(_find(name, texts, settings), unedited)
        if found.rows.size:
            spans = merge_spans(spans, found)
            now = _sizes(apply_spans(texts, spans))
            counts[3 * number : 3 * number + 3] = left - now
            left = now
    return spans, counts


def _find(name: str, texts: pa.LargeStringArray, settings: EditSettings) -> Spans:
    if settings.c4 is not None and name == "c4":
        from curate.edits.c4 import find_c4

        return find_c4(texts, settings.c4)
    from curate.edits.line_noise import find_dclm, find_refinedweb

    if settings.refinedweb is not None and name == "refinedweb":
        return find_refinedweb(texts, settings.refinedweb)
    assert settings.dclm is not None
    return find_dclm(texts, settings.dclm)


def _sizes(texts: pa.LargeStringArray) -> NDArray[np.int64]:
    """Bytes, lines (as splitlines yields them) and words (of curate.kernels.words) of each text: int64 (3, n)."""
    data, offsets = text_buffers(texts)
    sizes = np.empty((3, len(texts)), np.int64)
    sizes[0] = pc.binary_length(texts).to_numpy()
    count_splitlines(data, offsets, character_flags(), sizes[1])
    start = 0
    while start < len(texts):
        end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _WORDS_A_BATCH, side="right")) - 1)
        sizes[2, start:end] = np.diff(hash_words(data, offsets[start : end + 1], word_tables())[1])
        start = end
    return sizes
