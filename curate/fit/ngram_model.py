"""An n-gram language model of words, fitted on reference texts: how surprising is a document to one who knows the reference?

Interpolated Kneser-Ney (Kneser and Ney 1995; Chen and Goodman 1999, section 3.2) with one absolute discount per order,
n1 / (n1 + 2 n2) (Ney, Essen and Kneser 1994): the highest order counts occurrences, lower ones in how many different
longer n-grams an n-gram ends. A word that the reference lacks shares the uniform distribution below order 1.
Words are those of `curate.kernels.words`, known by their 64-bit hashes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate import seeds
from curate.documents import content_ids, content_words, text_buffers
from curate.errors import DamageError, InputError
from curate.kernels import ngram_model as kernel
from curate.kernels.ngram_model import NgramModel
from curate.kernels.words import hash_words, word_tables
from curate.storage import Output, read_table, write_table

VERSION = 1
MAX_ORDER = 6
TABLE = pa.schema(
    [
        pa.field("order", pa.uint8(), nullable=False),
        pa.field("is_context", pa.bool_(), nullable=False),  # else an n-gram
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),  # of a context: the sum over its n-grams
        pa.field("followers", pa.int64(), nullable=False),  # of a context: its different n-grams; else 0
    ]
)


_Drawn = tuple[float, bytes, NDArray[np.uint64]]  # a text's draw, content id, words


class Counted(NamedTuple):
    """One order: distinct n-grams with their counts and contexts, and their contexts with totals and followers; sorted by key."""

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    contexts: NDArray[np.uint64]
    totals: NDArray[np.int64]
    followers: NDArray[np.int64]


def fit_ngram_model(texts: Iterable[pa.LargeStringArray], order: int, max_words: int, path: Path) -> tuple[Output, dict[str, int]]:
    """Fit on all reference texts, or on those that a draw by content id chooses where they hold more than `max_words`.

    texts: batches, iterated once. Returns the file and counts of texts, words and n-grams. Working memory: about
    40 bytes × order a word. Raises InputError where the reference holds no word.
    """
    words, bounds, num_texts = _sample(texts, max_words)
    if not len(words):
        raise InputError("the reference of the perplexity model holds no word, so nothing could be compared with it; name other files or another source")
    grams, contexts = (np.empty((order, len(words)), np.uint64) for _ in range(2))
    kernel.ngram_hashes(words, bounds, order, grams)
    kernel.context_hashes(words, bounds, order, contexts)
    counted = list(_count(grams, contexts))
    output = write_table(path, pa.concat_tables([_rows(k + 1, one) for k, one in enumerate(counted)]))
    return output, {"texts": num_texts, "words": len(words), "vocabulary": len(counted[0].keys), "ngrams": sum(len(one.keys) for one in counted)}


def load_ngram_model(path: Path) -> NgramModel:
    """The model of a file, ready to score. Raises DamageError where it is none."""
    table = read_table(path)
    if not table.schema.equals(TABLE) or not len(table):
        raise DamageError(f"{path} is no n-gram model: it has the columns {', '.join(table.column_names)} and {len(table)} rows; run again to make it anew")
    order_of, is_context = table["order"].to_numpy(), table["is_context"].to_numpy()
    orders = range(1, int(order_of.max()) + 1)
    grams = [table.filter(pa.array((order_of == order) & ~is_context)) for order in orders]
    contexts = [table.filter(pa.array((order_of == order) & is_context)) for order in orders]
    placed, of_contexts = [_placed(one) for one in grams], [_placed(one) for one in contexts]
    joined = [np.concatenate([one[k] for one in placed]) for k in range(2)]
    joined_contexts = [np.concatenate([one[k] for one in of_contexts]) for k in range(3)]
    bounds = [np.concatenate([[0], np.cumsum([len(one[0]) for one in those])]).astype(np.int64) for those in (placed, of_contexts)]
    discounts = np.array([discount(one["count"].to_numpy()) for one in grams])
    return NgramModel(joined[0], joined[1], bounds[0], joined_contexts[0], joined_contexts[1], joined_contexts[2], bounds[1], discounts, len(grams[0]))


def discount(counts: NDArray[np.int64]) -> float:
    """What is taken from every count of an order: n1 / (n1 + 2 n2), with one added to both so that it lies between 0 and 1."""
    once, twice = int((counts == 1).sum()) + 1, int((counts == 2).sum()) + 1
    return once / (once + 2 * twice)


def _sample(texts: Iterable[pa.LargeStringArray], max_words: int) -> tuple[NDArray[np.uint64], NDArray[np.int64], int]:
    """The words of the chosen texts: those whose draw is least, as many as fit; text by text, in order of the draw."""
    held: list[_Drawn] = []
    num_words = num_texts = 0
    for batch in texts:
        ids = content_ids(batch)
        draws = seeds.fractions(0, "perplexity", content_words(ids))
        words, bounds = hash_words(*text_buffers(batch), word_tables())
        num_texts += len(batch)
        for row, name in enumerate(ids.to_pylist()):
            held.append((float(draws[row]), name, words[bounds[row] : bounds[row + 1]].copy()))
            num_words += len(held[-1][2])
        if num_words > 2 * max_words:
            held = _least(held, max_words, with_next=True)
            num_words = sum(len(words) for _, _, words in held)
    held = _least(held, max_words)
    lengths = [len(words) for _, _, words in held]
    return np.concatenate([np.zeros(0, np.uint64), *(words for _, _, words in held)]), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), num_texts


def _least(held: list[_Drawn], max_words: int, *, with_next: bool = False) -> list[_Drawn]:
    """Different texts in the order of their draws, until the next would exceed max_words (the first is always taken).

    with_next: that one too, which must end the choice again when more texts have come.
    """
    held.sort(key=lambda one: one[:2])
    chosen: list[_Drawn] = []
    total = 0
    for one in held:
        if chosen and one[1] == chosen[-1][1]:
            continue
        total += len(one[2])
        if chosen and total > max_words:
            return [*chosen, one] if with_next else chosen
        chosen.append(one)
    return chosen


def _count(grams: NDArray[np.uint64], contexts: NDArray[np.uint64]) -> Iterator[Counted]:
    """The tables of every order, from 1 on."""
    order = len(grams)
    distinct = [np.unique(grams[k], return_index=True, return_counts=True) for k in range(order)]
    for k in range(order):
        keys, first, counts = distinct[k]
        if k + 1 < order:  # in how many different longer n-grams it ends
            ends = grams[k][distinct[k + 1][1]]
            found, counts = np.unique(ends, return_counts=True)
            assert np.array_equal(found, keys)  # every n-gram ends some longer one, beginnings included
        of_context = contexts[k][first]
        known, inverse = np.unique(of_context, return_inverse=True)
        totals, followers = np.zeros(len(known), np.int64), np.bincount(inverse, minlength=len(known))
        np.add.at(totals, inverse, counts)
        yield Counted(keys, counts.astype(np.int64), known, totals, followers.astype(np.int64))


def _rows(order: int, counted: Counted) -> pa.Table:
    grams, contexts = len(counted.keys), len(counted.contexts)
    columns = [
        np.full(grams + contexts, order, np.uint8),
        np.arange(grams + contexts) >= grams,
        np.concatenate([counted.keys, counted.contexts]),
        np.concatenate([counted.counts, counted.totals]),
        np.concatenate([np.zeros(grams, np.int64), counted.followers]),
    ]
    return pa.table([pa.array(column) for column in columns], schema=TABLE)


def _placed(table: pa.Table) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Keys, counts and followers as an open hash table, at most half full."""
    keys = table["key"].to_numpy()
    slots = np.zeros(1 << max(1, int(2 * len(keys) - 1).bit_length()), np.int64)
    kernel.fill_table(keys, slots)
    used = slots > 0
    found = []
    for values, empty in ((keys, np.uint64(0)), (table["count"].to_numpy(), np.int64(0)), (table["followers"].to_numpy(), np.int64(0))):
        column = np.full(len(slots), empty, values.dtype)
        column[used] = values[slots[used] - 1]
        found.append(column)
    return found[0], found[1], found[2]
