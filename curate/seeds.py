"""Every random choice, as a pure function of (seed, purpose, ids).

No generator is ever shared or advanced across documents, so no result depends on the order of work, on how many
workers did it or on how often a run was killed.
"""

import numpy as np
import xxhash
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)


def purpose_key(seed: int, purpose: str) -> int:
    """64 bits that stand for one purpose under one seed."""
    return xxhash.xxh3_64_intdigest(f"{seed}/{purpose}".encode())


def draw(seed: int, purpose: str, ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Uniform 64-bit values, one per row of `ids`.

    `ids` is (n,) or (n, k): k words that identify a document or row (a content id is two). The mixing is the finaliser
    of SplitMix64 (Steele, Lea and Flood 2014), once per word.
    """
    columns = ids.reshape(len(ids), ids.shape[1] if ids.ndim > 1 else 1)  # -1 cannot be worked out for no rows
    state = np.full(len(ids), purpose_key(seed, purpose), np.uint64)
    for column in columns.T:
        state = (state ^ column) + _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * _MIX_A
        state = (state ^ (state >> np.uint64(27))) * _MIX_B
        state ^= state >> np.uint64(31)
    return state


def fractions(seed: int, purpose: str, ids: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform float64 values in [0, 1), one per row of `ids` (see `draw`)."""
    return (draw(seed, purpose, ids) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def generator(seed: int, purpose: str, *ids: int) -> np.random.Generator:
    """A counter-based generator (Philox) of its own for one document, row or step."""
    name = "/".join([str(seed), purpose, *map(str, ids)])
    return np.random.Generator(np.random.Philox(key=xxhash.xxh3_128_intdigest(name.encode())))
