"""Loops of the n-gram language model (`curate.fit.ngram_model`): hashes of n-grams, and the information content of texts.

Probabilities are float64 made by additions, multiplications and divisions in a fixed order, so they are the same on every
machine; their logarithms are looked up, and information adds up in whole 2**-16 bits.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.words import mix

u64 = np.uint64
EMPTY = u64(0x5851F42D4C957F2D)  # the hash of the n-gram of no words: the only context of order 1
BEGINNING = u64(0x14057B7EF767814F)  # stands for a word before a text's first
_STEP = u64(0x9FB21C651E98DF25)
UNITS_PER_BIT = 1 << 16
_MANTISSA_BITS = 14  # of the logarithm's table: its error is below 5e-5 bits


class NgramModel(NamedTuple):
    """The tables of all orders, one behind the other; order k has slots bounds[k - 1] to bounds[k], a power of two.

    keys: uint64 hashes of n-grams, 0 where free; counts: int64. contexts, totals, followers: the same for contexts of
    order k (n-grams of k - 1 words): the sum of the counts of their n-grams, and how many different ones there are.
    gram_bounds, context_bounds: int64 (order + 1,); discounts: float64 (order,); vocabulary_size: words of the reference.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    gram_bounds: NDArray[np.int64]
    contexts: NDArray[np.uint64]
    totals: NDArray[np.int64]
    followers: NDArray[np.int64]
    context_bounds: NDArray[np.int64]
    discounts: NDArray[np.float64]
    vocabulary_size: int


def logarithms() -> NDArray[np.int64]:
    """log2 of 1 to 2 in units of 2**-16 bits, at the middle of each of 2**14 steps."""
    middles = 1 + (np.arange(1 << _MANTISSA_BITS) + 0.5) / (1 << _MANTISSA_BITS)
    return np.rint(np.log2(middles) * UNITS_PER_BIT).astype(np.int64)


@nb.njit(nogil=True, cache=True)
def ngram_hashes(words, bounds, order, grams):
    """The hashes of the n-grams that end in each word, into grams: uint64 (order, words).

    words, bounds: as of `curate.kernels.words.hash_words`. Before a text's first word stand order − 1 beginnings.
    """
    for text in range(bounds.size - 1):
        for i in range(bounds[text], bounds[text + 1]):
            for k in range(order):
                h = EMPTY
                for j in range(i - k, i + 1):
                    h = mix(h * _STEP + (words[j] if j >= bounds[text] else BEGINNING))
                grams[k, i] = max(h, u64(1))


@nb.njit(nogil=True, cache=True)
def context_hashes(words, bounds, order, contexts):
    """The hashes of the n-grams that come before each word, into contexts: uint64 (order, words); row k has k words."""
    for text in range(bounds.size - 1):
        for i in range(bounds[text], bounds[text + 1]):
            for k in range(order):
                h = EMPTY
                for j in range(i - k, i):
                    h = mix(h * _STEP + (words[j] if j >= bounds[text] else BEGINNING))
                contexts[k, i] = max(h, u64(1))


@nb.njit(nogil=True, cache=True)
def fill_table(keys, slots):
    """Where each key goes in an open hash table of slots.size (a power of two), into slots: the key's number + 1, or 0."""
    mask = u64(slots.size - 1)
    for number in range(keys.size):
        slot = keys[number] & mask
        while slots[slot]:
            slot = (slot + u64(1)) & mask
        slots[slot] = number + 1


@nb.njit(inline="always")
def find_key(keys, start, end, key):
    """The slot of a key among keys[start:end], or −1."""
    mask = u64(end - start - 1)
    slot = key & mask
    while keys[start + np.int64(slot)] != u64(0):
        if keys[start + np.int64(slot)] == key:
            return start + np.int64(slot)
        slot = (slot + u64(1)) & mask
    return -1


@nb.njit(inline="always")
def information(probability, logs):
    """−log2 of a probability above 0, in units of 2**-16 bits."""
    bits = np.float64(probability).view(np.uint64)
    exponent = np.int64(bits >> u64(52)) - 1023
    return -(exponent * UNITS_PER_BIT + logs[np.int64((bits >> u64(52 - _MANTISSA_BITS)) & u64((1 << _MANTISSA_BITS) - 1))])


@nb.njit(nogil=True, cache=True)
def score(words, bounds, model, logs, out):
    """The information content of each text, in units of 2**-16 bits, into out: int64 (texts,)."""
    order = model.discounts.size
    history = np.empty(order, np.uint64)
    for text in range(bounds.size - 1):
        total = 0
        for i in range(bounds[text], bounds[text + 1]):
            p = 1.0 / (model.vocabulary_size + 1)
            for k in range(order):
                h = EMPTY
                for j in range(i - k, i):
                    h = mix(h * _STEP + (words[j] if j >= bounds[text] else BEGINNING))
                history[k] = h
            for k in range(order):
                context = find_key(model.contexts, model.context_bounds[k], model.context_bounds[k + 1], max(history[k], u64(1)))
                if context < 0:
                    break
                gram = find_key(model.keys, model.gram_bounds[k], model.gram_bounds[k + 1], max(mix(history[k] * _STEP + words[i]), u64(1)))
                held = 0.0
                if gram >= 0:
                    held = model.counts[gram] - model.discounts[k]
                left = model.discounts[k] * model.followers[context]
                p = (held + left * p) / model.totals[context]
            total += information(p, logs)
        out[text] = total
