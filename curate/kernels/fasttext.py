"""fastText prediction for a column of texts (Joulin et al. 2016, arXiv 1607.01759): the label and its probability.

Everything is done as fastText 0.9.2 does it, in its order and in float32: words are what its seven white-space bytes
separate, features are summed one after the other, outputs are computed row by row. So labels are equal to the
library's, and probabilities differ by the last bits of `exp` and `log` at most. Differences of form: a newline is white
space (the library reads one line), and a text ends with "</s>", as every line of a training file does.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

u8, u32, u64, i8, i32, i64, f32, f64 = np.uint8, np.uint32, np.uint64, np.int8, np.int32, np.int64, np.float32, np.float64

HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4  # the file format's numbers
BEST = -1
NO_LABEL = -1
_BASIS, _PRIME = u32(2166136261), u32(16777619)  # FNV-1a, 32 bits
_EOS = np.frombuffer(b"</s>", np.uint8)
_LABEL = np.frombuffer(b"__label__", np.uint8)
_BOW, _EOW = u8(60), u8(62)  # < and > stand around a word whose n-grams are taken
_NGRAM_FACTOR = u64(116049371)
_LOG_OFFSET = 1e-5  # added to a probability before its logarithm is taken, so that scores reach 1.00001
_SIGMOID_RANGE, _SIGMOID_STEPS = 8, 512


class Model(NamedTuple):
    """A model as the kernel reads it. Rows of `input`: words, then n-gram buckets (or what pruning left of them).

    word_bytes, word_ends: dictionary entries one after the other, int64 (entries,); word_hashes: uint32 (entries,);
    word_table: int32 (power of two,), an entry's number or -1; pruned_filter: uint8 bits, 8 × its size a power of two;
    pruned_table: int32 (power of two, 2), bucket and row, -1 where free; input: float32 (rows, dim); output: float32 (labels,
    dim), times output_norms float32 (labels,); tree: int32 (nodes, 3): left, right and parent, -1 where there is none (of hierarchical
    softmax only). num_buckets: 0 where features are words alone."""

    num_words: int
    num_labels: int
    loss: int
    min_ngram: int
    max_ngram: int
    word_ngrams: int
    num_buckets: int
    is_pruned: bool
    word_bytes: NDArray[np.uint8]
    word_ends: NDArray[np.int64]
    word_hashes: NDArray[np.uint32]
    word_table: NDArray[np.int32]
    pruned_filter: NDArray[np.uint8]
    pruned_table: NDArray[np.int32]
    input: NDArray[np.float32]
    output: NDArray[np.float32]
    output_norms: NDArray[np.float32]
    tree: NDArray[np.int32]
    sigmoids: NDArray[np.float32]


def sigmoid_table() -> NDArray[np.float32]:
    """The values that stand for a sigmoid in models trained with negative sampling or one label against all: (513,)."""
    places = np.arange(_SIGMOID_STEPS + 1, dtype=np.float32) * np.float32(2 * _SIGMOID_RANGE) / np.float32(_SIGMOID_STEPS) - np.float32(_SIGMOID_RANGE)
    return (1.0 / (1.0 + np.exp(-places).astype(np.float32)).astype(np.float32)).astype(np.float32)


@nb.njit(inline="always")
def _extend(h, byte):
    """FNV-1a with the byte taken as a signed one, which is what fastText's files are made with."""
    return u32((h ^ u32(i8(byte))) * _PRIME)


@nb.njit(inline="always")
def _is_space(byte):
    return byte <= 32 and (byte == 32 or 9 <= byte <= 13 or byte == 0)


@nb.njit(inline="always")
def _spot(bucket):
    """A bucket's place in the filter and table of what pruning left."""
    h = u32(u32(bucket) * u32(0x9E3779B1))
    return u32(h ^ (h >> u32(15)))


@nb.njit(inline="always")
def _find_word(data, start, end, h, word_bytes, word_ends, word_hashes, word_table):
    """The dictionary entry of data[start:end], whose hash is h, or -1."""
    mask = u32(word_table.size - 1)
    place = u32(h & mask)
    entry = word_table[place]
    while entry >= 0:
        if word_hashes[entry] == h:
            begin = word_ends[entry - 1] if entry > 0 else 0
            if word_ends[entry] - begin == end - start:
                k = 0
                while k < end - start and word_bytes[begin + k] == data[start + k]:
                    k += 1
                if k == end - start:
                    break
        place = u32((place + u32(1)) & mask)
        entry = word_table[place]
    return entry


