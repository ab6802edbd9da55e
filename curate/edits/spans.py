"""Spans: what edits take out of a column of texts, as arrays. Finding spans and applying them are separate, so that what was
cut can be explained, counted and combined before a byte moves."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.documents import text_buffers
from curate.kernels.spans import merge_two, splice


class Spans(NamedTuple):
    """Cuts in n texts, ordered by (row, start), not empty, not overlapping. starts, ends: bytes within the row's UTF-8 text,
    on borders of code points. edits: index into names and replacements ("" = cut)."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    edits: NDArray[np.int32]
    names: tuple[str, ...]
    replacements: tuple[str, ...]


def no_spans() -> Spans:
    """Nothing to cut."""
    nothing = np.zeros(0, np.int64)
    return Spans(nothing, nothing, nothing, np.zeros(0, np.int32), (), ())


def spans_of_cuts(cuts: NDArray[np.int64], names: tuple[str, ...]) -> Spans:
    """The spans of a kernel's cuts: (m, 4), columns row, start, end and number of the edit among names."""
    rows, starts, ends, edits = (np.ascontiguousarray(column) for column in cuts.T)
    return Spans(rows, starts, ends, edits.astype(np.int32), names, ("",) * len(names))


def replacement_bytes(spans: Spans) -> NDArray[np.int64]:
    """For every span, the bytes of what stands in its place."""
    lengths = np.array([len(replacement.encode()) for replacement in spans.replacements], np.int64)
    return lengths[spans.edits] if spans.edits.size else np.zeros(0, np.int64)


def apply_spans(texts: pa.LargeStringArray, spans: Spans) -> pa.LargeStringArray:
    """The texts without the spans, replacements in their places. A column nothing is cut from is returned as it is."""
    if not spans.rows.size:
        return texts
    data, offsets = text_buffers(texts)
    size = int(offsets[-1] - offsets[0]) - int((spans.ends - spans.starts).sum()) + int(replacement_bytes(spans).sum())
    encoded = [replacement.encode() for replacement in spans.replacements]
    pieces = np.array(bytearray(b"".join(encoded)), np.uint8)
    out, out_offsets = np.empty(size, np.uint8), np.empty(len(texts) + 1, np.int64)
    splice(data, offsets, *_writable(spans), pieces, np.cumsum([0, *map(len, encoded)]), out, out_offsets)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(out_offsets), pa.py_buffer(out))


def merge_spans(*several: Spans) -> Spans:
    """All of them as one list. Where two overlap the earlier argument has the bytes, the later one those that are left; a
    replacement stands at the first piece left of its span."""
    merged = no_spans()
    for later in several:
        merged = _merge(merged, later)
    return merged


def then_spans(texts: pa.LargeStringArray, first: Spans, second: Spans) -> Spans:
    """One list for the texts that does what `first`, then `second` on the result of the first, would do.

    texts: before both. ValueError where the first replaces: a later cut through a replacement has no place in the text.
    """
    if not first.rows.size or not second.rows.size:
        return _merge(first, second)
    if replacement_bytes(first).any():
        raise ValueError("the first spans replace text; only cuts can be followed by other spans, so let replacements come last")
    _, offsets = text_buffers(texts)
    lost = np.concatenate([np.zeros(1, np.int64), np.cumsum(first.ends - first.starts)])  # bytes cut before and with span k
    cut_at = offsets[first.rows] + first.starts - lost[:-1]  # where each cut lies in the edited column
    edited = offsets[:-1] - lost[np.searchsorted(first.rows, np.arange(len(texts)))]  # where each edited text starts
    begins, stops = edited[second.rows] + second.starts, edited[second.rows] + second.ends
    base = offsets[second.rows]
    starts = begins + lost[np.searchsorted(cut_at, begins, "right")] - base
    ends = stops + lost[np.searchsorted(cut_at, stops, "left")] - base
    return _merge(first, second._replace(starts=starts, ends=ends))


def _writable(spans: Spans) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """The arrays as the kernels are compiled for: contiguous, of one type, writable."""
    rows, starts, ends = (np.require(array, np.int64, ["C", "W"]) for array in (spans.rows, spans.starts, spans.ends))
    return rows, starts, ends, np.require(spans.edits, np.int32, ["C", "W"])


def _merge(earlier: Spans, later: Spans) -> Spans:
    """Both in one list, the earlier one whole."""
    if not later.rows.size:
        return earlier
    if not earlier.rows.size:
        return later
    all_names, all_replacements = earlier.names + later.names * 2, earlier.replacements + later.replacements + ("",) * len(later.names)
    table = list(dict.fromkeys(zip(all_names, all_replacements, strict=True)))
    place = {entry: k for k, entry in enumerate(table)}
    own = np.array([place[entry] for entry in zip(earlier.names, earlier.replacements, strict=True)], np.int32)
    others = np.array([place[entry] for entry in zip(later.names, later.replacements, strict=True)], np.int32)
    rest = np.array([place.get((name, ""), k) for k, (name, _) in enumerate(table)], np.int32)
    room = 2 * earlier.rows.size + later.rows.size
    rows, starts, ends, edits = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int32)
    first, second = earlier._replace(edits=own[earlier.edits]), later._replace(edits=others[later.edits])
    count = merge_two(*_writable(first), *_writable(second), rest, rows, starts, ends, edits)
    names, stands = tuple(name for name, _ in table), tuple(replacement for _, replacement in table)
    return Spans(rows[:count].copy(), starts[:count].copy(), ends[:count].copy(), edits[:count].copy(), names, stands)
