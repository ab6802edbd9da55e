"""What repeats inside a document, and its lines, as DCLM counts them (dclm 361714bd, content_filters.py, repetition_filter).

Lines stand between newlines, paragraphs between two; both are stripped and left out where blank. Every copy of a repeated
piece counts, the first one too, and shares are of the characters in such pieces. Words are those of `curate.kernels.words`,
where DCLM splits by Unicode's word boundaries and tells capitals apart ("don't" is one word there and two here).
"""

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curate.documents import text_buffers
from curate.kernels.dclm import count_dclm_ngrams, count_dclm_pieces
from curate.kernels.spaced_words import python_flags
from curate.kernels.words import word_tables

VERSION = 1
_PIECES = (
    "num_stripped_lines",
    "num_any_bullet_lines",  # start with U+25CF, U+2022, "*" or "-"
    "num_any_ellipsis_lines",  # end with three full stops, with or without spaces between, or U+2026
    "num_repeated_stripped_lines",  # that occur more than once, every copy
    "num_repeated_stripped_line_characters",  # code points in those
    "num_stripped_line_characters",  # code points in all of them
    "num_stripped_paragraphs",
    "num_repeated_stripped_paragraphs",
    "num_repeated_stripped_paragraph_characters",
    "num_stripped_paragraph_characters",
)
_NGRAMS = (
    *(f"num_longest_top_{n}_gram_characters" for n in (2, 3, 4)),  # the longest of the most frequent n-grams times its count; 0 where none repeats
    *(f"num_covered_{n}_gram_characters" for n in range(5, 11)),  # of words in an n-gram that occurs more than once, each word once
)
SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in (*_PIECES, *_NGRAMS)])


class Settings(BaseModel):
    """Nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows."""
    data, offsets = text_buffers(texts)
    counts = np.empty((len(SCHEMA), len(texts)), np.int64)
    count_dclm_pieces(data, offsets, python_flags(), counts[: len(_PIECES)])
    count_dclm_ngrams(data, offsets, word_tables(), counts[len(_PIECES) :])
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=SCHEMA)
