"""What single characters are to the quality rules, and counts over words.

`character_flags` is shared by every kernel that looks at lines or words; words are those of `curate.kernels.words`.
"""

import functools
import sys
import unicodedata

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.words import IN_WORD, OWN_WORD, SEPARATOR, decode, extend, mix, word_tables

u8, u32, u64 = np.uint8, np.uint32, np.uint64

LETTER, SPACE, BREAK, TERMINAL, CLOSER = u8(1), u8(2), u8(4), u8(8), u8(16)

# Marks that end a sentence, in all scripts, as inclusive hexadecimal ranges: those of datatrove (utils/text.py, commit
# a649de79), which are nearly the Unicode property Sentence_Terminal. Python's unicodedata does not know that property.
_TERMINAL_RANGES = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6 17D9-17DA 1803 1809
1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F
A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59
10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3
115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5
16B37-16B38 16B44 16E98 1BC9F 1DA88
"""


def terminal_marks() -> list[int]:
    """The code points of every mark that ends a sentence."""
    bounds = [part.split("-") for part in _TERMINAL_RANGES.split()]
    return [mark for bound in bounds for mark in range(int(bound[0], 16), int(bound[-1], 16) + 1)]


@functools.cache
def character_flags() -> NDArray[np.uint8]:
    """A sum of flags for each of the 0x110000 code points (0.6 s, once a process).

    LETTER: category L, and marks of scripts written without spaces (there a vowel sign is a word of its own, see
    `curate.kernels.words`, and would else count as a word without a letter). SPACE: str.isspace. BREAK: ends a line for
    str.splitlines. TERMINAL: ends a sentence. CLOSER: closing bracket or quote, which may stand between a terminal mark
    and the space after it.
    """
    flags = np.zeros(sys.maxunicode + 1, np.uint8)
    kind = word_tables().kind
    for c in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(c))
        if category[0] == "L" or (category[0] == "M" and kind[c] == OWN_WORD):
            flags[c] = LETTER
        elif category in ("Pe", "Pf"):
            flags[c] = CLOSER
        elif chr(c).isspace():
            flags[c] = SPACE | (BREAK if len(f"a{chr(c)}b".splitlines()) == 2 else u8(0))
    flags[[ord('"'), ord("'")]] |= CLOSER
    flags[terminal_marks()] |= TERMINAL
    return flags


@nb.njit(inline="always")
def count_symbols(data, start, end):
    """(hash signs, ellipses) of a text; an ellipsis is U+2026 or three full stops, not overlapping."""
    signs, ellipses, stops = 0, 0, 0
    for p in range(start, end):
        c = data[p]
        if c == 46:
            stops += 1
            if stops == 3:
                ellipses += 1
                stops = 0
            continue
        stops = 0
        if c == 35:
            signs += 1
        elif c == 0xA6 and p - start >= 2 and data[p - 1] == 0x80 and data[p - 2] == 0xE2:
            ellipses += 1
    return signs, ellipses


@nb.njit(inline="always")
def stop_word_bit(stop_words, word):
    """The bit of a stop word's hash, 0 for any other word's."""
    for s in range(stop_words.size):
        if word == stop_words[s]:
            return u64(1) << u64(s)
    return u64(0)


@nb.njit(inline="always")
def count_bits(bits):
    """How many bits of an unsigned 64-bit number are set."""
    count = 0
    while bits:
        bits &= bits - u64(1)
        count += 1
    return count


@nb.njit(nogil=True, cache=True)
def count_words(data, offsets, tables, flags, stop_words, max_stop_word, out):
    """Counts over the words of every text, into out: int64 (7, n).

    stop_words: uint64, at most 64 hashes of words no longer than `max_stop_word` code points. Rows of out: words; their
    code points; words with a letter; hash signs; ellipses; words that are stop words; different stop words.

    The loop over code points is written out here as in `hash_words`: calling a function for each word counts references
    to its arrays each time and takes three times as long.
    """
    ascii_word, kinds, folds = tables.ascii_word, tables.kind, tables.folded
    out[:] = 0
    for i in range(offsets.size - 1):
        p, end = offsets[i], offsets[i + 1]
        out[3, i], out[4, i] = count_symbols(data, p, end)
        words, characters, alphabetic, stops, met = 0, 0, 0, 0, u64(0)
        word, length, seen = u64(0), 0, u8(0)
        while p <= end:  # one step beyond the end, where a separator is put, ends the last word
            c = data[p] if p < end else u8(32)
            if c < 128:
                p += 1
                cp = u32(ascii_word[c])
                kind, flag = (IN_WORD if cp else SEPARATOR), flags[cp]
            else:
                cp, size = decode(data, p)
                p += size
                kind, flag = kinds[cp], flags[cp]
                if kind and cp < u32(folds.size):
                    cp = folds[cp]
            if kind == IN_WORD:
                word = extend(word, cp)
                length += 1
                seen |= flag
                continue
            if length:
                words += 1
                characters += length
                alphabetic += (seen & LETTER) != 0
                if length <= max_stop_word:
                    bit = stop_word_bit(stop_words, mix(word))
                    stops += bit != 0
                    met |= bit
                word, length, seen = u64(0), 0, u8(0)
            if kind == OWN_WORD:
                words += 1
                characters += 1
                alphabetic += (flag & LETTER) != 0
        out[0, i], out[1, i], out[2, i], out[5, i], out[6, i] = words, characters, alphabetic, stops, count_bits(met)
