"""The lines that C4 leaves out of a text, and the citation marks it strips, as spans."""

import numba as nb
import numpy as np

from curate.kernels.lines import JAVASCRIPT, POLICY, c4_ending, ends_with, scan_line
from curate.kernels.repetition import stripped
from curate.kernels.spans import put_span

BLANK, LONG_WORD, UNENDED, SHORT, JAVASCRIPT_LINE, POLICY_LINE, CITATION = range(7)  # edits, as numbers
_KEEP = -1


@nb.njit
def c4_edit(words, longest, ending, found, min_words, endings, max_word, phrases):
    """Why a line goes, in the order in which datatrove's code asks, or _KEEP."""
    if words == 0 and (min_words > 0 or endings):
        return BLANK
    if longest > max_word:
        return LONG_WORD
    if endings and not ending & endings:
        return UNENDED
    if words < min_words:
        return SHORT
    if found & phrases & JAVASCRIPT:
        return JAVASCRIPT_LINE
    return POLICY_LINE if found & phrases & POLICY else _KEEP


@nb.njit
def citation_end(data, p, end):
    """Where the citation mark that starts at byte p ends: a bracketed number, "[]", "[edit]" or "[citation needed]"; p where there is none."""
    q = p + 1
    while q < end and 48 <= data[q] <= 57:
        q += 1
    if q < end and data[q] == 93:
        return q + 1
    if end - p >= 6 and ends_with(data, p, p + 6, b"[edit]"):
        return p + 6
    if end - p >= 17 and ends_with(data, p, p + 17, b"[citation needed]"):
        return p + 17
    return p


@nb.njit(nogil=True, cache=True)
def find_c4_cuts(data, offsets, flags, machine, min_words, endings, max_word, phrases, citations):
    """The cuts of C4's line rules: int64 (cuts, 4), columns row, start, end (bytes of the row's text) and edit.

    flags: character_flags; machine: the phrases' machine. min_words: fewest words of a line, 0 for any; endings: those it
    may have (kernels.lines), 0 for any; max_word: code points of its longest word; phrases: which of JAVASCRIPT and POLICY
    count; citations: whether marks are cut from the lines that stay. A line goes with its line end; where the last line has
    none, the end of the line before goes, so that lines stay joined as they were.
    """
    out, count = np.empty((1024, 4), np.int64), 0
    for i in range(offsets.size - 1):
        base, end = offsets[i], offsets[i + 1]
        p, kept, run, ended = base, base, -1, True  # end of the last kept line; first cut of the lines cut since
        while p < end:
            stop, following, words, longest, _, found = scan_line(data, p, end, flags, machine)
            start, last = stripped(data, p, stop, flags)
            edit = c4_edit(words, longest, c4_ending(data, start, last), found, min_words, endings, max_word, phrases)
            if edit != _KEEP:
                run = count if run < 0 else run
                out = put_span(out, count, i, p - base, following - base, edit)
                count += 1
            else:
                kept, run, q = stop, -1, start
                while citations and q < last:
                    mark = citation_end(data, q, last) if data[q] == 91 else q
                    if mark > q:
                        out = put_span(out, count, i, q - base, mark - base, CITATION)
                        count += 1
                    q = max(mark, q + 1)
            ended = following > stop
            p = following
        if run >= 0 and not ended:
            out[run, 1] = kept - base
    return out[:count].copy()
