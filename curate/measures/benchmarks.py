"""Which benchmark items a document holds n-grams of: all of them, however few."""

import functools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate import storage
from curate.contamination.index import Index, read_index
from curate.documents import text_buffers
from curate.errors import DamageError
from curate.kernels.ngrams import NgramTable, match_items
from curate.kernels.words import hash_words, word_tables

VERSION = 1

HIT = pa.struct([pa.field("item", pa.uint32(), nullable=False), pa.field("num_matched", pa.uint32(), nullable=False)])
# item: row of the index's item table; num_matched: distinct n-grams of that row found in the document.
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
    return find_hits(texts, _load(settings.index, settings.key).table)


def find_hits(texts: pa.LargeStringArray, table: NgramTable) -> pa.Table:
    """The hits of each document in a table that is at hand."""
    data, offsets = text_buffers(texts)
    ends, items, matched = [np.zeros(1, np.int64)], [], []
    start, num_hits = 0, 0
    while start < len(texts):
        end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _BYTES_A_BATCH, side="right")) - 1)
        bounds, batch_items, batch_matched = match_items(*hash_words(data, offsets[start : end + 1], word_tables()), table)
        ends.append(bounds[1:] + num_hits)
        items.append(batch_items)
        matched.append(batch_matched)
        start, num_hits = end, num_hits + len(batch_items)
    columns = [pa.array(np.concatenate(parts) if parts else np.zeros(0, np.uint32)) for parts in (items, matched)]
    hits = pa.StructArray.from_arrays(columns, fields=list(HIT))
    offsets32 = pa.array(np.concatenate(ends), pa.int64()).cast(pa.int32())
    return pa.table([pa.ListArray.from_arrays(offsets32, hits, type=SCHEMA.field("hits").type)], schema=SCHEMA)


@functools.lru_cache(maxsize=1)
def _load(path: str, key: str) -> Index:
    """The index stays loaded while a process measures part after part."""
    index = read_index(Path(path))
    found = json.loads(storage.read_schema(Path(path)).metadata[b"corpuscle"])["key"]
    if found != key:
        raise DamageError(f"{path} is benchmark index {found}, not {key}; documents would be checked against other benchmarks, so build it again")
    return index
