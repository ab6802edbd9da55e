"""Which tokens start a word, which words are hidden, and what stands in their place.

A word here is what the GPT-2 splitting rule makes one piece of text before any merging: a contraction, letters, digits or
other signs with the space before them, or white space. Every choice continues `curate.seeds.draw`: the state it returns
for a document takes one more word, the position of the token or word inside the document.
"""

import numba as nb
import numpy as np

from curate.kernels.words import decode

u64 = np.uint64

OTHER, LETTER, NUMBER, SPACE = 0, 1, 2, 3


@nb.njit(inline="always")
def next_draw(state, word):
    """One more round of `curate.seeds.draw`."""
    state = (state ^ word) + u64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> u64(27))) * u64(0x94D049BB133111EB)
    return state ^ (state >> u64(31))


@nb.njit(inline="always")
def as_fraction(draw):
    """A float64 in [0, 1) from 64 bits, as `curate.seeds.fractions` makes it."""
    return np.float64(draw >> u64(11)) * 2.0**-53


@nb.njit(inline="always")
def contraction(data, p, end):
    """Bytes of the contraction ('s 't 'm 'd 're 've 'll) at an apostrophe, or 0."""
    if p + 1 >= end:
        return 0
    a = data[p + 1]
    if a == 115 or a == 116 or a == 109 or a == 100:
        return 2
    if p + 2 >= end:
        return 0
    b = data[p + 2]
    if ((a == 114 or a == 118) and b == 101) or (a == 108 and b == 108):
        return 3
    return 0


@nb.njit(nogil=True)
def run_end(data, p, end, kind, wanted):
    """The first byte at or after p whose code point is not of the wanted kind."""
    while p < end:
        cp, size = decode(data, p)
        if kind[cp] != wanted:
            break
        p += size
    return p


@nb.njit(nogil=True)
def piece_end(data, p, end, kind):
    """Where the piece that starts at byte p ends, by the rule of Radford et al. 2019 (GPT-2's encoder):
    's|'t|'re|'ve|'m|'ll|'d| ?L+| ?N+| ?[^ L N]+|white+(?!non-white)|white+."""
    if data[p] == 39:
        size = contraction(data, p, end)
        if size:
            return p + size
    cp, size = decode(data, p)
    first = kind[cp]
    if first != SPACE:
        return run_end(data, p + size, end, kind, first)
    if data[p] == 32 and p + 1 < end:
        cp, size = decode(data, p + 1)
        if kind[cp] != SPACE:
            return run_end(data, p + 1 + size, end, kind, kind[cp])
    last, stop = p, p
    while stop < end:
        cp, size = decode(data, stop)
        if kind[cp] != SPACE:
            break
        last = stop
        stop += size
    return stop if stop == end or last == p else last


@nb.njit(nogil=True, cache=True)
def word_starts(data, text_offsets, ids, offsets, byte_lengths, kind):
    """True for every token that starts a word; exact for a byte-level vocabulary split by GPT-2's rule.

    data, text_offsets: the texts; ids, offsets: their tokens; byte_lengths: bytes a token stands for, by id; kind:
    (0x110000,) OTHER, LETTER, NUMBER or SPACE by code point, as the tokenizer's own engine sees them.
    """
    starts = np.zeros(ids.size, np.bool_)
    for d in range(offsets.size - 1):
        p, end = text_offsets[d], text_offsets[d + 1]
        here = p
        for t in range(offsets[d], offsets[d + 1]):
            if here == p:
                starts[t] = True
            while p <= here and p < end:
                p = piece_end(data, p, end, kind)
            here += byte_lengths[ids[t]]
    return starts


@nb.njit(nogil=True, cache=True)
def hide(ids, offsets, starts, states, shares, mask_id, ordinary, special, hidden, labels):
    """Hide words: fills `hidden` (what the model sees) and `labels` (the token where hidden, else -100).

    ids, hidden: (tokens,); offsets: (documents + 1,); starts: (tokens,) bool; states: uint64 (documents, 3), one state
    each for which words, for how and for what instead; shares: float64 (chosen, mask, random); ordinary: uint32 ids a
    random token is drawn from; special: (vocabulary,) bool, never hidden.
    """
    for d in range(offsets.size - 1):
        word, chosen = u64(0), False
        for t in range(offsets[d], offsets[d + 1]):
            if starts[t]:
                chosen = as_fraction(next_draw(states[d, 0], word)) < shares[0]
                word += u64(1)
            hidden[t], labels[t] = ids[t], -100
            if not chosen or special[ids[t]]:
                continue
            labels[t] = ids[t]
            place = u64(t - offsets[d])
            how = as_fraction(next_draw(states[d, 1], place))
            if how < shares[1]:
                hidden[t] = mask_id
            elif how < shares[1] + shares[2]:
                hidden[t] = ordinary[np.int64(((next_draw(states[d, 2], place) >> u64(32)) * u64(ordinary.size)) >> u64(32))]
