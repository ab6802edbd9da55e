"""Which documents of a part share a key with given texts: binary search in its sorted runs, where they lie."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.dedup.near import NearSettings
from curate.dedup.shingles import Shingles, num_shared
from curate.dedup.signatures import Signatures
from curate.kernels import buckets as kernel


class Pairs(NamedTuple):
    """Pairs of a query and a row of the part, ascending, each once. queries int64, rows uint32, similarities float64 (1 for exact ones)."""

    queries: NDArray[np.int64]
    rows: NDArray[np.uint32]
    similarities: NDArray[np.float64]


def find_exact(run: pa.Table, content_words: NDArray[np.uint64]) -> Pairs:
    """The rows with the content ids of queries. run: as `curate.dedup.exact.exact_run`; content_words: uint64 (queries, 2)."""
    entries, queries = _found(_column(run, "high"), content_words[:, 0])
    same = _column(run, "low")[entries] == content_words[queries, 1]
    return _pairs(queries[same], _column(run, "row")[entries[same]])


class Sides(NamedTuple):
    """The measure `shingles` of a part and of queries."""

    part: pa.Table
    queries: pa.Table


def find_near(
    run: pa.Table, part: Signatures, queries: NDArray[np.uint32], num_shingles: NDArray[np.int64], settings: NearSettings, shingles: Sides | None = None
) -> Pairs:
    """The rows whose signatures share a band with a query's and that these settings would link with it.

    run: as `curate.dedup.near.near_run`; part: the signatures behind it; queries: uint32 (queries, num_perm); a query of 0 shingles finds nothing.
    shingles: needed with `verify: shingles`. A similarity is the share of equal values, or that of the shingles where those decided.
    """
    asked = np.flatnonzero(num_shingles)
    keys = np.empty((len(asked), settings.bands), np.uint64)
    kernel.band_keys(queries, asked, settings.bands, settings.rows, keys)
    entries, places = _found(_column(run, "key"), keys.ravel())
    pairs = _pairs(asked[places // settings.bands], _column(run, "row")[entries])
    equal = (part.gather(pairs.rows) == queries[pairs.queries]).sum(axis=1)
    lowest, min_equal = settings.limits
    passes, similarities = equal >= min_equal, equal / settings.num_perm
    if lowest < min_equal:
        if shingles is None:
            raise ValueError("verify: shingles decides by shingle hashes, and none were given")
        still_open = np.flatnonzero((equal >= lowest) & ~passes)
        shared, together = _counted(shingles, pairs.queries[still_open], pairs.rows[still_open])
        passes[still_open] = shared * settings.least.denominator >= settings.least.numerator * together
        similarities[still_open] = shared / together
    return Pairs(pairs.queries[passes], pairs.rows[passes], similarities[passes])


def _counted(shingles: Sides, queries: NDArray[np.int64], rows: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct hashes that each query and row share, and have together."""
    both = Shingles([shingles.part, shingles.queries])
    return num_shared(both, np.stack([rows, (len(shingles.part) + queries).astype(np.uint32)], axis=1))


def _found(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every entry of sorted keys that equals a wanted one: the entries, and which of the wanted each is."""
    starts, ends = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
    counts = ends - starts
    which = np.repeat(np.arange(len(wanted)), counts)
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - starts, counts), which


def _pairs(queries: NDArray[np.int64], rows: NDArray[np.uint32]) -> Pairs:
    both = np.unique(np.stack([queries, rows.astype(np.int64)], axis=1), axis=0)
    return Pairs(both[:, 0], both[:, 1].astype(np.uint32), np.ones(len(both)))


def _column(run: pa.Table, name: str) -> NDArray[Any]:
    values: NDArray[Any] = run[name].combine_chunks().to_numpy(zero_copy_only=True)
    return values
