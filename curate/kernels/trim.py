"""White space that cuts leave at the ends of texts."""

import numba as nb


@nb.njit(inline="always")
def is_blank(byte):
    """ASCII white space; wider spaces are text here."""
    return byte == 32 or 9 <= byte <= 13


@nb.njit
def _trim_end(data, text, length, starts, ends, first, last):
    """Spans first to last (not included) of one text: let the last ones take what white space is left behind and around them."""
    q = length
    while q > ends[last - 1] and is_blank(data[text + q - 1]):
        q -= 1
    if q > ends[last - 1]:
        return
    ends[last - 1] = length
    k = last - 1
    while True:
        lowest = ends[k - 1] if k > first else 0
        while starts[k] > lowest and is_blank(data[text + starts[k] - 1]):
            starts[k] -= 1
        if k == first or starts[k] > lowest:
            return
        k -= 1


@nb.njit
def _trim_start(data, text, length, starts, ends, first, last):
    """The same at the start of the text."""
    p = 0
    while p < starts[first] and is_blank(data[text + p]):
        p += 1
    if p < starts[first]:
        return
    starts[first] = 0
    k = first
    while True:
        highest = starts[k + 1] if k + 1 < last else length
        while ends[k] < highest and is_blank(data[text + ends[k]]):
            ends[k] += 1
        if k + 1 == last or ends[k] < highest:
            return
        k += 1


@nb.njit(nogil=True, cache=True)
def trim_spans(data, offsets, rows, starts, ends):
    """Widen, in place, spans that would leave only white space before or behind them at an end of their text.

    rows, starts, ends: int64, ordered, not overlapping; bytes within the row's text.
    """
    first = 0
    while first < rows.size:
        last = first + 1
        while last < rows.size and rows[last] == rows[first]:
            last += 1
        text = offsets[rows[first]]
        length = offsets[rows[first] + 1] - text
        _trim_end(data, text, length, starts, ends, first, last)
        _trim_start(data, text, length, starts, ends, first, last)
        first = last
