"""MinHash signatures: from UTF-8 bytes to minima in one pass, no object per document, word or shingle.

A *shingle* is `shingle_words` consecutive words (see `curate.kernels.words`); its hash is 32 bits of the 64-bit hash of
its words. A signature holds, for each of `num_perm` affine permutations of the 32-bit numbers, the smallest image of a
document's shingle hashes (Broder 1997). Two documents agree in a value with the probability of their Jaccard similarity.

The values are those of datasketch 2.x, `MinHash(scheme="affine32")`, fed our shingle hashes: each goes through the
finaliser of MurmurHash3 once and then through a_k * h + b_k modulo 2**32 with odd a_k.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.words import IN_WORD, OWN_WORD, decode, extend, mix, u32, u64

NO_VALUE = 0xFFFFFFFF  # what a document without a shingle has in every place
MAX_SHINGLE_WORDS = 32
_RING_SIZE = 64  # word hashes remembered: a power of two above MAX_SHINGLE_WORDS
_RING_MASK = u64(_RING_SIZE - 1)
_RADIX = u64(0x9FB21C651E98DF25)
_LANES = 64  # four registers of sixteen 32-bit numbers: the widest step of the minimum loop


class Permutations(NamedTuple):
    """Coefficients of h -> a * h + b modulo 2**32, both uint32 (num_perm,); every a is odd."""

    a: NDArray[np.uint32]
    b: NDArray[np.uint32]


def permutations(num_perm: int, seed: int) -> Permutations:
    """The coefficients datasketch draws for this seed. They come from its generator, not from `curate.seeds`, so that signatures interchange."""
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * u32(2) + u32(1)
    return Permutations(a, generator.randint(0, 1 << 32, num_perm, dtype=np.uint32))


@nb.njit(inline="always")
def _finalise(h):
    """The 32-bit finaliser of MurmurHash3 (Appleby 2011), a bijection. Each product is cut to 32 bits, since numba widens it."""
    h ^= h >> u32(16)
    h = u32(h * u32(0x85EBCA6B))
    h ^= h >> u32(13)
    h = u32(h * u32(0xC2B2AE35))
    return u32(h ^ (h >> u32(16)))


@nb.njit(inline="always")
def _push(word, num_words, rolling, ring, leaving, width, shingles):
    """Slide the window on by one word. The polynomial of its words is kept rolling: two multiplications, however long the window."""
    word = mix(word)
    rolling = rolling * _RADIX + word
    if num_words >= width:
        rolling -= leaving * ring[(num_words - width) & _RING_MASK]
    ring[num_words & _RING_MASK] = word
    num_words += u64(1)
    if num_words >= width:
        shingles[num_words - width] = u32(mix(rolling) >> u64(32))
    return num_words, rolling


@nb.njit(nogil=True, cache=True)
def _shingle(data, start, end, tables, shingle_words, ring, shingles):
    """Write the shingle hashes of data[start:end], in order and with repeats; returns how many.

    ASCII has a branch of its own (12% faster than one path for all). `ring` is 64 words of scratch.
    """
    width, leaving = u64(shingle_words), u64(1)
    for _ in range(shingle_words):
        leaving *= _RADIX
    num_words, rolling, word, inside = u64(0), u64(0), u64(0), False
    p = start
    while p < end:
        c = data[p]
        if c < 128:
            p += 1
            folded = tables.ascii_word[c]
            if folded:
                word = extend(word, u32(folded))
                inside = True
            elif inside:
                num_words, rolling = _push(word, num_words, rolling, ring, leaving, width, shingles)
                word, inside = u64(0), False
            continue
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
            num_words, rolling = _push(word, num_words, rolling, ring, leaving, width, shingles)
            word, inside = u64(0), False
        if kind == OWN_WORD:
            num_words, rolling = _push(extend(u64(0), cp), num_words, rolling, ring, leaving, width, shingles)
    if inside:
        num_words, rolling = _push(word, num_words, rolling, ring, leaving, width, shingles)
    return np.int64(num_words - width + u64(1)) if num_words >= width else 0


@nb.njit(nogil=True, cache=True)
def shingle_hashes(data, tables, shingle_words):
    """The hashes of one text's shingles: uint32, in the order of the text, repeats included; none if it has fewer words than a shingle."""
    shingles = np.empty(data.size // 2 + 1, np.uint32)
    count = _shingle(data, 0, data.size, tables, shingle_words, np.zeros(_RING_SIZE, np.uint64), shingles)
    return shingles[:count].copy()


@nb.njit(nogil=True, cache=True)
def _lower(hashes, a, b, signature):
    """signature[k] = min(signature[k], a[k] * h + b[k] for every h). With the hashes in the inner loop, LLVM keeps a, b and the minima in registers."""
    for k in range(a.size):
        ak, bk, smallest = a[k], b[k], signature[k]
        for i in range(hashes.size):
            smallest = min(u32(ak * hashes[i] + bk), smallest)
        signature[k] = smallest


@nb.njit(nogil=True, cache=True)
def shingle_texts(data, offsets, tables, shingle_words, kept, num_shingles):
    """Fill kept (uint32) with the shingle hashes of every text, one text after another, and num_shingles (int64); see `sign`."""
    ring = np.zeros(_RING_SIZE, np.uint64)
    total = 0
    for i in range(offsets.size - 1):
        num_shingles[i] = _shingle(data, offsets[i], offsets[i + 1], tables, shingle_words, ring, kept[total:])
        total += num_shingles[i]


@nb.njit(nogil=True, cache=True)
def sign(data, offsets, tables, a, b, shingle_words, signatures, num_shingles, kept):
    """Fill signatures (uint32, documents x num_perm) and num_shingles (int64, repeats counted).

    data: uint8, valid UTF-8; offsets: int64 (documents + 1,); tables: WordTables; a, b: Permutations. A document without
    a shingle gets 0 shingles and NO_VALUE throughout. Working memory: two bytes a byte of the longest document.
    kept: uint32, filled with the shingle hashes of every document, one after another, where it has room for all; an empty one stays so.
    """
    longest = 0
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    ring = np.zeros(_RING_SIZE, np.uint64)
    shingles = np.empty(longest // 2 + 1 + _LANES, np.uint32)
    total = 0
    for i in range(offsets.size - 1):
        count = _shingle(data, offsets[i], offsets[i + 1], tables, shingle_words, ring, shingles)
        num_shingles[i] = count
        signatures[i, :] = u32(NO_VALUE)
        if count == 0:
            continue
        if kept.size:
            kept[total : total + count] = shingles[:count]
            total += count
        for j in range(count):
            shingles[j] = _finalise(shingles[j])
        padded = (count + _LANES - 1) // _LANES * _LANES
        shingles[count:padded] = shingles[0]  # repeats change no minimum, and leave no slow remainder
        _lower(shingles[:padded], a, b, signatures[i])
