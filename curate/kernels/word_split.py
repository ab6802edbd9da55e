"""The words of one text, as `curate.kernels.words` defines them, split at a few instructions a word.

Runs of ASCII letters and digits are found by bit masks and hashed eight bytes at a time; only words with a code point beyond
ASCII are read code point by code point. The hashes say which words are equal and nothing else: they are not those of
`hash_words`, which are stored and must stay what they are.
"""

import numba as nb
import numpy as np

from curate.kernels.byte_masks import bytes_between, eight_bytes, lowest_bit
from curate.kernels.quality import LETTER
from curate.kernels.words import IN_WORD, OWN_WORD, decode, extend, mix

u8, u32, u64 = np.uint8, np.uint32, np.uint64

_LOWER = u64(0x2020202020202020)  # makes ASCII letters lower-case and leaves digits as they are
_ALL = u64(0xFFFFFFFFFFFFFFFF)
_SEED, _BEYOND_ASCII = u64(0x243F6A8885A308D3), u64(0xA4093822299F31D0)
_ONE = u64(1)


@nb.njit(inline="always")
def hash_ascii(text, start, end):
    """The hash of a word of ASCII letters and digits in any case, at least one."""
    h = _SEED
    while end - start > 8:
        h = mix(h ^ (eight_bytes(text, start) | _LOWER))
        start += 8
    return mix(h ^ ((eight_bytes(text, start) | _LOWER) & (_ALL >> u64(64 - 8 * (end - start)))))


@nb.njit
def fold_in_place(text, start, end, folds):
    """Put the folded code points of a word, all ASCII, in its place; returns where they end. K (the unit kelvin) becomes k."""
    q = start
    while start < end:
        cp, size = decode(text, start)
        text[q] = folds[cp]
        start += size
        q += 1
    return q


@nb.njit(inline="always")
def has_letter(text, start, end):
    """Whether a run of ASCII letters and digits holds a letter."""
    while start < end:
        if text[start] >= u8(65):
            return True
        start += 1
    return False


@nb.njit(nogil=True, cache=True)
def split_padded(text, size, tables, flags, hashes, ends):
    """Hashes of the words of a padded text, and how many code points of words lie before each; (words, words with a letter).

    text: uint8, `size` bytes of valid UTF-8 and PADDING spaces (its bytes may be changed where words were read); hashes:
    uint64 (words,); ends: int64 (words + 1,). A stop is a byte that ends a run of ASCII letters and digits or starts a
    code point beyond ASCII; `open_at` is where a word with such a code point began, −1 outside of one.
    """
    kinds, folds = tables.kind, tables.folded
    base, count, characters, alphabetic = 0, 0, 0, 0
    start, open_at, h, widest, seen = 0, -1, u64(0), u32(0), u8(0)
    ended_in_run, ended_beyond = u64(0), u64(0)
    ends[0] = 0
    while base <= size:
        run = bytes_between(text, base, u8(97), u8(122)) | bytes_between(text, base, u8(65), u8(90)) | bytes_between(text, base, u8(48), u8(57))
        beyond = bytes_between(text, base, u8(128), u8(255))
        after_run, after_beyond = (run << _ONE) | ended_in_run, (beyond << _ONE) | ended_beyond
        starts = run & ~after_run
        stops = (~(run | beyond) & (after_run | after_beyond)) | bytes_between(text, base, u8(192), u8(255))
        if not ended_in_run:
            start = base + lowest_bit(starts)
            starts &= starts - _ONE
        ended_in_run, ended_beyond = run >> u64(63), beyond >> u64(63)
        while stops:
            bit = lowest_bit(stops)
            stops &= stops - _ONE
            end = base + bit
            c, is_run = text[end], (after_run >> u64(bit)) & _ONE
            if is_run and open_at < 0 and c < 128:  # a word of ASCII alone
                hashes[count] = hash_ascii(text, start, end)
                characters += end - start
                count += 1
                ends[count] = characters
                alphabetic += has_letter(text, start, end)
                start = base + lowest_bit(starts)
                starts &= starts - _ONE
                continue
            if is_run:
                open_at = start if open_at < 0 else open_at
                for p in range(start, end):
                    h = extend(h, u32(text[p] | u8(32)))
                    seen |= flags[text[p]]
                characters += end - start
                start = base + lowest_bit(starts)
                starts &= starts - _ONE
            kind, cp, flag = 0, u32(0), u8(0)
            if c >= 128:
                cp, _ = decode(text, end)
                kind, flag = kinds[cp], flags[cp]
                if kind and cp < u32(folds.size):
                    cp = folds[cp]
            if kind == IN_WORD:
                open_at = end if open_at < 0 else open_at
                h = extend(h, cp)
                widest |= cp
                seen |= flag
                characters += 1
                continue
            if open_at >= 0:
                hashes[count] = mix(h ^ _BEYOND_ASCII) if widest >= u32(128) else hash_ascii(text, open_at, fold_in_place(text, open_at, end, folds))
                count += 1
                ends[count] = characters
                alphabetic += (seen & LETTER) != 0
                open_at, h, widest, seen = -1, u64(0), u32(0), u8(0)
            if kind == OWN_WORD:
                characters += 1
                hashes[count] = mix(extend(u64(0), cp) ^ _BEYOND_ASCII)
                count += 1
                ends[count] = characters
                alphabetic += (flag & LETTER) != 0
        base += 64
    return count, alphabetic
