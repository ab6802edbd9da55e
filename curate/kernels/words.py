"""What a word is, and its hash. Every kernel that sees words takes them from here.

A word is a run of Unicode letters, marks and digits, case folded one code point to one (a fold that would lengthen the
word, such as that of U+00DF, is left out). Scripts written without spaces have no such runs: there each Han, Kana, Thai,
Lao, Khmer or Burmese code point is a word of its own. Everything else separates.

The inline functions are shared by kernels; they must be called with unsigned operands only, since one signed operand
makes numba widen to float64 or int64 and costs most of the speed (199 MB/s on one core for 112 MinHash values).
"""

import functools
import sys
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels import code_points
from curate.kernels.code_points import fold as fold

u32, u64 = np.uint32, np.uint64

SEPARATOR, IN_WORD, OWN_WORD = 0, 1, 2
_OWN_WORD_RANGES = (
    (0x0E00, 0x0E80),  # Thai
    (0x0E80, 0x0F00),  # Lao
    (0x1000, 0x10A0),  # Burmese
    (0x1780, 0x1800),  # Khmer
    (0x3040, 0x3100),  # Hiragana, Katakana
    (0x31F0, 0x3200),  # Katakana extensions
    (0x3400, 0x4DC0),  # Han
    (0x4E00, 0xA000),
    (0xF900, 0xFB00),
    (0x20000, 0x33480),
)
_FOLDED_SIZE = 0x20000  # no code point above it has a case


class WordTables(NamedTuple):
    """Look-up tables by code point. ascii_word: (128,) the folded byte, or 0 for a separator; kind: (0x110000,) 0 to 2;
    folded: (0x20000,) the folded code point."""

    ascii_word: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    folded: NDArray[np.uint32]


@functools.cache
def class_table() -> NDArray[np.uint8]:
    """The class of every code point (`curate.kernels.code_points`): (0x110000,)."""
    firsts, classes = np.array(code_points.tables()["classes"]).T
    return np.repeat(classes.astype(np.uint8), np.diff(firsts, append=sys.maxunicode + 1))


@functools.cache
def word_tables() -> WordTables:
    """The tables of the running Python's Unicode version."""
    in_word = np.zeros(code_points.LINE_BREAK + 1, np.uint8)
    in_word[[code_points.LETTER, code_points.MARK, code_points.NUMBER]] = IN_WORD
    kind = in_word[class_table()]
    for start, end in _OWN_WORD_RANGES:
        kind[start:end] *= OWN_WORD
    folded = np.arange(_FOLDED_SIZE, dtype=np.uint32)
    code_point, to = np.array(code_points.tables()["folds"]).T
    folded[code_point] = to
    ascii_word = np.where(kind[:128] > 0, folded[:128], 0).astype(np.uint8)
    return WordTables(ascii_word, kind, folded)


@nb.njit(inline="always")
def mix(h):
    """The finaliser of a word's or shingle's 64-bit hash (two rounds would change nothing measurable)."""
    h ^= h >> u64(32)
    h *= u64(0xD6E8FEB86659FD93)
    return h ^ (h >> u64(32))


@nb.njit(inline="always")
def extend(word, folded):
    """Add one folded code point to an unfinished word hash."""
    word = (word ^ u64(folded)) * u64(0x9E3779B97F4A7C15)
    if folded >= u32(128):
        word ^= word >> u64(29)
    return word


@nb.njit(inline="always")
def decode(data, p):
    """The code point whose UTF-8 form starts at byte p, and that form's length. The bytes must be valid UTF-8."""
    c = u32(data[p])
    if c < u32(0x80):
        return c, 1
    if c < u32(0xE0):
        return ((c & u32(0x1F)) << u32(6)) | (u32(data[p + 1]) & u32(0x3F)), 2
    if c < u32(0xF0):
        return ((c & u32(0xF)) << u32(12)) | ((u32(data[p + 1]) & u32(0x3F)) << u32(6)) | (u32(data[p + 2]) & u32(0x3F)), 3
    return (
        ((c & u32(7)) << u32(18)) | ((u32(data[p + 1]) & u32(0x3F)) << u32(12)) | ((u32(data[p + 2]) & u32(0x3F)) << u32(6)) | (u32(data[p + 3]) & u32(0x3F))
    ), 4


@nb.njit(nogil=True, cache=True)
def hash_words(data, offsets, tables):
    """The 64-bit hash of every word of every text.

    data: uint8 bytes of valid UTF-8; offsets: int64 (n + 1,); tables: WordTables. Returns (hashes uint64 (words,),
    bounds int64 (n + 1,)): the words of text i are hashes[bounds[i]:bounds[i + 1]]. Takes 4 bytes of working memory a
    byte of text, so callers hand in a few megabytes at a time.
    """
    n = offsets.size - 1
    hashes = np.empty((offsets[n] - offsets[0]) // 2 + n + 1, np.uint64)
    bounds = np.zeros(n + 1, np.int64)
    count = 0
    for i in range(n):
        p, end = offsets[i], offsets[i + 1]
        word, inside = u64(0), False
        while p < end:
            c = data[p]
            if c < 128:
                p += 1
                cp = u32(tables.ascii_word[c])
                kind = IN_WORD if cp else SEPARATOR
            else:
                cp, size = decode(data, p)
                p += size
                kind = tables.kind[cp]
                if kind and cp < u32(tables.folded.size):
                    cp = tables.folded[cp]
            if kind == IN_WORD:
                word = extend(word, cp)
                inside = True
                continue
            if inside:
                hashes[count] = mix(word)
                count += 1
                word, inside = u64(0), False
            if kind == OWN_WORD:
                hashes[count] = mix(extend(u64(0), cp))
                count += 1
        if inside:
            hashes[count] = mix(word)
            count += 1
        bounds[i + 1] = count
    return hashes[:count].copy(), bounds
