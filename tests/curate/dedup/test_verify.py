from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.signatures import Signatures
from curate.dedup.verify import Check, Checked, link_checked
from curate.kernels.union_find import flatten, singletons
from tests.naive import clusters as naive


def made(num: int, num_perm: int) -> np.ndarray:
    """Random signatures of few values, a third of them equal."""
    signatures = np.random.default_rng(1).integers(0, 3, (num, num_perm), dtype=np.uint32)
    signatures[::3] = signatures[1]
    return signatures


def checked(signatures: np.ndarray, members: np.ndarray, bounds: np.ndarray, check: Check) -> tuple[list[int], Checked]:
    column = pa.FixedSizeListArray.from_arrays(pa.array(signatures.ravel()), signatures.shape[1])
    parents = singletons(len(signatures))
    found = link_checked(parents, members, bounds, Signatures([pa.table({"signature": column})], signatures.shape[1]), check)
    flatten(parents)
    return parents.tolist(), found


def buckets(num: int) -> tuple[np.ndarray, np.ndarray]:
    """Buckets of every size from two to 59, of documents in random but ascending order."""
    rng = np.random.default_rng(2)
    sizes = np.arange(2, 60)
    return np.concatenate([np.sort(rng.choice(num, size, replace=False)) for size in sizes]).astype(np.uint32), np.concatenate([[0], np.cumsum(sizes)])


@pytest.mark.parametrize("max_bucket", [1, 4, 20, 1000])
def test_links_do_not_depend_on_how_many_signatures_are_in_memory(max_bucket: int) -> None:
    signatures = made(400, 12)
    members, bounds = buckets(400)
    clusters, found = checked(signatures, members, bounds, Check(8, max_bucket))
    assert 20 < len(set(clusters)) < 350
    assert (found.num_giant_buckets > 0) == (max_bucket < 1000)
    for batch_members in (1, 2, 7, 64, 500):
        assert checked(signatures, members, bounds, Check(8, max_bucket, batch_members))[0] == clusters


@pytest.mark.parametrize("batch_members", [3, 50, 10**6])
def test_exactly_the_pairs_that_pass_are_linked(batch_members: int) -> None:
    signatures = made(400, 12)
    members, bounds = buckets(400)
    groups = [members[start:end].tolist() for start, end in pairwise(bounds)]
    pairs = [(i, j) for group in groups for i in group for j in group if i < j and naive.num_equal(signatures[i], signatures[j]) >= 9]
    clusters, found = checked(signatures, members, bounds, Check(9, 59, batch_members))
    assert clusters == naive.components(400, pairs)
    assert found.num_giant_buckets == 0


def test_buckets_that_are_one_set_already_are_not_read() -> None:
    class Unread(Signatures):
        def gather(self, documents: np.ndarray) -> np.ndarray:
            raise AssertionError("signatures were read")

    parents = np.array([0, 0, 0, 3], np.uint32)
    found = link_checked(parents, np.array([0, 1, 1, 2], np.uint32), np.array([0, 2, 4]), Unread([], 4), Check(2, 10))
    assert found == Checked(0, 0)
