"""Cut-offs: values that divide a corpus into shares, such as the score that its best tenth reaches.

A cut-off is an exact order statistic of a column over all documents of all parts. It is found in four passes over the
column's files, each fixing 16 bits of it, so that memory does not grow with the corpus: 512 KiB a cut-off.
"""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SIGN = np.uint64(1 << 63)
_DIGIT, _NUM_DIGITS = 16, 4


class Cutoff(NamedTuple):
    """Where the `fraction` of documents with the greatest (top) or smallest (bottom) values of a column ends.

    Of n documents the share holds ceil(fraction × n), at least 1, computed with the fraction's decimal digits; the cut-off
    is the value of its last one. A rule that keeps the cut-off itself therefore keeps all that equal it, which may be more than the share.
    """

    column: str  # family.column, a number without nulls
    fraction: float  # above 0, at most 1
    side: Literal["top", "bottom"]

    @property
    def name(self) -> str:
        """What it is called in the file of cut-offs."""
        return f"{self.column} {self.side} {self.fraction!r}"

    def rank(self, num_documents: int) -> int:
        """The place of its value in ascending order, from 0 on."""
        share = max(1, math.ceil(Fraction(repr(self.fraction)) * num_documents))
        return num_documents - share if self.side == "top" else share - 1


def value_at(batches: Callable[[], Iterable[NDArray[np.generic]]], rank: int) -> float:
    """The value at a place in ascending order, from 0 on. batches: the column piece by piece, the same every time.

    Values are compared as float64, exact for float32 and for integers below 2**53; -0.0 comes before 0.0. Raises ValueError where
    there are not so many values, or one is no number.
    """
    prefix, left = np.uint64(0), rank
    for digit in range(_NUM_DIGITS):
        shift = np.uint64(64 - _DIGIT * (digit + 1))
        counts = np.zeros(1 << _DIGIT, np.int64)
        for values in batches():
            keys = _keys(values)
            if digit:
                keys = keys[keys >> (shift + np.uint64(_DIGIT)) == prefix]
            counts += np.bincount((keys >> shift & np.uint64((1 << _DIGIT) - 1)).astype(np.int64), minlength=1 << _DIGIT)
        ends = np.cumsum(counts)
        found = int(np.searchsorted(ends, left, side="right"))
        if found == len(ends) or left < 0:
            raise ValueError(f"there is no value at place {rank} of {int(ends[-1])}")
        left -= int(ends[found] - counts[found])
        prefix = prefix << np.uint64(_DIGIT) | np.uint64(found)
    bits = prefix ^ _SIGN if prefix & _SIGN else ~prefix
    return float(np.array([bits], np.uint64).view(np.float64)[0])


def _keys(values: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Unsigned integers in the order of the values (the sign bit turned over, negative numbers inverted)."""
    numbers = np.ascontiguousarray(values, np.float64)
    if np.isnan(numbers).any():
        raise ValueError("a value is no number, so no share of the column can be told")
    bits = numbers.view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)
