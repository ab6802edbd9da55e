"""Bands and rows for a similarity threshold: those whose match curve comes nearest to a step there.

The error of a choice is the area under the match curve below the threshold (pairs that become candidates without need)
plus the area above the curve beyond it (pairs that are missed), each with a weight. Source: datasketch,
`MinHashLSH(threshold, num_perm)`, whose choices these are; the curve is that of "Mining of Massive Datasets", 3.4.2.
"""

import functools

import numpy as np
from numpy.typing import NDArray

_MAX_NODES = 256  # enough for curves of any degree here: the steepest, of 4,096 values, still rises over many nodes


@functools.lru_cache(maxsize=64)
def optimal_banding(
    threshold: float,
    num_perm: int,
    bands: int | None = None,
    rows: int | None = None,
    false_positive_weight: float = 0.5,
    false_negative_weight: float = 0.5,
) -> tuple[int, int]:
    """(bands, rows) with the least weighted error and bands x rows <= num_perm; of equal errors the fewest bands, then rows.

    threshold: 0 to 1; bands, rows: one of them given leaves the other to be chosen (1 where none fits). The curve of b
    bands of r rows is a polynomial of degree b r, which Gauss's quadrature with half as many nodes integrates exactly.
    """
    nodes, weights = _quadrature(min(_MAX_NODES, num_perm // 2 + 1))
    below, above = threshold * nodes, threshold + (1 - threshold) * nodes
    best, least = (bands or 1, rows or 1), np.inf
    for count in range(1, num_perm + 1) if bands is None else [bands]:
        some = np.arange(1, num_perm // count + 1) if rows is None else np.arange(rows, rows + (count * rows <= num_perm))
        if not len(some):
            continue
        needless = threshold * (_match(below, count, some) @ weights)
        missed = (1 - threshold) * ((1 - _match(above, count, some)) @ weights)
        errors = false_positive_weight * needless + false_negative_weight * missed
        place = int(np.argmin(errors))
        if errors[place] < least:
            best, least = (count, int(some[place])), float(errors[place])
    return best


def _match(similarities: NDArray[np.float64], bands: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability of becoming candidates: float64 (rows, similarities)."""
    found: NDArray[np.float64] = 1 - (1 - similarities ** rows[:, None].astype(np.float64)) ** float(bands)
    return found


@functools.lru_cache(maxsize=8)
def _quadrature(num_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    return (nodes + 1) / 2, weights / 2
