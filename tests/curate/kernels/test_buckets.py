import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels import buckets as kernel
from curate.kernels.union_find import flatten, singletons
from tests.naive import clusters as naive


def random_signatures(num_documents: int, num_perm: int, num_values: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, num_values, (num_documents, num_perm)).astype(np.uint32)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 3), st.integers(0, 10**6))
def test_documents_share_a_key_exactly_where_they_share_a_band(num_documents: int, bands: int, rows: int, seed: int) -> None:
    signatures = random_signatures(num_documents, bands * rows + 1, 2, seed)
    keys = np.empty((num_documents, bands), np.uint64)
    kernel.band_keys(signatures, np.arange(num_documents), bands, rows, keys)
    expected = [(band, tuple(signature[band * rows : (band + 1) * rows])) for signature in signatures.tolist() for band in range(bands)]
    names: dict[tuple[int, tuple[int, ...]], int] = {}
    assert all(names.setdefault(band, key) == key for band, key in zip(expected, keys.ravel().tolist(), strict=True))
    assert len(set(names.values())) == len(names)


def test_band_keys_fill_their_space_evenly() -> None:
    """Ranges of the index are cut by key, so they must hold equal shares."""
    signatures = np.arange(20_000, dtype=np.uint32).reshape(-1, 1).repeat(4, axis=1)
    keys = np.empty((20_000, 4), np.uint64)
    kernel.band_keys(signatures, np.arange(20_000), 4, 1, keys)
    shares = np.bincount((keys.ravel() >> np.uint64(60)).astype(int), minlength=16)
    assert np.abs(shares - 5000).max() < 5 * 5000**0.5


def test_digests_are_equal_for_equal_signatures_only() -> None:
    signatures = random_signatures(300, 3, 5, 2)
    hashes = np.empty(300, np.uint64)
    kernel.digests(signatures, hashes)
    assert len(np.unique(hashes)) == len(np.unique(signatures, axis=0)) < 300
    assert all((hashes[i] == hashes[j]) == (signatures[i] == signatures[j]).all() for i in range(0, 300, 7) for j in range(300))


@settings(deadline=None)
@given(st.integers(2, 25), st.integers(1, 8), st.integers(1, 30), st.integers(0, 10**6))
def test_a_bucket_links_the_pairs_with_a_leader_that_agree_enough(size: int, min_equal: int, num_leaders: int, seed: int) -> None:
    signatures = random_signatures(size, 8, 3, seed)
    parents, members = singletons(size), np.arange(size, dtype=np.uint32)
    leaders, leader_signatures = np.empty(num_leaders, np.uint32), np.empty((num_leaders, 8), np.uint32)
    num_comparisons = kernel.link_buckets(parents, members, np.array([0, size]), signatures, min_equal, leaders, leader_signatures)
    flatten(parents)
    pairs = [(i, j) for j in range(size) for i in range(min(j, num_leaders)) if naive.num_equal(signatures[i], signatures[j]) >= min_equal]
    assert parents.tolist() == naive.components(size, pairs)
    assert num_comparisons <= sum(min(j, num_leaders) for j in range(size))


def test_a_bucket_handed_in_by_pieces_is_linked_like_a_whole_one() -> None:
    signatures, members = random_signatures(60, 8, 3, 5), np.arange(60, dtype=np.uint32)
    whole, pieces = singletons(60), singletons(60)
    leaders, leader_signatures = np.empty(20, np.uint32), np.empty((20, 8), np.uint32)
    kernel.link_to_leaders(whole, members, signatures, 5, leaders, leader_signatures, 0)
    num_leaders = 0
    for start in range(0, 60, 7):
        piece = slice(start, start + 7)
        num_leaders, _ = kernel.link_to_leaders(pieces, members[piece], signatures[piece], 5, leaders, leader_signatures, num_leaders)
    flatten(whole)
    flatten(pieces)
    assert num_leaders == 20
    assert 1 < len(np.unique(whole)) < 60
    assert whole.tolist() == pieces.tolist()


def test_only_buckets_in_more_than_one_set_are_still_apart() -> None:
    parents = np.array([0, 0, 2, 2, 4], np.uint32)
    apart = np.empty(3, bool)
    kernel.still_apart(parents, np.array([0, 1, 1, 2, 4, 4], np.uint32), np.array([0, 2, 4, 6]), apart)
    assert apart.tolist() == [False, True, False]
