"""Which benchmark items a document holds n-grams of, however few, or half the words of in one place."""

import functools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate import storage
from curate.contamination.index import Index, read_index
from curate.documents import text_buffers
from curate.errors import DamageError
from curate.kernels.coverage import find_covered
from curate.kernels.ngrams import match_items
from curate.kernels.words import hash_words, word_tables

VERSION = 2

HIT = pa.struct([pa.field(name, pa.uint32(), nullable=False) for name in ("item", "num_matched", "covered_weight", "covered_numbers")])
# item: row of the index's item table; num_matched: distinct n-grams of that row found in the document; covered_weight: that of its
# words that stand together (curate.kernels.coverage), 0 where it is less than half; covered_numbers: how
# many of them are numbers.
SCHEMA = pa.schema([pa.field("hits", pa.list_(pa.field("item", HIT, nullable=False)), nullable=False)])

_BYTES_A_BATCH = 4 << 20  # words take up to four bytes of memory a byte of text


class Settings(BaseModel):
    """Which index documents are looked up in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    index: str = Field(min_length=1, description="the index file (curate.contamination.index.write_index)")
    key: str = Field(pattern=r"^[0-9a-f]{32}$", description="the key that file must carry (index_key): what the measure depends on")


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The hits of each document, ascending by item, as one column `hits`.

    Raises DamageError where the index file is missing, damaged or not the one with the given key.
    """
    return find_hits(texts, _load(settings.index, settings.key))


def find_hits(texts: pa.LargeStringArray, index: Index) -> pa.Table:
    """The hits of each document in an index that is at hand."""
    data, offsets = text_buffers(texts)
    pieces: list[tuple[NDArray[np.int64], NDArray[np.uint32]]] = []
    start = 0
    while start < len(texts):
        end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _BYTES_A_BATCH, side="right")) - 1)
        words, bounds = hash_words(data, offsets[start : end + 1], word_tables())
        covered_offsets, covered, near, near_bounds = find_covered(words, bounds, index.seeds, index.texts)
        pieces.append(_together(match_items(near, near_bounds, index.table), (covered_offsets, covered), len(index.items)))
        start = end
    counts = np.concatenate([np.zeros(1, np.int64), *(counts for counts, _ in pieces)])
    columns = np.concatenate([np.zeros((0, len(HIT)), np.uint32), *(hits for _, hits in pieces)])
    hits = pa.StructArray.from_arrays([pa.array(np.ascontiguousarray(column)) for column in columns.T], fields=list(HIT))
    return pa.table([pa.ListArray.from_arrays(pa.array(np.cumsum(counts)).cast(pa.int32()), hits, type=SCHEMA.field("hits").type)], schema=SCHEMA)


def _together(
    matched: tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint32]], covered: tuple[NDArray[np.int64], NDArray[np.uint32]], num_items: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """What the two kernels found of the same documents: the number of hits of each, and the hits as rows of HIT."""
    num_documents = len(matched[0]) - 1
    keys = [_keys(matched[0], matched[1], num_items), _keys(covered[0], covered[1][:, 0], num_items)]
    hits = np.unique(np.concatenate(keys))
    table = np.zeros((len(hits), len(HIT)), np.uint32)
    table[:, 0] = hits % max(1, num_items)
    table[np.searchsorted(hits, keys[0]), 1] = matched[2]
    table[np.searchsorted(hits, keys[1]), 2:] = covered[1][:, 1:]
    return np.bincount(hits // max(1, num_items), minlength=num_documents), table


def _keys(offsets: NDArray[np.int64], items: NDArray[np.uint32], num_items: int) -> NDArray[np.int64]:
    """One number for each (document, item)."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)) * num_items + items


@functools.lru_cache(maxsize=1)
def _load(path: str, key: str) -> Index:
    """The index stays loaded while a process measures part after part."""
    index = read_index(Path(path))
    found = json.loads(storage.read_schema(Path(path)).metadata[b"corpuscle"])["key"]
    if found != key:
        raise DamageError(f"{path} is benchmark index {found}, not {key}; documents would be checked against other benchmarks, so build it again")
    return index
