"""How long a cluster's chain is, and how unlike its ends are."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup.chains import Chain, chain
from curate.dedup.near import NearSettings
from tests.naive import clusters as naive

SETTINGS = NearSettings(num_perm=16, bands=4, rows=4, min_similarity=0.5)


def steps(num: int) -> np.ndarray:
    """Signatures of which each shares 12 of 16 values with the next, 8 with the one after it, and none with the fifth."""
    return np.stack([np.arange(place * 4, place * 4 + 16) for place in range(num)]).astype(np.uint32)


def rolled(num: int) -> np.ndarray:
    """The same, with equal values in equal places."""
    found = np.zeros((num, 16), np.uint32)
    for document, values in enumerate(steps(num)):
        found[document, values % 16] = values
    return found


def test_a_chain_shows_its_length_and_that_its_ends_are_nothing_alike() -> None:
    assert chain(rolled(9), SETTINGS) == Chain(9, 4, 0.0)  # two steps of four at once still pass
    assert chain(rolled(3), SETTINGS) == Chain(3, 1, 0.5)


def test_equal_signatures_are_one_link_apart_and_a_lone_one_none() -> None:
    assert chain(np.ones((5, 16), np.uint32), SETTINGS) == Chain(5, 1, 1.0)
    assert chain(np.ones((1, 16), np.uint32), SETTINGS) == Chain(1, 0, 1.0)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 14), st.integers(1, 4), st.integers(1, 3), st.sampled_from([None, 0.3, 0.6, 1.0]), st.integers(0, 10**6))
def test_the_diameter_is_that_of_the_pairs_that_pass(num: int, bands: int, rows: int, min_similarity: float | None, seed: int) -> None:
    signatures = np.random.default_rng(seed).integers(0, 3, (num, bands * rows + 1), dtype=np.uint32)
    chosen = NearSettings(num_perm=bands * rows + 1, bands=bands, rows=rows, min_similarity=min_similarity)
    shares = {pair: naive.num_equal(*signatures[list(pair)].tolist()) / chosen.num_perm for pair in combinations(range(num), 2)}
    pairs = [pair for pair in naive.candidate_pairs(signatures.tolist(), bands, rows) if shares[pair] >= (min_similarity or 0)]
    assert chain(signatures, chosen) == Chain(num, naive.longest_path(num, pairs), min(shares.values(), default=1.0))
