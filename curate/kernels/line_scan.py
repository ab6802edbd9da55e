"""Lines read by their notable bytes alone, and the rare lines that may hold a phrase."""

from collections.abc import Iterable

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.byte_masks import bytes_between, letters_equal, lowest_bit
from curate.kernels.quality import BREAK, CLOSER, SPACE, TERMINAL
from curate.kernels.words import decode

u8, u64 = np.uint8, np.uint64


def anchor_letters(anchors: Iterable[str], phrases: Iterable[str]) -> NDArray[np.uint8]:
    """Rare pieces of phrases, by which lines without a phrase are told at once: uint8 (anchors, letters).

    Raises ValueError where a phrase holds none of them, since it would not be found.
    """
    pieces = list(anchors)
    if missed := [phrase for phrase in phrases if not any(piece in phrase for piece in pieces)]:
        raise ValueError(f"the phrases {', '.join(map(repr, missed))} hold none of the anchors {', '.join(pieces)}, so they would never be found")
    return np.array([list(piece.encode()) for piece in pieces], np.uint8)


@nb.njit(inline="always")
def find_anchors(text, size, anchors, positions):
    """Where the anchors of a phrase machine begin, ascending; returns how many there are, and puts `size` behind them."""
    count = 0
    for base in range(0, size, 64):
        found = u64(0)
        for a in range(anchors.shape[0]):
            one = letters_equal(text, base, anchors[a, 0])
            for k in range(1, anchors.shape[1]):
                one &= letters_equal(text, base + k, anchors[a, k])
            found |= one
        while found:
            positions[count] = base + lowest_bit(found)
            found &= found - u64(1)
            count += 1
    positions[count] = size
    return count


@nb.njit
def find_phrases(text, p, end, machine):
    """The flags of the phrases between bytes p and end."""
    state, found = u8(0), u8(0)
    while p < end:
        state = machine.step[state, text[p]] if text[p] < 128 else u8(0)
        found |= machine.found[state]
        p += 1
    return found


@nb.njit(inline="always")
def notable_bytes(text, p):
    """Which of the 64 bytes from p may be white space, a terminal mark, a closer or a curly bracket, or start a code point beyond ASCII."""
    quotes = bytes_between(text, p, u8(33), u8(34)) | bytes_between(text, p, u8(39), u8(41))
    marks = bytes_between(text, p, u8(46), u8(46)) | bytes_between(text, p, u8(63), u8(63))
    brackets = bytes_between(text, p, u8(93), u8(93)) | bytes_between(text, p, u8(123), u8(125))
    return bytes_between(text, p, u8(0), u8(32)) | quotes | marks | brackets | bytes_between(text, p, u8(192), u8(255))


@nb.njit
def read_line(text, start, size, flags):
    """Read the line that starts at byte `start` of a padded text: (its end, start of the next, words,
    longest word, sentences, whether there is an opening curly bracket).

    Words here are what white space separates. A sentence ends with a run of terminal marks and closing brackets or quotes,
    before white space or the end of the line; marks beyond ASCII, of scripts that set no space, need none. Only notable
    bytes are visited; `behind` is where the last of them ended, so what lies between is letters and the like.
    """
    words, word, longest, sentences, behind = 0, 0, 0, 0, start
    is_open, pending, wide, bracket = False, False, False, False
    base = start
    while True:
        notable = notable_bytes(text, base)
        while notable:
            p = base + lowest_bit(notable)
            notable &= notable - u64(1)
            if p > behind:
                word += p - behind
                sentences += pending and wide
                is_open, pending, wide = True, False, False
            if p >= size:
                return size, size, words + (word > 0), max(longest, word), sentences + is_open, bracket
            c = text[p]
            cp, length = decode(text, p)
            behind = p + length
            flag = flags[cp]
            if flag & (SPACE | BREAK):
                if flag & BREAK:
                    following = behind + (c == 13 and behind < size and text[behind] == 10)
                    return p, following, words + (word > 0), max(longest, word), sentences + is_open, bracket
                if pending:
                    sentences, is_open, pending, wide = sentences + 1, False, False, False
                words += word > 0
                longest, word = max(longest, word), 0
                continue
            word += 1
            if flag & TERMINAL:
                pending, wide = True, wide or c >= 128
            elif pending and not flag & CLOSER:
                sentences += wide
                pending, wide = False, False
            is_open = True
            bracket |= c == 123
        base += 64
