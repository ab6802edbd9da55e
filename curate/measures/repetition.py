"""What repeats inside a document: Gopher's repetition statistics (arXiv 2112.11446, table A1) as datatrove counts them.

Only second and later copies count as duplicate; all shares are of the full text's characters (num_characters of the
identity family). Words are those of `curate.kernels.words`, so punctuation is in no n-gram. Lines are separated by runs of
newlines, paragraphs by two newlines or more; CR LF is one newline. Time is linear in the text.
"""

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curate.documents import text_buffers
from curate.kernels.quality import character_flags
from curate.kernels.repetition import FIRST_DUPLICATE, FIRST_TOP, LAST, count_repeated_ngrams, count_repeated_pieces
from curate.kernels.words import word_tables

VERSION = 1
_PIECES = (
    "num_separate_lines",
    "num_duplicate_lines",
    "num_duplicate_line_characters",
    "num_paragraphs",
    "num_duplicate_paragraphs",
    "num_duplicate_paragraph_characters",
)
# The most frequent n-gram's characters times its count; characters of n-grams met before, reading on behind each.
_NGRAMS = (
    *(f"num_top_{n}_gram_characters" for n in range(FIRST_TOP, FIRST_DUPLICATE)),
    *(f"num_duplicate_{n}_gram_characters" for n in range(FIRST_DUPLICATE, LAST + 1)),
)
SCHEMA = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in (*_PIECES, *_NGRAMS)])


class Settings(BaseModel):
    """Nothing can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows."""
    data, offsets = text_buffers(texts)
    counts = np.empty((len(SCHEMA), len(texts)), np.int64)
    count_repeated_pieces(data, offsets, character_flags(), counts[: len(_PIECES)])
    count_repeated_ngrams(data, offsets, word_tables(), character_flags(), counts[len(_PIECES) :])
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=SCHEMA)
