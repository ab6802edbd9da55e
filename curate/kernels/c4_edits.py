"""The lines that C4 leaves out of a text, and the citation marks it strips, as spans."""

import numba as nb
import numpy as np

from curate.kernels.byte_masks import padded_scratch
from curate.kernels.citations import citation_end, copy_without_citations
from curate.kernels.line_scan import find_phrases
from curate.kernels.lines import JAVASCRIPT, POLICY, c4_ending, scan_line
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
def has_citation(data, p, end):
    """Whether there is a citation mark between bytes p and end."""
    while p < end:
        if citation_end(data, p, end) > p:
            return True
        p += 1
    return False


@nb.njit(nogil=True, cache=True)
def find_c4_cuts(data, offsets, flags, machine, min_words, endings, max_word, phrases, citations):
    """The cuts of C4's line rules: int64 (cuts, 4), columns row, start, end (bytes of the row's text) and edit.

    flags: character_flags; machine: the phrases' machine. min_words: fewest words of a line, 0 for any; endings: those it
    may have (kernels.lines), 0 for any; max_word: code points of its longest word; phrases: which of JAVASCRIPT and POLICY
    count; citations: whether marks are cut from the lines that stay. A line goes with its line end; where the last line has
    none, the end of the line before goes, so that lines stay joined as they were.
    """
    out, count, line = np.empty((1024, 4), np.int64), 0, padded_scratch(offsets)
    for i in range(offsets.size - 1):
        base, end = offsets[i], offsets[i + 1]
        p, kept, run, ended = base, base, -1, True  # end of the last kept line; first cut of the lines cut since
        while p < end:
            stop, following, words, longest, _, found = scan_line(data, p, end, flags, machine)
            start, last = stripped(data, p, stop, flags)
            ending = c4_ending(data, start, last)
            if has_citation(data, start, last):
                length = copy_without_citations(data, start, last, line)
                found, ending = find_phrases(line, 0, length, machine), c4_ending(line, 0, length)
            edit = c4_edit(words, longest, ending, found, min_words, endings, max_word, phrases)
            if edit != _KEEP:
                run = count if run < 0 else run
                out = put_span(out, count, i, p - base, following - base, edit)
                count += 1
            else:
                kept, run, q = stop, -1, start
                while citations and q < last:
                    mark = citation_end(data, q, last)
                    if mark > q:
                        out = put_span(out, count, i, q - base, mark - base, CITATION)
                        count += 1
                    q = max(mark, q + 1)
            ended = following > stop
            p = following
        if run >= 0 and not ended:
            out[run, 1] = kept - base
    return out[:count].copy()
