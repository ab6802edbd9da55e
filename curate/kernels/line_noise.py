"""Lines that hold no prose (capitals, numbers, counters, single words) and phrases of buttons in short lines, as spans."""

import functools
import sys
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.repetition import is_carriage_return
from curate.kernels.spans import put_span
from curate.kernels.words import decode

u8 = np.uint8

UPPER, DIGIT, DECIMAL, WORD, SPACE, BREAK = u8(1), u8(2), u8(4), u8(8), u8(16), u8(32)
UPPER_CASE, NUMERIC, COUNTER, SHORT, ANYWHERE, AT_END, AT_START = range(7)  # edits, as numbers


class Phrases(NamedTuple):
    """Lower-case phrases one after another. held: uint8, their bytes, 0 for any one code point; bounds: int64 (phrases + 1,)."""

    held: NDArray[np.uint8]
    bounds: NDArray[np.int64]


class NoiseTables(NamedTuple):
    """flags: (0x110000,) by code point; begins: (256,), whether a phrase may begin with a byte; counters: the nouns of counters;
    anywhere, at_end, at_start: phrases."""

    flags: NDArray[np.uint8]
    begins: NDArray[np.bool_]
    counters: Phrases
    anywhere: Phrases
    at_end: Phrases
    at_start: Phrases


@functools.cache
def noise_flags() -> NDArray[np.uint8]:
    """str.isupper, isdigit, isdecimal, whether `\\w` matches, str.isspace and whether splitlines breaks, of each of the 0x110000
    code points, as a sum of flags (0.5 s, once a process)."""
    flags = np.zeros(sys.maxunicode + 1, np.uint8)
    for c in range(sys.maxunicode + 1):
        one = chr(c)
        flags[c] = UPPER * one.isupper() | DIGIT * one.isdigit() | DECIMAL * one.isdecimal() | WORD * (one.isalnum() or one == "_")
        if one.isspace():
            flags[c] |= SPACE | (BREAK if len(f"a{one}b".splitlines()) == 2 else u8(0))
    return flags


@nb.njit
def scan_noise_line(data, p, end, flags, whole):
    """Read the line that starts at byte p: (its start, its end, start of the next, code points, upper-case, digits, words).

    whole: lines stand between newlines and are taken as they are; else they are those of splitlines, without white space
    around them. Words are what white space separates.
    """
    start, last, q = p, p, p
    characters, uppers, digits, words, spaces, inside, met = 0, 0, 0, 0, 0, False, whole
    while q < end:
        cp, size = decode(data, q)
        flag = flags[cp]
        if data[q] == 10 or (not whole and flag & BREAK):
            break
        if flag & SPACE:
            inside = False
            spaces += met
        else:
            start = start if met else q
            words += not inside
            inside, met = True, True
            characters, spaces, last = characters + spaces + 1, 0, q + size
            uppers += (flag & UPPER) != 0
            digits += (flag & DIGIT) != 0
        q += size
    following = q
    if q < end:
        _, size = decode(data, q)
        following = q + size + (1 if is_carriage_return(data, q, end) else 0)
    if whole:
        last, characters = q, characters + spaces
    return start, last, following, q, characters, uppers, digits, words


@nb.njit(inline="always")
def lower(c):
    """An ASCII letter in lower case, any other byte as it is."""
    return c + u8(32) if 65 <= c <= 90 else c


@nb.njit
def match_phrase(line, p, end, phrases, k):
    """Where phrase k, found at byte p without regard to (ASCII) case, ends; −1 where it does not stand there."""
    for j in range(phrases.bounds[k], phrases.bounds[k + 1]):
        if p >= end:
            return -1
        if phrases.held[j] == 0:
            p += decode(line, p)[1]
        elif lower(line[p]) == phrases.held[j]:
            p += 1
        else:
            return -1
    return p


@nb.njit
def longest_match(line, p, end, phrases, at_end):
    """Where the longest of the phrases found at byte p ends, −1 where there is none. at_end: it must reach the end."""
    found = -1
    for k in range(phrases.bounds.size - 1):
        stop = match_phrase(line, p, end, phrases, k)
        if stop > found and (stop == end or not at_end):
            found = stop
    return found


