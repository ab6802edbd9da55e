"""Packing documents into rows of a fixed length, and taking them out again.

A document's sequence D is its tokens and one end token. A segment is a begin token followed by D[start : start + length];
a row is segments one after another, then padding. Documents are laid in order; one that does not fit goes on in the next
row behind a begin token of its own, so every document token has something to be predicted from.
"""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def pack(lengths, context_length, position):
    """Where each document's segments go.

    lengths: int64 (documents,), of D, so at least 1; position: how much of row 0 is already taken. A row with fewer than
    2 positions left is closed. Returns int64 arrays (row, column of the begin token, document, start, length) with one
    entry a segment, the last row touched, and how much of it is taken. Rows count from the open one.
    """
    bound = lengths.size
    for n in lengths:
        bound += (n + context_length - 2) // (context_length - 1)
    row, column = np.empty(bound, np.int64), np.empty(bound, np.int64)
    document, start, length = np.empty(bound, np.int64), np.empty(bound, np.int64), np.empty(bound, np.int64)
    count, here = 0, 0
    for d in range(lengths.size):
        done = 0
        while done < lengths[d]:
            if context_length - position < 2:
                here += 1
                position = 0
            take = min(lengths[d] - done, context_length - position - 1)
            row[count], column[count], document[count], start[count], length[count] = here, position, d, done, take
            count += 1
            done += take
            position += 1 + take
    return row[:count], column[:count], document[:count], start[:count], length[:count], here, position


@nb.njit(nogil=True, cache=True)
def lay(values, offsets, row, column, document, start, length, begin, end, out):
    """Write the segments' values into rows `out` (rows, context_length): `begin` before each, `end` where D ends."""
    for s in range(row.size):
        d, c = document[s], column[s]
        line = out[row[s]]
        line[c] = begin
        first = offsets[d] + start[s]
        tokens = min(length[s], offsets[d + 1] - first)
        for i in range(tokens):
            line[c + 1 + i] = values[first + i]
        if tokens < length[s]:
            line[c + 1 + tokens] = end


@nb.njit(nogil=True, cache=True)
def lift(rows, bounds, length):
    """The inverse of `lay`: what stands behind each segment's begin token, end tokens included, as one flat array.

    rows: (rows, context_length); bounds: (rows + 1,) segments of each row; length: (segments,).
    """
    out = np.empty(length.astype(np.int64).sum(), rows.dtype)
    at = 0
    for r in range(rows.shape[0]):
        c = 1
        for s in range(bounds[r], bounds[r + 1]):
            for _ in range(length[s]):
                out[at] = rows[r, c]
                at += 1
                c += 1
            c += 1
    return out
