"""Counts over the lines of a text: how they begin and end, how long they are, what they mention.

A *line* is what str.splitlines yields (Gopher, C4). A *text line* is what stands between newlines and is not blank
(FineWeb); CR LF is one newline.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.byte_masks import copy_padded, padded_scratch
from curate.kernels.citations import copy_without_citations, find_citations
from curate.kernels.line_scan import find_anchors, find_phrases, read_line
from curate.kernels.line_split import line_scratch, split_lines
from curate.kernels.quality import BREAK, CLOSER, SPACE, TERMINAL
from curate.kernels.repetition import capacity, is_carriage_return, place, stripped
from curate.kernels.words import decode

u8, u32, u64 = np.uint8, np.uint32, np.uint64

JAVASCRIPT, POLICY, LOREM_IPSUM, CURLY_BRACKET = u8(1), u8(2), u8(4), u8(8)
END_MARK, APOSTROPHE = 1, 2  # how a line ends: with one of . ? ! " or with '


class PhraseMachine(NamedTuple):
    """Finds ASCII phrases, without regard to case, at one look-up a byte. step: uint8 (states, 128), the next state;
    found: uint8 (states,), the flags of the phrases that end in it."""

    step: NDArray[np.uint8]
    found: NDArray[np.uint8]


def phrase_machine(phrases: Mapping[str, int]) -> PhraseMachine:
    """The machine of some lower-case ASCII phrases and the flag each raises (Aho and Corasick 1975, all steps resolved)."""
    prefixes = sorted({phrase[:k] for phrase in phrases for k in range(len(phrase) + 1)}, key=lambda prefix: (len(prefix), prefix))
    state = {prefix: s for s, prefix in enumerate(prefixes)}
    step, found = np.zeros((len(prefixes), 128), np.uint8), np.zeros(len(prefixes), np.uint8)
    for prefix, s in state.items():
        for c in range(128):
            text = prefix + chr(c).lower()
            step[s, c] = next(state[text[k:]] for k in range(len(text) + 1) if text[k:] in state)
        for phrase, flag in phrases.items():
            found[s] |= flag if prefix.endswith(phrase) else 0
    return PhraseMachine(step, found)


@nb.njit
def scan_line(data, p, end, flags, machine):
    """Read the line that starts at byte p: (its end, start of the next, words, longest word, sentences, phrases found).

    Words here are what white space separates. A sentence ends with a run of terminal marks and closing brackets or quotes,
    before white space or the end of the line; marks beyond ASCII, of scripts that set no space, need none.
    """
    state, found, words, word, longest, sentences = u8(0), u8(0), 0, 0, 0, 0
    is_open, pending, wide = False, False, False
    while p < end:
        c = data[p]
        cp, size = u32(c), 1
        if c < 128:
            state = machine.step[state, c]
            found |= machine.found[state]
        else:
            state = u8(0)
            cp, size = decode(data, p)
        flag = flags[cp]
        if flag & (SPACE | BREAK):
            if flag & BREAK:
                break
            if pending:
                sentences, is_open, pending, wide = sentences + 1, False, False, False
            words += word > 0
            longest, word = max(longest, word), 0
        else:
            word += 1
            if flag & TERMINAL:
                pending, wide = True, wide or c >= 128
            elif pending and not flag & CLOSER:
                sentences += wide
                pending, wide = False, False
            is_open = True
        p += size
    following = end
    if p < end:
        _, size = decode(data, p)
        following = p + size + (1 if is_carriage_return(data, p, end) else 0)
    return p, following, words + (word > 0), max(longest, word), sentences + is_open, found


@nb.njit(inline="always")
def ends_with_stops(data, start, end):
    """Whether a line ends with three full stops."""
    return end - start >= 3 and data[end - 1] == 46 and data[end - 2] == 46 and data[end - 3] == 46


@nb.njit(inline="always")
def ends_with_ellipsis(data, start, end):
    """Whether a line ends with three full stops or U+2026."""
    return ends_with_stops(data, start, end) or (end - start >= 3 and data[end - 1] == 0xA6 and data[end - 2] == 0x80 and data[end - 3] == 0xE2)


@nb.njit(inline="always")
def starts_with_bullet(data, start, end):
    """Whether a line starts with a hyphen or U+2022."""
    return (end > start and data[start] == 45) or (end - start >= 3 and data[start] == 0xE2 and data[start + 1] == 0x80 and data[start + 2] == 0xA2)


@nb.njit(inline="always")
def c4_ending(data, start, end):
    """How a line without citation marks ends for C4: END_MARK or APOSTROPHE, or 0 (an ellipsis is no end mark)."""
    if end == start or ends_with_stops(data, start, end):
        return 0
    c = data[end - 1]
    if c == 46 or c == 63 or c == 33 or c == 34:
        return END_MARK
    return APOSTROPHE if c == 39 else 0


@nb.njit(nogil=True, cache=True)
def count_lines(data, offsets, flags, machine, anchor_letters, c4_min_words, c4_endings, c4_max_word, out):
    """Counts over the lines of every text, into out: int64 (10 + 4 × variants, n).

    Rows 0 to 9: lines; starting with a bullet; ending with an ellipsis; sentences; with an end mark of C4; of 1 or 2 words;
    mentioning javascript; a policy phrase; the Latin placeholder; a curly bracket. Then four for each variant of C4
    (c4_min_words: int64, fewest words a kept line has; c4_endings: int64, endings it may have, 0 for any): lines kept;
    sentences in them; lines with the placeholder among those long enough and rightly ended; with a curly bracket among
    those that do not mention javascript either. Phrases (machine) are looked for in lines with an anchor of theirs
    (anchor_letters), the curly bracket in all. c4_max_word: lines with a longer word are kept in no variant. What C4 looks
    for, it looks for in a line without its citation marks; but words are counted with them, as in datatrove.
    """
    text, line = padded_scratch(offsets), padded_scratch(offsets)
    anchors, citations = np.empty(text.size, np.int64), np.empty(text.size, np.int64)
    counts = np.empty(out.shape[0], np.int64)  # one text's, since rows of out may all lie in the same few places of the cache
    for i in range(offsets.size - 1):
        counts[:] = 0
        size = copy_padded(data, offsets[i], offsets[i + 1], text)
        find_anchors(text, size, anchor_letters, anchors)
        find_citations(text, size, citations)
        p, next_anchor, next_citation = 0, 0, 0
        while p < size:
            stop, following, words, longest, sentences, bracket = read_line(text, p, size, flags)
            found = CURLY_BRACKET if bracket else u8(0)
            if anchors[next_anchor] < stop:
                found |= find_phrases(text, p, stop, machine)
                while anchors[next_anchor] < stop:
                    next_anchor += 1
            start, stop = stripped(text, p, stop, flags)
            ending, c4_sentences, c4_found = c4_ending(text, start, stop), sentences, found
            if citations[next_citation] < stop:
                length = copy_without_citations(text, start, stop, line)
                _, _, _, _, c4_sentences, bracket = read_line(line, 0, length, flags)
                c4_found = find_phrases(line, 0, length, machine) | (CURLY_BRACKET if bracket else u8(0))
                ending = c4_ending(line, 0, length)
                while citations[next_citation] < stop:
                    next_citation += 1
            counts[0] += 1
            counts[1] += starts_with_bullet(text, start, stop)
            counts[2] += ends_with_ellipsis(text, start, stop)
            counts[3] += sentences
            counts[4] += ending != 0
            counts[5] += 0 < words < 3
            counts[6] += (found & JAVASCRIPT) != 0
            counts[7] += (found & POLICY) != 0
            counts[8] += (found & LOREM_IPSUM) != 0
            counts[9] += (found & CURLY_BRACKET) != 0
            for v in range(c4_min_words.size):
                if longest <= c4_max_word and words >= c4_min_words[v] and (c4_endings[v] == 0 or ending & c4_endings[v]):
                    row = 10 + 4 * v
                    kept = not c4_found & (JAVASCRIPT | POLICY)
                    counts[row] += kept
                    counts[row + 1] += c4_sentences if kept else 0
                    counts[row + 2] += (c4_found & LOREM_IPSUM) != 0
                    counts[row + 3] += (c4_found & (CURLY_BRACKET | JAVASCRIPT)) == CURLY_BRACKET
            p = following
        out[:, i] = counts


@nb.njit(inline="always")
def is_blank(text, p, end, flags):
    """Whether bytes p to end are all white space."""
    while p < end:
        cp, size = decode(text, p)
        if not flags[cp] & SPACE:
            return False
        p += size
    return True


@nb.njit(inline="always")
def last_flags(text, end, flags):
    """The flags of the code point that ends before byte `end`."""
    p = end - 1
    while text[p] & u8(0xC0) == u8(0x80):
        p -= 1
    cp, _ = decode(text, p)
    return flags[cp]


@nb.njit(nogil=True, cache=True)
def count_text_lines(data, offsets, flags, max_short, min_long, out):
    """Counts over the text lines (not blank, between newlines) of every text, into out: int64 (7, n).

    Rows: newlines; code points that are no newline; text lines; those ending with a terminal mark; of at most `max_short`
    code points; of at least `min_long`; code points in second and later copies of a text line.
    """
    text = padded_scratch(offsets)
    bounds, hashes, lengths = line_scratch(data, offsets)
    keys = np.empty(capacity(hashes.size), np.uint64)
    counts = np.empty(out.shape[0], np.int64)
    for i in range(offsets.size - 1):
        counts[:] = 0
        count = split_lines(text, copy_padded(data, offsets[i], offsets[i + 1], text), bounds, hashes, lengths)
        counts[0] = count - 1
        table = capacity(count)
        keys[:table] = u64(0)
        for k in range(count):
            length = lengths[k]
            counts[1] += length
            if is_blank(text, bounds[0, k], bounds[1, k], flags):
                continue
            slot = place(keys, u64(table - 1), hashes[k])
            counts[2] += 1
            counts[3] += (last_flags(text, bounds[1, k], flags) & TERMINAL) != 0
            counts[4] += length <= max_short
            counts[5] += length >= min_long
            counts[6] += length if keys[slot] else 0
            keys[slot] = hashes[k]
        out[:, i] = counts