@nb.njit(nogil=True, cache=True)
def fill_word_table(model):
    """Hash every entry and put it into the table; of equal entries the last one counts. Writes word_hashes and word_table."""
    mask = u32(model.word_table.size - 1)
    begin = 0
    for entry in range(model.word_ends.size):
        h = _BASIS
        for k in range(begin, model.word_ends[entry]):
            h = _extend(h, model.word_bytes[k])
        model.word_hashes[entry] = h
        known = _find_word(model.word_bytes, begin, model.word_ends[entry], h, model.word_bytes, model.word_ends, model.word_hashes, model.word_table)
        place = u32(h & mask)
        while model.word_table[place] >= 0 and model.word_table[place] != known:
            place = u32((place + u32(1)) & mask)
        model.word_table[place] = entry
        begin = model.word_ends[entry]


@nb.njit(nogil=True, cache=True)
def fill_pruned_table(buckets, rows, pruned_filter, pruned_table):
    """Put the rows that pruning left into the table; of equal buckets the last one counts."""
    mask, bits = u32(pruned_table.shape[0] - 1), u32(pruned_filter.size * 8 - 1)
    for k in range(buckets.size):
        spot = _spot(buckets[k])
        bit = u32(spot & bits)
        pruned_filter[bit >> u32(3)] |= u8(1) << u8(bit & u32(7))
        place = u32(spot & mask)
        while pruned_table[place, 1] >= 0 and pruned_table[place, 0] != buckets[k]:
            place = u32((place + u32(1)) & mask)
        pruned_table[place, 0], pruned_table[place, 1] = buckets[k], rows[k]


@nb.njit(nogil=True, cache=True)
def scan_entries(data, start, num_entries, ends, counts, types):
    """Find the entries of a dictionary: bytes ended by a zero, a count of 8 bytes, a type of one. ends: where each entry's
    bytes end. Returns where the dictionary ends, or -1 where the data ends before it does."""
    p = start
    for k in range(num_entries):
        while p < data.size and data[p] != 0:
            p += 1
        if p + 10 > data.size:
            return -1
        ends[k] = p
        count = u64(0)
        for byte in range(8):
            count |= u64(data[p + 1 + byte]) << u64(8 * byte)
        counts[k] = np.int64(count)
        types[k] = data[p + 9]
        p += 10
    return p


@nb.njit(inline="always")
def _add_row(rows, row, hidden):
    for d in range(hidden.size):
        hidden[d] += rows[row, d]


@nb.njit(inline="always")
def _row_of(bucket, num_words, is_pruned, pruned_filter, pruned_table):
    """The row of an n-gram's bucket, or -1 where pruning took it away."""
    row = i64(-1)
    if not is_pruned:
        row = num_words + i64(bucket)
    else:
        spot = _spot(bucket)
        bit = u32(spot & u32(pruned_filter.size * 8 - 1))
        if pruned_filter[bit >> u32(3)] >> u8(bit & u32(7)) & u8(1):
            mask = u32(pruned_table.shape[0] - 1)
            place = u32(spot & mask)
            row = i64(pruned_table[place, 1])
            while row >= 0 and u32(pruned_table[place, 0]) != bucket:
                place = u32((place + u32(1)) & mask)
                row = i64(pruned_table[place, 1])
    return row


@nb.njit(inline="always")
def _is_eos(data, start, end):
    return end - start == 4 and data[start] == 60 and data[start + 1] == 47 and data[start + 2] == 115 and data[start + 3] == 62


@nb.njit(inline="always")
def _starts_with_label(data, start, end):
    same = end - start >= _LABEL.size
    k = 0
    while same and k < _LABEL.size:
        same = data[start + k] == _LABEL[k]
        k += 1
    return same


