"""Exact substrings repeated anywhere in the corpus: found by winnowed fingerprints, then extended token by token.

What is a repeat: `min_tokens` consecutive tokens of a document that stand, token for token, at an earlier place too: in an
earlier document (stated order: sources as in the recipe, part, row), or earlier in the same one without overlapping (so
that "aaaa…" of fewer than 2 × min_tokens tokens repeats nothing, and of more keeps its first min_tokens). A repeat of any
length is a union of such runs. Every token of every repeat is cut, and no other: the first occurrence stays.

*Guarantee*: every repeat of min_tokens tokens or more is found. With fingerprints of k tokens in windows of w = min_tokens -
k + 1, a run of min_tokens tokens is one window; its fingerprint is chosen from its tokens alone, so both occurrences have an
entry under one key, and all runs under a shared key are compared (see `curate.kernels.winnow`). It holds but for a collision of
64-bit hashes of runs, about one in 2^64 pairs; and what is cut was compared token by token with its first occurrence, so a
collision of runs never cuts anything.

A token is a word with what follows it up to the next word, compared byte for byte, or (equality "words") the word alone, case
folded. Tokens are compared as 64-bit hashes. 50 tokens: Lee et al. 2022 (arXiv 2107.06499, section 4.1), whose tokens are
those of byte-pair encoding; there a suffix array of the whole corpus finds them, in memory.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.dedup.places import Entries, Repeats
from curate.documents import text_buffers
from curate.kernels import winnow as kernel
from curate.kernels.words import hash_words, word_tables

VERSION = 1
MAX_TOKENS = 512  # a polynomial modulo 2^64 can be fooled on purpose by runs of about 2,000
RUNS_AT_ONCE = 1 << 21  # hashed runs in memory: 0.1 GB while they are sorted
TOKENS = pa.schema([pa.field("tokens", pa.large_list(pa.field("item", pa.uint64(), nullable=False)), nullable=False)])


class SubstringSettings(BaseModel):
    """What counts as a repeated substring."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min_tokens: int = Field(50, ge=4, le=MAX_TOKENS, description="Consecutive tokens; every repeat of so many or more is found and cut.")
    equality: Literal["bytes", "words"] = Field(
        "bytes", description="bytes: words and what stands between them are the same; words: the words are, whatever their case and what separates them."
    )

    @property
    def fingerprint_tokens(self) -> int:
        """k of winnowing. It decides how many fingerprints there are and how many are shared in vain, never what is found."""
        return (self.min_tokens + 1) // 2


class Tokens(NamedTuple):
    """The tokens of a part: values uint64, bounds int64 (rows + 1,)."""

    values: NDArray[np.uint64]
    bounds: NDArray[np.int64]


def tokens_of(texts: pa.LargeStringArray, settings: SubstringSettings) -> Tokens:
    """The token hashes of some texts."""
    data, offsets = text_buffers(texts)
    hashes = kernel.hash_tokens if settings.equality == "bytes" else hash_words
    return token_arrays(*hashes(data, offsets, word_tables()))


def tokens_table(tokens: Tokens) -> pa.Table:
    """Tokens as TOKENS, one row a document."""
    return pa.table([pa.LargeListArray.from_arrays(pa.array(tokens.bounds), pa.array(tokens.values))], schema=TOKENS)


def tokens_from(table: pa.Table) -> Tokens:
    """Tokens back from a table; no copy where it is one memory-mapped batch."""
    column = table["tokens"].combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return token_arrays(column.values.to_numpy(zero_copy_only=True), column.offsets.to_numpy(zero_copy_only=True))


def token_arrays(values: NDArray[np.uint64], bounds: NDArray[np.int64]) -> Tokens:
    """Tokens of two arrays, which can be written no more: numba would compile each kernel once more for those that can."""
    values.flags.writeable = bounds.flags.writeable = False
    return Tokens(values, bounds)


def fingerprints(tokens: Tokens, settings: SubstringSettings) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint16]]:
    """(keys, rows, places, counts) of every fingerprint (see `curate.kernels.winnow.winnow`)."""
    keys, rows, places, counts = kernel.winnow(tokens.values, tokens.bounds, settings.min_tokens, settings.fingerprint_tokens)
    return keys, rows, places, counts


