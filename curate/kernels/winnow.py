"""Repeated runs of tokens: tokens of texts, winnowed fingerprints of them, and the runs themselves.

A *token* is a word (see `curate.kernels.words`) with everything behind it up to the next one, byte for byte; or, where
only words count, the word's own hash. Winnowing (Schleimer, Wilkerson and Aiken 2003, "Winnowing: local algorithms for
document fingerprinting", section 2.3): of every w consecutive hashes of k tokens the least is a fingerprint, the last of
equals. With k + w - 1 = n every run of n tokens is one window, and which k tokens of it are chosen follows from these n
tokens alone. So equal runs have equal fingerprints, wherever they stand.
"""

import numba as nb
import numpy as np

from curate.kernels.repetition import finish_piece, start_piece
from curate.kernels.words import IN_WORD, OWN_WORD, SEPARATOR, decode, extend, mix

u8, u16, u32, u64 = np.uint8, np.uint16, np.uint32, np.uint64

_BASE = u64(0x9FB21C651E98DF25)  # of the polynomials that hash runs of tokens


@nb.njit(inline="always")
def _kind_at(data, p, tables):
    """(kind of the code point at byte p, its length, the code point)."""
    c = data[p]
    if c < 128:
        return (IN_WORD if tables.ascii_word[c] else SEPARATOR), 1, u32(c)
    cp, size = decode(data, p)
    return np.int64(tables.kind[cp]), size, cp


@nb.njit(nogil=True, cache=True)
def hash_tokens(data, offsets, tables):
    """The hash of every token, bytes between words included: (hashes uint64 (tokens,), bounds int64 (n + 1,)).

    What stands before the first word of a text belongs to no token. Other arguments as in `curate.kernels.words.hash_words`.
    """
    n = offsets.size - 1
    hashes, bounds = np.empty((offsets[n] - offsets[0]) // 2 + n + 1, np.uint64), np.zeros(n + 1, np.int64)
    count = 0
    for i in range(n):
        p, end = offsets[i], offsets[i + 1]
        h, inside, first = start_piece(), False, count
        begun = False
        while p < end:
            kind, size, cp = _kind_at(data, p, tables)
            if kind == OWN_WORD or (kind == IN_WORD and not inside):
                if begun:
                    hashes[count] = finish_piece(h)
                    count += 1
                    h = start_piece()
                begun = True
            inside = kind == IN_WORD
            if begun:
                h = extend(h, cp)
            p += size
        if begun:
            hashes[count] = finish_piece(h)
            count += 1
        bounds[i + 1] = bounds[i] + count - first
    return hashes[:count].copy(), bounds


@nb.njit(nogil=True, cache=True)
def token_starts(data, offsets, tables):
    """Where every token starts, in bytes of its text: (starts int64 (tokens,), bounds int64 (n + 1,)). A token ends where the next starts."""
    n = offsets.size - 1
    starts, bounds = np.empty((offsets[n] - offsets[0]) // 2 + n + 1, np.int64), np.zeros(n + 1, np.int64)
    count = 0
    for i in range(n):
        p, end = offsets[i], offsets[i + 1]
        inside = False
        while p < end:
            kind, size, _ = _kind_at(data, p, tables)
            if kind == OWN_WORD or (kind == IN_WORD and not inside):
                starts[count] = p - offsets[i]
                count += 1
            inside = kind == IN_WORD
            p += size
        bounds[i + 1] = count
    return starts[:count].copy(), bounds


@nb.njit(inline="always")
def _power(exponent):
    result = u64(1)
    for _ in range(exponent):
        result *= _BASE
    return result


@nb.njit(nogil=True, cache=True)
def winnow(tokens, bounds, n, k):
    """The fingerprints of texts: (keys uint64, texts uint32, places uint32, counts uint16), one entry a fingerprint.

    tokens: uint64, bounds: int64 (texts + 1,). An entry's `counts` runs of n tokens, starting at tokens `places`,
    `places` + 1, … of the text, have this fingerprint; every run of n tokens of a text is in exactly one entry. n - k + 1 is
    at most 65,535.
    """
    windows, longest = 0, 0
    for i in range(bounds.size - 1):
        windows += max(0, bounds[i + 1] - bounds[i] - n + 1)
        longest = max(longest, bounds[i + 1] - bounds[i])
    keys, texts = np.empty(windows, np.uint64), np.empty(windows, np.uint32)
    places, counts = np.empty(windows, np.uint32), np.empty(windows, np.uint16)
    grams = np.empty(max(0, longest - k + 1), np.uint64)
    out, power, width = _power(k), k, n - k + 1
    count = 0
    for i in range(bounds.size - 1):
        first, length = bounds[i], bounds[i + 1] - bounds[i]
        if length < n:
            continue
        h = u64(0)
        for j in range(length):
            h = h * _BASE + tokens[first + j]
            if j >= power:
                h -= tokens[first + j - power] * out
            if j >= power - 1:
                grams[j - power + 1] = mix(h)
        best = -1
        for s in range(length - n + 1):
            chosen = best
            if chosen < s:
                chosen = s
                for j in range(s + 1, s + width):
                    if grams[j] <= grams[chosen]:
                        chosen = j
            elif grams[s + width - 1] <= grams[chosen]:
                chosen = s + width - 1
            if chosen != best:
                best = chosen
                keys[count], texts[count], places[count], counts[count] = grams[best], i, s, 0
                count += 1
            counts[count - 1] += u16(1)
    return keys[:count].copy(), texts[:count].copy(), places[:count].copy(), counts[:count].copy()


@nb.njit(nogil=True, cache=True)
def hash_runs(tokens, bounds, texts, places, counts, n, lowest, highest):
    """The hashes of the runs of n tokens that fingerprints stand for, as far as they lie from `lowest` to `highest` (uint64, both included).

    tokens, bounds: as in `winnow`; texts (uint32), places (uint32), counts (uint16): entries. Returns (hashes uint64, texts
    uint32, places uint32), in the entries' order.
    """
    most = 0
    for e in range(texts.size):
        most += counts[e]
    hashes, found_texts, found_places = np.empty(most, np.uint64), np.empty(most, np.uint32), np.empty(most, np.uint32)
    out, count = _power(n), 0
    for e in range(texts.size):
        first = bounds[texts[e]] + np.int64(places[e])
        h = u64(0)
        for j in range(n):
            h = h * _BASE + tokens[first + j]
        for s in range(np.int64(counts[e])):
            if s:
                h = h * _BASE + tokens[first + s + n - 1] - tokens[first + s - 1] * out
            key = mix(h)
            if lowest <= key <= highest:
                hashes[count], found_texts[count], found_places[count] = key, texts[e], u32(np.int64(places[e]) + s)
                count += 1
    return hashes[:count].copy(), found_texts[:count].copy(), found_places[:count].copy()


@nb.njit(nogil=True, cache=True)
def count_equal(tokens, starts, others, other_starts, lengths, equal):
    """Fill equal (int64): how many tokens, from the left, agree between tokens[starts:] and others[other_starts:], at most `lengths`."""
    for e in range(starts.size):
        same = 0
        while same < lengths[e] and tokens[starts[e] + same] == others[other_starts[e] + same]:
            same += 1
        equal[e] = same