@nb.njit
def _add_words(data, start, end, shape, word_bytes, word_ends, word_hashes, word_table, pruned_filter, pruned_table, rows, hashes, hidden):
    """Add the rows of a text's words and of the n-grams of characters of <word>, by where they start, then by length.

    Returns the number of rows, of words (whose hashes are written to hashes), and whether "</s>" ended the text.
    shape: (num_words, min_ngram, max_ngram, num_buckets, is_pruned). One function with arrays as arguments: handing the
    Model on for every word and n-gram cost as much again as the work itself (117 µs instead of 63 for 1,000 characters).
    """
    num_words, min_ngram, max_ngram, num_buckets, is_pruned = shape
    count, num_hashes, p, ended = 0, 0, start, False
    while p < end and not ended:
        if _is_space(data[p]):
            p += 1
            continue
        begin, h = p, _BASIS
        while p < end and not _is_space(data[p]):
            h = _extend(h, data[p])
            p += 1
        word = _find_word(data, begin, p, h, word_bytes, word_ends, word_hashes, word_table)
        if word >= num_words or (word < 0 and _starts_with_label(data, begin, p)):
            continue
        hashes[num_hashes] = h
        num_hashes += 1
        if word >= 0:
            _add_row(rows, word, hidden)
            count += 1
        ended = _is_eos(data, begin, p)
        i = p if ended or max_ngram == 0 else begin - 1
        while i < p:
            if i >= begin and data[i] & u8(0xC0) == u8(0x80):
                i += 1
                continue
            h, j, n = _BASIS, i, 1
            while j <= p and n <= max_ngram:
                h = _extend(h, _BOW if j < begin else _EOW if j == p else data[j])
                j += 1
                while j < p and data[j] & u8(0xC0) == u8(0x80):
                    h = _extend(h, data[j])
                    j += 1
                if n >= min_ngram and not (n == 1 and (i < begin or j > p)):
                    row = _row_of(u32(u64(h) % u64(num_buckets)), num_words, is_pruned, pruned_filter, pruned_table)
                    if row >= 0:
                        _add_row(rows, row, hidden)
                        count += 1
                n += 1
            i += 1
    return count, num_hashes, ended


@nb.njit
def _add_word_ngrams(shape, word_ngrams, pruned_filter, pruned_table, rows, hashes, num_hashes, hidden):
    """Add the rows of the n-grams of words; hashes are sign-extended to 64 bits, as in fastText. Returns how many."""
    num_words, _, _, num_buckets, is_pruned = shape
    count = 0
    for i in range(num_hashes):
        h = u64(i64(i32(hashes[i])))
        for j in range(i + 1, min(num_hashes, i + word_ngrams)):
            h = u64(h * _NGRAM_FACTOR + u64(i64(i32(hashes[j]))))
            row = _row_of(u32(h % u64(num_buckets)), num_words, is_pruned, pruned_filter, pruned_table)
            if row >= 0:
                _add_row(rows, row, hidden)
                count += 1
    return count


@nb.njit
def _average(model, data, start, end, hashes, hidden):
    """The mean of a text's features, into hidden. Returns how many features there are."""
    hidden[:] = f32(0)
    shape = (model.num_words, model.min_ngram, model.max_ngram, model.num_buckets, model.is_pruned)
    words = (model.word_bytes, model.word_ends, model.word_hashes, model.word_table)
    pruned = (model.pruned_filter, model.pruned_table)
    count, num_hashes, ended = _add_words(data, start, end, shape, *words, *pruned, model.input, hashes, hidden)
    if not ended:
        added, _, _ = _add_words(_EOS, 0, _EOS.size, shape, *words, *pruned, model.input, hashes[num_hashes:], hidden)
        count += added
        num_hashes += 1
    if model.word_ngrams > 1:
        count += _add_word_ngrams(shape, model.word_ngrams, *pruned, model.input, hashes, num_hashes, hidden)
    if count:
        share = f32(1.0 / count)
        for d in range(hidden.size):
            hidden[d] *= share
    return count


@nb.njit(inline="always")
def _dot(model, row, hidden):
    total = f32(0)
    for d in range(hidden.size):
        total += model.output[row, d] * hidden[d]
    return total * model.output_norms[row]


@nb.njit(inline="always")
def _log(probability):
    return f32(np.log(f64(f32(probability)) + _LOG_OFFSET))