def repeated_substrings(entries: Entries, tokens: Callable[[int], Tokens], settings: SubstringSettings, runs_at_once: int = RUNS_AT_ONCE) -> Iterator[Repeats]:
    """The repeated runs of min_tokens tokens among merged fingerprints, by the place they start at.

    tokens: gives the tokens of a part by its rank, best memory-mapped. At most about `runs_at_once` runs are in memory: whole keys at a
    time, since equal runs have equal keys, and a key that stands for more is gone through several times, each time for a
    range of the runs' hashes.
    """
    for some in _whole_keys(entries, runs_at_once):
        num_passes = max(1, -(-int(some.counts.sum(dtype=np.int64)) // runs_at_once))
        for number in range(num_passes):
            lowest, highest = (number << 64) // num_passes, ((number + 1) << 64) // num_passes - 1
            yield _later_ones(*_runs(some, tokens, settings, np.uint64(lowest), np.uint64(highest)), settings.min_tokens)


def _whole_keys(entries: Entries, runs_at_once: int) -> Iterator[Entries]:
    """The entries in pieces of whole keys that stand for at most so many runs, unless one key alone stands for more."""
    firsts = np.flatnonzero(np.append(True, entries.keys[1:] != entries.keys[:-1])) if len(entries.keys) else np.zeros(0, np.int64)
    bounds = np.append(firsts, len(entries.keys))
    before = np.append(0, np.cumsum(entries.counts, dtype=np.int64))[bounds]
    at = 0
    while at < len(firsts):
        fitting = int(np.searchsorted(before, before[at] + runs_at_once, "right")) - 1
        following = max(at + 1, fitting)
        columns: list[Any] = [column[bounds[at] : bounds[following]] for column in entries]
        yield Entries(*columns)
        at = following


def _runs(
    entries: Entries, tokens: Callable[[int], Tokens], settings: SubstringSettings, lowest: np.uint64, highest: np.uint64
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    """(hashes, ranks, rows, places) of the runs of some entries, in the stated order; only hashes from lowest to highest."""
    order = np.lexsort((entries.places, entries.rows, entries.ranks))
    ranks = entries.ranks[order]
    cuts = np.append(np.flatnonzero(np.append(True, ranks[1:] != ranks[:-1])), len(ranks))
    found: list[list[NDArray[Any]]] = [[], [], [], []]
    for start, end in pairwise(cuts.tolist()):
        chosen, rank = order[start:end], int(ranks[start])
        mine = (entries.rows[chosen], entries.places[chosen], entries.counts[chosen])
        hashes, rows, places = kernel.hash_runs(*tokens(rank), *mine, settings.min_tokens, lowest, highest)
        for column, values in zip(found, (hashes, np.full(len(hashes), rank, np.uint32), rows, places), strict=True):
            column.append(values)
    hashes, ranks, rows, places = (np.concatenate(column) for column in found)
    return hashes, ranks, rows, places


def _later_ones(hashes: NDArray[np.uint64], ranks: NDArray[np.uint32], rows: NDArray[np.uint32], places: NDArray[np.uint32], min_tokens: int) -> Repeats:
    """Which runs have an equal one before them, and the first such. All are in the stated order."""
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    starts = np.ones(len(order), bool)
    starts[1:] = hashes[1:] != hashes[:-1]
    firsts = np.flatnonzero(starts)
    first = order[np.repeat(firsts, np.diff(np.append(firsts, len(order))))]
    elsewhere = (ranks[order] != ranks[first]) | (rows[order] != rows[first])
    later = elsewhere | (places[order] >= places[first].astype(np.int64) + min_tokens)
    mine, theirs = order[later], first[later]
    return Repeats(*(column[mine] for column in (ranks, rows, places)), *(column[theirs] for column in (ranks, rows, places)))


def token_spans(
    repeats: dict[str, NDArray[np.uint32]], mine: Tokens, others: Callable[[int], Tokens], settings: SubstringSettings
) -> dict[str, NDArray[np.uint32]]:
    """Repeats of one part (`curate.dedup.places.repeats_of`) as spans of tokens: `length` now counts tokens, each compared with the first occurrence's.

    others: gives the tokens of a part by its id. A span is as long as the tokens agree; one of fewer than min_tokens is none.
    """
    lengths = repeats["length"].astype(np.int64) + settings.min_tokens - 1
    equal = np.zeros(len(lengths), np.int64)
    starts = mine.bounds[repeats["row"]] + repeats["place"]
    for part in np.unique(repeats["first_part"]).tolist():
        chosen = np.flatnonzero(repeats["first_part"] == part)
        theirs, same = others(part), np.empty(len(chosen), np.int64)
        other_starts = theirs.bounds[repeats["first_row"][chosen]] + repeats["first_place"][chosen]
        kernel.count_equal(mine.values, starts[chosen], theirs.values, other_starts, lengths[chosen], same)
        equal[chosen] = same
    long_enough = equal >= settings.min_tokens
    spans = {name: column[long_enough] for name, column in repeats.items()}
    return spans | {"length": equal[long_enough].astype(np.uint32)}
