"""Words as white space separates them (str.split), which is what Dolma and DCLM count; nothing is folded or left out."""

import functools
import sys

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.words import decode, extend, mix

u8, u32, u64 = np.uint8, np.uint32, np.uint64

SPACE, ALPHABETIC, ALPHANUMERIC = u8(1), u8(2), u8(4)
_START = u64(0x243F6A8885A308D3)  # of a word's hash; not 0, from which leading NUL bytes would be invisible


@functools.cache
def python_flags() -> NDArray[np.uint8]:
    """str.isspace, str.isalpha and str.isalnum of each of the 0x110000 code points, as a sum of flags (0.3 s, once a process)."""
    flags = np.zeros(sys.maxunicode + 1, np.uint8)
    for c in range(sys.maxunicode + 1):
        character = chr(c)
        flags[c] = SPACE * character.isspace() + ALPHABETIC * character.isalpha() + ALPHANUMERIC * character.isalnum()
    return flags


def hash_spaced(word: str) -> int:
    """The hash the kernels give a word."""
    return int(hash_bytes(np.frombuffer(word.encode(), np.uint8)))


@nb.njit(cache=True)
def hash_bytes(data):
    """The hash of a word's bytes."""
    h = _START
    for c in data:
        h = extend(h, u32(c))
    return mix(h)


@nb.njit
def lower(c):
    """An ASCII letter in lower case, any other byte as it is."""
    return c + u8(32) if 65 <= c <= 90 else c


@nb.njit
def split_spaced(data, p, end, flags, words, ends):
    """Hashes of the words between bytes p and end, and how many code points of words lie before each. Returns their number."""
    count, characters, word, inside = 0, 0, _START, False
    ends[0] = 0
    while p < end:
        cp, size = decode(data, p)
        if flags[cp] & SPACE:
            if inside:
                words[count], ends[count + 1] = max(mix(word), u64(1)), characters
                count += 1
                word, inside = _START, False
        else:
            for q in range(p, p + size):
                word = extend(word, u32(data[q]))
            characters += 1
            inside = True
        p += size
    if inside:
        words[count], ends[count + 1] = max(mix(word), u64(1)), characters
        count += 1
    return count


@nb.njit
def is_listed(words, word):
    """Whether a hash is among a few."""
    found = False
    for listed in words:
        found |= listed == word
    return found


@nb.njit
def count_symbols(data, p, end):
    """How often "#", three full stops, three full stops with spaces between and U+2026 occur, each kind counted by itself and
    without overlap (str.count)."""
    symbols, stops, free = 0, 0, p
    for q in range(p, end):
        c = data[q]
        if c == 46:
            stops += 1
            if stops == 3:
                symbols += 1
                stops = 0
            if q - free >= 4 and is_spaced_ellipsis(data, q):
                symbols += 1
                free = q + 1
            continue
        stops = 0
        if c == 35 or (c == 0xA6 and q - p >= 2 and data[q - 1] == 0x80 and data[q - 2] == 0xE2):
            symbols += 1
    return symbols


@nb.njit
def is_spaced_ellipsis(data, q):
    """Whether the bytes up to q are three full stops with spaces between."""
    return data[q - 1] == 32 and data[q - 2] == 46 and data[q - 3] == 32 and data[q - 4] == 46


@nb.njit
def is_token_break(c):
    """What fastText separates words by: space, tab, newline, vertical tab, form feed, carriage return, NUL."""
    return c == 32 or 9 <= c <= 13 or c == 0


@nb.njit
def count_tokens(data, p, end, flags):
    """fastText's words (ASCII white space and NUL separate) that start with a letter or number: DCLM's word count."""
    count, inside = 0, False
    while p < end:
        cp, size = decode(data, p)
        if is_token_break(cp):
            inside = False
        elif not inside:
            inside = True
            count += (flags[cp] & ALPHANUMERIC) != 0
        p += size
    return count


@nb.njit
def twice_median(lengths, num):
    """Twice the median of lengths[:num], 0 for none; sorts them."""
    if num == 0:
        return 0
    lengths[:num].sort()
    return lengths[(num - 1) // 2] + lengths[num // 2]


@nb.njit(nogil=True, cache=True)
def count_spaced_words(data, offsets, flags, stop_words, max_stop_word, out):
    """Counts over the words of every text, into out: int64 (9, n).

    stop_words: uint64, hashes of lower-case ASCII words no longer than `max_stop_word`. Rows of out: words; their code points; words with a letter; words
    that hold "#" or U+2026; twice the median of the words' code points; stop words as they stand; stop words in any case;
    symbols (`count_symbols`); words by fastText's splitting that start with a letter or number.
    """
    most = 1
    for i in range(offsets.size - 1):
        most = max(most, (offsets[i + 1] - offsets[i] + 1) // 2 + 1)
    lengths = np.empty(most, np.int64)
    for i in range(offsets.size - 1):
        p, end = offsets[i], offsets[i + 1]
        out[7, i] = count_symbols(data, p, end)
        out[8, i] = count_tokens(data, p, end, flags)
        words, characters, alphabetic, symbolic, as_written, any_case = 0, 0, 0, 0, 0, 0
        length, seen, symbol, word, folded = 0, u8(0), False, _START, _START
        while p <= end:  # one step beyond the end, where a space is put, ends the last word
            cp, size = decode(data, p) if p < end else (u32(32), 1)
            if flags[cp] & SPACE:
                if length:
                    lengths[words] = length
                    words += 1
                    characters += length
                    alphabetic += (seen & ALPHABETIC) != 0
                    symbolic += symbol
                    if length <= max_stop_word:
                        as_written += is_listed(stop_words, mix(word))
                        any_case += is_listed(stop_words, mix(folded))
                    length, seen, symbol, word, folded = 0, u8(0), False, _START, _START
            else:
                length += 1
                seen |= flags[cp]
                symbol |= cp == u32(35) or cp == u32(0x2026)
                if length <= max_stop_word:
                    for q in range(p, p + size):
                        word, folded = extend(word, u32(data[q])), extend(folded, u32(lower(data[q])))
            p += size
        out[0, i], out[1, i], out[2, i], out[3, i], out[4, i] = words, characters, alphabetic, symbolic, twice_median(lengths, words)
        out[5, i], out[6, i] = as_written, any_case
