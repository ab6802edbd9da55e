"""Counts over words as white space separates them, which Dolma's and DCLM's quality rules are computed from.

dolma 669f5348, taggers/gopher.py (get_attributes); dclm 361714bd, baselines/mappers/filters/content_filters.py and
core_utils.py (split_words). Punctuation belongs to a word here ("end." has four characters), unlike in the words family.
"""

import functools

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from curate.documents import text_buffers
from curate.kernels.spaced_words import count_spaced_words, hash_spaced, python_flags

VERSION = 1
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher (arXiv 2112.11446), appendix A.1.1
_COUNTS = (
    "num_spaced_words",
    "num_spaced_word_characters",  # code points in words
    "num_spaced_words_with_letter",
    "num_spaced_words_with_symbol",  # that hold "#" or U+2026
    "median_spaced_word_length",  # code points; half of a whole number
    "num_spaced_stop_words",  # words that are one of STOP_WORDS as they stand (Dolma)
    "num_spaced_stop_words_any_case",  # the same in any ASCII case (DCLM)
    "num_symbols",  # "#", three full stops with or without spaces between, U+2026; each counted by itself (DCLM)
    "num_tokens",  # words by fastText's splitting that start with a letter or number (DCLM's word count)
)
_MEDIAN = _COUNTS.index("median_spaced_word_length")
SCHEMA = pa.schema([pa.field(name, pa.float64() if k == _MEDIAN else pa.int64(), nullable=False) for k, name in enumerate(_COUNTS)])


class Settings(BaseModel):
    """Nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@functools.cache
def _stop_words() -> tuple[NDArray[np.uint64], int]:
    """The hashes of the stop words and the length of the longest."""
    return np.array([hash_spaced(word) for word in STOP_WORDS], np.uint64), max(map(len, STOP_WORDS))


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows."""
    data, offsets = text_buffers(texts)
    counts = np.empty((len(SCHEMA), len(texts)), np.int64)
    count_spaced_words(data, offsets, python_flags(), *_stop_words(), counts)
    columns = [pa.array(row / 2 if k == _MEDIAN else row) for k, row in enumerate(counts)]  # the kernel gives twice the median
    return pa.Table.from_arrays(columns, schema=SCHEMA)
