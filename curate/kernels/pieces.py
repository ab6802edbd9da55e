"""Lines and paragraphs as pieces of a text: where each lies, and the hash of its normalised form.

A *line* stands between newlines, a *paragraph* between runs of two newlines or more; CR LF is one newline. A piece's
separator belongs to it, so the pieces of a text, one after another, are the text. Pieces are numbered from 0 in each text,
blank ones too.
"""

import functools
import sys
import unicodedata

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.repetition import finish_piece, is_carriage_return, start_piece
from curate.kernels.words import IN_WORD, OWN_WORD, decode, extend, fold

u8, u32 = np.uint8, np.uint32

REMOVED, SPACE = u32(0), u32(1)
_FIRST = 2  # a code point c that stays is told as c + 2
LINE, PARAGRAPH = 1, 2  # newlines that separate


@functools.cache
def piece_table(normalised: bool) -> NDArray[np.uint32]:
    """What each of the 0x110000 code points counts as: REMOVED, SPACE (runs of them are one, at either end none), or a value of its own.

    Normalised as CCNet does (Wenzek et al. 2020, arXiv 1911.00359, section 3.1): lower case, decimal digits to 0, punctuation
    (category P) and control characters (Cc, Cf) removed. Lower case is here case folding, one code point to one. Accents
    stay, as in CCNet's code; its paper removes them. Otherwise every code point stays as it is. (0.8 s, once a process.)
    """
    table = np.arange(_FIRST, sys.maxunicode + 1 + _FIRST, dtype=np.uint32)
    if not normalised:
        return table
    for c in range(sys.maxunicode + 1):
        character = chr(c)
        category = unicodedata.category(character)
        if character.isspace():
            table[c] = SPACE
        elif category[0] == "P" or category in ("Cc", "Cf"):
            table[c] = REMOVED
        else:
            table[c] = (ord("0") if category == "Nd" else fold(c)) + _FIRST
    return table


@nb.njit(inline="always")
def piece_end(data, p, end, min_newlines):
    """(where the piece that starts at byte p stops, where the next one starts)."""
    while p < end:
        if data[p] == 10 or is_carriage_return(data, p, end):
            stop, newlines = p, 0
            while p < end and (data[p] == 10 or is_carriage_return(data, p, end)):
                newlines += data[p] == 10
                p += 1
                if newlines == min_newlines and min_newlines == LINE:
                    return stop, p
            if newlines >= min_newlines:
                return stop, p
        else:
            p += 1
    return end, end


@nb.njit(inline="always")
def read_piece(data, p, stop, table, kinds):
    """(hash, code points, words) of bytes p to stop in the form that `table` gives them. Words are those of `curate.kernels.words`."""
    h, characters, words = start_piece(), 0, 0
    space, inside = False, False
    while p < stop:
        if is_carriage_return(data, p, stop):
            p += 1
            continue
        cp, size = decode(data, p)
        p += size
        kind = kinds[cp]
        words += kind == OWN_WORD or (kind == IN_WORD and not inside)
        inside = kind == IN_WORD
        value = table[cp]
        if value == SPACE:
            space = characters > 0
        elif value != REMOVED:
            if space:
                h = extend(h, SPACE)
                characters += 1
                space = False
            h = extend(h, value)
            characters += 1
    return finish_piece(h), characters, words


@nb.njit(nogil=True, cache=True)
def hash_pieces(data, offsets, min_newlines, table, kinds, min_characters, min_words):
    """The hash of every piece of at least `min_characters` (code points of the form that is hashed) and `min_words`.

    data: uint8, offsets: int64 (n + 1,); table: `piece_table`; kinds: WordTables.kind. Returns (keys uint64, texts uint32,
    numbers uint32): hash, text, and the piece's number in its text.
    """
    most = offsets.size
    for p in range(offsets[0], offsets[-1]):
        most += data[p] == 10
    keys, texts, numbers = np.empty(most, np.uint64), np.empty(most, np.uint32), np.empty(most, np.uint32)
    count = 0
    for i in range(offsets.size - 1):
        p, end, number = offsets[i], offsets[i + 1], 0
        while p < end:
            stop, following = piece_end(data, p, end, min_newlines)
            h, characters, words = read_piece(data, p, stop, table, kinds)
            if characters >= min_characters and words >= min_words:
                keys[count], texts[count], numbers[count] = h, i, number
                count += 1
            number += 1
            p = following
    return keys[:count].copy(), texts[:count].copy(), numbers[:count].copy()


@nb.njit(nogil=True, cache=True)
def piece_starts(data, offsets, min_newlines):
    """Where every piece starts, in bytes of its text: (starts int64 (pieces,), bounds int64 (n + 1,)), those of text i at bounds[i]:bounds[i + 1]."""
    most = offsets.size
    for p in range(offsets[0], offsets[-1]):
        most += data[p] == 10
    starts, bounds = np.empty(most, np.int64), np.zeros(offsets.size, np.int64)
    count = 0
    for i in range(offsets.size - 1):
        p, end = offsets[i], offsets[i + 1]
        while p < end:
            starts[count] = p - offsets[i]
            count += 1
            _, p = piece_end(data, p, end, min_newlines)
        bounds[i + 1] = count
    return starts[:count].copy(), bounds
