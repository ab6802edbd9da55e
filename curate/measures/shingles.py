"""The hashes of a document's shingles as they are: what decides pairs that signatures leave open.

Four bytes a word, so about half the text, written uncompressed. Only recipes with `dedup.near.verify: shingles` have it.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from curate.documents import text_buffers
from curate.kernels import minhash
from curate.kernels.words import word_tables
from curate.measures import signature

VERSION = 1
SCHEMA = pa.schema([pa.field("shingles", pa.large_list(pa.field("value", pa.uint32(), nullable=False)), nullable=False)])


class Settings(BaseModel):
    """What a shingle is; must be that of the signatures beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shingle_words: int = Field(default=5, ge=1, le=minhash.MAX_SHINGLE_WORDS, description="Consecutive words in a shingle.")


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """One row a text: the hashes of its shingles in its order, repeats included, none for a text shorter than a shingle."""
    data, offsets = text_buffers(texts)
    kept, num_shingles = _room(offsets), np.empty(len(texts), np.int64)
    minhash.shingle_texts(data, offsets, word_tables(), settings.shingle_words, kept, num_shingles)
    return _table(kept, num_shingles)


def measure_with_signatures(texts: pa.LargeStringArray, settings: signature.Settings) -> tuple[pa.Table, pa.Table]:
    """(signatures, shingle hashes) as the two measures give them, in one pass over the text."""
    kept = _room(text_buffers(texts)[1])
    signed = signature.measure(texts, settings, kept)
    return signed, _table(kept, signed["num_shingles"].to_numpy())


def _room(offsets: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Space for all shingles: a word has at least one byte, and another between it and the next unless it has three."""
    return np.empty(int(offsets[-1] - offsets[0]) // 2 + len(offsets), np.uint32)


def _table(kept: NDArray[np.uint32], num_shingles: NDArray[np.int64]) -> pa.Table:
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_shingles)])
    values = pa.array(kept[: bounds[-1]])
    column = pa.Array.from_buffers(SCHEMA.field("shingles").type, len(num_shingles), [None, pa.py_buffer(bounds)], children=[values])
    return pa.table([column], schema=SCHEMA)
