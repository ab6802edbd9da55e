"""Counts over words and a few signs between them: what Gopher's quality rules are computed from."""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.byte_masks import PADDING, bytes_between, copy_padded, count_bits, padded_scratch
from curate.kernels.quality import character_flags
from curate.kernels.word_split import split_padded
from curate.kernels.words import word_tables

u8, u64 = np.uint8, np.uint64


class StopWords(NamedTuple):
    """Words to be counted. hashes: uint64 (2^b,), the hash of a word at its lowest b bits, 0 elsewhere; bits: uint64 (2^b,), the
    bit of each word, 0 elsewhere."""

    hashes: NDArray[np.uint64]
    bits: NDArray[np.uint64]


def stop_words(words: tuple[str, ...]) -> StopWords:
    """The table of at most 64 different words, in which no two share a place. Raises ValueError for more."""
    if len(set(words)) > 64:
        raise ValueError(f"{len(words)} stop words, of which one number can mark 64")
    text = " ".join(words).encode()
    padded = np.frombuffer(text + b" " * PADDING, np.uint8).copy()
    found, ends = np.zeros(len(text), np.uint64), np.zeros(len(text) + 1, np.int64)
    count, _ = split_padded(padded, len(text), word_tables(), character_flags(), found, ends)
    size = 64
    while np.unique(found[:count] & u64(size - 1)).size < count:
        size *= 2
    table = StopWords(np.zeros(size, np.uint64), np.zeros(size, np.uint64))
    places = found[:count] & u64(size - 1)
    table.hashes[places], table.bits[places] = found[:count], u64(1) << np.arange(count, dtype=np.uint64)
    return table


@nb.njit(inline="always")
def count_triple_stops(text, size):
    """Ellipses of three full stops, not overlapping."""
    ellipses, stops = 0, 0
    for p in range(size):
        stops = stops + 1 if text[p] == 46 else 0
        if stops == 3:
            ellipses, stops = ellipses + 1, 0
    return ellipses


@nb.njit(inline="always")
def count_symbols(text, size):
    """(hash signs, ellipses) of a padded text; an ellipsis is U+2026 or three full stops, not overlapping."""
    signs, ellipses, triples = 0, 0, u64(0)
    for p in range(0, size, 64):
        signs += count_bits(bytes_between(text, p, u8(35), u8(35)))
        stops = bytes_between(text, p, u8(46), u8(46))
        triples |= stops & bytes_between(text, p + 1, u8(46), u8(46)) & bytes_between(text, p + 2, u8(46), u8(46))
        wide = bytes_between(text, p, u8(0xE2), u8(0xE2)) & bytes_between(text, p + 1, u8(0x80), u8(0x80))
        ellipses += count_bits(wide & bytes_between(text, p + 2, u8(0xA6), u8(0xA6)))
    return signs, ellipses + (count_triple_stops(text, size) if triples else 0)


@nb.njit(nogil=True, cache=True)
def count_words(data, offsets, tables, flags, stops, out):
    """Counts over the words of every text, into out: int64 (7, n).

    stops: StopWords. Rows of out: words; their code points; words with a letter; hash signs; ellipses; words that are stop
    words; different stop words.
    """
    text = padded_scratch(offsets)
    hashes, ends = np.empty(text.size // 2, np.uint64), np.empty(text.size // 2 + 1, np.int64)
    mask = u64(stops.hashes.size - 1)
    for i in range(offsets.size - 1):
        size = copy_padded(data, offsets[i], offsets[i + 1], text)
        out[3, i], out[4, i] = count_symbols(text, size)
        num_words, alphabetic = split_padded(text, size, tables, flags, hashes, ends)
        num_stops, met = 0, u64(0)
        for k in range(num_words):
            place = hashes[k] & mask
            is_stop = stops.hashes[place] == hashes[k]
            num_stops += is_stop
            met |= stops.bits[place] if is_stop else u64(0)
        out[0, i], out[1, i], out[2, i], out[5, i], out[6, i] = num_words, ends[num_words], alphabetic, num_stops, count_bits(met)