@nb.njit
def skip(line, p, end, flags, wanted):
    """The first byte from p on whose code point has none of the wanted flags."""
    while p < end:
        cp, size = decode(line, p)
        if not flags[cp] & wanted:
            break
        p += size
    return p


@nb.njit
def skip_marks(line, p, end, flags):
    """The first byte from p on whose code point is part of a word."""
    while p < end:
        cp, size = decode(line, p)
        if flags[cp] & WORD:
            break
        p += size
    return p


@nb.njit
def is_counter(data, p, end, flags, nouns):
    """Whether a line is a number, if need be with k, m or b behind it, and a noun of counters; marks may stand around them."""
    p = skip_marks(data, p, end, flags)
    if skip(data, p, end, flags, DECIMAL) == p:
        return False
    while p < end:
        q = skip(data, p, end, flags, DECIMAL)
        if q == p and (q == end or (data[q] != 44 and data[q] != 46)):
            break
        p = max(q, p + 1)
    if p < end and (lower(data[p]) == 107 or lower(data[p]) == 109 or lower(data[p]) == 98):
        p += 1
    gap = p
    p = skip(data, p, end, flags, SPACE)
    p = longest_match(data, p, end, nouns, False) if p > gap else -1
    return p >= 0 and skip_marks(data, p, end, flags) == end


@nb.njit
def trimmed(data, p, end, flags):
    """The bounds of bytes p to end without white space at either side."""
    p = skip(data, p, end, flags, SPACE)
    while end > p:
        q = end - 1
        while data[q] & u8(0xC0) == u8(0x80):
            q -= 1
        if not flags[decode(data, q)[0]] & SPACE:
            break
        end = q
    return p, end


@nb.njit
def count_spaced_words(line, end, flags):
    """Words of bytes 0 to end, as white space separates them."""
    words, inside, p = 0, False, 0
    while p < end:
        cp, size = decode(line, p)
        is_space = (flags[cp] & SPACE) != 0
        words += not is_space and not inside
        inside = not is_space
        p += size
    return words


@nb.njit
def mark_phrases(line, end, flags, phrases, edit, gone):
    """Mark in gone (uint8, by byte of the line) what one kind of phrases takes: a phrase and the white space before it, at the
    start of the line behind it. Returns whether there was any."""
    p, met = 0, False
    while p < end:
        _, size = decode(line, p)
        is_space = flags[decode(line, p)[0]] & SPACE
        stop = longest_match(line, p + size, end, phrases, edit == AT_END) if is_space and edit != AT_START else -1
        if stop < 0:
            stop = longest_match(line, p, end, phrases, edit == AT_END)
        if stop >= 0:
            if edit == AT_START and stop < end and flags[decode(line, stop)[0]] & SPACE:
                stop += decode(line, stop)[1]
            gone[p:stop] = u8(1)
            met = True
        if edit == AT_START:
            break
        p = stop if stop >= 0 else p + size
    return met


@nb.njit
def edit_phrases(line, place, gone, size, tables, max_words, cuts):
    """Take the phrases out of a line, kind after kind, each where what is left has at most `max_words` words.

    line: its bytes; place: where each stands; both are closed up as bytes go. gone: working memory. cuts:
    uint8, by original byte, the edit that took it plus 1. Returns the edit that left nothing but white space, or −1.
    """
    for edit in (ANYWHERE, AT_END, AT_START):
        phrases = tables.anywhere if edit == ANYWHERE else tables.at_end if edit == AT_END else tables.at_start
        if phrases.bounds.size == 1 or count_spaced_words(line, size, tables.flags) > max_words:
            continue
        gone[:size] = u8(0)
        if not mark_phrases(line, size, tables.flags, phrases, edit, gone):
            continue
        left = 0
        for k in range(size):
            if gone[k]:
                cuts[place[k]] = u8(edit + 1)
            else:
                line[left], place[left] = line[k], place[k]
                left += 1
        size = left
        if count_spaced_words(line, size, tables.flags) == 0:
            return edit
    return -1


