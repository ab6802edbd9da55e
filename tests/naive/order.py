"""The order of rows and the turns of sources, one at a time and in the most obvious way."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from curate.seeds import draw

_MASK = (1 << 64) - 1


def permute(index: int, num_rows: int, seed: int, purpose: str, num_rounds: int) -> int:
    """One index through the Feistel network, in Python's own integers."""
    if num_rows == 1:
        return 0
    num_bits = max(2, (num_rows - 1).bit_length())
    keys = [int(key) for key in draw(seed, purpose, np.arange(num_rounds, dtype=np.uint64))]
    while True:
        index = _network(index, num_bits, keys)
        if index < num_rows:
            return index


def _network(value: int, num_bits: int, keys: Sequence[int]) -> int:
    left_bits, right_bits = num_bits // 2, num_bits - num_bits // 2
    left, right = value // 2**right_bits, value % 2**right_bits
    for position, key in enumerate(keys):
        if position % 2 == 0:
            left ^= _mix(right ^ key) % 2**left_bits
        else:
            right ^= _mix(left ^ key) % 2**right_bits
    return left * 2**right_bits + right


def _mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def turns(quotas: Sequence[int]) -> list[int]:
    """Tijdeman's chairman assignment over one period: at each slot, of those that may, the one with the earliest deadline."""
    if len(quotas) == 1:
        return [0] * quotas[0]
    period, slack = sum(quotas), Fraction(1, 2 * len(quotas) - 2)
    given, order = [0] * len(quotas), []
    for slot in range(1, period + 1):
        shares = [Fraction(quota, period) for quota in quotas]
        may = [s for s, share in enumerate(shares) if slot * share - given[s] >= slack]
        chosen = min(may, key=lambda s: ((given[s] + 1 - slack) / shares[s] // 1, s))
        given[chosen] += 1
        order.append(chosen)
    return order
