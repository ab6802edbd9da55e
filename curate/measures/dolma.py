"""What repeats inside a document, and its lines, as Dolma's taggers count them (dolma 669f5348, taggers/gopher.py and c4.py).

Every copy of a repeated line or n-gram counts, the first one too. Lines stand between newlines and are compared as they are;
`num_joined_…` are those between runs of newlines (tagger gopher_v2; gopher_v1 counts blank lines). n-grams are of words that
white space separates. The mixes of Dolma 1.5 and 1.6 (configs/dolma-v1_6/mixing) read gopher_v1.
"""

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curate.documents import text_buffers
from curate.kernels.dolma import count_dolma_lines, count_dolma_ngrams
from curate.kernels.spaced_words import python_flags

VERSION = 1
_OF_LINES = (
    "lines",
    "star_bullet_lines",  # start with "*" or "-", without white space before it
    "character_ellipsis_lines",  # end with U+2026
    "repeated_lines",  # that occur more than once, every copy
    "repeated_line_characters",  # code points in those
)
_LINES = (
    *(f"num_newline_{name}" for name in _OF_LINES),
    *(f"num_joined_{name}" for name in _OF_LINES),
    "num_unpunctuated_lines",  # that do not end with . ? ! or " (tagger c4_v2)
    "num_under_3_word_lines",  # blank lines among them (tagger c4_v2)
)
_NGRAMS = (
    *(f"num_top_spaced_{n}_gram_characters" for n in (2, 3, 4)),  # the most frequent n-gram's code points times its count, without spaces
    # Code points of every occurrence of n-grams that occur more than once, and of all n-grams: overlaps count again and again.
    *(f"num_{kind}spaced_{n}_gram_characters" for n in range(5, 11) for kind in ("repeated_", "")),
)
SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in (*_LINES, *_NGRAMS)])


class Settings(BaseModel):
    """Nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows."""
    data, offsets = text_buffers(texts)
    counts = np.empty((len(SCHEMA), len(texts)), np.int64)
    count_dolma_lines(data, offsets, python_flags(), counts[: len(_LINES)])
    count_dolma_ngrams(data, offsets, python_flags(), counts[len(_LINES) :])
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=SCHEMA)