@nb.njit
def may_hold_phrase(data, p, end, tables):
    """Whether some phrase stands in a line; most hold none, and are not to be copied. That it may be cut is not said yet."""
    for q in range(p, end):
        if tables.begins[data[q]]:
            if longest_match(data, q, end, tables.anywhere, False) >= 0 or longest_match(data, q, end, tables.at_end, True) >= 0:
                return True
            if q == p and longest_match(data, q, end, tables.at_start, False) >= 0:
                return True
    return False


@nb.njit
def put_pieces(out, count, row, start, cuts, size):
    """Write the runs of bytes of a line that phrases took as spans; returns (out, count). start: of the line in the row's text."""
    k = 0
    while k < size:
        q = k + 1
        while q < size and cuts[q] == cuts[k]:
            q += 1
        if cuts[k]:
            out = put_span(out, count, row, start + k, start + q, cuts[k] - 1)
            count += 1
        k = q
    return out, count


@nb.njit
def noise_edit(data, start, last, tables, shape, max_upper, max_numeric, min_words):
    """Why a whole line goes, or −1. shape: its code points, upper-case ones, digits and words."""
    characters, uppers, digits, words = shape
    if uppers / characters > max_upper:
        return UPPER_CASE
    if digits / characters > max_numeric:
        return NUMERIC
    if digits and tables.counters.bounds.size > 1 and is_counter(data, start, last, tables.flags, tables.counters):
        return COUNTER
    return SHORT if words < min_words else -1


@nb.njit(nogil=True, cache=True)
def find_noise_cuts(data, offsets, tables, whole, max_upper, max_numeric, min_words, max_phrase_words):
    """The cuts of these rules: int64 (cuts, 4), columns row, start, end (bytes of the row's text) and edit.

    whole: see `scan_noise_line`; a text's white space at both ends is then no part of a line. max_upper, max_numeric: share of
    a line's code points above which it goes (infinity: never). min_words: fewest words of a line; max_phrase_words: most
    words of a line that phrases are cut from, −1 for none. Lines of nothing (whole: of no code point) stay.
    """
    out, count, flags = np.empty((1024, 4), np.int64), 0, tables.flags
    line, place, gone, cuts = np.empty(4096, np.uint8), np.empty(4096, np.int64), np.empty(4096, np.uint8), np.empty(4096, np.uint8)
    for i in range(offsets.size - 1):
        base = offsets[i]
        p, end = trimmed(data, base, offsets[i + 1], flags) if whole else (base, offsets[i + 1])
        kept, run, ended = p, -1, True  # end of the last kept line; first cut of the lines cut since
        while p < end:
            start, last, following, stop, characters, uppers, digits, words = scan_noise_line(data, p, end, flags, whole)
            shape, edit, size = (characters, uppers, digits, words), -1, last - start
            if characters:
                edit = noise_edit(data, start, last, tables, shape, max_upper, max_numeric, min_words)
            if characters and edit < 0 and words <= max_phrase_words and may_hold_phrase(data, start, last, tables):
                if size > line.size:
                    line, place, gone, cuts = np.empty(size, np.uint8), np.empty(size, np.int64), np.empty(size, np.uint8), np.empty(size, np.uint8)
                line[:size], cuts[:size] = data[start:last], u8(0)
                for k in range(size):
                    place[k] = k
                edit = edit_phrases(line, place, gone, size, tables, max_phrase_words, cuts)
                if edit < 0:
                    out, count = put_pieces(out, count, i, start - base, cuts, size)
            if edit >= 0:
                run = count if run < 0 else run
                out = put_span(out, count, i, p - base, following - base, edit)
                count += 1
            else:
                kept, run = stop, -1
            ended = following > stop
            p = following
        if run >= 0 and not ended:
            out[run, 1] = kept - base
    return out[:count].copy()