@nb.njit
def _down_the_tree(model, hidden, stack, scores):
    """The best label of hierarchical softmax and its log probability: left branches first, less likely ones left out."""
    size, best, found = 1, f32(0), NO_LABEL
    stack[0], scores[0] = 2 * model.num_labels - 2, f32(0)
    floor = _log(f32(0))
    while size:
        size -= 1
        node, score = stack[size], scores[size]
        if score < floor or (found >= 0 and score < best):
            continue
        if model.tree[node, 0] < 0:
            best, found = score, node
            continue
        right = f32(1.0 / f64(f32(f32(1) + np.exp(-_dot(model, node - model.num_labels, hidden)))))
        stack[size], scores[size] = model.tree[node, 1], f32(score + _log(right))
        stack[size + 1], scores[size + 1] = model.tree[node, 0], f32(score + _log(f32(1.0 - f64(right))))
        size += 2
    return found, best


@nb.njit
def _up_the_tree(model, hidden, label, stack):
    """The log probability of one label under hierarchical softmax, summed from the root on."""
    size, node = 0, label
    while node >= 0:
        stack[size] = node
        size += 1
        node = model.tree[node, 2]
    score = f32(0)
    for k in range(size - 1, 0, -1):
        right = f32(1.0 / f64(f32(f32(1) + np.exp(-_dot(model, stack[k] - model.num_labels, hidden)))))
        is_right = model.tree[stack[k], 1] == stack[k - 1]
        score = f32(score + (_log(right) if is_right else _log(f32(1.0 - f64(right)))))
    return score


@nb.njit
def _outputs(model, hidden, values):
    """The probability of every label, into values."""
    for row in range(values.size):
        values[row] = _dot(model, row, hidden)
    if model.loss != SOFTMAX:
        for row in range(values.size):
            x = values[row]
            if x < f32(-_SIGMOID_RANGE):
                values[row] = f32(0)
            elif x > f32(_SIGMOID_RANGE):
                values[row] = f32(1)
            else:
                values[row] = model.sigmoids[np.int64((x + f32(_SIGMOID_RANGE)) * f32(_SIGMOID_STEPS // 2) / f32(_SIGMOID_RANGE))]
        return
    most, total = values[0], f32(0)
    for row in range(values.size):
        most = max(values[row], most)
    for row in range(values.size):
        values[row] = np.exp(values[row] - most)
        total += values[row]
    for row in range(values.size):
        values[row] /= total


@nb.njit(inline="always")
def _limited(data, start, end, max_characters):
    """Where the first characters of a text end."""
    if max_characters <= 0 or end - start <= max_characters:
        return end
    p, count = start, 0
    while p < end:
        if data[p] & u8(0xC0) != u8(0x80):
            if count == max_characters:
                return p
            count += 1
        p += 1
    return end


@nb.njit(nogil=True, cache=True)
def predict(data, offsets, model, max_characters, label, labels, scores):
    """The best label of every text and its probability (label: BEST), or the probability of one label.

    data: uint8 bytes of valid UTF-8; offsets: int64 (n + 1,); max_characters: how many of a text are read, 0
    for all. Writes labels: int32 (n,), NO_LABEL where the model has no feature of a text; scores: float32 (n,), 0 there.
    """
    longest = 0
    for i in range(labels.size):
        longest = max(longest, _limited(data, offsets[i], offsets[i + 1], max_characters) - offsets[i])
    hashes = np.empty(longest // 2 + 2, np.uint32)
    hidden = np.empty(model.input.shape[1], np.float32)
    values = np.empty(model.num_labels, np.float32)
    stack, pending = np.empty(2 * model.num_labels + 2, np.int64), np.empty(2 * model.num_labels + 2, np.float32)
    for i in range(labels.size):
        end = _limited(data, offsets[i], offsets[i + 1], max_characters)
        found, best = NO_LABEL, f32(0)
        if _average(model, data, offsets[i], end, hashes, hidden):
            if model.loss == HIERARCHICAL_SOFTMAX:
                if label == BEST:
                    found, best = _down_the_tree(model, hidden, stack, pending)
                else:
                    found, best = label, _up_the_tree(model, hidden, label, stack)
            else:
                _outputs(model, hidden, values)
                if label == BEST:
                    for row in range(values.size):
                        score = _log(values[row])
                        if found < 0 or not score < best:  # of equals the last, as the library's heap leaves it
                            found, best = row, score
                else:
                    found, best = label, _log(values[label])
        labels[i] = found
        scores[i] = f32(np.exp(best)) if found >= 0 else f32(0)
