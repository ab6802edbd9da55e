"""What repeats inside one text: lines, paragraphs and n-grams of words, in time linear in the text.

Equality is equality of 64-bit hashes: two different n-grams of a document of a million words share one with a chance of
about 10^-8.
"""

import numba as nb
import numpy as np

from curate.kernels.byte_masks import copy_padded, padded_scratch
from curate.kernels.line_split import hash_bytes, line_scratch, split_lines
from curate.kernels.quality import SPACE
from curate.kernels.word_split import split_padded
from curate.kernels.words import IN_WORD, OWN_WORD, SEPARATOR, decode, extend, mix

i32, u8, u32, u64 = np.int32, np.uint8, np.uint32, np.uint64

_SEED = u64(0x243F6A8885A308D3)  # not 0, from which leading NUL bytes would be invisible
_STEP = u64(0x9FB21C651E98DF25)
FIRST_TOP, FIRST_DUPLICATE, LAST = 2, 5, 10  # n of the n-grams: top 2 to 4, duplicate 5 to 10


@nb.njit(inline="always")
def capacity(entries):
    """Slots of a hash table: the power of two that leaves it at most half full."""
    size = 2
    while size < 2 * entries:
        size *= 2
    return size


@nb.njit(inline="always")
def place(keys, mask, key):
    """The slot of a key (not 0) in an open hash table, where keys[slot] is the key or 0 (free; the caller fills it)."""
    slot = key & mask
    while keys[slot] != u64(0) and keys[slot] != key:
        slot = (slot + u64(1)) & mask
    return slot


@nb.njit(inline="always")
def start_piece():
    """The unfinished hash of an empty piece of text."""
    return _SEED


@nb.njit(inline="always")
def finish_piece(h):
    """The hash of a piece of text, never 0."""
    return max(mix(h), u64(1))


@nb.njit(inline="always")
def is_carriage_return(data, p, end):
    """Whether byte p is the first half of a CR LF, which counts as one newline."""
    return data[p] == 13 and p + 1 < end and data[p + 1] == 10


@nb.njit
def count_copies(hashes, lengths, count, keys):
    """(copies, code points in copies): second and later of equal pieces. keys: working memory."""
    size = capacity(count)
    keys[:size] = u64(0)
    mask, copies, characters = u64(size - 1), 0, 0
    for k in range(count):
        slot = place(keys, mask, hashes[k])
        if keys[slot]:
            copies += 1
            characters += lengths[k]
        keys[slot] = hashes[k]
    return copies, characters


@nb.njit(inline="always")
def stripped(data, p, end, flags):
    """The bounds of bytes p to end without white space at either side."""
    while p < end:
        cp, size = decode(data, p)
        if not flags[cp] & SPACE:
            break
        p += size
    while end > p:
        q = end - 1
        while data[q] & u8(0xC0) == u8(0x80):
            q -= 1
        cp, _ = decode(data, q)
        if not flags[cp] & SPACE:
            break
        end = q
    return p, end


@nb.njit
def drop_empty_lines(hashes, lengths, count):
    """Take out the empty lines between the first and the last, which leaves what runs of newlines separate; returns how many are left."""
    kept = 0
    for k in range(count):
        if k == 0 or k == count - 1 or lengths[k] > 0:
            hashes[kept], lengths[kept] = hashes[k], lengths[k]
            kept += 1
    return kept


@nb.njit
def split_paragraphs(text, start, end, bounds, hashes, lengths, count, paragraphs, sizes):
    """Hashes and code points of the paragraphs between bytes start and end, of which neither is white space; returns how many.

    Given are the lines of the whole text. The first and the last within start and end are hashed anew, without the white
    space around them. A paragraph's hash is that of its lines' hashes.
    """
    num, h, size = 0, u64(0), -1
    for k in range(count):
        first, last = max(bounds[0, k], start), min(bounds[1, k], end)
        if first >= last:
            if size >= 0:
                paragraphs[num], sizes[num] = max(mix(h), u64(1)), size
                num, h, size = num + 1, u64(0), -1
            continue
        line, length = hashes[k], lengths[k]
        if first != bounds[0, k] or last != bounds[1, k]:
            line, length = hash_bytes(text, first, last)
        h = mix(h * _STEP + line)
        size += 1 + length
    if size >= 0 or num == 0:
        paragraphs[num], sizes[num] = max(mix(h), u64(1)), max(size, 0)
        num += 1
    return num


@nb.njit(nogil=True, cache=True)
def count_repeated_pieces(data, offsets, flags, out):
    """Repeated lines and paragraphs of every text, into out: int64 (6, n).

    Lines are separated by runs of newlines; paragraphs, of the text without white space around it, by two newlines or
    more. Rows of out: lines; second and later copies; code points in those; the same three of paragraphs.
    """
    text = padded_scratch(offsets)
    bounds, hashes, lengths = line_scratch(data, offsets)
    paragraphs, sizes, keys = np.empty_like(hashes), np.empty_like(lengths), np.empty(capacity(hashes.size), np.uint64)
    for i in range(offsets.size - 1):
        size = copy_padded(data, offsets[i], offsets[i + 1], text)
        count = split_lines(text, size, bounds, hashes, lengths)
        start, end = stripped(text, 0, size, flags)
        out[3, i] = split_paragraphs(text, start, end, bounds, hashes, lengths, count, paragraphs, sizes)
        out[4, i], out[5, i] = count_copies(paragraphs, sizes, out[3, i], keys)
        out[0, i] = drop_empty_lines(hashes, lengths, count)
        out[1, i], out[2, i] = count_copies(hashes, lengths, out[0, i], keys)


