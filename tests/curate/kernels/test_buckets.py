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
@given(st.integers(2, 25), st.integers(1, 8), st.integers(0, 4), st.integers(1, 30), st.integers(0, 10**6))
def test_a_bucket_links_the_pairs_with_a_leader_that_agree_enough_and_collects_those_nearly_so(
    size: int, min_equal: int, below: int, num_leaders: int, seed: int
) -> None:
    signatures = random_signatures(size, 8, 3, seed)
    parents, members, progress = singletons(size), np.arange(size, dtype=np.uint32), np.zeros(5, np.int64)
    leaders, leader_signatures = np.empty(num_leaders, np.uint32), np.empty((num_leaders, 8), np.uint32)
    pairs, collected = np.empty((num_leaders, 2), np.uint32), []
    limits = min_equal - below, min_equal
    while not kernel.link_buckets(parents, members, np.array([0, size]), signatures, *limits, leaders, leader_signatures, pairs, progress):
        collected += pairs[: progress[kernel.NUM_PAIRS]].tolist()
        progress[kernel.NUM_PAIRS] = 0
    collected += pairs[: progress[kernel.NUM_PAIRS]].tolist()
    flatten(parents)
    compared = {(i, j): naive.num_equal(signatures[i], signatures[j]) for j in range(size) for i in range(min(j, num_leaders))}
    roots = naive.components(size, [pair for pair, equal in compared.items() if equal >= min_equal])
    assert parents.tolist() == roots
    nearly = {pair for pair, equal in compared.items() if min_equal - below <= equal < min_equal}
    assert {(i, j) for i, j in nearly if roots[i] != roots[j]} <= {(i, j) for i, j in collected} <= nearly
    assert len(collected) <= progress[kernel.NUM_COMPARISONS] <= len(compared)


def test_a_bucket_handed_in_by_pieces_is_linked_like_a_whole_one() -> None:
    signatures, members, no_pairs = random_signatures(60, 8, 3, 5), np.arange(60, dtype=np.uint32), np.empty((0, 2), np.uint32)
    whole, pieces, progress = singletons(60), singletons(60), np.zeros(5, np.int64)
    leaders, leader_signatures = np.empty(20, np.uint32), np.empty((20, 8), np.uint32)
    assert kernel.link_buckets(whole, members, np.array([0, 60]), signatures, 5, 5, leaders, leader_signatures, no_pairs, np.zeros(5, np.int64))
    for start in range(0, 60, 7):
        piece = slice(start, start + 7)
        progress[[kernel.BUCKET, kernel.MEMBER]] = 0
        bounds = np.array([0, len(members[piece])])
        assert kernel.link_buckets(pieces, members[piece], bounds, signatures[piece], 5, 5, leaders, leader_signatures, no_pairs, progress)
    flatten(whole)
    flatten(pieces)
    assert progress[kernel.NUM_LEADERS] == 20
    assert 1 < len(np.unique(whole)) < 60
    assert whole.tolist() == pieces.tolist()


def test_only_buckets_in_more_than_one_set_are_still_apart() -> None:
    parents = np.array([0, 0, 2, 2, 4], np.uint32)
    apart = np.empty(3, bool)
    kernel.still_apart(parents, np.array([0, 1, 1, 2, 4, 4], np.uint32), np.array([0, 2, 4, 6]), apart)
    assert apart.tolist() == [False, True, False]
