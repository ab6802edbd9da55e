"""The short runs of words by which an item is known when its order or some of its words were changed."""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.documents import text_buffers
from curate.kernels.coverage import RUN_WORDS, SEED_WORDS, KnownTexts, hash_runs
from curate.kernels.words import hash_words, word_tables

_NUMBER = re.compile(r"[^\W_]*\d[^\W_]*")


class Runs(NamedTuple):
    """What is known of t texts. evidence: int64 (t,), words of each that lie in a run that counts; words: int64 (t + 1,), text i has
    the words words[i] to words[i + 1]; weights: uint8, that of each word, and
    numbers: bool, whether it has a digit; offsets: int64 (t + 1,), text i's
    runs are runs[offsets[i]:offsets[i + 1]], each beginning at a word of the text (positions) and so many words long (sizes);
    seed_offsets, seeds: likewise its distinct runs of SEED_WORDS words."""

    evidence: NDArray[np.int64]
    words: NDArray[np.int64]
    weights: NDArray[np.uint8]
    numbers: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    runs: NDArray[np.uint64]
    positions: NDArray[np.uint32]
    sizes: NDArray[np.uint8]
    seed_offsets: NDArray[np.int64]
    seeds: NDArray[np.uint64]


def find_runs(pieces: pa.ListArray, counting: NDArray[np.bool_], max_texts: int, min_words: int) -> Runs:
    """The runs of texts given as pieces.

    A run or seed that occurs in more than `max_texts` different texts among those marked `counting` is a stock phrase and left out,
    and a text with fewer than `min_words` words of evidence then keeps no seed: it cannot be found by runs.
    """
    words, piece_bounds = hash_words(
        *text_buffers(pieces.flatten().combine_chunks() if isinstance(pieces, pa.ChunkedArray) else pieces.flatten()), word_tables()
    )
    of_text = np.asarray(pieces.offsets, np.int64)
    text_bounds = piece_bounds[of_text - of_text[0]]
    num_texts = len(text_bounds) - 1
    representative = _first_equal(words, text_bounds, counting)
    runs, starts, in_piece = hash_runs(words, piece_bounds, np.minimum(np.diff(piece_bounds), RUN_WORDS))
    owners = np.searchsorted(text_bounds, starts, side="right") - 1
    sizes = np.minimum(np.diff(piece_bounds), RUN_WORDS)[in_piece]
    telling = ~_stock(runs, representative[owners], max_texts)
    evidence = np.diff(np.concatenate(([0], np.cumsum(_inside(starts[telling], sizes[telling], len(words)))))[text_bounds])
    seeds, _, seed_owners = hash_runs(words, text_bounds, np.full(num_texts, SEED_WORDS))
    counted = ~_stock(seeds, representative[seed_owners], max_texts) & (evidence[seed_owners] >= min_words)
    pairs = np.unique(np.stack((seed_owners[counted].astype(np.uint64), seeds[counted]), axis=1), axis=0)
    return Runs(
        evidence,
        text_bounds,
        _weights(words, text_bounds, representative),
        np.isin(words, _numbers(pieces)),
        _offsets(owners, num_texts),
        runs,
        (starts - text_bounds[owners]).astype(np.uint32),
        sizes.astype(np.uint8),
        _offsets(pairs[:, 0].astype(np.int64), num_texts),
        pairs[:, 1].copy(),
    )


def known_texts(runs: Runs) -> KnownTexts:
    """Runs as the kernel reads them. Half of a text's weight is the least that is reported."""
    num_texts = len(runs.evidence)
    owners = np.repeat(np.arange(num_texts), np.diff(runs.offsets))
    shortest = np.full(num_texts, RUN_WORDS, np.uint8)
    np.minimum.at(shortest, owners, runs.sizes)
    weight_before, numbers_before = (np.concatenate(([0], np.cumsum(values, dtype=np.int64))) for values in (runs.weights, runs.numbers))
    least = np.maximum(1, (np.diff(weight_before[runs.words]) + 1) // 2)
    return KnownTexts(runs.words, weight_before, numbers_before, least, runs.offsets, runs.runs, runs.words[owners] + runs.positions, runs.sizes, shortest)


def _first_equal(words: NDArray[np.uint64], bounds: NDArray[np.int64], counting: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each text that counts the first of those equal to it, −1 for the others: the same question in two benchmarks is one text."""
    met: dict[bytes, int] = {}
    result = np.full(len(counting), -1, np.int64)
    for text in np.flatnonzero(counting).tolist():
        result[text] = met.setdefault(words[bounds[text] : bounds[text + 1]].tobytes(), text)
    return result


def _stock(runs: NDArray[np.uint64], texts: NDArray[np.int64], max_texts: int) -> NDArray[np.bool_]:
    """Which runs occur in more than max_texts different texts; a text of −1 does not count."""
    counts = texts >= 0
    pairs = np.unique(np.stack((runs[counts], texts[counts].astype(np.uint64)), axis=1), axis=0)
    found, num_texts = np.unique(pairs[:, 0], return_counts=True)
    return np.isin(runs, found[num_texts > max_texts])


def _inside(starts: NDArray[np.int64], sizes: NDArray[np.int64], num_words: int) -> NDArray[np.bool_]:
    """Which words lie in a run."""
    inside = np.zeros(num_words, bool)
    for step in range(RUN_WORDS):
        inside[starts[sizes > step] + step] = True
    return inside


def _weights(words: NDArray[np.uint64], bounds: NDArray[np.int64], representative: NDArray[np.int64]) -> NDArray[np.uint8]:
    """How much each word tells: the binary digits of (texts / texts that hold it), so 1 for a word of every text and one more each time it
    is half as common (the inverse document frequency of Spärck Jones 1972 in whole steps)."""
    owners = np.repeat(representative, np.diff(bounds))
    pairs = np.unique(np.stack((words[owners >= 0], owners[owners >= 0].astype(np.uint64)), axis=1), axis=0)
    found, num_texts = np.unique(pairs[:, 0], return_counts=True)
    total = max(1, len(np.unique(representative[representative >= 0])))
    place = np.minimum(np.searchsorted(found, words), max(0, len(found) - 1))
    held = num_texts[place] if len(found) else np.ones(len(words), np.int64)
    return np.frexp(total / held)[1].astype(np.uint8)


def _numbers(pieces: pa.ListArray) -> NDArray[np.uint64]:
    """The hashes of the words of the pieces that have a digit."""
    found = {number for text in pieces.flatten().to_pylist() for number in _NUMBER.findall(text)}
    return hash_words(*text_buffers(pa.array(sorted(found), pa.large_string())), word_tables())[0]


def _offsets(owners: NDArray[np.int64], num_texts: int) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=num_texts)))).astype(np.int64)
