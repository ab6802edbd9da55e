"""Stop words of several languages, every language's list counted in every document in one pass.

A rule then reads the columns of the document's own language. So the family needs no language, and stays a pure function of the
text. The columns are named by the languages of the settings: `num_stop_words_de`, `num_distinct_stop_words_de`. The
bundled lists, and why those words, are in `curate.rules.stop_words`.
"""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.documents import as_text, text_buffers
from curate.errors import RecipeError
from curate.kernels.listed_words import MAX_LISTS, count_listed, list_table
from curate.kernels.words import hash_words, word_tables
from curate.rules.stop_words import STOP_WORDS

VERSION = 1
_BATCH = 4 << 20  # bytes of text hashed at a time: 4 bytes of working memory each


def columns(language: str) -> tuple[str, str]:
    """The names of a language's columns: occurrences and different words."""
    return f"num_stop_words_{language}", f"num_distinct_stop_words_{language}"


def _schema(languages: list[str]) -> pa.Schema:
    return pa.schema([pa.field(name, pa.int64(), nullable=False) for language in languages for name in columns(language)])


SCHEMA = _schema(sorted(STOP_WORDS))


class Settings(BaseModel):
    """The lists."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    words: dict[str, Annotated[tuple[str, ...], Field(strict=False, min_length=1)]] = Field(
        default=STOP_WORDS, max_length=MAX_LISTS, description="Stop words by language (codes of lid.176)."
    )


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """Two columns for each language of the settings, in the order of their codes, for n texts, n rows.

    Raises RecipeError where a stop word is not one word.
    """
    languages = sorted(settings.words)
    keys, bits = list_table([_hashes(language, settings.words[language]) for language in languages])
    _, offsets = text_buffers(texts)
    counts = np.zeros((2 * len(languages), len(texts)), np.int64)
    start = 0
    while start < len(texts):
        stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _BATCH, side="right")) - 1)
        hashes, bounds = hash_words(*text_buffers(texts.slice(start, stop - start)), word_tables())
        found = np.empty((2 * len(languages), stop - start), np.int64)
        count_listed(hashes, bounds, keys, bits, found)
        counts[:, start:stop] = found
        start = stop
    return pa.Table.from_arrays([pa.array(row) for row in counts], schema=_schema(languages))


def _hashes(language: str, words: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    hashes, bounds = hash_words(*text_buffers(as_text(words)), word_tables())
    for word, num in zip(words, np.diff(bounds).tolist(), strict=True):
        if num != 1:
            raise RecipeError(f"stop word {word!r} of language {language!r} is {num} words as words are counted here; give its parts, or leave it out")
    return np.asarray(hashes)
