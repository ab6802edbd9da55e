"""How much of a known text stands together in a document, whatever its order and however few words were changed.

A text is known by its runs: three words in a row, or a whole piece (a field, an option) of one or two words. A document is
tried against a text where it holds five words of it in a row (a seed; two of a text of 16 words or more); there a window is opened, as wide as three times
the text, and the weights of the text's words that lie in any run found inside the window are added up. So an option that moved, a
label between options or a changed word costs only the runs that it breaks.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.ngrams import LONGEST, fill_bitmap, find_key, ngram_hash
from curate.kernels.words import mix

u8, u32, u64 = np.uint8, np.uint32, np.uint64

SEED_WORDS = 5
RUN_WORDS = 3
_BASE = u64(0x9FB21C651E98DF25)  # of curate.kernels.ngrams.ngram_hash, rolled here
_BASE_TO_SEED = u64(pow(0x9FB21C651E98DF25, SEED_WORDS, 1 << 64))
_LENGTH_TERM = u64(SEED_WORDS * pow(0x9FB21C651E98DF25, SEED_WORDS, 1 << 64) % (1 << 64))
_GAP = u64(0x5851F42D4C957F2D)  # a word of text has it with probability 2^-64
_ONE_SEED = 16  # a text of fewer words is tried where one seed stands, a longer one where two do: single ones are mostly everyday phrases
_LABELS = 16  # words that labels and line numbers may add to a text


class SeedTable(NamedTuple):
    """Seeds, ready to be looked up; as curate.kernels.ngrams.NgramTable, a seed may belong to no text."""

    bitmap: NDArray[np.uint8]
    bitmap_shift: np.uint64
    keys: NDArray[np.uint64]
    directory: NDArray[np.int64]
    directory_shift: np.uint64
    starts: NDArray[np.int64]
    items: NDArray[np.uint32]


class KnownTexts(NamedTuple):
    """Texts to be found, t of them.

    words: int64 (t + 1,), text i has the words words[i] to words[i + 1] of all; weight_before, numbers_before: int64 (w + 1,), the summed
    weights of the words before each, and how many of them are numbers; least: int64 (t,), less covered weight than this is not
    reported; starts: int64 (t + 1,), text i's runs are runs[starts[i]:starts[i + 1]]; runs: uint64, their hashes; positions: int64, the
    word of all that each begins at, ascending; sizes: uint8, its number of words; shortest: uint8 (t,), the smallest of a text's sizes.
    """

    words: NDArray[np.int64]
    weight_before: NDArray[np.int64]
    numbers_before: NDArray[np.int64]
    least: NDArray[np.int64]
    starts: NDArray[np.int64]
    runs: NDArray[np.uint64]
    positions: NDArray[np.int64]
    sizes: NDArray[np.uint8]
    shortest: NDArray[np.uint8]


@nb.njit(inline="always")
def slack(num_words):
    """How far words of a text may lie beyond where they would stand, and how near windows of one text open."""
    return num_words // 2 + _LABELS


@nb.njit(nogil=True, cache=True)
def hash_runs(words, bounds, sizes):
    """Every run of sizes[i] words of each span words[bounds[i]:bounds[i + 1]].

    Returns (runs uint64, starts int64, spans int64): hash, the word it begins at, its span. A size of 0 passes a span over.
    """
    total = 0
    for i in range(sizes.size):
        if sizes[i] > 0:
            total += max(0, bounds[i + 1] - bounds[i] - sizes[i] + 1)
    runs, starts, spans = np.empty(total, np.uint64), np.empty(total, np.int64), np.empty(total, np.int64)
    count = 0
    for i in range(sizes.size):
        if sizes[i] == 0:
            continue
        for start in range(bounds[i], bounds[i + 1] - sizes[i] + 1):
            runs[count], starts[count], spans[count] = ngram_hash(words, start, sizes[i]), start, i
            count += 1
    return runs, starts, spans


@nb.njit(nogil=True, cache=True)
def _enter(slots, stamps, stamp, run):
    """Put a run into the set of the window numbered `stamp`."""
    last = u64(slots.size - 1)
    at = run & last
    while stamps[at] == stamp and slots[at] != run:
        at = (at + u64(1)) & last
    stamps[at], slots[at] = stamp, run


@nb.njit(nogil=True, cache=True)
def _holds(slots, stamps, stamp, run):
    last = u64(slots.size - 1)
    at = run & last
    while stamps[at] == stamp:
        if slots[at] == run:
            return True
        at = (at + u64(1)) & last
    return False


@nb.njit(nogil=True, cache=True)
def _covered(words, low, high, texts, text, slots, stamps, stamp):
    """The weight of the words of one text that lie in runs found in words[low:high], and how many of them are numbers."""
    for size in range(texts.shortest[text], RUN_WORDS + 1):
        for start in range(low, high - size + 1):
            _enter(slots, stamps, stamp, ngram_hash(words, start, size))
    covered, numbers, end = 0, 0, 0
    for r in range(texts.starts[text], texts.starts[text + 1]):
        if _holds(slots, stamps, stamp, texts.runs[r]):
            begin = max(texts.positions[r], end)
            end = texts.positions[r] + texts.sizes[r]
            covered += texts.weight_before[end] - texts.weight_before[begin]
            numbers += texts.numbers_before[end] - texts.numbers_before[begin]
    return covered, numbers


@nb.njit(nogil=True, cache=True)
def _find_seeds(words, first, last, seeds, places, keys):
    """Where a document has a seed, and which: to `places` and `keys`; their number is returned. (On its own it is compiled to a tight loop:
    inside `find_covered` it takes twice the time.)"""
    count = 0
    h = u64(0)
    for p in range(first, last):
        h = h * _BASE + words[p]
        if p - first >= SEED_WORDS:
            h -= words[p - SEED_WORDS] * _BASE_TO_SEED
        start = p - SEED_WORDS + 1
        if start < first:
            continue
        key = mix(h + _LENGTH_TERM)
        bit = key >> seeds.bitmap_shift
        if not (seeds.bitmap[bit >> u64(3)] >> u8(bit & u64(7))) & u8(1):
            continue
        j = find_key(seeds, key)
        if j >= 0:
            places[count], keys[count] = start, j
            count += 1
    return count


@nb.njit(nogil=True, cache=True)
def find_covered(words, bounds, seeds, texts):
    """The most weight of each known text that a window of each document holds, and the stretches of the documents worth a closer look.

    words, bounds: the word hashes of d documents. Returns (offsets int64 (d + 1,), found uint32 (h, 3), near uint64, near_bounds
    int64 (d + 1,)): found[offsets[i]:offsets[i + 1]] are document i's rows of (text, weight, numbers held by its best window), ascending by
    text, those below `least` left out; near[near_bounds[i]:near_bounds[i + 1]] are its words from every seed on, as many as an n-gram can have, a gap between
    stretches being one word that no text holds. So any n-gram whose first SEED_WORDS words are a seed is in `near` too.
    """
    num_documents, num_texts = bounds.size - 1, texts.least.size
    slots, stamps = _window_set(texts)
    best, opened, touched = np.zeros((num_texts, 2), np.int64), np.full(num_texts, -1, np.int64), np.empty(num_texts, np.int64)
    seen = np.full(num_texts, -1, np.int64)
    offsets, found = np.zeros(num_documents + 1, np.int64), np.empty((1024, 3), np.uint32)
    near, near_bounds = np.empty(words.size + words.size // LONGEST + num_documents + 1, np.uint64), np.zeros(num_documents + 1, np.int64)
    longest = np.max(np.diff(bounds)) if num_documents else 0
    places, keys = np.empty(longest, np.int64), np.empty(longest, np.int64)
    size, num_near, stamp = 0, 0, 0
    for d in range(num_documents):
        first, last, num_touched, copied = bounds[d], bounds[d + 1], 0, np.int64(-1)
        for k in range(_find_seeds(words, first, last, seeds, places, keys)):
            start = places[k]
            if start > copied:
                near[num_near] = _GAP
                num_near += 1
            for word in range(max(start, copied), min(start + LONGEST, last)):
                near[num_near] = words[word]
                num_near += 1
            copied = min(start + LONGEST, last)
            for q in range(seeds.starts[keys[k]], seeds.starts[keys[k] + 1]):
                text = np.int64(seeds.items[q])
                n = texts.words[text + 1] - texts.words[text]
                reach, before = n + slack(n), seen[text]
                seen[text] = start
                if n >= _ONE_SEED and (before < first or start - before > reach):
                    continue  # so far a single seed
                if opened[text] < first:
                    touched[num_touched] = text
                    num_touched += 1
                elif start - opened[text] < slack(n):
                    continue
                opened[text] = start
                stamp += 1
                held, numbers = _covered(words, max(first, start - reach), min(last, start + SEED_WORDS + reach), texts, text, slots, stamps, stamp)
                if held > best[text, 0]:
                    best[text, 0], best[text, 1] = held, numbers
        near_bounds[d + 1] = num_near
        touched[:num_touched].sort()
        if size + num_touched > len(found):
            found = _grown(found, size, 2 * (size + num_touched))
        for text in touched[:num_touched]:
            if best[text, 0] >= texts.least[text]:
                found[size, 0], found[size, 1], found[size, 2] = text, best[text, 0], best[text, 1]
                size += 1
            best[text] = 0
        offsets[d + 1] = size
    return offsets, found[:size].copy(), near[:num_near].copy(), near_bounds


@nb.njit(nogil=True, cache=True)
def _window_set(texts):
    """Room for the runs of the widest window, four places for each."""
    longest = 1
    for text in range(texts.least.size):
        longest = max(longest, texts.words[text + 1] - texts.words[text])
    room = 64
    while room < 8 * RUN_WORDS * (longest + slack(longest) + SEED_WORDS):
        room *= 2
    return np.zeros(room, np.uint64), np.zeros(room, np.int64)


@nb.njit(nogil=True, cache=True)
def _grown(array, size, room):
    larger = np.empty((room, array.shape[1]), array.dtype)
    larger[:size] = array[:size]
    return larger


def seed_table(seeds: NDArray[np.uint64], texts: NDArray[np.uint32], heads: NDArray[np.uint64]) -> SeedTable:
    """Arrange (seed, text) pairs, none twice, for look-up. heads: seeds that belong to no text but should show up in `near`.

    The map has 16 to 32 bits a seed, so that 3–6% of foreign positions pass it; the directory has about one key a slot.
    """
    order = np.lexsort((texts, seeds))
    keys = np.union1d(seeds, heads)
    bits = max(16, int(16 * max(1, keys.size) - 1).bit_length())
    bitmap = np.zeros(1 << (bits - 3), np.uint8)
    fill_bitmap(keys, u64(64 - bits), bitmap)
    directory_bits = max(1, int(keys.size).bit_length())
    slots = (keys >> u64(64 - directory_bits)).astype(np.int64)
    directory = np.searchsorted(slots, np.arange((1 << directory_bits) + 1)).astype(np.int64)
    starts = np.append(np.searchsorted(seeds[order], keys), seeds.size).astype(np.int64)
    return SeedTable(bitmap, u64(64 - bits), keys, directory, u64(64 - directory_bits), starts, texts[order])
