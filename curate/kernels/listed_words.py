"""How often words of several lists occur, all lists in one reading: stop words of every language at once."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

u64 = np.uint64
MAX_LISTS = 64  # one bit each


def list_table(lists: list[NDArray[np.uint64]]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(keys, bits) of an open hash table over the word hashes of at most 64 lists: a key's bit k says that list k has the word."""
    members: dict[int, int] = {}
    for k, words in enumerate(lists):
        for word in words.tolist():
            members[max(word, 1)] = members.get(max(word, 1), 0) | 1 << k
    size = 1 << (4 * len(members) + 1).bit_length()  # at most a quarter full: most words are in no list
    keys, bits = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    for word in sorted(members):
        slot = word % size
        while keys[slot]:
            slot = (slot + 1) % size
        keys[slot], bits[slot] = word, members[word]
    return keys, bits


@nb.njit(nogil=True, cache=True)
def count_listed(hashes, bounds, keys, bits, out):
    """Occurrences and different words of every list in every text, into out: int64 (2 × lists, n).

    hashes, bounds: the words of the texts, as `curate.kernels.words.hash_words` gives them. Row 2k of out: how many words
    of a text are in list k; row 2k + 1: how many different ones.
    """
    out[:] = 0
    lists = out.shape[0] // 2
    met = np.full(keys.size, -1, np.int64)
    mask = u64(keys.size - 1)
    for i in range(bounds.size - 1):
        for w in range(bounds[i], bounds[i + 1]):
            word = max(hashes[w], u64(1))
            slot = word & mask
            while keys[slot] != u64(0) and keys[slot] != word:
                slot = (slot + u64(1)) & mask
            if keys[slot] == u64(0):
                continue
            new = met[slot] != i
            met[slot] = i
            for k in range(lists):
                if (bits[slot] >> u64(k)) & u64(1):
                    out[2 * k, i] += 1
                    out[2 * k + 1, i] += new
