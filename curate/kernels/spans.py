"""Cutting spans out of texts, and merging lists of spans. Bytes in, bytes out; what a span means is known in curate/edits."""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def splice(data, offsets, rows, starts, ends, stands, pieces, piece_offsets, out, out_offsets):
    """Copy texts without their spans, with a piece in the place of each.

    data: uint8, offsets: int64 (n + 1,): the texts. rows, starts, ends: int64 (m,), ordered, not overlapping, in bytes of
    the row's text. stands: int32 (m,), which piece stands in a span's place; pieces: uint8 and piece_offsets: int64, their
    bytes. out: uint8, exactly the size of the result; out_offsets: int64 (n + 1,), from 0. Bytes between two spans are
    copied in one go even across rows, so untouched rows cost a copy of memory.
    """
    n = offsets.size - 1
    done, written, row = offsets[0], 0, 0
    out_offsets[0] = 0
    for k in range(rows.size):
        start, end = offsets[rows[k]] + starts[k], offsets[rows[k]] + ends[k]
        while row < rows[k]:
            row += 1
            out_offsets[row] = written + offsets[row] - done
        out[written : written + start - done] = data[done:start]
        written += start - done
        a, b = piece_offsets[stands[k]], piece_offsets[stands[k] + 1]
        out[written : written + b - a] = pieces[a:b]
        written += b - a
        done = end
    while row < n:
        row += 1
        out_offsets[row] = written + offsets[row] - done
    out[written:] = data[done : offsets[n]]


@nb.njit(nogil=True, cache=True)
def merge_two(rows, starts, ends, edits, later_rows, later_starts, later_ends, later_edits, rest, out_rows, out_starts, out_ends, out_edits):
    """Merge two ordered lists of spans, the first whole, of the second only the bytes the first leaves. Returns how many.

    A span of the second that is broken in two keeps its edit at its first remaining piece; the others get `rest[edit]`
    (int32), the same edit without a replacement. The out arrays hold at least len(first) × 2 + len(second) spans.
    """
    count, k = 0, 0
    for j in range(later_rows.size):
        row, start, end, edit = later_rows[j], later_starts[j], later_ends[j], later_edits[j]
        while k < rows.size and (rows[k] < row or (rows[k] == row and ends[k] <= start)):
            out_rows[count], out_starts[count], out_ends[count], out_edits[count] = rows[k], starts[k], ends[k], edits[k]
            count, k = count + 1, k + 1
        while start < end:
            blocked = k < rows.size and rows[k] == row and starts[k] < end
            stop = max(start, starts[k]) if blocked else end
            if stop > start:
                out_rows[count], out_starts[count], out_ends[count], out_edits[count] = row, start, stop, edit
                count, edit = count + 1, rest[edit]
            start = stop
            if blocked:
                start = ends[k]
                if start < end:
                    out_rows[count], out_starts[count], out_ends[count], out_edits[count] = rows[k], starts[k], ends[k], edits[k]
                    count, k = count + 1, k + 1
    while k < rows.size:
        out_rows[count], out_starts[count], out_ends[count], out_edits[count] = rows[k], starts[k], ends[k], edits[k]
        count, k = count + 1, k + 1
    return count


@nb.njit
def put_span(out, count, row, start, end, edit):
    """Write span number `count` into out: int64 (capacity, 4), columns row, start, end, edit. Returns out, a larger copy where it was full."""
    if count == out.shape[0]:
        larger = np.empty((2 * count, 4), np.int64)
        larger[:count] = out
        out = larger
    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = row, start, end, edit
    return out
