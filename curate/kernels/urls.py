"""Where the host of a URL lies, and look-ups of its domains, prefixes, words and substrings in sorted lists of hashes.

Everything works on ASCII, whatever its case; a host beyond ASCII must have been put into its ASCII form before. Hashes are
those of `curate.kernels.words` over bytes: 64 bits, so that of 10^10 look-ups in 10^7 entries about 0.005 hit by chance.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.words import extend, mix

u8, u32, u64 = np.uint8, np.uint32, np.uint64

DOMAIN, URL, WORD = 0, 1, 2  # how an entry is read
_SEED = u64(0x243F6A8885A308D3)  # not 0, from which NUL bytes at the start would be invisible
NUM_COLUMNS = 5
_BLOCKED_DOMAIN, _BLOCKED_URL, _HARD_WORDS, _SOFT_WORDS, _STRICT_SUBSTRINGS = range(NUM_COLUMNS)
_BINS = 1 << 16


class HashList(NamedTuple):
    """A sorted list: hashes, uint64 (n,), ascending and distinct; bins, int64 (65537,), where those with each upper 16 bits begin."""

    hashes: NDArray[np.uint64]
    bins: NDArray[np.int64]


class UrlTables(NamedTuple):
    """The five lists. sizes: bool (longest substring + 1,), which lengths substrings have."""

    domains: HashList
    urls: HashList
    hard_words: HashList
    soft_words: HashList
    strict_substrings: HashList
    sizes: NDArray[np.bool_]


def hash_list(hashes: NDArray[np.uint64]) -> HashList:
    """A list ready for look-ups. hashes: ascending and distinct."""
    edges = np.arange(_BINS, dtype=np.uint64) << u64(48)
    return HashList(hashes, np.append(np.searchsorted(hashes, edges), len(hashes)).astype(np.int64))


@nb.njit
def _place(known, value):
    """Where a hash stands in a list, −1 where it does not."""
    top = np.int64(value >> u64(48))
    low, end = known.bins[top], known.bins[top + 1]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if known.hashes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < end and known.hashes[low] == value else -1


@nb.njit
def _lower(c):
    return u32(c | u8(32)) if u8(65) <= c <= u8(90) else u32(c)


@nb.njit
def _in_word(c):
    """Whether a lower-case byte is an ASCII letter or a digit."""
    return u32(97) <= c <= u32(122) or u32(48) <= c <= u32(57)


@nb.njit
def _trimmed(data, p, end):
    """Bounds without white space, control characters, angle brackets and double quotes at the ends."""
    while p < end and (data[p] <= 32 or data[p] == 60 or data[p] == 62 or data[p] == 34):
        p += 1
    while end > p and (data[end - 1] <= 32 or data[end - 1] == 60 or data[end - 1] == 62 or data[end - 1] == 34):
        end -= 1
    return p, end


@nb.njit
def _ends_authority(c):
    return c == 47 or c == 63 or c == 35 or c == 92  # / ? # \


@nb.njit
def _authority(data, p, end):
    """Where the authority of a trimmed URL starts; −1 where it can have none, as data:, mailto: and urn: have none.

    "scheme://", "//" or nothing may stand before it. "name:" without slashes is a scheme, unless digits alone follow up to the
    path: then it is a host with its port.
    """
    if p + 1 < end and data[p] == 47 and data[p + 1] == 47:
        return p + 2
    q = p
    while q < end and (_in_word(_lower(data[q])) or data[q] == 43 or data[q] == 45 or data[q] == 46):
        q += 1
    if q in (p, end) or data[q] != 58:
        return p
    if q + 2 < end and data[q + 1] == 47 and data[q + 2] == 47:
        return q + 3
    after = q + 1
    while after < end and u8(48) <= data[after] <= u8(57):
        after += 1
    is_port = after > q + 1 and (after == end or _ends_authority(data[after]))
    return p if is_port else -1


@nb.njit
def _host(data, p, end):
    """Bounds of the host of a trimmed URL, without user, port and dots at the end, and where what follows the authority starts.

    (−1, −1, −1) where there is none. An IPv6 address is left in its brackets.
    """
    start = _authority(data, p, end)
    if start < 0:
        return -1, -1, -1
    rest = start
    while rest < end and not _ends_authority(data[rest]):
        rest += 1
    for q in range(start, rest):
        if data[q] == 64:
            start = q + 1
    stop = start
    if start < rest and data[start] == 91:
        while stop < rest and data[stop] != 93:
            stop += 1
        stop = min(stop + 1, rest)
    else:
        while stop < rest and data[stop] != 58:
            stop += 1
    while stop > start and data[stop - 1] == 46:
        stop -= 1
    if stop == start:
        return -1, -1, -1
    return start, stop, rest


@nb.njit
def _without_www(data, start, stop):
    """The start of a host after a leading "www."."""
    is_www = stop - start > 4 and _lower(data[start]) == 119 and _lower(data[start + 1]) == 119 and _lower(data[start + 2]) == 119
    return start + 4 if is_www and data[start + 3] == 46 else start


@nb.njit(nogil=True, cache=True)
def find_hosts(data, offsets):
    """Bounds of the host of each URL within `data`, int64 (n, 2); −1 where it has none. data: uint8; offsets: int64 (n + 1,)."""
    bounds = np.empty((offsets.size - 1, 2), np.int64)
    for i in range(offsets.size - 1):
        p, end = _trimmed(data, offsets[i], offsets[i + 1])
        bounds[i, 0], bounds[i, 1], _ = _host(data, p, end)
    return bounds


@nb.njit(nogil=True, cache=True)
def hash_entries(data, offsets, kind):
    """The hash of each entry of a list, uint64 (n,), and its length in bytes, int64 (n,): 0 where nothing of it can be looked up.

    data: uint8 ASCII; offsets: int64 (n + 1,); kind: DOMAIN (the host, after "." or "*."), URL (host without "www.", path and query without
    a slash at the end) or WORD (its letters and digits).
    """
    hashes, sizes = np.zeros(offsets.size - 1, np.uint64), np.zeros(offsets.size - 1, np.int64)
    for i in range(offsets.size - 1):
        p, end = _trimmed(data, offsets[i], offsets[i + 1])
        word, size = _SEED, 0
        if kind == WORD:
            for q in range(p, end):
                c = _lower(data[q])
                if _in_word(c):
                    word = extend(word, c)
                    size += 1
        else:
            if kind == DOMAIN and p < end and data[p] == 42:
                p += 1
            while kind == DOMAIN and p < end and data[p] == 46:
                p += 1
            start, stop, rest = _host(data, p, end)
            if start >= 0 and kind == DOMAIN:
                for q in range(stop - 1, start - 1, -1):  # from the end, so that a parent domain's hash is one on the way
                    word = extend(word, _lower(data[q]))
                size = stop - start
            elif start >= 0:
                start = _without_www(data, start, stop)
                while end > rest and data[end - 1] == 47:
                    end -= 1
                for q in range(start, stop):
                    word = extend(word, _lower(data[q]))
                for q in range(rest, end):
                    word = extend(word, _lower(data[q]))
                size = stop - start + end - rest
        hashes[i], sizes[i] = mix(word), size
    return hashes, sizes


@nb.njit
def _count_domains(data, start, stop, known):
    """1 if a host or a parent domain of it is listed."""
    word = _SEED
    for q in range(stop - 1, start - 1, -1):
        word = extend(word, _lower(data[q]))
        if (q == start or data[q - 1] == 46) and _place(known, mix(word)) >= 0:
            return 1
    return 0


@nb.njit
def _count_urls(data, start, stop, rest, end, known):
    """1 if the URL, up to its end or to one of / ? & ; is listed."""
    word = _SEED
    for q in range(_without_www(data, start, stop), stop):
        word = extend(word, _lower(data[q]))
    if _place(known, mix(word)) >= 0:
        return 1
    q = rest
    while q < end and data[q] != 35:
        word = extend(word, _lower(data[q]))
        q += 1
        at_border = q == end or data[q] == 47 or data[q] == 63 or data[q] == 38 or data[q] == 59 or data[q] == 35
        if at_border and _place(known, mix(word)) >= 0:
            return 1
    return 0


@nb.njit
def _count_words(data, p, end, known, seen, mark):
    """The distinct runs of letters and digits that are listed. seen: int64 (entries,), the last URL each entry was found in."""
    word, inside, count = _SEED, False, 0
    for q in range(p, end + 1):
        c = _lower(data[q]) if q < end else u32(0)
        if _in_word(c):
            word = extend(word, c)
            inside = True
        elif inside:
            place = _place(known, mix(word))
            if place >= 0 and seen[place] != mark:
                seen[place] = mark
                count += 1
            word, inside = _SEED, False
    return count


@nb.njit
def _count_substrings(data, p, end, known, sizes, seen, mark):
    """The distinct listed strings that occur in the letters and digits of a URL, everything else left out."""
    letters = np.empty(end - p, np.uint32)
    length, count = 0, 0
    for q in range(p, end):
        c = _lower(data[q])
        if _in_word(c):
            letters[length] = c
            length += 1
    for first in range(length):
        word = _SEED
        for size in range(1, min(sizes.size, length - first + 1)):
            word = extend(word, letters[first + size - 1])
            if sizes[size]:
                place = _place(known, mix(word))
                if place >= 0 and seen[place] != mark:
                    seen[place] = mark
                    count += 1
    return count


@nb.njit(nogil=True, cache=True)
def count_blocked(data, offsets, written, written_offsets, tables):
    """What of each URL is listed, int64 (NUM_COLUMNS, n): 0 or 1 for its domain and for its prefix, then counts of distinct hard words,
    soft words and strict substrings. All 0 for a URL without a host.

    data: uint8, hosts in ASCII; offsets: int64 (n + 1,); written, written_offsets: the URLs as they were, in which words are looked for;
    tables: UrlTables.
    """
    n = offsets.size - 1
    counts = np.zeros((NUM_COLUMNS, n), np.int64)
    seen_hard = np.full(tables.hard_words.hashes.size, -1, np.int64)
    seen_soft = np.full(tables.soft_words.hashes.size, -1, np.int64)
    seen_substrings = np.full(tables.strict_substrings.hashes.size, -1, np.int64)
    for i in range(n):
        p, end = _trimmed(data, offsets[i], offsets[i + 1])
        start, stop, rest = _host(data, p, end)
        if start < 0:
            continue
        if tables.domains.hashes.size:
            counts[_BLOCKED_DOMAIN, i] = _count_domains(data, start, stop, tables.domains)
        if tables.urls.hashes.size:
            counts[_BLOCKED_URL, i] = _count_urls(data, start, stop, rest, end, tables.urls)
        p, end = _trimmed(written, written_offsets[i], written_offsets[i + 1])
        if seen_hard.size:
            counts[_HARD_WORDS, i] = _count_words(written, p, end, tables.hard_words, seen_hard, i)
        if seen_soft.size:
            counts[_SOFT_WORDS, i] = _count_words(written, p, end, tables.soft_words, seen_soft, i)
        if seen_substrings.size:
            counts[_STRICT_SUBSTRINGS, i] = _count_substrings(written, p, end, tables.strict_substrings, tables.sizes, seen_substrings, i)
    return counts
