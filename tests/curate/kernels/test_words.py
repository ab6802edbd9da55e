import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings

from curate.documents import text_buffers
from curate.kernels.words import IN_WORD, OWN_WORD, SEPARATOR, hash_words, word_tables
from tests.corpus import TEXTS, documents
from tests.naive import words as naive


def hashes(texts: list[str]) -> list[list[int]]:
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    found, bounds = hash_words(data, offsets, word_tables())
    return [found[start:end].tolist() for start, end in pairwise(bounds)]


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_word_hashes_are_those_of_the_plain_definition(first: str, second: str) -> None:
    assert hashes([first, second]) == [[naive.hash_word(word) for word in naive.words(text)] for text in (first, second)]


def test_every_code_point_is_classed_and_folded_as_defined() -> None:
    tables = word_tables()
    for code_point in range(sys.maxunicode + 1):
        character = chr(code_point)
        inside = unicodedata.category(character)[0] in "LNM"
        assert (tables.kind[code_point] != SEPARATOR) == inside
        if inside:
            together = len(naive.words(character * 2)) == 1
            assert tables.kind[code_point] == (IN_WORD if together else OWN_WORD)
        folded = int(tables.folded[code_point]) if code_point < tables.folded.size else code_point
        assert folded == ord(naive.fold(character)), hex(code_point)


def test_words_of_a_corpus_do_not_share_hashes() -> None:
    vocabulary = sorted({word for text in documents() for word in naive.words(text)})
    assert len(vocabulary) > 10_000
    assert len(np.unique(np.concatenate([np.array(one, np.uint64) for one in hashes(vocabulary)]))) == len(vocabulary)
