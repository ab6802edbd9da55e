"""Counts over words, as `curate.kernels.words` defines a word: what Gopher's quality rules are computed from."""

import functools

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curate.documents import text_buffers
from curate.kernels.quality import character_flags
from curate.kernels.word_counts import StopWords, count_words, stop_words
from curate.kernels.words import word_tables

VERSION = 1
GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher (arXiv 2112.11446), appendix A.1.1
SCHEMA = pa.schema(
    [
        pa.field(name, pa.int64(), nullable=False)
        for name in (
            "num_words",
            "num_word_characters",  # code points in words
            "num_alphabetic_words",  # with at least one letter
            "num_hash_signs",
            "num_ellipses",  # three full stops, not overlapping, or U+2026
            "num_stop_words",  # words that are one of GOPHER_STOP_WORDS, in any case
            "num_distinct_stop_words",
        )
    ]
)


class Settings(BaseModel):
    """Nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@functools.cache
def _stop_words() -> StopWords:
    return stop_words(GOPHER_STOP_WORDS)


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows."""
    data, offsets = text_buffers(texts)
    counts = np.empty((len(SCHEMA), len(texts)), np.int64)
    count_words(data, offsets, word_tables(), character_flags(), _stop_words(), counts)
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=SCHEMA)