@nb.njit
def split_words(data, p, end, tables, words, ends):
    """Hashes of the words between bytes p and end, and how many code points of words lie before each. Returns their number."""
    ascii_word, kinds, folds = tables.ascii_word, tables.kind, tables.folded
    count, characters, word, inside = 0, 0, u64(0), False
    ends[0] = 0
    while p <= end:  # one step beyond the end, where a separator is put, ends the last word
        c = data[p] if p < end else u8(32)
        if c < 128:
            p += 1
            cp = u32(ascii_word[c])
            kind = IN_WORD if cp else SEPARATOR
        else:
            cp, size = decode(data, p)
            p += size
            kind = kinds[cp]
            if kind and cp < u32(folds.size):
                cp = folds[cp]
        if kind == IN_WORD:
            word = extend(word, cp)
            inside = True
            characters += 1
            continue
        if inside:
            words[count], ends[count + 1] = mix(word), characters
            count += 1
            word, inside = u64(0), False
        if kind == OWN_WORD:
            characters += 1
            words[count], ends[count + 1] = mix(extend(u64(0), cp)), characters
            count += 1
    return count


@nb.njit(inline="always")
def lengthen(n, words, grams, repeated, candidates, num_candidates, sieve):
    """From candidate (n − 1)-grams to n-grams that may repeat; returns how many are left.

    An n-gram can only repeat where both (n − 1)-grams in it do, and where another falls into its place of a sieve, a table
    of bytes eight to sixteen times as long as the candidates. That leaves few to be counted exactly.
    """
    size = capacity(4 * num_candidates)
    sieve[:size] = u8(0)
    mask, left = u64(size - 1), 0
    for k in range(num_candidates):
        i = candidates[k]
        if repeated[i] and repeated[i + 1]:
            gram = max(mix(grams[i] * _STEP + words[i + n - 1]), u64(1))
            grams[i] = gram
            sieve[gram & mask] += sieve[gram & mask] < 2
            candidates[left] = i
            left += 1
        else:
            repeated[i] = False
    kept = 0
    for k in range(left):
        i = candidates[k]
        repeated[i] = sieve[grams[i] & mask] > 1
        candidates[kept] = i
        kept += repeated[i]
    return kept


@nb.njit(inline="always")
def most_frequent(grams, candidates, num_candidates, slots, keys, counts):
    """(the greatest count among candidate n-grams, the first n-gram that has it); (1, 0) where there is no candidate."""
    size = capacity(num_candidates)
    keys[:size], counts[:size] = u64(0), 0
    mask, top = u64(size - 1), 1
    for k in range(num_candidates):
        gram = grams[candidates[k]]
        slot = place(keys, mask, gram)
        keys[slot] = gram
        counts[slot] += 1
        slots[k] = slot
        top = max(top, counts[slot])
    if top == 1:
        return 1, 0
    k = 0
    while counts[slots[k]] < top:
        k += 1
    return top, candidates[k]


@nb.njit(inline="always")
def skip_copies(n, ends, grams, candidates, num_candidates, keys):
    """Code points in n-grams met before, reading on behind each such n-gram."""
    size = capacity(num_candidates)
    keys[:size] = u64(0)
    mask, characters, resume = u64(size - 1), 0, 0
    for k in range(num_candidates):
        i = candidates[k]
        if i < resume:
            continue
        slot = place(keys, mask, grams[i])
        if keys[slot]:
            characters += ends[i + n] - ends[i]
            resume = i + n
        keys[slot] = grams[i]
    return characters


@nb.njit(nogil=True, cache=True)
def count_repeated_ngrams(data, offsets, tables, flags, out):
    """Repeated n-grams of words of every text, into out: int64 (9, n).

    Rows 0 to 2, n = 2 to 4: the most frequent n-gram (the first of several), its code points and the n − 1 spaces
    between its words, times its count. Rows 3 to 8, n = 5 to 10: code points of words in n-grams that were met before,
    where reading goes on behind such an n-gram and at the next word otherwise. Working memory: some 40 bytes for each
    byte of the longest text.
    """
    most = 1
    for i in range(offsets.size - 1):
        most = max(most, (offsets[i + 1] - offsets[i] + 1) // 2)
    text = padded_scratch(offsets)
    words, grams, ends = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(most + 1, np.int64)
    repeated, candidates, slots = np.empty(most + 1, np.bool_), np.empty(most, np.int32), np.empty(most, np.int32)
    keys, counts, sieve = np.empty(capacity(most), np.uint64), np.empty(capacity(most), np.int32), np.empty(capacity(4 * most), np.uint8)
    for i in range(offsets.size - 1):
        num_words, _ = split_padded(text, copy_padded(data, offsets[i], offsets[i + 1], text), tables, flags, words, ends)
        grams[:num_words] = words[:num_words]
        repeated[:num_words], repeated[num_words] = True, False
        for k in range(num_words):
            candidates[k] = k
        left = num_words
        for n in range(FIRST_TOP, LAST + 1):
            row = n - FIRST_TOP
            out[row, i] = 0
            if num_words < n:
                continue
            left = lengthen(n, words, grams, repeated, candidates, left, sieve)
            if n < FIRST_DUPLICATE:
                top, first = most_frequent(grams, candidates, left, slots, keys, counts)
                out[row, i] = (ends[first + n] - ends[first] + n - 1) * top
            else:
                out[row, i] = skip_copies(n, ends, grams, candidates, left, keys)
