"""A byte bigram model: the baseline every trained decoder must beat.

The next byte depends on the one before it, or on a start state. Fitted by counting, smoothed by adding one to each count
(Laplace), so a byte b after a has probability (count[a, b] + 1) / (sum of count[a] + 256).
"""

import math

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.documents import text_buffers

START = 256
_BYTES_AT_ONCE = 1 << 20  # 8 bytes of working memory each


def bigram_counts(texts: pa.LargeStringArray) -> NDArray[np.int64]:
    """(257, 256) how often each byte follows each byte; row 256 counts the first bytes of documents.

    Counts of parts add up to the counts of the whole. One `bincount` a megabyte, as fast as a kernel would be.
    """
    data, offsets = text_buffers(texts)
    counts = np.zeros((START + 1) * 256, np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    starts = offsets[:-1][np.diff(offsets) > 0]
    for begin in range(first, last, _BYTES_AT_ONCE):
        end = min(begin + _BYTES_AT_ONCE, last)
        before = np.empty(end - begin, np.int64)
        before[1:] = data[begin : end - 1]
        before[0] = data[begin - 1] if begin > first else START
        low, high = np.searchsorted(starts, [begin, end])
        before[starts[low:high] - begin] = START
        counts += np.bincount(before * 256 + data[begin:end], minlength=counts.size)
    return counts.reshape(START + 1, 256)


def bits_per_byte(model: NDArray[np.int64], texts: pa.LargeStringArray) -> float:
    """Bits the fitted counts need for each byte of the texts, ends of documents not counted; NaN where there is no byte."""
    seen = bigram_counts(texts)
    total = int(seen.sum())
    if total == 0:
        return math.nan
    before, byte = np.nonzero(seen)
    bits = np.log2((model.sum(axis=1) + 256)[before]) - np.log2(model[before, byte] + 1)
    return math.fsum(bits * seen[before, byte]) / total
