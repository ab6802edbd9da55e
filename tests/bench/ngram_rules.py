"""The rules that other pipelines clean by, restated for comparison: a document that shares any n-gram with an item is contaminated."""

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.documents import text_buffers
from curate.kernels.coverage import hash_runs
from curate.kernels.words import hash_words, word_tables

_PUNCTUATION = re.compile(r"[^\w\s]|_")
_NUMBER = re.compile(r"\d+([.,]\d+)?")


def bare(text: str) -> str:
    """Lower case, punctuation deleted (GPT-3, Brown et al. 2020, appendix C)."""
    return _PUNCTUATION.sub("", text.lower())


def simplified(text: str) -> str:
    """Lower case, every number a 0, punctuation made spaces, accents off: what datatrove's decontamination makes of a text before cutting it at
    spaces (its word splitter for English differs from spaces in contractions only, whose marks are gone by then)."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return _PUNCTUATION.sub(" ", _NUMBER.sub("0", plain))


class Rule:
    """Any shared run of n words."""

    def __init__(self, n: int, normalise: Callable[[str], str], items: Sequence[str]) -> None:
        self.n, self._normalise = n, normalise
        self._known = np.unique(self._runs(items)[0])

    def flags(self, documents: Sequence[str]) -> NDArray[np.bool_]:
        """Which documents are contaminated."""
        result = np.zeros(len(documents), bool)
        for first in range(0, len(documents), 1000):
            runs, spans = self._runs(documents[first : first + 1000])
            result[first + spans[np.isin(runs, self._known)]] = True
        return result

    def _runs(self, texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        words, bounds = hash_words(*text_buffers(pa.array(map(self._normalise, texts), pa.large_string())), word_tables())
        runs, _, spans = hash_runs(words, bounds, np.full(len(texts), self.n))
        return runs, spans
