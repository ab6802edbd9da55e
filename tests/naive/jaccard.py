"""Jaccard similarity of shingle hashes by Python sets (the plain twin of curate.kernels.jaccard)."""

from collections.abc import Iterable
from fractions import Fraction


def shared(first: Iterable[int], second: Iterable[int]) -> tuple[int, int]:
    """How many distinct hashes both have, and how many there are in all."""
    one, other = set(first), set(second)
    return len(one & other), len(one | other)


def similar(first: Iterable[int], second: Iterable[int], least: Fraction) -> bool:
    """Whether the share of the former in the latter is `least` or more."""
    both, all_ = shared(first, second)
    return both >= least * all_
