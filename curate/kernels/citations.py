"""Citation marks, which C4 strips from a line before it looks how the line ends and what it mentions: bracketed numbers, "[]",
"[edit]" and "[citation needed]" (Raffel et al. 2020, arXiv 1910.10683, section 2.2; the pattern is datatrove's, c4_filters.py)."""

import numba as nb
import numpy as np

from curate.kernels.byte_masks import PADDING, bytes_between, lowest_bit

u8, u64 = np.uint8, np.uint64


@nb.njit
def _stands_at(text, p, end, mark):
    """Whether the bytes of `mark` stand at byte p."""
    if end - p < len(mark):
        return False
    same = 0
    for k in range(len(mark)):
        same += text[p + k] == mark[k]
    return same == len(mark)


@nb.njit
def citation_end(text, p, end):
    """Where the citation mark that starts at byte p ends, p where there is none."""
    if text[p] != 91:
        return p
    q = p + 1
    while q < end and 48 <= text[q] <= 57:
        q += 1
    if q < end and text[q] == 93:
        return q + 1
    if _stands_at(text, p, end, b"[edit]"):
        return p + 6
    return p + 17 if _stands_at(text, p, end, b"[citation needed]") else p


@nb.njit
def find_citations(text, size, positions):
    """Where the citation marks of a padded text begin, ascending, and `size` behind them; returns how many there are."""
    count = 0
    for base in range(0, size, 64):
        opening = bytes_between(text, base, u8(91), u8(91))
        while opening:
            p = base + lowest_bit(opening)
            opening &= opening - u64(1)
            if p < size and citation_end(text, p, size) > p:
                positions[count] = p
                count += 1
    positions[count] = size
    return count


@nb.njit
def copy_without_citations(text, p, end, line):
    """Copy bytes p to end without their citation marks to the front of `line`, spaces behind them; returns how many bytes they are."""
    size = 0
    while p < end:
        q = citation_end(text, p, end)
        if q == p:
            line[size] = text[p]
            size, q = size + 1, p + 1
        p = q
    line[size : size + PADDING] = 32
    return size
