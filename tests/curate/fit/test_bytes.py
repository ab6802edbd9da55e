import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import as_text
from curate.fit import bytes as byte_bigram


def plain_counts(texts):
    """One byte at a time."""
    counts = Counter()
    for text in texts:
        before = 256
        for byte in text.encode():
            counts[before, byte] += 1
            before = byte
    return counts


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=8), st.integers(1, 7), st.integers(0, 3))
def test_counts_equal_the_plain_ones_however_they_are_batched(texts, at_once, skipped):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_bigram, "_BYTES_AT_ONCE", at_once)
        counts = byte_bigram.bigram_counts(as_text(texts)[skipped:])
    wanted = plain_counts(texts[skipped:])
    assert counts.shape == (257, 256)
    assert {(int(a), int(b)): int(counts[a, b]) for a, b in zip(*np.nonzero(counts), strict=True)} == wanted


def test_bits_are_those_of_the_smoothed_model():
    model = byte_bigram.bigram_counts(as_text(["ab", "ab", "b"]))
    first, second = (2 + 1) / (3 + 256), (2 + 1) / (2 + 256)  # a begins 2 of 3 documents; b follows both a
    assert byte_bigram.bits_per_byte(model, as_text(["ab", ""])) == pytest.approx(-(math.log2(first) + math.log2(second)) / 2, rel=1e-12)
    assert byte_bigram.bits_per_byte(np.zeros((257, 256), np.int64), as_text(["漢字"])) == 8.0
    assert math.isnan(byte_bigram.bits_per_byte(model, as_text([""])))


def test_probabilities_after_each_byte_add_up_to_one():
    model = byte_bigram.bigram_counts(as_text(["the cat sat on the mat", "漢字"]))
    each = [2 ** -byte_bigram.bits_per_byte(model, as_text([chr(b)])) for b in range(128)]
    rest = (model[256, 128:] + 1).sum() / (model[256].sum() + 256)
    assert sum(each) + rest == pytest.approx(1)
