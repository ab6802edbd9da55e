"""How surprising a document is to an n-gram model of the recipe's reference texts (CCNet, arXiv 1911.00359, section 3.3, does so
with Wikipedia): bits per word, whose power of two is the perplexity."""

import functools
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.documents import text_buffers
from curate.errors import DamageError
from curate.fit.ngram_model import load_ngram_model
from curate.kernels.ngram_model import UNITS_PER_BIT, NgramModel, logarithms, score
from curate.kernels.words import hash_words, word_tables
from curate.storage import checksum

VERSION = 1
SCHEMA = pa.schema(
    [
        pa.field("num_scored_words", pa.int64(), nullable=False),
        pa.field("num_bit_units", pa.int64(), nullable=False),  # information content of the text in 2**-16 bits
        pa.field("bits_per_word", pa.float64(), nullable=False),  # one division of the two; 0 for a text without a word
    ]
)
_BYTES_A_BATCH = 4 << 20  # words take up to four bytes of memory a byte of text


class Settings(BaseModel):
    """Which model documents are compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    path: str = Field(min_length=1, description="the model file (curate.fit.ngram_model.fit_ngram_model)")
    checksum: str = Field(pattern=r"^[0-9a-f]{32}$", description="the checksum that file must have")


def measure(texts: pa.LargeStringArray, settings: Settings) -> pa.Table:
    """The columns of SCHEMA for n texts, n rows. Raises DamageError where the model is not the one with the given checksum."""
    model, logs = _load(settings.path, settings.checksum), logarithms()
    data, offsets = text_buffers(texts)
    num_words, units = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    start = 0
    while start < len(texts):
        end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + _BYTES_A_BATCH, side="right")) - 1)
        words, bounds = hash_words(data, offsets[start : end + 1], word_tables())
        score(words, bounds, model, logs, units[start:end])
        num_words[start:end] = np.diff(bounds)
        start = end
    bits = np.divide(units, num_words * np.float64(UNITS_PER_BIT), out=np.zeros(len(texts)), where=num_words > 0)
    return pa.table([pa.array(num_words), pa.array(units), pa.array(bits)], schema=SCHEMA)


@functools.lru_cache(maxsize=1)
def _load(path: str, expected: str) -> NgramModel:
    """The model stays loaded while a process measures part after part."""
    if (found := checksum(Path(path))) != expected:
        raise DamageError(f"{path} has the checksum {found}, not {expected}; documents would be compared with another reference, so run again to make it anew")
    return load_ngram_model(Path(path))
