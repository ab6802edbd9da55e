"""Counts over the lines of a text: how they begin and end, how long they are, what they mention.

A *line* is what str.splitlines yields (Gopher, C4). A *text line* is what stands between newlines and is not blank
(FineWeb); CR LF is one newline.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.quality import BREAK, CLOSER, SPACE, TERMINAL
from curate.kernels.repetition import capacity, finish_piece, is_carriage_return, most_newlines, place, start_piece, stripped
from curate.kernels.words import decode, extend

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


@nb.njit
def without_citations(data, start, end):
    """The end of a line without the bracketed numbers, "[edit]" and "[citation needed]" at its end."""
    while end - start >= 2 and data[end - 1] == 93:
        p = end - 2
        while p > start and 48 <= data[p] <= 57:
            p -= 1
        if data[p] != 91:
            p = opening_of(data, start, end, b"[edit]", b"[citation needed]")
            if p < 0:
                return end
        end = p
    return end


@nb.njit
def ends_with(data, start, end, tail):
    """Whether bytes start to end end with the bytes of `tail`."""
    if end - start < len(tail):
        return False
    same = 0
    for k in range(len(tail)):
        same += data[end - len(tail) + k] == tail[k]
    return same == len(tail)


@nb.njit
def opening_of(data, start, end, first, second):
    """Where one of two tails begins, −1 where the line ends with neither."""
    if ends_with(data, start, end, first):
        return end - len(first)
    if ends_with(data, start, end, second):
        return end - len(second)
    return -1


@nb.njit
def ends_with_ellipsis(data, start, end):
    """Whether a line ends with three full stops or U+2026."""
    return ends_with(data, start, end, b"...") or ends_with(data, start, end, b"\xe2\x80\xa6")


@nb.njit
def starts_with_bullet(data, start, end):
    """Whether a line starts with a hyphen or U+2022."""
    return (end > start and data[start] == 45) or (end - start >= 3 and data[start] == 0xE2 and data[start + 1] == 0x80 and data[start + 2] == 0xA2)


@nb.njit
def c4_ending(data, start, end):
    """How a line ends for C4: END_MARK or APOSTROPHE, or 0 (an ellipsis is no end mark)."""
    end = without_citations(data, start, end)
    if end == start or ends_with(data, start, end, b"..."):
        return 0
    c = data[end - 1]
    if c == 46 or c == 63 or c == 33 or c == 34:
        return END_MARK
    return APOSTROPHE if c == 39 else 0


@nb.njit(nogil=True, cache=True)
def count_lines(data, offsets, flags, machine, c4_min_words, c4_endings, c4_max_word, out):
    """Counts over the lines of every text, into out: int64 (10 + 4 × variants, n).

    Rows 0 to 9: lines; starting with a bullet; ending with an ellipsis; sentences; with an end mark of C4; of 1 or 2 words;
    mentioning javascript; a policy phrase; the Latin placeholder; a curly bracket. Then four for each variant of C4
    (c4_min_words: int64, fewest words a kept line has; c4_endings: int64, endings it may have, 0 for any): lines kept;
    sentences in them; lines with the placeholder among those long enough and rightly ended; with a curly bracket among
    those that do not mention javascript either. c4_max_word: lines with a longer word are kept in no variant.
    """
    for i in range(offsets.size - 1):
        out[:, i] = 0
        p, end = offsets[i], offsets[i + 1]
        while p < end:
            stop, following, words, longest, sentences, found = scan_line(data, p, end, flags, machine)
            start, stop = stripped(data, p, stop, flags)
            ending = c4_ending(data, start, stop)
            out[0, i] += 1
            out[1, i] += starts_with_bullet(data, start, stop)
            out[2, i] += ends_with_ellipsis(data, start, stop)
            out[3, i] += sentences
            out[4, i] += ending != 0
            out[5, i] += 0 < words < 3
            out[6, i] += (found & JAVASCRIPT) != 0
            out[7, i] += (found & POLICY) != 0
            out[8, i] += (found & LOREM_IPSUM) != 0
            out[9, i] += (found & CURLY_BRACKET) != 0
            for v in range(c4_min_words.size):
                if longest <= c4_max_word and words >= c4_min_words[v] and (c4_endings[v] == 0 or ending & c4_endings[v]):
                    row = 10 + 4 * v
                    kept = not found & (JAVASCRIPT | POLICY)
                    out[row, i] += kept
                    out[row + 1, i] += sentences if kept else 0
                    out[row + 2, i] += (found & LOREM_IPSUM) != 0
                    out[row + 3, i] += (found & (CURLY_BRACKET | JAVASCRIPT)) == CURLY_BRACKET
            p = following


@nb.njit
def scan_text_line(data, p, end, flags):
    """Read up to the next newline: (where it stands, code points, hash, whether all is white space, flags of the last code point)."""
    h, length, blank, last = start_piece(), 0, True, p
    while p < end:
        c = data[p]
        if c == 10:
            break
        if not is_carriage_return(data, p, end):
            h = extend(h, u32(c))
            if c & u8(0xC0) != u8(0x80):
                last = p
                length += 1
                if blank:
                    cp, _ = decode(data, p)
                    blank = (flags[cp] & SPACE) != 0
        p += 1
    ending = u8(0)
    if length:
        cp, _ = decode(data, last)
        ending = flags[cp]
    return p, length, finish_piece(h), blank, ending


@nb.njit(nogil=True, cache=True)
def count_text_lines(data, offsets, flags, max_short, min_long, out):
    """Counts over the text lines (not blank, between newlines) of every text, into out: int64 (7, n).

    Rows: newlines; code points that are no newline; text lines; those ending with a terminal mark; of at most `max_short`
    code points; of at least `min_long`; code points in second and later copies of a text line.
    """
    keys = np.empty(capacity(most_newlines(data, offsets) + 1), np.uint64)
    for i in range(offsets.size - 1):
        out[:, i] = 0
        start, end = offsets[i], offsets[i + 1]
        newlines = 0
        for p in range(start, end):
            newlines += data[p] == 10
        size = capacity(newlines + 1)
        keys[:size] = u64(0)
        p = start
        while p < end:
            p, length, key, blank, ending = scan_text_line(data, p, end, flags)
            p += 1
            out[1, i] += length
            if blank:
                continue
            slot = place(keys, u64(size - 1), key)
            out[2, i] += 1
            out[3, i] += (ending & TERMINAL) != 0
            out[4, i] += length <= max_short
            out[5, i] += length >= min_long
            out[6, i] += length if keys[slot] else 0
            keys[slot] = key
        out[0, i] = newlines
